"""Acceptance criteria of `detect`: each at both sides of its limit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fakes import part, picture, write_recipe

from inspector.checks.acceptance import Acceptance
from inspector.checks.detect import DetectCheck
from inspector.checkspecs import DetectSpec
from inspector.domain import Box, CheckResult, Detection, Verdict
from inspector.judge import judge
from inspector.mask import Mask
from inspector.recipe import load_recipe

SIZE = (400, 300)
BASE = """\
product: soap
version: 1
mm_per_px: 0.1
checks:
  - kind: detect
    model: detector
    labels: [scratch, cap]
    threshold: 0.6
    review_threshold: 0.3
    criteria:
      scratch: {CRITERION}
"""


def check_of(root: Path, criterion: str, base: str = BASE) -> DetectCheck:
    recipe = load_recipe(write_recipe(root, base.replace("{CRITERION}", criterion)))
    spec = recipe.text.checks[0]
    assert isinstance(spec, DetectSpec)
    criteria = {label: Acceptance.of(one, 0.6, 0.3, recipe) for label, one in spec.criteria.items()}
    return DetectCheck("detect", "detector", frozenset({"scratch", "cap"}), 0.6, 0.3, criteria)


def scratch(confidence: float, box: Box, mask: Mask | None = None) -> Detection:
    return Detection("scratch", confidence, box, mask)


def at(x: float, y: float, width: float = 10, height: float = 10) -> Box:
    return Box(x, y, x + width, y + height)


def inspect(check: DetectCheck, *seen: Detection, box: Box | None = None) -> CheckResult:
    return check.inspect(part(*seen, box=box, image=picture(size=SIZE)))


def verdict(check: DetectCheck, *seen: Detection, box: Box | None = None) -> Verdict:
    return judge(inspect(check, *seen, box=box).findings).verdict


@pytest.mark.parametrize(
    ("criterion", "confidence", "expected"),
    [
        ("{threshold: 0.4}", 0.39, Verdict.PASS),
        ("{threshold: 0.4}", 0.4, Verdict.FAIL),
        ("{threshold: 0.8, review_threshold: 0.5}", 0.49, Verdict.PASS),
        ("{threshold: 0.8, review_threshold: 0.5}", 0.5, Verdict.REVIEW),
        ("{threshold: 0.8, review_threshold: 0.5}", 0.79, Verdict.REVIEW),
        ("{threshold: 0.8, review_threshold: 0.5}", 0.8, Verdict.FAIL),
        ("{min_px: 1}", 0.29, Verdict.PASS),
        ("{min_px: 1}", 0.3, Verdict.REVIEW),
        ("{min_px: 1}", 0.6, Verdict.FAIL),
    ],
)
def test_a_class_has_its_own_thresholds_or_the_checks(
    tmp_path: Path, criterion: str, confidence: float, expected: Verdict
) -> None:
    check = check_of(tmp_path, criterion)
    result = inspect(check, scratch(confidence, at(50, 50)))
    assert judge(result.findings).verdict is expected
    assert result.scores[0].score == confidence


def test_a_class_without_criteria_keeps_the_checks_thresholds(tmp_path: Path) -> None:
    check = check_of(tmp_path, "{threshold: 0.9, min_px: 500, ignore: [[0, 0, 1, 1]]}")
    assert verdict(check, Detection("cap", 0.6, at(0, 0))) is Verdict.FAIL
    assert verdict(check, Detection("cap", 0.59, at(0, 0))) is Verdict.REVIEW
    assert verdict(check, Detection("cap", 0.29, at(0, 0))) is Verdict.PASS


def pixels(width: int, height: int, x: int = 50, y: int = 50) -> Mask:
    return Mask.of(np.ones((height, width), np.bool_), x, y)


def diagonal(count: int) -> Mask:
    return Mask.of(np.eye(count, dtype=np.bool_), 50, 50)


@pytest.mark.parametrize(
    ("criterion", "box", "mask", "counts"),
    [
        # the longer side, whichever it is; the limit itself counts
        ("{min_px: 12}", at(50, 50, 11.9, 3), None, False),
        ("{min_px: 12}", at(50, 50, 12, 3), None, True),
        ("{min_px: 12}", at(50, 50, 3, 11.9), None, False),
        ("{min_px: 12}", at(50, 50, 3, 12), None, True),
        # 0.1 mm a pixel, and 3 * 0.1 is not 0.3 in floating point
        ("{min_mm: 0.3}", at(50, 50, 2.99, 1), None, False),
        ("{min_mm: 0.3}", at(50, 50, 3, 1), None, True),
        ("{min_mm: 1.21}", at(50, 50, 12, 1), None, False),
        ("{min_mm: 1.21}", at(50, 50, 12.1, 1), None, True),
        # a mask is measured at any angle, and overrules the box
        ("{min_px: 14.14}", at(50, 50, 10, 10), diagonal(10), True),
        ("{min_px: 14.15}", at(50, 50, 10, 10), diagonal(10), False),
        ("{min_px: 12}", at(50, 50, 30, 30), pixels(12, 2), True),
        ("{min_px: 12.1}", at(50, 50, 30, 30), pixels(12, 2), False),
        ("{min_area_px: 24}", at(50, 50, 30, 30), pixels(12, 2), True),
        ("{min_area_px: 24.1}", at(50, 50, 30, 30), pixels(12, 2), False),
        ("{min_area_px: 25}", at(50, 50, 5, 5), None, True),
        ("{min_area_px: 25}", at(50, 50, 5, 4.9), None, False),
        ("{min_area_mm2: 0.24}", at(50, 50, 30, 30), pixels(12, 2), True),
        ("{min_area_mm2: 0.241}", at(50, 50, 30, 30), pixels(12, 2), False),
        # large by every size that is given
        ("{min_px: 10, min_area_px: 100}", at(50, 50, 10, 10), None, True),
        ("{min_px: 10, min_area_px: 100}", at(50, 50, 20, 4), None, False),
        ("{min_px: 10, min_area_px: 20}", at(50, 50, 9, 9), None, False),
    ],
)
def test_only_what_is_large_enough_counts(
    tmp_path: Path, criterion: str, box: Box, mask: Mask | None, counts: bool
) -> None:
    result = inspect(check_of(tmp_path, criterion), scratch(0.9, box, mask))
    assert judge(result.findings).verdict is (Verdict.FAIL if counts else Verdict.PASS)
    assert result.scores[0].score == (0.9 if counts else 0.0)
    assert [finding.mask for finding in result.findings] == ([mask] if counts else [])


@pytest.mark.parametrize(
    ("confidences", "expected", "shown"),
    [
        ([], Verdict.PASS, 0),
        ([0.9, 0.8], Verdict.PASS, 0),
        # one too many: all are to blame
        ([0.9, 0.8, 0.6], Verdict.FAIL, 3),
        # the one too many is doubtful: the certain two are still allowed
        ([0.9, 0.8, 0.59], Verdict.REVIEW, 1),
        ([0.9, 0.8, 0.3], Verdict.REVIEW, 1),
        ([0.9, 0.8, 0.29], Verdict.PASS, 0),
        ([0.5, 0.4, 0.3], Verdict.REVIEW, 1),
        ([0.6, 0.9, 0.2, 0.7, 0.35], Verdict.FAIL, 4),
    ],
)
def test_so_many_are_allowed(
    tmp_path: Path, confidences: list[float], expected: Verdict, shown: int
) -> None:
    check = check_of(tmp_path, "{allowed: 2}")
    seen = [scratch(c, at(20 * n, 50)) for n, c in enumerate(confidences)]
    result = inspect(check, *seen)
    assert judge(result.findings).verdict is expected
    assert len(result.findings) == shown
    third = sorted(confidences, reverse=True)[2] if len(confidences) > 2 else 0.0
    assert result.scores[0].score == third


def test_what_is_too_small_uses_up_no_allowance_and_classes_count_apart(tmp_path: Path) -> None:
    check = check_of(tmp_path, "{allowed: 1, min_px: 10}")
    small, large = scratch(0.95, at(0, 0, 9, 9)), scratch(0.9, at(50, 50))
    assert verdict(check, small, large) is Verdict.PASS
    assert verdict(check, small, small, large) is Verdict.PASS
    assert verdict(check, large, scratch(0.7, at(80, 80))) is Verdict.FAIL
    assert verdict(check, large, Detection("cap", 0.2, at(80, 80))) is Verdict.PASS


ZONES = [
    # the upper left quarter of 400 x 300: x up to 200, y up to 150; the centre decides, edges count
    ((195, 145), True),
    ((195.1, 145), False),
    ((195, 145.1), False),
    ((0, 0), True),
    ((300, 200), False),
]


@pytest.mark.parametrize(("corner", "inside"), ZONES)
def test_zones_of_the_picture(tmp_path: Path, corner: tuple[float, float], inside: bool) -> None:
    seen = scratch(0.9, at(*corner))
    watching = check_of(tmp_path / "a", "{watch: [[0, 0, 0.5, 0.5]]}")
    assert verdict(watching, seen) is (Verdict.FAIL if inside else Verdict.PASS)
    ignoring = check_of(tmp_path / "b", "{ignore: [[0, 0, 0.5, 0.5]]}")
    assert verdict(ignoring, seen) is (Verdict.PASS if inside else Verdict.FAIL)


def test_several_zones_and_both_kinds(tmp_path: Path) -> None:
    check = check_of(tmp_path, "{watch: [[0, 0, 0.5, 1], [0.75, 0, 1, 1]], ignore: [[0, 0.5, 1, 1]]}")
    expected = {
        (50, 50): Verdict.FAIL,  # first zone
        (340, 50): Verdict.FAIL,  # second zone
        (240, 50): Verdict.PASS,  # between them
        (50, 200): Verdict.PASS,  # watched and ignored
    }
    for corner, wanted in expected.items():
        assert verdict(check, scratch(0.9, at(*corner))) is wanted, corner


BOTTLE = Detection("bottle", 0.9, Box(100, 100, 200, 200))


@pytest.mark.parametrize(
    ("corner", "inside"),
    [((145, 145), True), ((145.1, 145), False), ((99, 99), True), ((20, 20), False)],
)
def test_zones_of_a_part_move_with_it(
    tmp_path: Path, corner: tuple[float, float], inside: bool
) -> None:
    zone = "[{of: bottle, inner: [0, 0, 0.5, 0.5]}]"
    watching = check_of(tmp_path / "a", f"{{watch: {zone}}}")
    ignoring = check_of(tmp_path / "b", f"{{ignore: {zone}}}")
    for dx in (0, 40):
        box = Box(100 + dx, 100, 200 + dx, 200)
        seen = (Detection("bottle", 0.9, box), scratch(0.9, at(corner[0] + dx, corner[1])))
        assert verdict(watching, *seen) is (Verdict.FAIL if inside else Verdict.PASS)
        assert verdict(ignoring, *seen) is (Verdict.PASS if inside else Verdict.FAIL)


def test_a_tracked_part_is_where_its_zones_are(tmp_path: Path) -> None:
    check = check_of(tmp_path, "{watch: [{of: bottle, inner: [0, 0, 0.5, 0.5]}]}")
    box = Box(200, 100, 300, 200)
    assert verdict(check, BOTTLE, scratch(0.9, at(210, 110)), box=box) is Verdict.FAIL
    assert verdict(check, BOTTLE, scratch(0.9, at(280, 180)), box=box) is Verdict.PASS


def test_zones_of_what_a_tracked_part_carries_are_not_the_whole_part(tmp_path: Path) -> None:
    """Ignoring the cap must not ignore the bottle that was tracked."""
    check = check_of(tmp_path, "{ignore: [{of: cap}]}")
    bottle = Box(200, 100, 300, 250)
    lid = Detection("cap", 0.9, Box(230, 100, 270, 130))
    belly, on_lid = scratch(0.9, at(240, 200)), scratch(0.9, at(245, 110))

    def fails(*seen: Detection) -> bool:
        looked_at = part(*seen, box=bottle, image=picture(size=SIZE))
        found = check.inspect(replace(looked_at, label="bottle")).findings
        return any(one.label == "scratch" for one in found)

    assert fails(lid, belly)
    assert not fails(lid, on_lid)
    beside = Detection("cap", 0.9, Box(310, 195, 350, 215))
    assert fails(lid, beside, scratch(0.9, at(240, 200))), "the neighbour's cap is not looked at"


def test_zones_of_a_part_that_is_not_seen_are_for_a_person(tmp_path: Path) -> None:
    watching = check_of(tmp_path / "a", "{watch: [{of: bottle}]}")
    result = inspect(watching, scratch(0.9, at(110, 110)))
    assert [finding.label for finding in result.findings] == ["NoPart"]
    assert judge(result.findings).verdict is Verdict.REVIEW
    # nothing is ignored when the place to ignore is unknown
    ignoring = check_of(tmp_path / "b", "{ignore: [{of: bottle}]}")
    assert verdict(ignoring, scratch(0.9, at(110, 110))) is Verdict.FAIL


def test_the_score_is_that_of_the_class_that_decides(tmp_path: Path) -> None:
    check = check_of(tmp_path, "{threshold: 0.2}")
    result = inspect(check, scratch(0.3, at(10, 10)), Detection("cap", 0.7, at(50, 50)))
    score = result.scores[0]
    # 0.3 exceeds 0.2 by more than 0.7 does 0.6
    assert (score.score, score.threshold, score.review_threshold) == (0.3, 0.2, 0.2)
    assert len(result.scores) == 1
    assert [finding.label for finding in result.findings] == ["cap", "scratch"]
