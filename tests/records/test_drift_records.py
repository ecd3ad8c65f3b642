"""Readings of drift reach the database and are found again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from factory import Pragma, Recording
from sqlalchemy import Engine

from inspector.domain import DriftReading, HealthLevel, RecipeRef
from inspector.records.database import open_engine, storage_failures
from inspector.records.drift import drift_history, drift_rows, insert_drift, latest_drift

RECIPE = RecipeRef("soap", 3, "0" * 64, "1" * 64)
START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def reading(measure: str, health: HealthLevel = "good", median: float = 70.5) -> DriftReading:
    return DriftReading(measure, health, 0.03, 1e-12, "the first 200 parts", 200, 71.5, median, 180)


def filled(url: str) -> Engine:
    """Two measures over five minutes, a third of another recipe before, one of another station."""
    engine = open_engine(url)
    rows = [*drift_rows("station-1", RecipeRef("gel", 1, "", ""), [reading("x")], START)]
    for minute in range(5):
        now = START + timedelta(minutes=minute)
        readings = [reading("exposure", median=70.0 - minute), reading("score:surface")]
        rows += drift_rows("station-1", RECIPE, readings, now)
        rows += drift_rows("station-2", RECIPE, [reading("noise")], now)
    with storage_failures(engine.url), engine.begin() as connection:
        insert_drift(connection, rows)
    return engine


def test_the_recorder_stores_what_it_was_given(start: Recording, engine: Engine) -> None:
    recorder = start()
    recorder.drift(RECIPE, [reading("exposure", "act"), reading("score:surface")])
    assert recorder.flush(10)
    found = latest_drift(engine, "station-1")
    assert [one.reading for one in found] == [reading("exposure", "act"), reading("score:surface")]
    assert {(one.recipe_id, one.recipe_version) for one in found} == {("soap", 3)}
    assert abs(found[0].at - datetime.now(UTC)) < timedelta(minutes=1)


def test_readings_wait_while_the_database_takes_nothing(
    start: Recording, engine: Engine, pragma: Pragma, impatient: None
) -> None:
    recorder = start()
    with pragma("query_only = ON"):
        recorder.drift(RECIPE, [reading("exposure")])
        assert not recorder.flush(0.5)
        recorder.drift(RECIPE, [reading("sharpness")])
    with pragma("query_only = OFF"):
        assert recorder.flush(20)
    assert [one.reading.measure for one in latest_drift(engine, "station-1")] == [
        "exposure",
        "sharpness",
    ]


def test_the_history_of_a_measure(url: str, engine: Engine) -> None:
    filled(url).dispose()
    found = drift_history(engine, "station-1", "exposure", START + timedelta(minutes=1))
    assert [one.reading.median for one in found] == [69, 68, 67, 66]
    assert [one.at for one in found] == sorted(one.at for one in found)
    assert [
        one.reading.median for one in drift_history(engine, "station-1", "exposure", START, limit=2)
    ] == [67, 66]


def test_the_latest_of_each_measure_of_the_recipe_in_use(url: str, engine: Engine) -> None:
    filled(url).dispose()
    found = latest_drift(engine, "station-1")
    assert [(one.reading.measure, one.reading.median) for one in found] == [
        ("exposure", 66),
        ("score:surface", 70.5),
    ]
    assert latest_drift(engine, "nowhere") == ()
