"""Runs and rates of FAIL and REVIEW raise the configured alarm."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import pytest
from control_rig import Rig
from fakes import trigger_message

from inspector.alarm import FAIL_RATE, FAIL_RUN, REVIEW_RATE, REVIEW_RUN
from inspector.config import Alarms
from inspector.contract import CommandPayload
from inspector.domain import Cause
from inspector.ports import Received

PASS, FAIL, REVIEW = Cause.NONE, Cause.DEFECT, Cause.UNCERTAIN
COUNT = itertools.count(1)


def judge(rig: Rig, causes: Iterable[Cause]) -> None:
    for cause in causes:
        rig.handle(trigger_message(next(COUNT), recipe_id="soap"))
        rig.judge(rig.accepted[-1], cause)
        rig.pass_time()


def state(rig: Rig) -> tuple[str, int]:
    payload = rig.last_state()
    return payload.state.value, payload.error_code


def test_without_a_limit_nothing_is_raised() -> None:
    rig = Rig().ready()
    judge(rig, [FAIL] * 150 + [REVIEW] * 150)
    assert state(rig) == ("Ready", 0)


@pytest.mark.parametrize(
    ("limits", "cause", "code"),
    [({"fail_run": 3}, FAIL, FAIL_RUN), ({"review_run": 3}, REVIEW, REVIEW_RUN)],
)
def test_a_run_is_told_and_goes_with_the_next_part(
    limits: dict[str, int], cause: Cause, code: int
) -> None:
    rig = Rig(alarms=Alarms.model_validate(limits)).ready()
    judge(rig, [cause, cause, PASS, cause, cause])
    assert state(rig) == ("Ready", 0)
    judge(rig, [cause])
    assert state(rig) == ("Ready", code)
    payload = rig.last_state()
    assert payload.health == "act"
    assert payload.error_text == f"3 parts in a row were {cause.verdict.value}"
    judge(rig, [PASS])
    assert state(rig) == ("Ready", 0)
    assert rig.recorder.named("alarm") == [payload.error_text, f"Over: {payload.error_text}"]


@pytest.mark.parametrize(
    ("limits", "cause", "code"),
    [({"fail_rate": 0.2}, FAIL, FAIL_RATE), ({"review_rate": 0.2}, REVIEW, REVIEW_RATE)],
)
def test_a_rate_counts_over_a_full_window(limits: dict[str, float], cause: Cause, code: int) -> None:
    rig = Rig(alarms=Alarms.model_validate({**limits, "window": 10})).ready()
    judge(rig, [cause, cause, cause, *[PASS] * 6])
    assert state(rig) == ("Ready", 0), "nine parts are no window"
    judge(rig, [PASS])
    assert state(rig) == ("Ready", code)
    judge(rig, [PASS])
    assert state(rig) == ("Ready", 0), "two of ten are no more than 20 %"


def test_one_that_leaves_ready_stays_until_reset() -> None:
    rig = Rig(alarms=Alarms(fail_run=2, leaves_ready=True)).ready()
    judge(rig, [FAIL, FAIL])
    assert state(rig) == ("Error", FAIL_RUN)
    rig.pass_time(5)
    assert state(rig) == ("Error", FAIL_RUN)
    rig.handle(Received("cmd/reset", CommandPayload(command_id="c").encode(), 0.0))
    rig.pass_time()
    assert state(rig) == ("Ready", 0)
    judge(rig, [FAIL])
    assert state(rig) == ("Ready", 0), "the run begins anew"


def test_other_limits_hold_from_the_next_part_on() -> None:
    rig = Rig(alarms=Alarms(fail_run=5, window=20)).ready()
    judge(rig, [FAIL] * 3)
    rig.alarms.adjust(Alarms(fail_run=4, window=10))
    rig.pass_time()
    assert state(rig) == ("Ready", 0), "the parts before are no alarm of now"
    judge(rig, [FAIL])
    assert state(rig) == ("Ready", FAIL_RUN), "but they count"
    rig.alarms.adjust(Alarms())
    judge(rig, [FAIL])
    assert state(rig) == ("Ready", 0)
