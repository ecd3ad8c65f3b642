"""What a person asks of a running station, and the challenges that come of it, in the database."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from factory import START, STATION, Pragma, Recording
from sqlalchemy import Engine
from support import wait_for

from inspector.challenge import ChallengePart, ChallengeRun
from inspector.config import Records
from inspector.domain import RecipeRef
from inspector.ports import Asked
from inspector.records import recorder as recorder_module
from inspector.records.challenges import challenge_runs, run_of_request
from inspector.records.database import open_engine, upgrade
from inspector.records.requests import Requests, ask, request, requests, withdraw

RECIPE = RecipeRef("soap", 3, "0123456789abcdef", "fedcba9876543210")


@pytest.fixture
def asking(url: str) -> Iterator[Engine]:
    """Of the dashboard, which may write."""
    upgrade(url)
    engine = open_engine(url)
    yield engine
    engine.dispose()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder_module, "REQUESTS_S", 0.01)


def run_of(number: int = 1, request_id: int | None = None, verdict: str = "FAIL") -> ChallengeRun:
    cause = {"FAIL": "Defect", "PASS": "None"}[verdict]
    parts = (
        ChallengePart("good/1", "good", "PASS", "None"),
        ChallengePart("faulty/1", "faulty", verdict, cause),
    )
    at = START + timedelta(minutes=number)
    return ChallengeRun(STATION, at, f"maria-{number}", "dashboard", RECIPE, parts, 1, request_id)


def test_a_request_reaches_the_station_once_and_its_outcome_the_one_who_asked(
    start: Recording, asking: Engine
) -> None:
    taken: list[Asked] = []
    box = Requests(STATION, taken.append)
    start(requests=box)
    number = ask(asking, STATION, "prepareRecipe", "maria", {"recipeId": "soap"})
    other = ask(asking, "another-station", "reset", "maria")
    wait_for(lambda: taken)
    assert taken == [Asked(number, "prepareRecipe", {"recipeId": "soap"}, "maria")]
    row = request(asking, number)
    assert row is not None
    assert (row.outcome, row.done_at) == (None, None)
    assert row.taken_at is not None
    box.answer(number, "done", "Accepted.")
    done = wait_for(lambda: (r := request(asking, number)) and r.outcome and r)
    assert (done.outcome, done.text) == ("done", "Accepted.")
    assert done.requested_at <= done.taken_at <= done.done_at
    assert len(taken) == 1
    untouched = request(asking, other)
    assert untouched is not None
    assert (untouched.taken_at, untouched.outcome) == (None, None)


def test_requests_come_in_their_order(start: Recording, asking: Engine) -> None:
    taken: list[Asked] = []
    numbers = [ask(asking, STATION, "reset", f"user-{n}") for n in range(25)]
    upgrade_first = Requests(STATION, taken.append)
    # they were written while the station did not run: nobody's wish of yesterday takes effect today
    start(requests=upgrade_first)
    fresh = [ask(asking, STATION, "reset", f"user-{n}") for n in range(25)]
    wait_for(lambda: len(taken) == 25)
    assert [one.request_id for one in taken] == fresh
    assert [one.id for one in requests(asking, STATION, 25)] == fresh[::-1]
    expired = [request(asking, number) for number in numbers]
    assert {row.outcome for row in expired if row} == {"expired"}
    assert all(row and row.done_at and "anew" in row.text for row in expired)


def test_what_was_taken_and_not_done_expires_at_the_next_start(
    start: Recording, asking: Engine
) -> None:
    taken: list[Asked] = []
    first = start(requests=Requests(STATION, taken.append))
    number = ask(asking, STATION, "challenge", "maria")
    wait_for(lambda: taken)
    first.close()
    start(requests=Requests(STATION, taken.append))
    row = request(asking, number)
    assert row is not None
    assert row.outcome == "expired"
    assert len(taken) == 1


def test_a_request_is_taken_back_only_before_the_station_has_it(
    start: Recording, asking: Engine
) -> None:
    number = ask(asking, "another-station", "reset", "maria")
    assert withdraw(asking, number, "changed my mind")
    row = request(asking, number)
    assert row is not None
    assert (row.outcome, row.text) == ("withdrawn", "changed my mind")
    taken: list[Asked] = []
    start(requests=Requests(STATION, taken.append))
    mine = ask(asking, STATION, "reset", "maria")
    wait_for(lambda: taken)
    assert not withdraw(asking, mine, "too late")
    assert [one.request_id for one in taken] == [mine]


def test_a_recorder_without_requests_leaves_them_alone(start: Recording, asking: Engine) -> None:
    # a replay records under the station's name too
    number = ask(asking, STATION, "challenge", "maria")
    start().flush(5)
    row = request(asking, number)
    assert row is not None
    assert (row.taken_at, row.outcome) == (None, None)


def test_an_answer_survives_a_database_that_refuses(
    start: Recording, asking: Engine, pragma: Pragma, impatient: None
) -> None:
    taken: list[Asked] = []
    box = Requests(STATION, taken.append)
    recorder = start(requests=box)
    number = ask(asking, STATION, "challenge", "maria")
    wait_for(lambda: taken)
    with pragma("query_only = ON"):
        recorder.challenge(run_of(request_id=number))
        box.answer(number, "done", "passed")
        wait_for(lambda: recorder.health.level == "act")
    with pragma("query_only = OFF"):
        done = wait_for(lambda: (r := request(asking, number)) and r.outcome and r, 15)
    assert done.outcome == "done"
    assert run_of_request(asking, number) == run_of(request_id=number)
    assert len(taken) == 1


def test_a_request_that_is_said_to_be_done_has_its_run(start: Recording, asking: Engine) -> None:
    """Whoever waits for the outcome looks for the run at once."""
    box = Requests(STATION, lambda asked: threading.Thread(target=carry_out, args=(asked,)).start())
    recorder = start(Records(flush_ms=1), requests=box)

    def carry_out(asked: Asked) -> None:
        recorder.challenge(run_of(asked.request_id, asked.request_id))
        box.answer(asked.request_id, "done", "passed")

    for _ in range(20):
        number = ask(asking, STATION, "challenge", "maria")
        wait_for(lambda number=number: (r := request(asking, number)) and r.outcome)
        assert run_of_request(asking, number) is not None


def test_runs_come_back_as_they_were_newest_first(start: Recording, asking: Engine) -> None:
    recorder = start()
    runs = [run_of(number, verdict="PASS" if number == 2 else "FAIL") for number in (1, 2, 3)]
    for run in runs:
        recorder.challenge(run)
    assert recorder.flush(5)
    found = challenge_runs(asking, STATION)
    assert list(found) == runs[::-1]
    assert [run.passed for run in found] == [True, False, True]
    assert [run.operator for run in challenge_runs(asking, STATION, 1)] == ["maria-3"]
    assert challenge_runs(asking, "another-station") == ()
    assert run_of_request(asking, 77) is None


def test_a_run_that_is_handed_over_last_is_stored(
    start: Recording, asking: Engine, tmp_path: Path
) -> None:
    recorder = start(Records(flush_ms=200))
    recorder.challenge(run_of())
    recorder.close()
    assert len(challenge_runs(asking, STATION)) == 1


def test_a_user_with_a_long_name_is_cut(asking: Engine) -> None:
    row = request(asking, ask(asking, STATION, "reset", "x" * 100))
    assert row is not None
    assert row.user == "x" * 64
    assert row.requested_at <= datetime.now(UTC)
