"""Acceptance: what parts, pictures and messages may do to a station that otherwise works."""

from __future__ import annotations

import json
import time

import numpy as np
from support import wait_for

from inspector.contract import AckPayload, PrepareRecipePayload
from inspector.sim.gate import PartOutcome
from inspector.sim.mosquitto import BASE
from inspector.sim.voice import Voice
from inspector.torture.cell import FIRST, SECOND, WINDOW_MS, Cell
from system.acceptance import assert_at_work, assert_reconciled

SOAK_PARTS, SOAK_HZ = 200, 20.0
"""The rate is that of a fast packing line; ten seconds of it."""


def prepare(cell: Cell, recipe_id: str) -> AckPayload:
    command = PrepareRecipePayload(command_id="c1", recipe_id=recipe_id)
    ack = cell.plc.command(command, timeout_s=60)
    assert ack is not None
    return ack


def test_duplicates(cell: Cell) -> None:
    """Duplicate trigger; duplicate result: one inspection, one gate action."""
    cell.settle()
    before = cell.plc.counters()
    part = cell.order()
    number = before.triggers + 1
    assert cell.plc.wait_answered(10)
    trigger_id = cell.plc.last_trigger_id
    for _ in range(2):
        cell.plc.repeat(trigger_id)  # while it is on its way
    cell.expose(part)
    outcome = cell.outcome(part)
    assert outcome.gate == "open"
    assert outcome.result is not None
    cell.plc.repeat(trigger_id)  # and once it is judged: its message goes out again
    wait_for(lambda: cell.plc.counters().duplicate == before.duplicate + 1, 20)
    with Voice(cell.broker.of("station1"), BASE) as echo:
        echo.say("evt/result", outcome.result.encode())
    wait_for(lambda: cell.plc.counters().duplicate == before.duplicate + 2, 20)
    after = cell.plc.counters()
    assert (after.triggers, after.opened) == (number, before.opened + 1)
    assert after.refused.get("Duplicate", 0) - before.refused.get("Duplicate", 0) == 3
    assert cell.record(part) == ("PASS", "None", 1)


def test_late(cell: Cell) -> None:
    """Verdict late by 1 ms: rejected, and recorded as late.

    The deadline is drawn near to the time that a part takes, until some are late by little and some in
    time. To the millisecond: ``test_line.py`` and ``sim/test_gate.py``, on clocks that stand still.
    """
    latency = cell.judged().latency_ms
    assert latency is not None
    low, high = 1.0, max(400.0, 8 * latency)
    late = 0
    for _ in range(12):
        deadline = (low + high) / 2
        part = cell.order(deadline_ms=deadline)
        cell.plc.wait_answered(0.5)
        cell.expose(part)
        outcome = cell.outcome(part)
        cell.plc.wait_answered(10)
        verdict, cause, state = cell.record(part)
        ((age_ms,),) = cell.daemon.rows("select age_ms from inspection where part_id = ?", part)
        if age_ms >= deadline:
            late += 1
            assert (verdict, cause, state) == ("REVIEW", "DeadlineMissed", 3)
            assert (outcome.gate, outcome.result) == ("reject", None)
        else:
            assert (verdict, cause) == ("PASS", "None")
            assert outcome.gate == "reject" or (outcome.latency_ms or 0) < deadline
        if outcome.gate == "open":
            high = deadline
        else:
            low = deadline
    assert late, "none was late"
    assert high < max(400.0, 8 * latency), "none was in time"


def test_out_of_order(cell: Cell) -> None:
    """Results out of order, several parts in flight: matched by id."""
    cell.settle()
    swapped = False
    for _ in range(8):
        slow, quick = cell.order(), cell.order()
        assert cell.plc.wait_answered(10)
        # green as a good one, and so large that the quick one overtakes it
        cell.expose(slow, "good", side=2500)
        cell.expose(quick, "faulty")
        first, second = cell.outcome(slow), cell.outcome(quick)
        assert (first.gate, first.cause, second.gate, second.cause) == (
            "open",
            "None",
            "reject",
            "Defect",
        )
        for outcome in (first, second):
            assert outcome.result is not None
            assert (outcome.result.part_id, outcome.result.trigger_id) == (
                outcome.part_id,
                outcome.trigger_id,
            )
        assert first.result is not None
        assert second.result is not None
        swapped = swapped or first.result.seq > second.result.seq
        if swapped:
            break
    assert swapped, "never out of order"


