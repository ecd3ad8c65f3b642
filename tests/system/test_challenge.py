"""``inspector challenge``: by itself, and by way of the records while the real daemon runs."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import Mosquitto, wait_for

from inspector.contract import StatePayload
from inspector.sim.known import write_known_parts
from inspector.sim.plc import SimPlc
from system.cli import ROOT, Outcome, run_here
from system.daemon import Daemon

WORLD = 7
"""Of the simulated camera's line, which the models learnt on."""


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_known_parts(tmp_path_factory.mktemp("known"), WORLD)


@pytest.fixture(scope="module")
def mixed_up(known: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same parts, the good ones called faulty and the other way round."""
    folder = tmp_path_factory.mktemp("mixed")
    shutil.copytree(known / "good", folder / "faulty")
    shutil.copytree(known / "faulty", folder / "good")
    return folder


@pytest.fixture
def daemon(tmp_path: Path, mosquitto: Mosquitto, known: Path) -> Iterator[Daemon]:
    more = f"    challenge: {{parts: {known}, every_h: 8, required: true}}\n"
    made = Daemon(tmp_path, mosquitto.port, "challenge", more=more)
    yield made
    if made.process is not None and made.process.poll() is None:
        made.kill()


def plc_of(daemon: Daemon, mosquitto: Mosquitto) -> SimPlc:
    return SimPlc(mosquitto.broker, daemon.topic, accept_simulated=True, deadline_ms=8000)


def held(plc: SimPlc, words: str) -> StatePayload:
    """The state that keeps the station out of Ready, with these words."""

    def find() -> StatePayload | None:
        state = plc.state
        return state if state and state.state == "Initialized" and words in state.error_text else None

    return wait_for(find, 60, words)  # type: ignore[no-any-return]


def test_a_running_station_is_not_ready_before_it_has_told_known_parts_apart(
    daemon: Daemon,
    mosquitto: Mosquitto,
    mixed_up: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def challenge(*args: object) -> Outcome:
        return run_here(monkeypatch, capsys, "challenge", daemon.config, *args)

    daemon.start()
    with plc_of(daemon, mosquitto) as plc:
        assert held(plc, "none was ever run").health == "act"
        passed = challenge("--operator", "maria")
        assert passed.code == 0, passed.err
        assert "challenge passed: 9 of 9 parts as expected" in passed.out
        assert plc.wait_ready(20)
        plc.trigger("P1")
        assert plc.wait_idle(20)
        failed = challenge("--operator", "otto", "--set", mixed_up)
        assert failed.code == 4, failed.err
        assert failed.out.count("not as expected") == 9
        held(plc, "challenge failed")
        first = plc.state.station_boot_id if plc.state else 0
        daemon.kill()
        daemon.start()
        # it is in the records, which are read before the station is ready
        wait_for(lambda: plc.state and plc.state.station_boot_id not in (0, first), 60)
        held(plc, "challenge failed")
        assert challenge().code == 0
        assert plc.wait_ready(20)
        assert daemon.stop()[0] == 0
    runs = daemon.rows("select operator, origin, passed from challenge order by id")
    assert runs[:2] == [("maria", "cli", 1), ("otto", "cli", 0)]
    assert [run[2] for run in runs] == [1, 0, 1]
    assert daemon.rows("select outcome from request") == [("done",)] * 3
    # challenges with pictures are no parts of production
    assert daemon.rows("select part_id from inspection") == [("P1",)]


def test_without_a_running_station_the_command_does_it_and_records_it(
    tmp_path: Path,
    known: Path,
    mixed_up: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    config = tmp_path / "line.yaml"
    config.write_text(
        "line: quiet\nstate_dir: state\nstations:\n  - name: cell\n    topic: a/b/c/d/e/vision\n"
        f"    recipe: {ROOT}/configs/recipes/pump-cover\n"
    )
    nothing = run_here(monkeypatch, capsys, "challenge", config)
    assert nothing.code == 2
    assert "has no known parts" in nothing.err
    empty = run_here(monkeypatch, capsys, "challenge", config, "--set", tmp_path / "none")
    assert empty.code == 2
    assert "holds no pictures of known good parts" in empty.err
    passed = run_here(monkeypatch, capsys, "challenge", config, "--set", known, "--operator", "maria")
    assert passed.code == 0, passed.err
    assert passed.out.splitlines()[-1] == "challenge passed: 9 of 9 parts as expected"
    failed = run_here(monkeypatch, capsys, "challenge", config, "--set", mixed_up)
    assert failed.code == 4
    database = sqlite3.connect(tmp_path / "state" / "records.db")
    runs = database.execute("select operator, origin, passed, recipe_id from challenge").fetchall()
    parts = database.execute(
        "select name, expected, verdict, cause from challenge_part where challenge_id = 1"
    ).fetchall()
    database.close()
    assert [run[1:] for run in runs] == [("cli", 1, "pump-cover"), ("cli", 0, "pump-cover")]
    assert runs[0][0] == "maria"
    assert parts[0] == ("good/00-good", "good", "PASS", "None")
    assert len(parts) == 9
