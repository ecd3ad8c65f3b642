"""From records to a data set: who is good, who is faulty, and what is really in a picture."""

from __future__ import annotations

import pytest

from inspector.collecting import Seen, corrected
from inspector.domain import Box
from inspector.records.collected import CollectedMark, truth_of

SCREW = Box(10, 10, 30, 30)
ELSEWHERE = Box(100, 100, 120, 120)
SEEN = [Seen("screw", 0.9, SCREW), Seen("hole", 0.8, ELSEWHERE), Seen("screw", 0.2, ELSEWHERE)]


def mark(truth: str, kind: str | None, name: str = "screw", box: Box = SCREW) -> CollectedMark:
    return CollectedMark(truth, name, (box.x1, box.y1, box.x2, box.y2), kind)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("marks", "expected"),
    [
        ([], [("screw", SCREW), ("hole", ELSEWHERE)]),
        # a scratch that the detector has not seen
        (
            [mark("faulty", None, "scratch", ELSEWHERE)],
            [("screw", SCREW), ("hole", ELSEWHERE), ("scratch", ELSEWHERE)],
        ),
        # what it took for a screw is none
        ([mark("good", "defect")], [("hole", ELSEWHERE)]),
        ([mark("faulty", "defect")], [("hole", ELSEWHERE), ("screw", SCREW)]),
        # the screw is really missing, though something weak was taken for it
        ([mark("faulty", "missing")], [("hole", ELSEWHERE)]),
        # there is a screw, which was not seen
        (
            [mark("good", "missing", box=ELSEWHERE)],
            [("screw", SCREW), ("hole", ELSEWHERE), ("screw", ELSEWHERE)],
        ),
        ([mark("faulty", "misplaced")], [("screw", SCREW), ("hole", ELSEWHERE)]),
        ([mark("good", "anomaly", "anomaly")], [("screw", SCREW), ("hole", ELSEWHERE)]),
    ],
)
def test_marks_correct_what_was_seen(
    marks: list[CollectedMark], expected: list[tuple[str, Box]]
) -> None:
    assert corrected(SEEN, marks) == expected


@pytest.mark.parametrize(
    ("verdict", "decisions", "marks", "contradicted", "truth"),
    [
        ("PASS", [], [], False, "good"),
        ("FAIL", [], [], False, None),
        ("REVIEW", [], [], False, None),
        ("FAIL", ["accept"], [], False, "good"),
        ("PASS", ["reject"], [], False, "faulty"),
        ("FAIL", ["accept", "reject"], [], False, None),
        ("FAIL", [], [mark("good", "anomaly")], True, "good"),
        ("FAIL", [], [mark("good", "anomaly")], False, None),
        ("PASS", [], [mark("faulty", None)], False, "faulty"),
        ("PASS", ["accept"], [mark("faulty", None)], False, None),
    ],
)
def test_what_a_part_is(
    verdict: str,
    decisions: list[str],
    marks: list[CollectedMark],
    contradicted: bool,
    truth: str | None,
) -> None:
    assert truth_of(verdict, [(one, None) for one in decisions], marks, contradicted) == truth
