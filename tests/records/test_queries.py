"""Questions to the records."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from factory import START, inspection
from sqlalchemy import Engine, select

from inspector.config import Records
from inspector.domain import Cause
from inspector.records import queries, search, statistics
from inspector.records.database import open_engine
from inspector.records.recorder import DatabaseRecorder
from inspector.records.tables import INSPECTION
from inspector.records.views import Counters, Latency, RecipeUse, Tally

SECOND = timedelta(seconds=1)


@pytest.fixture(scope="module")
def some(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """Ten parts of two stations, recipes and every verdict."""
    folder = tmp_path_factory.mktemp("some")
    url = f"sqlite:///{folder / 'records.db'}"
    recorder = DatabaseRecorder(url, "station-1", folder, config=Records(flush_ms=5)).start()
    for made in (
        inspection(0, score=0.05),
        inspection(1, cause=Cause.MISSING, score=0.9, part_id="Bottle_7%"),
        inspection(2, cause=Cause.BLUR, score=0.2, part_id="bottle-77"),
        inspection(3, simulated=True, batch_id="b9"),
        inspection(4, cause=Cause.MISSING, simulated=True, age_ms=600),
        inspection(5, cause=Cause.WRONG, recipe="shampoo", version=3, age_ms=80),
        inspection(6, cause=Cause.MISSING, challenge="faulty"),
        inspection(7, cause=Cause.DEADLINE_MISSED, age_ms=499, recipe="soap", version=2),
        inspection(8, station="station-2", part_id="clip-e#1"),
        inspection(9, part_id="Bottle_7%"),
    ):
        recorder.record(made)
    recorder.close()
    engine = open_engine(url, readonly=True)
    yield engine
    engine.dispose()


def seqs(engine: Engine, **wanted: Any) -> list[int]:
    found = [part.seq for part in queries.find(engine, **wanted)]
    assert queries.count(engine, **wanted) == len(found)
    return found


def test_latest(some: Engine) -> None:
    assert [part.seq for part in queries.latest(some, n=3)] == [9, 8, 7]
    assert [part.seq for part in queries.latest(some, "station-1", 2)] == [9, 7]
    assert queries.latest(some, "nowhere") == ()


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({}, [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]),
        ({"part_id": "bottle"}, [9, 2, 1]),
        ({"part_id": "7%"}, [9, 1]),
        ({"part_id": "e_7"}, [9, 1]),
        ({"part_id": "bottle*"}, [9, 2, 1]),
        ({"part_id": "ottle*"}, []),
        ({"part_id": "*77"}, [2]),
        ({"part_id": "bottle-77", "exact": True}, [2]),
        ({"part_id": "bottle_7%", "exact": True}, []),
        ({"part_id": "#1"}, [8]),
        ({"part_id": "\\"}, []),
        ({"station": "station-2"}, [8]),
        ({"since": START + 7 * SECOND}, [9, 8, 7]),
        ({"until": START + 2 * SECOND}, [1, 0]),
        ({"verdicts": ["REVIEW"]}, [7, 2]),
        ({"verdicts": []}, []),
        ({"causes": ["Blur", "Wrong"]}, [5, 2]),
        ({"recipe": "soap", "recipe_version": 2}, [7]),
        ({"recipe": "shampoo"}, [5]),
        ({"batch_id": "b9"}, [3]),
        ({"score_range": ("caps", 0.2, 0.9)}, [2, 1]),
        ({"score_range": ("label", 0.5, 0.9)}, []),
        ({"simulated": True}, [4, 3]),
        ({"challenge": True}, [6]),
        ({"verdicts": ["FAIL"], "simulated": False, "challenge": False}, [5, 1]),
    ],
)
def test_find(
    some: Engine, wanted: dict[str, Any], found: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert seqs(some, **wanted) == found
    # As where hits are too many to be looked up one by one.
    monkeypatch.setattr(search, "FEW", 0)
    assert seqs(some, **wanted) == found


def test_several_conditions_at_once(some: Engine) -> None:
    assert seqs(some, station="station-1", part_id="bottle", verdicts=["FAIL"]) == [1]
    assert seqs(some, station="station-2", part_id="part") == []
    assert seqs(some, station="station-1", score_range=("caps", 0.2, 0.9), causes=["Blur"]) == [2]
    assert seqs(some, station="station-1", part_id="00", score_range=("caps", 0.0, 0.07)) == [0]


def test_counting_stops_where_nobody_wants_more(some: Engine) -> None:
    assert queries.count(some, most=4) == 4
    assert queries.count(some, most=4, verdicts=["REVIEW"]) == 2


@pytest.mark.parametrize(
    "wanted", [{"part_id": "bottle-77", "exact": True}, {"part_id": "bottle"}], ids=str
)
def test_a_part_is_not_sought_among_all_of_its_station(some: Engine, wanted: dict[str, Any]) -> None:
    with some.connect() as connection:
        tests = search.conditions(connection, {"station": "station-1", **wanted})
        query = select(INSPECTION).where(*tests).order_by(INSPECTION.c.created_at.desc())
        explained = "EXPLAIN QUERY PLAN " + str(
            query.compile(some, compile_kwargs={"literal_binds": True})
        )
        plan = " ".join(str(row[-1]) for row in connection.exec_driver_sql(explained))
    assert "SEARCH inspection" in plan
    assert "station_created_at" not in plan


def test_the_first_part_and_the_checks(some: Engine) -> None:
    assert queries.first_at(some, "station-2") == START + 8 * SECOND
    assert queries.first_at(some, "nowhere") is None
    assert queries.checks(some) == ("caps", "label")


def test_pages(some: Engine) -> None:
    assert [part.seq for part in queries.find(some, limit=2, offset=3)] == [6, 5]


def test_attempts_of_a_part(some: Engine) -> None:
    record = queries.part(some, queries.latest(some, n=1)[0].result_id)
    assert record is not None
    assert [(part.seq, part.attempt) for part in record.attempts] == [(1, 1), (9, 2)]
    assert queries.part(some, "none") is None


def test_counters(some: Engine) -> None:
    assert statistics.counters(some) == Counters(
        parts=9,
        passed=4,
        failed=3,
        review=2,
        challenge=1,
        simulated=Tally(2, 1, 1, 0),
        causes={"Missing": 2, "Blur": 1, "DeadlineMissed": 1, "Wrong": 1},
    )
    assert statistics.counters(some, "station-2") == Counters(parts=1, passed=1)
    assert statistics.counters(some, since=START + 8 * SECOND).parts == 2


def test_latency(some: Engine) -> None:
    found = statistics.latency(some)
    assert (found.parts, found.p50_ms, found.max_ms, found.missed) == (10, 40, 600, 2)
    assert 500 < found.p99_ms <= 600
    assert statistics.latency(some, n=2) == Latency(2, 40, 40, 40, 0)
    assert statistics.latency(some, "nowhere") == Latency()


def test_stations_and_recipes(some: Engine) -> None:
    assert queries.stations(some) == ("station-1", "station-2")
    digest = "0123456789abcdef"
    assert queries.recipes(some) == tuple(
        RecipeUse(name, version, digest) for name, version in (("shampoo", 3), ("soap", 1), ("soap", 2))
    )
