"""Objects that are defects."""

from __future__ import annotations

import pytest
from fakes import part

from inspector.checks.detect import DetectCheck
from inspector.domain import Box, Detection, FindingKind, Verdict
from inspector.judge import judge

CHECK = DetectCheck("detect", "detector", frozenset({"scratch", "dent"}), 0.6, 0.3)
HERE, THERE = Box(10, 10, 20, 20), Box(200, 10, 220, 20)


@pytest.mark.parametrize(
    ("confidence", "verdict"),
    [(0.29, Verdict.PASS), (0.3, Verdict.REVIEW), (0.59, Verdict.REVIEW), (0.6, Verdict.FAIL)],
)
def test_confidence_decides(confidence: float, verdict: Verdict) -> None:
    result = CHECK.inspect(part(Detection("scratch", confidence, HERE)))
    assert judge(result.findings).verdict is verdict
    assert result.scores[0].score == confidence


def test_each_object_is_a_finding_of_its_own() -> None:
    result = CHECK.inspect(part(Detection("scratch", 0.9, HERE), Detection("dent", 0.7, THERE)))
    assert [(f.kind, f.label, f.box) for f in result.findings] == [
        (FindingKind.DEFECT, "scratch", HERE),
        (FindingKind.DEFECT, "dent", THERE),
    ]
    assert result.scores[0].score == 0.9


def test_labels_that_are_no_defect_are_ignored() -> None:
    result = CHECK.inspect(part(Detection("bottle", 0.99, HERE)))
    assert result.findings == ()
    assert result.scores[0].score == 0.0


def test_only_what_lies_on_the_tracked_part_counts() -> None:
    seen = Detection("scratch", 0.9, THERE)
    assert CHECK.inspect(part(seen, box=Box(0, 0, 100, 100))).findings == ()
    assert len(CHECK.inspect(part(seen, box=Box(150, 0, 250, 100))).findings) == 1
