"""What is accepted, what is refused and why, and that every one is accounted for."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from typing import Any

import pytest
from fakes import PLC_BOOT, frame, trigger_message
from support import result_payload

from inspector.contract import Reason, ResultAckPayload, ResultPayload, StateName
from inspector.desk import Desk
from inspector.domain import Cause, Inspection, RecipeRef, Trigger
from inspector.issue import Issuer
from inspector.judge import judge
from inspector.ports import Received
from inspector.station import Judged

ISSUER = Issuer("s", 5, RecipeRef("soap", 1, "0" * 64, "1" * 64), simulated=False)


def desk() -> Desk:
    return Desk("soap")


def admit(
    at: Desk, message: Received, state: StateName = StateName.READY
) -> tuple[str, Trigger | None]:
    admission = at.admit(message, state, message.at_s)
    assert admission.ack.accepted == (admission.ack.reason is Reason.ACCEPTED)
    assert (admission.trigger is not None) == admission.ack.accepted
    assert at.counters().reconciled
    return admission.ack.reason.value, admission.trigger


def inspection(trigger: Trigger, cause: Cause = Cause.NONE) -> Inspection:
    judged = Judged(judge((), () if cause is Cause.NONE else (cause,)), 1)
    return ISSUER.issue(ISSUER.number(), trigger, judged, (), 0.01, (0.0, 0.0))


def accepted(at: Desk, number: int = 1, **changes: Any) -> Trigger:
    reason, trigger = admit(at, trigger_message(number, **changes))
    assert trigger is not None, reason
    return trigger


def finish(at: Desk, trigger: Trigger, cause: Cause = Cause.NONE) -> ResultPayload:
    done = inspection(trigger, cause)
    result = ResultPayload.of(done)
    at.send(result)
    at.book(done, result)
    return result


def test_an_accepted_trigger_carries_everything_of_the_message() -> None:
    message = trigger_message(
        9, at_s=12.5, deadlineMs=250.5, batchId="b", measId="m", productId="p", unknown={"x": [1]}
    )
    _, trigger = admit(desk(), message)
    assert trigger == Trigger(PLC_BOOT, 9, "part-9", 12.5, 0.2505, "soap", "b", "m", "p", None)


@pytest.mark.parametrize("state", [state for state in StateName if state is not StateName.READY])
def test_in_any_state_but_ready_a_trigger_is_refused(state: StateName) -> None:
    at = desk()
    assert admit(at, trigger_message(), state) == ("NotReady", None)
    assert at.counters().refused == {"NotReady": 1}
    # refused is not known: the same trigger may come again
    assert admit(at, trigger_message())[0] == "Accepted"


def test_another_recipe_is_refused() -> None:
    assert admit(desk(), trigger_message(recipeId="shampoo")) == ("RecipeMismatch", None)


def test_same_key_with_the_same_part_is_a_duplicate_also_while_in_flight_and_not_ready() -> None:
    at = desk()
    accepted(at)
    assert admit(at, trigger_message())[0] == "Duplicate"
    assert admit(at, trigger_message(), StateName.ERROR)[0] == "Duplicate"
    assert at.admit(trigger_message(), StateName.READY, 1000.0).again is None
    assert at.counters().accepted == 1


@pytest.mark.parametrize(("after_s", "again"), [(0.0, True), (0.499, True), (0.5, False), (9.0, False)])
def test_a_duplicate_gets_its_result_again_only_within_the_deadline(
    after_s: float, again: bool
) -> None:
    at = desk()
    trigger = accepted(at, at_s=1000.0, deadlineMs=500)
    result = finish(at, trigger)
    # it was received at once, and waited
    admission = at.admit(trigger_message(deadlineMs=500), StateName.READY, 1000.0 + after_s)
    assert admission.ack.reason is Reason.DUPLICATE
    assert admission.again == (result if again else None)


def test_the_age_of_a_repeated_result_counts_from_the_exposure() -> None:
    """On a wired line the camera fires before the message arrives."""
    at = desk()
    trigger = accepted(at, at_s=1000.0, deadlineMs=500)
    made = replace(inspection(trigger), frames=(frame(exposed_s=999.9),))
    result = ResultPayload.of(made)
    at.book(made, result)
    for after_s, again in ((0.399, True), (0.4, False)):
        now_s = 1000.0 + after_s
        admission = at.admit(trigger_message(at_s=now_s, deadlineMs=500), StateName.READY, now_s)
        assert admission.again == (result if again else None)


def test_nothing_is_repeated_after_a_halt() -> None:
    at = desk()
    finish(at, accepted(at))
    assert at.admit(trigger_message(), StateName.HALTED, 1000.0).again is None
    assert at.admit(trigger_message(), StateName.ERROR, 1000.0).again is not None


def test_a_duplicate_of_what_was_not_published_is_not_published_either() -> None:
    at = desk()
    at.book(inspection(accepted(at), Cause.DEADLINE_MISSED), None)
    assert at.admit(trigger_message(), StateName.READY, 1000.0).again is None


def test_same_key_with_another_part_is_a_conflict() -> None:
    at = desk()
    finish(at, accepted(at))
    admission = at.admit(trigger_message(partId="other"), StateName.READY, 1000.0)
    assert (admission.ack.reason, admission.again) == (Reason.CONFLICT, None)
    assert (admission.ack.plc_boot_id, admission.ack.trigger_id) == (PLC_BOOT, 1)


def test_another_plc_boot_is_another_trigger() -> None:
    at = desk()
    accepted(at)
    accepted(at, plcBootId=PLC_BOOT + 1)
    assert at.counters().gaps == 0


GOOD = json.loads(trigger_message().data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"hello",
        b"\x00\xff\xfe\x80",
        b"null",
        b"[]",
        b"3",
        b"{}",
        b"[" * 4000,
        b'{"a":' * 1500,
        trigger_message().data[:-1],
        trigger_message().data.replace(b"5000", b"NaN"),
        trigger_message().data.replace(b"5000", b"Infinity"),
        b'{"v":1,"x":"' + b"a" * 100_000 + b'"}',
        trigger_message(partId="p" * 33).data,
        trigger_message(partId="").data,
        trigger_message(partId="tür").data,
        trigger_message(partId="a\nb").data,
        trigger_message(partId=5).data,
        trigger_message(triggerId=-1).data,
        trigger_message(triggerId=2**32).data,
        trigger_message(triggerId=1.5).data,
        trigger_message(triggerId="1").data,
        trigger_message(triggerId=True).data,
        trigger_message(plcBootId=0).data,
        trigger_message(deadlineMs=0).data,
        trigger_message(deadlineMs=-5).data,
        trigger_message(deadlineMs="500").data,
        trigger_message(recipeId=["soap"]).data,
        trigger_message(batchId={"a": 1}).data,
        *(trigger_message(**{key: None}).data for key in GOOD if key != "v"),
    ],
)
def test_whatever_is_no_trigger_is_malformed_and_accounted_for(data: bytes) -> None:
    at = desk()
    assert admit(at, Received("cmd/trigger", data, 0.0)) == ("Malformed", None)
    assert at.counters().refused == {"Malformed": 1}


@pytest.mark.parametrize(
    ("changes", "ids"),
    [
        ({"partId": 5}, (PLC_BOOT, 1)),
        ({"triggerId": "1"}, (None, None)),
        ({"triggerId": None}, (PLC_BOOT, None)),
        ({"plcBootId": 2**32}, (None, None)),
    ],
)
def test_a_malformed_trigger_is_answered_with_the_ids_that_can_be_read(
    changes: dict[str, Any], ids: tuple[int | None, int | None]
) -> None:
    ack = desk().admit(trigger_message(**changes), StateName.READY, 1000.0).ack
    assert (ack.plc_boot_id, ack.trigger_id) == ids


@pytest.mark.parametrize(
    ("numbers", "gaps"),
    [
        ([1, 2, 3], 0),
        ([7, 8], 0),
        ([1, 3], 1),
        ([1, 5, 6, 9], 5),
        ([2**32 - 2, 2**32 - 1, 0, 1], 0),
        ([2**32 - 1, 2], 2),
        ([10, 5, 11], 0),
    ],
)
def test_gaps_in_the_trigger_ids_are_counted_over_the_wrap(numbers: list[int], gaps: int) -> None:
    at = desk()
    for number in numbers:
        accepted(at, number)
    assert at.counters().gaps == gaps


def test_a_refused_trigger_is_no_gap() -> None:
    at = desk()
    accepted(at, 1)
    admit(at, trigger_message(2), StateName.ERROR)
    admit(at, trigger_message(3, recipeId="other"))
    accepted(at, 4)
    assert at.counters().gaps == 0


def test_challenge_parts_are_armed_in_order_and_stay_outside_of_the_production_counters() -> None:
    at = desk()
    at.arm(["good", "faulty"])
    triggers = [accepted(at, number) for number in (1, 2, 3)]
    assert [trigger.challenge for trigger in triggers] == ["good", "faulty", None]
    for trigger, cause in zip(triggers, (Cause.NONE, Cause.DEFECT, Cause.ANOMALY), strict=True):
        assert finish(at, trigger, cause).is_challenge == (trigger.challenge is not None)
    counters = at.counters()
    assert counters.challenge == 2
    assert counters.verdicts == {"PASS": 0, "FAIL": 1, "REVIEW": 0}
    assert counters.reconciled


def test_refused_triggers_use_up_no_challenge() -> None:
    at = desk()
    at.arm(["good"])
    admit(at, trigger_message(1), StateName.ERROR)
    assert accepted(at, 2).challenge == "good"


def test_a_retracted_trigger_is_as_if_it_had_never_been_accepted() -> None:
    at = desk()
    trigger = accepted(at)
    ack = at.retract(trigger)
    assert (ack.accepted, ack.reason, ack.trigger_id) == (False, Reason.NOT_READY, 1)
    counters = at.counters()
    assert (counters.received, counters.accepted, counters.in_flight) == (1, 0, 0)
    assert counters.reconciled
    accepted(at)


def test_a_pass_that_the_plc_did_not_take_is_counted() -> None:
    at = desk()
    passed = finish(at, accepted(at, 1))
    failed = finish(at, accepted(at, 2), Cause.DEFECT)
    for result_id, taken in (
        (passed.result_id, True),
        (failed.result_id, False),
        ("stranger", False),
        (result_payload().result_id, False),
    ):
        at.acknowledge(ResultAckPayload(result_id=result_id, taken=taken))
    assert at.counters().not_taken == 0
    at.acknowledge(ResultAckPayload(result_id=passed.result_id, taken=False))
    assert at.counters().not_taken == 1


def test_late_and_overrun_are_counted_by_name_and_among_review() -> None:
    at = desk()
    for number, cause in enumerate((Cause.DEADLINE_MISSED, Cause.OVERRUN, Cause.OVERRUN)):
        finish(at, accepted(at, number), cause)
    counters = at.counters()
    assert (counters.late, counters.overrun, counters.verdicts["REVIEW"]) == (1, 2, 3)


def test_own_parts_are_booked_like_triggers() -> None:
    at = desk()
    own = Trigger(0, 1, "cam#1", 0.0, 0.5, "soap")
    at.open_own(own)
    assert at.counters().in_flight == 1
    finish(at, own)
    at.refuse_own()
    counters = at.counters()
    assert (counters.received, counters.accepted, counters.refused) == (2, 1, {"NotReady": 1})
    assert counters.reconciled
    # no PLC has boot id 0, so an own part is never a duplicate of a trigger
    assert admit(at, trigger_message(1))[0] == "Accepted"


@pytest.mark.parametrize("seed", range(10))
def test_counters_reconcile_at_any_moment(seed: int) -> None:
    rng = random.Random(seed)
    at = desk()
    open_parts: list[Trigger] = []
    for step in range(300):
        kind = rng.randrange(6)
        if kind == 0:
            at.admit(Received("cmd/trigger", rng.randbytes(20), step), StateName.READY, step)
        elif kind == 1 and open_parts:
            part = open_parts.pop(rng.randrange(len(open_parts)))
            finish(at, part, rng.choice([Cause.NONE, Cause.DEFECT, Cause.BLUR, Cause.OVERRUN]))
        elif kind == 2 and open_parts:
            at.retract(open_parts.pop())
        elif kind == 3:
            at.arm([rng.choice(["good", "faulty"])])
        else:
            message = trigger_message(
                rng.randrange(100),
                partId=rng.choice(["a", "b"]),
                recipeId=rng.choice(["soap", "soap", "other"]),
                at_s=float(step),
            )
            admission = at.admit(
                message, rng.choice([StateName.READY, StateName.READY, StateName.ERROR]), float(step)
            )
            if admission.trigger is not None:
                open_parts.append(admission.trigger)
        counters = at.counters()
        assert counters.reconciled, counters
        assert counters.in_flight == len(open_parts)
