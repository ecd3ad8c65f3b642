"""Verdicts of a candidate reach the database, and its differences are found."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from factory import STATION, Pragma, Recording, inspection
from sqlalchemy import Engine

from inspector.domain import Cause, Inspection, RecipeRef, Score, ShadowVerdict
from inspector.records.shadow import ShadowTally, shadow_differences, shadow_tally

CANDIDATE = RecipeRef("soap", 4, "2" * 64, "3" * 64)
NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def seen(part: Inspection, cause: Cause, recipe: RecipeRef = CANDIDATE) -> ShadowVerdict:
    judgement = inspection(0, cause=cause).judgement
    scores = (Score("caps", 0.71, 0.5, 0.4),)
    return ShadowVerdict(part.result_id, NOW, recipe, judgement, scores, 1, part.judgement)


def test_tally_and_differences(start: Recording, engine: Engine) -> None:
    parts = [inspection(1), inspection(2), inspection(3, cause=Cause.DEFECT)]
    recorder = start()
    for part in parts:
        recorder.record(part)
    recorder.shadow(seen(parts[0], Cause.NONE))
    recorder.shadow(seen(parts[1], Cause.DEFECT))
    recorder.shadow(seen(parts[2], Cause.DEFECT))
    recorder.shadow(seen(inspection(9), Cause.ANOMALY))
    recorder.shadow(seen(parts[1], Cause.NONE, RecipeRef("soap", 5, "", "")))
    assert recorder.flush(10)
    assert shadow_tally(engine, STATION, "soap", 4) == (
        ShadowTally("FAIL", "FAIL", 1),
        ShadowTally("PASS", "FAIL", 2),
        ShadowTally("PASS", "PASS", 1),
    )
    unrecorded, differs = shadow_differences(engine, STATION, "soap", 4)
    assert (unrecorded.part_id, unrecorded.cause) == (None, "Anomaly")
    assert (differs.part_id, differs.at, differs.scores) == ("part-00002", NOW, {"caps": 0.71})
    assert (differs.station_verdict, differs.verdict, differs.cause) == ("PASS", "FAIL", "Defect")
    assert shadow_differences(engine, "station-2", "soap", 4) == ()
    assert [one.result_id for one in shadow_differences(engine, STATION, "soap", 4, 1)] == [
        unrecorded.result_id
    ]


@pytest.mark.usefixtures("impatient")
def test_verdicts_wait_while_the_database_takes_nothing(
    start: Recording, engine: Engine, pragma: Pragma
) -> None:
    recorder = start()
    with pragma("query_only = ON"):
        recorder.shadow(seen(inspection(1), Cause.NONE))
        assert not recorder.flush(0.3)
    with pragma("query_only = OFF"):
        assert recorder.flush(20)
    assert shadow_tally(engine, STATION, "soap", 4) == (ShadowTally("PASS", "PASS", 1),)
