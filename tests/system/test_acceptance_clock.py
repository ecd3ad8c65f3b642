"""Acceptance: stations that are started in a special way; and that every row has its test."""

from __future__ import annotations

import importlib
import os
from pathlib import Path

import pytest
from support import wait_for

from inspector.contract import ChallengePayload
from inspector.sim.mosquitto import BASE, SecuredBroker
from inspector.sim.voice import Voice
from inspector.torture.cell import Cell
from inspector.torture.daemon import libfaketime
from system.acceptance import ROWS, assert_at_work


@pytest.mark.parametrize("row", ROWS)
def test_every_row_has_its_test(row: str) -> None:
    _, module, name = ROWS[row]
    test = getattr(importlib.import_module(f"system.{module}"), name)
    words = " ".join(
        (test.__doc__ or importlib.import_module(f"system.{module}").__doc__ or "").split()
    )
    assert row in words


def test_clock_set(secured: SecuredBroker, tmp_path: Path) -> None:
    """Clock set ±1 h: decisions unchanged, `clockSynced` tells."""
    if libfaketime() is None:
        missing = "libfaketime is not installed: apt install faketime"
        pytest.fail(missing) if os.environ.get("CI") else pytest.skip(missing)
    with Cell(tmp_path, secured, clock_can_be_set=True) as cell:
        assert_at_work(cell)
        assert cell.plc.state is not None
        assert cell.plc.state.clock_synced
        for hours in (1, -1):
            in_flight = cell.order()
            assert cell.plc.wait_answered(10)
            cell.daemon.set_clock(hours)
            cell.expose(in_flight)
            assert cell.outcome(in_flight).gate == "open"
            wait_for(lambda: cell.plc.state and not cell.plc.state.clock_synced, 20, "not synced")
            assert_at_work(cell)
        created = cell.daemon.rows("select created_at from inspection where part_id = ?", in_flight)
        assert created, "the record is there, whatever the clock says"
        cell.daemon.set_clock(0)
        wait_for(lambda: cell.plc.state and cell.plc.state.clock_synced, 20, "synced again")
        assert cell.stop() == 0


def test_results_that_never_open_the_gate(secured: SecuredBroker, tmp_path: Path) -> None:
    """Simulated, partial or challenge result: never opens the gate."""
    with Cell(tmp_path, secured, mode="commissioning") as cell:
        cell.ready()
        cell.settle()
        simulated = cell.judged()
        assert (simulated.verdict, simulated.gate) == ("PASS", "reject")
        assert simulated.result is not None
        assert simulated.result.is_simulated
        assert cell.stop() == 0
        config = tmp_path / "line.yaml"
        config.write_text(config.read_text().replace("mode: commissioning", "mode: production"))
        cell.daemon.start()
        wait_for(lambda: cell.plc.state and cell.plc.state.mode == "production", 60)
        assert_at_work(cell)
        armed = cell.plc.command(ChallengePayload(command_id="c", expected=("good",)))
        assert armed is not None
        assert armed.accepted
        challenge = cell.judged()
        assert (challenge.verdict, challenge.gate) == ("PASS", "reject")
        assert challenge.result is not None
        assert challenge.result.is_challenge
        good = cell.judged()
        assert good.gate == "open", "the part after it is one of production"
        assert good.result is not None
        # no camera of this station delivers partial results: one is said with its certificate
        part = cell.order()
        partial = good.result.model_copy(
            update={
                "part_id": part,
                "trigger_id": cell.plc.last_trigger_id,
                "result_id": "0000000a-1",
                "is_partial": True,
            }
        )
        with Voice(secured.of("station1"), BASE) as voice:
            voice.say("evt/result", partial.encode())
        outcome = cell.outcome(part)
        assert (outcome.verdict, outcome.gate) == ("PASS", "reject")
        assert outcome.result == partial
        cell.expose(part)
        assert_at_work(cell)
        assert cell.stop() == 0