def test_overrun(cell: Cell) -> None:
    """More triggers than the queue holds: REVIEW, `Overrun`, rejected, counted."""
    for _ in range(3):
        cell.settle()
        overrun = cell.counters()["overrun"]
        started = time.monotonic()
        parts = [cell.order() for _ in range(20)]
        assert cell.plc.wait_answered(10)
        for part in parts:
            cell.expose(part)
        outcomes = [cell.outcome(part) for part in parts]
        if time.monotonic() - started < WINDOW_MS / 1000:
            break  # the machine did not stand still: every picture came in its part's window
    held = [one for one in outcomes if one.cause != "Overrun"]
    # the queue and the inspecting threads
    assert 8 <= len(held) <= 11, [one.cause for one in outcomes]
    assert {one.ack for one in outcomes} == {"Accepted"}, "a full queue is no refusal"
    assert {(one.verdict, one.cause, one.gate) for one in held} == {("PASS", "None", "open")}
    lost = [one for one in outcomes if one not in held]
    assert {(one.verdict, one.gate) for one in lost} == {("REVIEW", "reject")}
    assert {cell.record(one.part_id) for one in lost} == {("REVIEW", "Overrun", 3)}
    wait_for(lambda: cell.counters()["overrun"] == overrun + len(lost), 10)


def test_recipes(cell: Cell) -> None:
    """Recipe mismatch; recipe change under load: reject; not `Ready` during the change."""
    cell.settle()
    cell.plc.trigger("wrong", SECOND)
    wrong = cell.outcome("wrong")
    assert (wrong.ack, wrong.gate) == ("RecipeMismatch", "reject")
    assert prepare(cell, "unheard-of").reason == "UnknownRecipe"
    assert_at_work(cell)
    cell.settle()
    parts = [cell.order() for _ in range(4)]
    assert cell.plc.wait_answered(10)
    # parts are on their way and the line goes on: not Ready from the command to the swap
    cell.plc.send(PrepareRecipePayload(command_id="c0", recipe_id=SECOND), "cmd/prepareRecipe")
    during = [cell.order(check=False) for _ in range(4)]
    assert cell.plc.wait_answered(10)
    wait_for(lambda: cell.plc.state and cell.plc.state.state == "Initialized", 10, "not Ready")
    for part in parts + during:
        cell.expose(part)
    results = [cell.outcome(part) for part in parts]
    assert [(one.gate, one.cause) for one in results] == [("open", "None")] * 4
    assert {one.result.recipe_id for one in results if one.result} == {FIRST}
    assert [(cell.outcome(part).ack, cell.outcome(part).gate) for part in during] == [
        ("NotReady", "reject")
    ] * 4
    wait_for(lambda: cell.plc.state and cell.plc.state.recipe_id == SECOND, 60)
    assert_at_work(cell)
    judged = cell.judged()
    assert judged.result is not None
    assert judged.result.recipe_id == SECOND
    assert prepare(cell, FIRST).accepted


