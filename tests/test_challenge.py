"""What a challenge must show, when it is due, and what a station may do until it has passed."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from control_rig import RECIPE, START, Rig
from fakes import (
    command,
    trigger_message,
)

from inspector.challenge import ChallengePart, ChallengeRun
from inspector.config import Challenge
from inspector.contract import Reason
from inspector.domain import Cause, RecipeRef

OTHER = RecipeRef("shampoo", 1, "2" * 64, "1" * 64)


def shown(expected: str, cause: Cause) -> ChallengePart:
    return ChallengePart(f"{expected}/1", expected, cause.verdict.value, cause.word)


def run_of(
    *parts: ChallengePart, at: datetime = START, recipe: RecipeRef = RECIPE, **changes: Any
) -> ChallengeRun:
    return ChallengeRun("s", at, "maria", "cli", recipe, parts, **changes)


GOOD = shown("good", Cause.NONE)
FAULTY = shown("faulty", Cause.DEFECT)
PASSED = run_of(GOOD, FAULTY)
FAILED = run_of(GOOD, shown("faulty", Cause.NONE))


# --- what passes ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parts", "allowed", "passed"),
    [
        ((GOOD, FAULTY), 0, True),
        ((GOOD, shown("faulty", Cause.UNCERTAIN)), 0, True),
        ((GOOD, shown("faulty", Cause.BLUR)), 0, True),
        ((GOOD, shown("faulty", Cause.NO_PART)), 0, True),
        ((GOOD, shown("faulty", Cause.NONE)), 9, False),
        ((shown("good", Cause.ANOMALY), FAULTY), 9, False),
        ((shown("good", Cause.UNCERTAIN), FAULTY), 0, False),
        ((shown("good", Cause.UNCERTAIN), FAULTY), 1, True),
        ((shown("good", Cause.UNCERTAIN), shown("good", Cause.BLUR), FAULTY), 1, False),
        # what was not inspected proves nothing, whatever it was
        ((GOOD, shown("faulty", Cause.CAMERA_FAULT)), 9, False),
        ((GOOD, shown("faulty", Cause.MODEL_FAULT)), 9, False),
        ((GOOD, shown("faulty", Cause.DEADLINE_MISSED)), 9, False),
        ((shown("good", Cause.OVERRUN), FAULTY), 9, False),
        ((), 0, False),
    ],
)
def test_what_passes(parts: tuple[ChallengePart, ...], allowed: int, passed: bool) -> None:
    run = run_of(*parts, good_in_review=allowed)
    assert run.passed is passed
    assert ("passed" in run.text) is passed


def test_the_table_names_what_was_not_as_expected() -> None:
    lines = FAILED.table().splitlines()
    assert len(lines) == 4
    assert [("not as expected" in line) for line in lines] == [False, False, True, False]
    assert lines[-1] == (
        "challenge failed: 1 of 2 parts as expected; faulty part faulty/1 was PASS (None)"
    )


# --- when it is due ------------------------------------------------------------------------------

NEVER = "none was ever run"
REQUIRED = {"required": True}


@pytest.mark.parametrize(
    ("config", "last", "hours", "lack"),
    [
        ({}, None, 1000.0, ""),
        ({"every_h": 2}, None, 0.0, NEVER),
        ({"shift_start": True}, None, 0.0, NEVER),
        ({"recipe_change": True}, None, 0.0, NEVER),
        ({}, FAILED, 0.0, "challenge failed"),
        ({"every_h": 2}, FAILED, 0.0, "challenge failed"),
        ({"every_h": 2}, PASSED, 1.99, ""),
        ({"every_h": 2}, PASSED, 2.01, "2.0 h ago"),
        ({"every_h": 2, "grace_min": 30}, PASSED, 2.49, ""),
        ({"every_h": 2, "grace_min": 30}, PASSED, 2.51, "2.5 h ago"),
        # 9:00 lies in the early shift, which begins at 6:00; the late one begins at 14:00
        ({"shift_start": True}, PASSED, 4.99, ""),
        ({"shift_start": True}, PASSED, 5.01, "shift 'late'"),
        ({"shift_start": True, "grace_min": 15}, PASSED, 5.2, ""),
        ({"shift_start": True, "grace_min": 15}, PASSED, 5.3, "shift 'late'"),
        ({"recipe_change": True}, PASSED, 1000.0, ""),
        (
            {"recipe_change": True},
            run_of(GOOD, FAULTY, recipe=OTHER),
            0.0,
            "soap version 3 is not proven",
        ),
    ],
)
def test_what_is_lacking(
    config: dict[str, Any], last: ChallengeRun | None, hours: float, lack: str
) -> None:
    rig = Rig(challenge=Challenge(**config), last=last).start()
    rig.jump(hours)
    said = rig.challenger.lack(RECIPE)
    assert lack in said if lack else said == ""


def test_the_age_of_a_run_of_an_earlier_day_is_counted_on() -> None:
    old = run_of(GOOD, FAULTY, at=START - timedelta(hours=7))
    rig = Rig(challenge=Challenge(every_h=8), last=old).start()
    rig.jump(0.9)
    assert rig.challenger.lack(RECIPE) == ""
    rig.jump(0.2)
    assert "8.1 h ago" in rig.challenger.lack(RECIPE)


@pytest.mark.parametrize("hours", [1, -1])
def test_a_clock_that_is_set_makes_nothing_due(hours: int) -> None:
    rig = Rig(challenge=Challenge(every_h=0.5), last=PASSED)
    rig._start_s -= hours * 3600
    rig.start()
    assert rig.challenger.lack(RECIPE) == ""


# --- what it does to the state -------------------------------------------------------------------


def test_a_required_challenge_that_failed_keeps_out_of_ready_and_one_that_passed_brings_back() -> None:
    rig = Rig(challenge=Challenge(**REQUIRED), last=FAILED).start()
    state = rig.last_state()
    assert (state.state.value, state.health, state.error_code) == ("Initialized", "act", 0)
    assert "challenge failed" in state.error_text
    rig.handle(trigger_message(1))
    assert rig.plc.acks.pop().reason is Reason.NOT_READY
    arm_and_judge(rig, (Cause.NONE, "good"), (Cause.DEFECT, "faulty"))
    rig.pass_time()
    assert (rig.state, rig.last_state().health, rig.last_state().error_text) == ("Ready", "good", "")


def test_one_that_is_overdue_leaves_ready_by_itself() -> None:
    rig = Rig(challenge=Challenge(every_h=1, required=True), last=PASSED).ready()
    rig.jump(1.1)
    assert (rig.state, rig.last_state().health) == ("Initialized", "act")
    assert "overdue" in rig.last_state().error_text


def test_one_that_is_not_required_is_told_and_no_more() -> None:
    rig = Rig(challenge=Challenge(every_h=1), last=FAILED).ready()
    assert (rig.last_state().health, rig.last_state().error_code) == ("watch", 0)
    assert "challenge failed" in rig.last_state().error_text


def arm_and_judge(rig: Rig, *parts: tuple[Cause, str], first: int = 100) -> None:
    """The PLC arms parts and sends them past."""
    rig.handle(command("challenge", expected=[expected for _, expected in parts]))
    assert rig.plc.acks.pop().reason is Reason.ACCEPTED
    rig.pass_time()
    for number, (cause, _) in enumerate(parts, first):
        rig.handle(trigger_message(number))
        assert rig.plc.acks.pop().reason is Reason.ACCEPTED
        rig.judge(rig.accepted[-1], cause)


def test_armed_parts_alone_are_let_in_while_the_station_is_not_proven() -> None:
    rig = Rig(challenge=Challenge(**REQUIRED), last=FAILED).start()
    rig.handle(command("challenge", expected=["faulty", "good"]))
    rig.pass_time()
    assert rig.state == "Ready"
    for number in (1, 2, 3):
        rig.handle(trigger_message(number))
    # the third comes before the state could be brought up to date, and is production
    assert [ack.reason for ack in rig.plc.acks[-3:]] == [Reason.ACCEPTED] * 2 + [Reason.NOT_READY]
    assert [trigger.challenge for trigger in rig.accepted] == ["faulty", "good"]
    rig.pass_time()
    assert rig.state == "Initialized"


def test_a_run_of_armed_parts_is_recorded_when_the_last_is_judged() -> None:
    rig = Rig().ready()
    rig.handle(command("challenge", expected=["good", "faulty"], commandId="c9"))
    for number in (1, 2, 3):
        rig.handle(trigger_message(number))
    faulty, good = rig.accepted[1], rig.accepted[0]
    rig.judge(rig.accepted[2])
    rig.judge(faulty, Cause.ANOMALY)
    assert rig.recorder.challenges == []
    rig.judge(good)
    (run,) = rig.recorder.challenges
    assert (run.passed, run.origin, run.operator, run.station) == (True, "plc", "c9", "s")
    assert run.recipe == RECIPE
    assert {(part.name, part.expected, part.verdict) for part in run.parts} == {
        ("part-1", "good", "PASS"),
        ("part-2", "faulty", "FAIL"),
    }
    counters = rig.desk.counters()
    assert (counters.challenge, counters.verdicts["PASS"], counters.reconciled) == (2, 1, True)


def test_an_escape_among_armed_parts_fails_the_run() -> None:
    rig = Rig(challenge=Challenge(**REQUIRED), last=PASSED).ready()
    arm_and_judge(rig, (Cause.NONE, "faulty"), (Cause.NONE, "good"))
    rig.pass_time()
    assert not rig.recorder.challenges[0].passed
    assert rig.state == "Initialized"
    assert any("challenge failed" in text for text in rig.recorder.named("challenge"))


def test_good_parts_alone_prove_nothing() -> None:
    rig = Rig(challenge=Challenge(every_h=8, required=True)).start()
    arm_and_judge(rig, (Cause.NONE, "good"))
    rig.pass_time()
    assert (rig.recorder.challenges[0].passed, rig.state) == (True, "Initialized")
    arm_and_judge(rig, (Cause.DEFECT, "faulty"), first=200)
    rig.pass_time()
    assert rig.state == "Ready"


def test_a_second_challenge_waits_for_the_first() -> None:
    rig = Rig().ready()
    rig.handle(command("challenge", expected=["good"]))
    rig.handle(command("challenge", expected=["good"], commandId="c2"))
    assert [ack.reason for ack in rig.plc.acks] == [Reason.ACCEPTED, Reason.NOT_READY]
    assert rig.desk.armed == 1


def test_reset_takes_back_what_has_not_come() -> None:
    rig = Rig().ready()
    rig.handle(command("challenge", expected=["good", "good", "good"]))
    for number in (1, 2):
        rig.handle(trigger_message(number))
    rig.judge(rig.accepted[0])
    rig.handle(command("reset"))
    rig.handle(trigger_message(3))
    assert [trigger.challenge for trigger in rig.accepted] == ["good", "good", None]
    # one is still on its way: a new run must not take it for one of its own
    rig.handle(command("challenge", expected=["faulty"], commandId="c2"))
    assert rig.plc.acks[-1].reason is Reason.NOT_READY
    rig.judge(rig.accepted[1])
    rig.handle(command("challenge", expected=["faulty"], commandId="c3"))
    assert rig.plc.acks[-1].reason is Reason.ACCEPTED
    assert rig.recorder.challenges == []
    assert any("1 of 3" in text for text in rig.recorder.named("challenge"))


def test_a_reset_does_not_undo_a_failure() -> None:
    rig = Rig(challenge=Challenge(**REQUIRED), last=PASSED).ready()
    rig.handle(command("challenge", expected=["faulty", "good"]))
    rig.handle(trigger_message(1))
    rig.judge(rig.accepted[0])
    rig.handle(command("reset"))
    rig.pass_time()
    (run,) = rig.recorder.challenges
    assert (run.passed, len(run.parts), rig.state) == (False, 1, "Initialized")


def test_a_part_that_could_not_be_journaled_is_armed_again() -> None:
    rig = Rig().ready()
    rig.handle(command("challenge", expected=["faulty"]))
    rig.journal.full = True
    rig.handle(trigger_message(1))
    assert (rig.accepted, rig.desk.armed) == ([], 1)
    rig.journal.full = False
    rig.pass_time(2)
    rig.handle(trigger_message(2))
    assert rig.accepted[0].challenge == "faulty"
