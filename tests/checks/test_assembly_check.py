"""Components that must be there, in their place."""

from __future__ import annotations

import pytest
from fakes import part

from inspector.checks.assembly import AssemblyCheck
from inspector.domain import Box, Detection, Finding, FindingKind, Verdict
from inspector.expectation import Expectation
from inspector.judge import judge

BOTTLE = Box(100, 100, 200, 300)
TOP = Box(100, 70, 200, 166)
"""Where its cap belongs: the upper third, and a little above the box."""
CAP_EXPECTED = Expectation(label="cap", per="bottle", region="top")


def cap(x: float = 150, y: float = 115, confidence: float = 0.9) -> Detection:
    return Detection("cap", confidence, Box(x - 15, y - 10, x + 15, y + 10))


def bottle(box: Box = BOTTLE, confidence: float = 0.9) -> Detection:
    return Detection("bottle", confidence, box)


def check(*expect: Expectation, threshold: float = 0.5, review: float = 0.5) -> AssemblyCheck:
    return AssemblyCheck("caps", "detector", expect or (CAP_EXPECTED,), threshold, review)


def kinds(findings: tuple[Finding, ...]) -> list[FindingKind]:
    return [finding.kind for finding in findings]


def test_a_component_in_its_place_gives_no_finding_and_its_absence_as_score() -> None:
    result = check().inspect(part(bottle(), cap(confidence=0.9), box=BOTTLE))
    assert result.findings == ()
    (score,) = result.scores
    assert (score.check, score.threshold, score.review_threshold) == ("caps", 0.5, 0.5)
    assert score.score == pytest.approx(0.1)


def test_a_missing_component_is_named_with_the_place_where_it_should_be() -> None:
    (finding,) = check().inspect(part(bottle(), box=BOTTLE)).findings
    assert (finding.kind, finding.label, finding.score) == (FindingKind.MISSING, "cap", 1.0)
    assert finding.expected_box is not None
    assert finding.expected_box.rounded() == TOP.rounded()
    assert finding.fails


def test_a_component_elsewhere_on_the_part_is_misplaced_with_both_boxes() -> None:
    stray = cap(y=250)
    (finding,) = check().inspect(part(bottle(), stray, box=BOTTLE)).findings
    assert finding.kind is FindingKind.MISPLACED
    assert finding.box == stray.box
    assert finding.expected_box is not None
    assert finding.expected_box.rounded() == TOP.rounded()


def test_a_component_beside_the_part_is_missing_not_misplaced() -> None:
    (finding,) = check().inspect(part(bottle(), cap(x=260), box=BOTTLE)).findings
    assert finding.kind is FindingKind.MISSING


def test_a_cap_above_a_box_that_was_drawn_too_short_is_in_its_place() -> None:
    assert check().inspect(part(bottle(), cap(y=75), box=BOTTLE)).findings == ()
    (finding,) = check().inspect(part(bottle(), cap(y=60), box=BOTTLE)).findings
    assert finding.kind is FindingKind.MISSING


def test_a_faint_stray_does_not_make_a_missing_component_misplaced() -> None:
    (finding,) = check().inspect(part(bottle(), cap(y=250, confidence=0.3), box=BOTTLE)).findings
    assert finding.kind is FindingKind.MISSING


def test_one_component_too_many_is_extra_at_its_own_box() -> None:
    second = cap(x=120, confidence=0.8)
    (finding,) = check().inspect(part(bottle(), cap(x=180), second, box=BOTTLE)).findings
    assert (finding.kind, finding.box, finding.label) == (FindingKind.EXTRA, second.box, "cap")
    assert judge([finding]).verdict is Verdict.FAIL


@pytest.mark.parametrize("confidence", [0.2, 0.5])
def test_a_faint_second_detection_is_not_extra(confidence: float) -> None:
    seen = part(bottle(), cap(x=180), cap(x=120, confidence=confidence), box=BOTTLE)
    assert check().inspect(seen).findings == ()


def test_two_detections_on_one_spot_are_one_component() -> None:
    seen = part(bottle(), cap(x=150), cap(x=153, confidence=0.8), box=BOTTLE)
    assert check().inspect(seen).findings == ()


@pytest.mark.parametrize(
    ("confidence", "verdict"),
    [(0.81, Verdict.PASS), (0.7, Verdict.REVIEW), (0.41, Verdict.REVIEW), (0.39, Verdict.FAIL)],
)
def test_a_doubtful_component_falls_into_the_band(confidence: float, verdict: Verdict) -> None:
    result = check(threshold=0.6, review=0.2).inspect(
        part(bottle(), cap(confidence=confidence), box=BOTTLE)
    )
    assert judge(result.findings).verdict is verdict


def test_every_expected_piece_of_a_count_is_looked_for() -> None:
    four = Expectation(label="cap", per="bottle", count=4)
    seen = part(bottle(), *(cap(x=x) for x in (110, 145, 180)), box=BOTTLE)
    result = check(four).inspect(seen)
    assert kinds(result.findings) == [FindingKind.MISSING]
    assert result.scores[0].score == 1.0


def test_expectations_with_names_say_which_component_is_missing() -> None:
    left = Expectation(label="cap", per="bottle", region=(0, 0, 0.5, 1), name="left screw")
    right = Expectation(label="cap", per="bottle", region=(0.5, 0, 1, 1), name="right screw")
    # the one on the left is where it belongs, so it is no stray of the right one
    (finding,) = check(left, right).inspect(part(bottle(), cap(x=120), box=BOTTLE)).findings
    assert (finding.kind, finding.label) == (FindingKind.MISSING, "right screw")
    assert finding.expected_box is not None
    assert finding.expected_box.rounded() == (150.0, 100.0, 200.0, 300.0)


def test_only_the_tracked_bottle_is_judged() -> None:
    neighbour = Box(300, 100, 400, 300)
    seen = (bottle(), bottle(neighbour), cap(x=350))
    (finding,) = check().inspect(part(*seen, box=BOTTLE)).findings
    assert finding.kind is FindingKind.MISSING
    assert check().inspect(part(*seen, box=neighbour)).findings == ()


def test_without_tracking_every_confident_part_is_judged() -> None:
    second, doubtful = Box(300, 100, 400, 300), Box(450, 100, 550, 300)
    seen = part(bottle(), bottle(second), bottle(doubtful, 0.4), cap())
    (finding,) = check().inspect(seen).findings
    assert finding.expected_box is not None
    assert finding.expected_box.x1 == 300


def test_no_part_in_the_picture_is_review_no_part() -> None:
    result = check().inspect(part(cap()))
    assert judge(result.findings).cause.word == "NoPart"
    assert result.scores == ()