def test_camera(cell: Cell) -> None:
    """Camera frozen, dark, unplugged: REVIEW with the cause, never PASS."""

    def seen(outcome: PartOutcome) -> tuple[str | None, str | None, str]:
        assert outcome.verdict != "PASS"
        return outcome.verdict, outcome.cause, outcome.gate

    assert cell.judged().gate == "open"
    assert seen(cell.judged(frozen=True)) == ("REVIEW", "FrozenFrame", "reject")
    assert seen(cell.judged(frozen=True)) == ("REVIEW", "FrozenFrame", "reject")
    assert cell.judged().gate == "open"
    assert seen(cell.judged("dark")) == ("REVIEW", "Exposure", "reject")
    assert cell.judged().gate == "open"
    part = cell.order()
    assert cell.plc.wait_answered(10)
    cell.plug(False)
    assert seen(cell.outcome(part)) == ("REVIEW", "CameraFault", "reject")
    wait_for(lambda: cell.plc.state and cell.plc.state.error_code == 10, 20, "Error, and why")
    refused = cell.outcome(cell.order(check=False))
    assert (refused.ack, refused.gate) == ("NotReady", "reject")
    cell.plug(True)
    # the exposure that is missing makes the station learn anew which picture belongs to which part
    cell.resume(10)


def test_malformed(cell: Cell) -> None:
    """Malformed, oversized, wrong-typed payload: refused with a reason; the station stays up."""
    assert cell.plc.state is not None
    boot_id = cell.plc.state.station_boot_id
    good = {"v": 1, "plcBootId": 1, "triggerId": 1, "partId": "X", "recipeId": FIRST, "deadlineMs": 500}
    texts: list[bytes] = [
        b"",
        b"\xff\xfe\x00",
        b"not json",
        b"[" * 5000,
        b'{"a":' * 1500,
        json.dumps(good).encode() + b" " * 8193,
        *(
            json.dumps({k: v for k, v in good.items() if k != gone}).encode()
            for gone in good
            if gone != "v"
        ),
        *(json.dumps(good | {k: [v]}).encode() for k, v in good.items()),
        json.dumps(good | {"deadlineMs": float("nan")}).encode(),
        json.dumps(good | {"triggerId": -1}).encode(),
        json.dumps(good | {"triggerId": 1 << 32}).encode(),
        json.dumps(good | {"partId": "p" * 33}).encode(),
        json.dumps(good | {"partId": "p\n"}).encode(),
    ]

    def malformed() -> int:
        return cell.counters().get("refused_Malformed", 0)

    before = malformed()
    for data in texts:
        assert cell.plc.raw("cmd/trigger", data)
    wait_for(lambda: malformed() == before + len(texts), 30, "each is refused, and counted")
    for topic in (
        "cmd/prepareRecipe",
        "cmd/reset",
        "cmd/halt",
        "cmd/challenge",
        "cmd/resultAck",
        "plc/hb",
    ):
        for data in texts[:6]:
            cell.plc.raw(topic, data)
    with Voice(cell.broker.of("plc1"), BASE) as loud:
        # larger than the broker lets pass: it ends the connection of whoever sends it
        loud.say("cmd/trigger", b"x" * 1_200_000, timeout_s=1.0)
    assert_at_work(cell)
    assert cell.plc.state is not None
    assert cell.plc.state.station_boot_id == boot_id, "it stayed up"


def test_soak(cell: Cell) -> None:
    """Soak at the line's peak rate: p99.9 below the deadline, counters reconcile."""
    cell.settle()
    before = cell.plc.counters()
    looks = ["faulty" if number % 10 == 0 else "good" for number in range(SOAK_PARTS)]
    parts, due = [], time.monotonic()
    for look in looks:
        due += 1 / SOAK_HZ
        time.sleep(max(0.0, due - time.monotonic()))
        parts.append(cell.part("good" if look == "good" else "faulty"))
    cell.outcome(parts[-1])
    outcomes = {one.part_id: one for one in cell.plc.outcomes()}
    gates = ["open" if look == "good" else "reject" for look in looks]
    assert [outcomes[part].gate for part in parts] == gates
    latencies = [outcomes[part].latency_ms or np.inf for part in parts]
    assert np.percentile(latencies, 99.9) < 4000
    after = cell.plc.counters()
    assert after.accepted - before.accepted == len(parts)
    assert after.opened - before.opened == gates.count("open")
    for part in parts:
        cell.record(part)
    assert_reconciled(cell)
