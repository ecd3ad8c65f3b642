"""Recorded parts under other thresholds."""

from __future__ import annotations

import math

import pytest
from factory import STATION, Recording, finding, inspection
from sqlalchemy import Engine

from inspector.domain import Box, Cause, Finding, FindingKind, Score
from inspector.judge import judge
from inspector.records.views import ScoreView
from inspector.records.whatif import ScoredPart, effect, scored_parts, verdict_of


def _part(
    verdict: str, *scores: ScoreView, trusted: bool = True, decision: str | None = None
) -> ScoredPart:
    return ScoredPart("r", verdict, trusted, scores, decision)


def test_the_rule_is_that_of_the_judge() -> None:
    """Every combination of two checks below, inside and above their bands."""
    thresholds = {"a": (0.8, 0.5), "b": (0.6, 0.6)}
    for first in (0.1, 0.5, 0.7, 0.8, 0.9):
        for second in (0.1, 0.6, 0.9):
            findings = [
                Finding(name, FindingKind.ANOMALY, name, score, fail, Box(0, 0, 1, 1), review)
                for (name, (fail, review)), score in zip(
                    thresholds.items(), (first, second), strict=True
                )
                if score >= review
            ]
            part = _part("PASS", ScoreView("a", first, 9, 9), ScoreView("b", second, 9, 9))
            assert verdict_of(part, thresholds) == judge(findings).verdict.value


@pytest.mark.parametrize(
    "part",
    [
        _part("REVIEW", ScoreView("a", 0.0, 1, 1), trusted=False),
        _part("REVIEW", ScoreView("a", math.nan, 1, 1)),
        _part("REVIEW"),
    ],
)
def test_what_cannot_be_trusted_never_passes(part: ScoredPart) -> None:
    assert verdict_of(part, {"a": (100.0, 100.0)}) == "REVIEW"


def test_the_effect_of_moving_a_threshold() -> None:
    parts = [
        _part("PASS", ScoreView("a", 0.3, 0.5, 0.4), decision="reject"),
        _part("PASS", ScoreView("a", 0.1, 0.5, 0.4)),
        _part("REVIEW", ScoreView("a", 0.45, 0.5, 0.4), decision="accept"),
        _part("FAIL", ScoreView("a", 0.6, 0.5, 0.4), decision="accept"),
        _part("FAIL", ScoreView("a", 0.9, 0.5, 0.4), decision="reject"),
        _part("REVIEW", ScoreView("a", 0.1, 0.5, 0.4), decision="accept"),  # a deadline missed
    ]
    same = effect(parts, {})
    assert same.unexplained == 1
    assert same.parts == 5
    assert same.escapes == (1, 1)
    assert same.false_rejects == (1, 1)
    looser = effect(parts, {"a": (0.7, 0.7)})
    assert dict(looser.moves) == {
        ("PASS", "PASS"): 2,
        ("REVIEW", "PASS"): 1,
        ("FAIL", "PASS"): 1,
        ("FAIL", "FAIL"): 1,
    }
    assert looser.false_rejects == (1, 0)
    stricter = effect(parts, {"a": (0.2, 0.2)})
    assert stricter.escapes == (1, 0)
    assert stricter.total("FAIL", after=False) == 2
    assert stricter.total("FAIL", after=True) == 4
    assert (stricter.good, stricter.faulty) == (2, 2)
    assert effect(parts, {"another": (0.0, 0.0)}).moves == same.moves


def test_recorded_parts_explain_themselves(start: Recording, engine: Engine) -> None:
    recorder = start()
    good = inspection(1, score=0.1)
    odd = inspection(2, cause=Cause.MISSING, score=0.9)
    dark = inspection(3, cause=Cause.EXPOSURE, score=0.1)
    for one in (good, odd, dark, inspection(4, recipe="other"), inspection(5, version=2)):
        recorder.record(one)
    recorder.record(inspection(6, challenge="faulty", cause=Cause.MISSING))
    assert recorder.flush(20)
    parts = scored_parts(engine, STATION, "soap", 1)
    assert [part.result_id[9:] for part in parts] == ["3", "2", "1"]
    assert [part.is_trusted for part in parts] == [False, True, True]
    assert parts[1].scores[0] == ScoreView("caps", 0.9, 0.5, 0.4)
    assert effect(parts, {}).unexplained == 0
    assert len(scored_parts(engine, STATION, "soap")) == 4
    assert len(scored_parts(engine, STATION, "soap", 1, limit=2)) == 2
    assert scored_parts(engine, "another", "soap") == ()
    assert finding().check == "caps"
    assert Score("caps", 0.1, 0.5, 0.4).review_threshold == 0.4
