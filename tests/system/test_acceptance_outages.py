"""Acceptance: the broker, the link, the PLC, the station or its disk fails, and comes back."""

from __future__ import annotations

import time

import pytest
from support import wait_for

from inspector.errors import RetryableError
from inspector.sim.gate import PartOutcome
from inspector.torture.cell import Cell
from system.acceptance import assert_at_work

SHORT_MS = 2000.0
"""A deadline for parts that are lost on purpose."""
KEEPALIVE_S = 7.5
"""After one and a half times the configured keepalive a broker gives a client up."""
# paho leaves it to the garbage collector to close a socket whose handshake failed
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


def in_flight(cell: Cell, count: int = 3) -> list[str]:
    """Parts that the station has accepted and has not seen yet."""
    cell.settle()
    parts = [cell.order(deadline_ms=SHORT_MS) for _ in range(count)]
    assert cell.plc.wait_answered(10)
    return parts


def outcomes(cell: Cell, parts: list[str]) -> list[PartOutcome]:
    assert cell.plc.wait_idle(30)
    return [one for one in cell.plc.outcomes() if one.part_id in parts]


def assert_all_rejected(cell: Cell, parts: list[str]) -> None:
    assert [(one.gate, one.ack, one.result) for one in outcomes(cell, parts)] == [
        ("reject", "Accepted", None)
    ] * len(parts)


def assert_archived(cell: Cell) -> None:
    wait_for(lambda: not cell.unarchived(), 60, f"an archive without gap: {cell.unarchived()}")


def test_broker_killed(cell: Cell) -> None:
    """Broker killed (`kill -9`) in mid-shift: every part in flight is rejected; no old verdict after the
    restart; the archive has no gap; service is back within 10 s."""
    parts = in_flight(cell)
    cell.broker.kill()
    for part in parts:
        cell.expose(part)
    assert_all_rejected(cell, parts)
    opened = cell.plc.counters().opened
    cell.broker.start()
    cell.resume(10)
    counters = cell.plc.counters()
    assert counters.opened == opened + 1, "of the new part alone"
    assert_all_rejected(cell, parts)
    # judged in time, and told to nobody but the records
    assert [cell.record(part)[:2] for part in parts] == [("PASS", "None")] * len(parts)
    assert_archived(cell)


@pytest.mark.parametrize("side", ["station", "plc"])
def test_link_cut(cell: Cell, side: str) -> None:
    """Link cut, then restored, on either side: every part in flight is rejected, the archive has no gap,
    service is back, well before keepalive expires; no result from before the cut is acted on."""
    link = cell.station_link if side == "station" else cell.plc_link
    parts = in_flight(cell)
    link.silence()  # a pulled cable: both ends still believe in it
    for part in parts:
        cell.expose(part)
    assert_all_rejected(cell, parts)
    opened = cell.plc.counters().opened
    # what the switch had held back arrives, late
    link.release()
    cell.resume(KEEPALIVE_S)
    # once more as a reset, which both ends notice at once
    more = in_flight(cell)
    link.refuse = True
    link.cut()
    for part in more:
        cell.expose(part)
    assert_all_rejected(cell, more)
    link.refuse = False
    cell.resume(KEEPALIVE_S)
    assert cell.plc.counters().opened == opened + 2, "of the new parts alone"
    assert_all_rejected(cell, parts + more)
    assert_archived(cell)


def test_plc_restarts(cell: Cell) -> None:
    """PLC restarts: new `plcBootId`; old results ignored."""
    before, unmatched = cell.plc.boot_id, cell.plc.counters().unmatched
    parts = in_flight(cell)
    cell.plc.restart()
    assert cell.plc.boot_id != before
    for part in parts:
        cell.expose(part)
    wait_for(lambda: cell.plc.counters().unmatched == unmatched + len(parts), 30)
    assert_all_rejected(cell, parts)
    assert [cell.record(part)[0] for part in parts] == ["PASS"] * len(parts), "they were good"


def test_station_killed(cell: Cell) -> None:
    """Station killed (`kill -9`): the PLC's timer rejects; new `stationBootId`; no `Ready` before the
    models are warm; every accepted trigger has its record."""
    assert cell.plc.state is not None
    before = cell.plc.state.station_boot_id
    parts = in_flight(cell)
    by_timer = cell.plc.counters().rejected_by_timer
    cell.daemon.kill()
    assert_all_rejected(cell, parts)
    assert cell.plc.counters().rejected_by_timer == by_timer + len(parts)
    with pytest.raises(RetryableError):
        cell.order()
    cell.daemon.start()
    cell.ready()
    assert cell.plc.state.station_boot_id != before
    cell.settle()
    first = cell.judged()
    assert first.gate == "open", "the first part is no slower than its deadline: the models are warm"
    states = [
        text.split(".")[0]
        for (text,) in cell.daemon.rows("select text from event where event = 'state' order by id")
    ]
    assert states[-2:] == ["Initialized", "Ready"]
    assert [cell.record(part) for part in parts] == [("REVIEW", "StationRestarted", 3)] * len(parts)
    assert_archived(cell)


def test_plc_heartbeat(cell: Cell) -> None:
    """PLC heartbeat lost and back: the station leaves `Ready` within 2 s, and returns by itself."""
    took_s: list[float] = []
    # one try of three that a busy computer does not disturb
    while not took_s or (min(took_s) >= 2 and len(took_s) < 3):
        cell.ready()
        cell.plc.beat(False)
        silent = time.monotonic()
        wait_for(lambda: cell.plc.state and cell.plc.state.state != "Ready", 20, "a state but Ready")
        took_s.append(time.monotonic() - silent)
        assert cell.plc.state is not None
        assert cell.plc.state.state == "Initialized"
        lost = cell.outcome(cell.order(check=False))
        assert (lost.ack, lost.gate) == ("NotReady", "reject")
        cell.plc.beat(True)
    assert min(took_s) < 2
    cell.ready()


def test_disk_full(cell: Cell) -> None:
    """Disk full: verdicts continue, or state is Error; never silent."""
    parts = in_flight(cell)
    cell.daemon.fill_disk(True)
    for part in parts:
        cell.expose(part)
    lost = outcomes(cell, parts)
    assert {one.gate for one in lost} == {"reject"}, "what is not journaled opens no gate"
    wait_for(lambda: cell.plc.state and cell.plc.state.error_code == 20, 20, "Error, and why")
    assert cell.plc.state is not None
    assert cell.plc.state.state == "Error"
    assert cell.plc.state.health == "act"
    assert cell.plc.state.error_text
    refused = cell.outcome(cell.order(check=False))
    assert (refused.ack, refused.gate) == ("NotReady", "reject")
    cell.daemon.fill_disk(False)
    assert_at_work(cell)
    for part in parts:
        cell.record(part)
    assert_archived(cell)
