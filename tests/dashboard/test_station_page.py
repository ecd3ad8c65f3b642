"""The Station page: what is known is shown, and what is not is said."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from people import add_users, opened, press, table_of, toasts, words_of
from shift import STATION, Shift
from sqlalchemy import Engine

from dashboard import station
from inspector.challenge import ChallengePart, ChallengeRun
from inspector.domain import DriftReading, RecipeRef
from inspector.records.audit import trail
from inspector.records.challenges import insert_run
from inspector.records.database import open_engine
from inspector.records.drift import drift_rows, insert_drift
from inspector.records.requests import requests

RECIPE = RecipeRef("pump-cover", 3, "9f2c41d07be85a16", "03bd5ce2f1a94478")
HOSTILE = "<img src=x onerror=x()>"


@pytest.fixture
def engine(empty: Shift) -> Iterator[Engine]:
    engine = open_engine(empty.url)
    yield engine
    engine.dispose()


def _challengeable(line: Shift) -> None:
    """The line has stored challenge parts, and users."""
    config = line.config_path.read_text()
    line.config_path.write_text(config + "    challenge: {parts: known}\n")
    add_users(line)
    # A slow machine must not make the station seem silent.
    line.report()
    line.age_state(timedelta(hours=-1))


def test_a_healthy_station(empty: Shift, monkeypatch: pytest.MonkeyPatch) -> None:
    empty.fill(2)
    empty.age_state(timedelta(hours=-1))
    words = words_of(opened(monkeypatch, empty.config_path, "station"))
    for piece in ("Ready", "Last sign of life 0 s ago", "top live", "Disk free, records", " GB"):
        assert piece in words
    for absent in ("Not configured: there are no readings of drift", "No challenge run yet."):
        assert absent in words
    assert "Not configured: the station has no stored challenge parts" in words


def test_a_station_that_never_spoke(empty: Shift, monkeypatch: pytest.MonkeyPatch) -> None:
    words = words_of(opened(monkeypatch, empty.config_path, "station"))
    assert "has not reported its state yet" in words
    assert "Last sign of life never" in words


def test_a_silent_station_and_a_lost_camera(empty: Shift, monkeypatch: pytest.MonkeyPatch) -> None:
    empty.report(cameras={"top": "lost"})
    empty.age_state(timedelta(seconds=90))
    words = words_of(opened(monkeypatch, empty.config_path, "station"))
    assert "The station is not responding since" in words
    assert "gives no pictures: check cable and power" in words


def test_drift_against_calibration(
    empty: Shift, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime.now(UTC)
    with engine.begin() as connection:
        for hours, psi in ((2, 0.02), (1, 0.31)):
            readings = [
                DriftReading(
                    "sharpness",
                    "act" if psi > 0.25 else "good",
                    psi,
                    0.001,
                    "calibration",
                    90,
                    81.0,
                    40.0,
                    200,
                ),
                DriftReading("score:surface", "good", 0.01, 0.5, "calibration", 90, 0.2, 0.21, 200),
            ]
            insert_drift(
                connection, drift_rows(STATION, RECIPE, readings, now - timedelta(hours=hours))
            )
    page = opened(monkeypatch, empty.config_path, "station")
    table = table_of(page)
    assert dict(zip(table["Measure"], table["State"], strict=True)) == {
        "score of surface": "✔ as calibrated",
        "sharpness": "✖ has changed much",
    }
    assert table["Change (PSI)"][table["Measure"].index("sharpness")] == "0.31"
    page.selectbox[0].set_value("sharpness").run()
    assert not page.exception


def test_challenges_are_listed_in_words(
    empty: Shift, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = (
        ChallengePart(HOSTILE, "faulty", "PASS", "None"),
        ChallengePart("b", "good", "PASS", "None"),
    )
    with engine.begin() as connection:
        insert_run(connection, ChallengeRun(STATION, datetime.now(UTC), "eva", "cli", RECIPE, parts))
    page = opened(monkeypatch, empty.config_path, "station")
    table = table_of(page)
    assert table["Outcome"] == ["✖ failed"]
    assert "1 of 2 parts as expected" in table["In words"][0]
    assert HOSTILE not in " ".join(str(item.proto.body) for item in page.get("html"))


def test_a_challenge_is_asked_for_by_somebody_known(
    empty: Shift, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    _challengeable(empty)
    page = opened(monkeypatch, empty.config_path, "station")
    assert not [button for button in page.button if "challenge" in button.label]
    page = opened(monkeypatch, empty.config_path, "station", "anna")
    press(page, "Start a challenge run")
    assert "Asked for a challenge run" in toasts(page)
    (asked,) = requests(engine, STATION)
    assert (asked.kind, asked.user, asked.taken_at) == ("challenge", "anna", None)
    (noted,) = trail(engine, actions=["challenge"])
    assert (noted.user, noted.subject) == ("anna", STATION)
    assert "waits for the station" in table_of(page)["State"]


def test_no_challenge_without_a_station(empty: Shift, monkeypatch: pytest.MonkeyPatch) -> None:
    _challengeable(empty)
    empty.report(online=False)
    page = opened(monkeypatch, empty.config_path, "station", "anna")
    assert "The station does not run" in words_of(page)
    assert not [button for button in page.button if "challenge" in button.label]


def test_events_by_level(empty: Shift, monkeypatch: pytest.MonkeyPatch) -> None:
    empty.warn(f"the camera {HOSTILE} was lost")
    page = opened(monkeypatch, empty.config_path, "station")
    table = table_of(page)
    assert table["Kind"] == ["⚠ warning"]
    assert HOSTILE in table["In words"][0]
    assert HOSTILE not in " ".join(str(item.proto.body) for item in page.get("html"))


def test_temperature_is_that_of_the_hottest_sensor(tmp_path: Path) -> None:
    assert station.temperature(tmp_path) is None
    for number, text in enumerate(("41000\n", "63500\n", "broken")):
        sensor = tmp_path / f"thermal_zone{number}"
        sensor.mkdir()
        (sensor / "temp").write_text(text)
    assert station.temperature(tmp_path) == 63.5


def test_disk_of_a_folder(tmp_path: Path) -> None:
    found = station.disk(tmp_path)
    assert found is not None
    assert 0 <= found.share <= 1
    assert station.disk(tmp_path / "none") is None
