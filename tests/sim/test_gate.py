"""The PLC's gate logic, with the time in hand."""

from __future__ import annotations

from typing import Any

import pytest
from support import result_payload

from inspector.contract import AckPayload, Reason, TriggerPayload
from inspector.domain import Cause
from inspector.sim.gate import Gate

BOOT = 11


@pytest.fixture
def gate() -> Gate:
    """One part pending since 100.0 s, its timer until 100.5 s."""
    gate = Gate(BOOT, accept_simulated=False)
    arm(gate, 1)
    return gate


def arm(gate: Gate, trigger_id: int, at_s: float = 100.0) -> None:
    gate.arm(
        TriggerPayload(
            plc_boot_id=gate.boot_id,
            trigger_id=trigger_id,
            part_id=f"part-{trigger_id}",
            recipe_id="shower-gel",
            deadline_ms=500.0,
        ),
        at_s,
    )


def result(trigger_id: int = 1, cause: Cause = Cause.NONE, **changes: Any) -> Any:
    fields: dict[str, Any] = {
        "plc_boot_id": BOOT,
        "trigger_id": trigger_id,
        "part_id": f"part-{trigger_id}",
        "result_id": f"00000007-{trigger_id}",
    }
    return result_payload(cause, **(fields | changes))


def ack(reason: Reason, trigger_id: int = 1) -> AckPayload:
    return AckPayload(
        plc_boot_id=BOOT, trigger_id=trigger_id, accepted=reason is Reason.ACCEPTED, reason=reason
    )


def test_pass_in_time_opens(gate: Gate) -> None:
    gate.on_ack(ack(Reason.ACCEPTED))
    answer, closed = gate.on_result(result(), 100.499)
    assert answer is not None
    assert (answer.taken, answer.reason) == (True, "")
    assert [outcome.gate for outcome in closed] == ["open"]
    assert closed[0].latency_ms == pytest.approx(499)
    assert (closed[0].ack, closed[0].verdict, closed[0].cause) == ("Accepted", "PASS", "None")
    assert gate.idle
    assert gate.expire(200.0) == []


@pytest.mark.parametrize("at_s", [100.5, 100.501])
def test_verdict_at_or_after_the_deadline_is_late(gate: Gate, at_s: float) -> None:
    answer, closed = gate.on_result(result(), at_s)
    assert answer is not None
    assert (answer.taken, answer.reason) == (False, "Late")
    assert [(outcome.gate, outcome.verdict) for outcome in closed] == [("reject", None)]
    assert gate.counters().late == gate.counters().rejected_by_timer == 1


def test_verdict_after_the_timer_ran_out(gate: Gate) -> None:
    assert gate.expire(100.499) == []
    assert [outcome.gate for outcome in gate.expire(100.5)] == ["reject"]
    answer, closed = gate.on_result(result(), 100.6)
    assert answer is not None
    assert not answer.taken
    assert not closed
    assert gate.counters().late == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"is_simulated": True},
        {"is_partial": True},
        {"is_challenge": True},
        {"result_state": 3},
        {"result_evaluation": 3},
    ],
)
def test_pass_that_may_not_open(gate: Gate, changes: dict[str, Any]) -> None:
    answer, closed = gate.on_result(result(**changes), 100.1)
    assert answer is not None
    assert answer.taken
    assert closed[0].gate == "reject"
    assert gate.counters().rejected_by_result == 1


@pytest.mark.parametrize("cause", [Cause.DEFECT, Cause.UNCERTAIN, Cause.OVERRUN])
def test_fail_and_review_reject(gate: Gate, cause: Cause) -> None:
    _, closed = gate.on_result(result(cause=cause), 100.1)
    assert (closed[0].gate, closed[0].cause) == ("reject", cause.word)


def test_simulated_opens_only_where_told() -> None:
    gate = Gate(BOOT, accept_simulated=True)
    for trigger_id, changes in enumerate([{}, {"is_partial": True}, {"is_challenge": True}], start=1):
        arm(gate, trigger_id)
        gate.on_result(result(trigger_id, is_simulated=True, **changes), 100.1)
    assert [outcome.gate for outcome in gate.outcomes()] == ["open", "reject", "reject"]


@pytest.mark.parametrize(
    "changes", [{"part_id": "other"}, {"trigger_id": 2}, {"plc_boot_id": BOOT + 1}]
)
def test_result_of_something_else(gate: Gate, changes: dict[str, Any]) -> None:
    answer, closed = gate.on_result(result(**changes), 100.1)
    assert answer is None or not answer.taken
    assert not closed
    assert not gate.idle
    assert gate.counters().unmatched == 1


def test_result_without_a_trigger_informs(gate: Gate) -> None:
    assert gate.on_result(result(plc_boot_id=0), 100.1) == (None, [])
    assert gate.counters().informed == 1


def test_duplicate_result_acts_once(gate: Gate) -> None:
    gate.on_result(result(), 100.1)
    answer, closed = gate.on_result(result(), 100.2)
    assert answer is not None
    assert (answer.taken, answer.reason, closed) == (True, "Duplicate", [])
    answer, closed = gate.on_result(result(cause=Cause.DEFECT, result_id="other"), 100.2)
    assert answer is not None
    assert (answer.taken, closed) == (False, [])
    assert gate.counters().opened == 1
    assert gate.counters().duplicate == 2


def test_out_of_order(gate: Gate) -> None:
    arm(gate, 2, 100.1)
    arm(gate, 3, 100.2)
    assert gate.next_due_s == pytest.approx(100.5)
    gate.on_result(result(3), 100.3)
    gate.on_result(result(1, Cause.MISSING), 100.4)
    gate.expire(100.6)
    assert [outcome.gate for outcome in gate.outcomes()] == ["reject", "reject", "open"]
    assert [outcome.verdict for outcome in gate.outcomes()] == ["FAIL", None, "PASS"]


def test_refusal_rejects_at_once(gate: Gate) -> None:
    assert [outcome.ack for outcome in gate.on_ack(ack(Reason.NOT_READY))] == ["NotReady"]
    _, closed = gate.on_result(result(), 100.1)
    assert not closed
    assert gate.counters().refused == {"NotReady": 1}
    assert gate.counters().rejected_by_refusal == gate.counters().unmatched == 1


def test_answers_to_repeated_triggers_change_nothing(gate: Gate) -> None:
    gate.on_ack(ack(Reason.ACCEPTED))
    assert gate.on_ack(ack(Reason.DUPLICATE)) == []
    assert gate.on_ack(ack(Reason.CONFLICT)) == []
    _, closed = gate.on_result(result(), 100.1)
    assert (closed[0].gate, closed[0].ack) == ("open", "Accepted")
    assert gate.counters().refused == {"Duplicate": 1, "Conflict": 1}


def test_power_cycle_rejects_and_forgets(gate: Gate) -> None:
    assert [outcome.gate for outcome in gate.power_cycle(BOOT + 1)] == ["reject"]
    arm(gate, 1)
    assert gate.on_result(result(), 100.1) == (None, [])
    assert not gate.idle
    gate.on_result(result(plc_boot_id=BOOT + 1), 100.1)
    assert [outcome.gate for outcome in gate.outcomes()] == ["reject", "open"]
