"""The state machine: only the transitions of the contract's table."""

from __future__ import annotations

import itertools
import random
from dataclasses import fields, replace

import pytest

from inspector.contract import StateName
from inspector.states import Conditions, path, target

ANY = set(StateName)
TABLE = {
    StateName.PREOPERATIONAL: set(),
    StateName.INITIALIZED: ANY - {StateName.INITIALIZED},
    StateName.READY: {StateName.INITIALIZED},
    StateName.CONTINUOUS_EXECUTION: {StateName.INITIALIZED},
    StateName.HALTED: ANY - {StateName.HALTED},
    StateName.ERROR: ANY - {StateName.ERROR},
}
"""By state, from which others it may be entered."""
WORKING = Conditions(linked=True, cameras_up=True, warm=True, plc_alive=True)
FLAGS = [field.name for field in fields(Conditions) if field.name not in ("fault", "free_running")]


def walk(state: StateName, conditions: Conditions) -> list[StateName]:
    steps = path(state, conditions)
    for before, after in itertools.pairwise([state, *steps]):
        assert before in TABLE[after], f"{before} -> {after}"
    return steps


@pytest.mark.parametrize("seed", range(20))
def test_random_conditions_make_only_transitions_of_the_table(seed: int) -> None:
    rng = random.Random(seed)
    state = StateName.PREOPERATIONAL
    conditions = Conditions(free_running=seed % 2 == 1)
    for _ in range(500):
        name = rng.choice([*FLAGS, "fault"])
        value = rng.choice(["", "camera lost"]) if name == "fault" else rng.random() < 0.7
        conditions = replace(conditions, **{name: value})
        state = [state, *walk(state, conditions)][-1]
        assert state is target(conditions, state)
        assert path(state, conditions) == []
        works = all(
            (conditions.linked, conditions.cameras_up, conditions.warm, conditions.plc_alive)
        ) and not any((conditions.halted, conditions.fault, conditions.changing, conditions.unproven))
        assert (state in (StateName.READY, StateName.CONTINUOUS_EXECUTION)) == works


@pytest.mark.parametrize("now", list(StateName))
@pytest.mark.parametrize("bits", list(itertools.product([False, True], repeat=8)))
def test_every_state_under_every_condition_stays_in_the_table(
    now: StateName, bits: tuple[bool, ...]
) -> None:
    *flags, faulty = bits
    conditions = Conditions(fault="lost" if faulty else "")
    conditions = replace(conditions, **dict(zip(FLAGS, flags, strict=True)))
    if now in (StateName.READY, StateName.CONTINUOUS_EXECUTION):
        conditions = replace(conditions, free_running=now is StateName.CONTINUOUS_EXECUTION)
    walk(now, conditions)


def test_start_waits_for_broker_and_camera_then_for_models_and_the_plc() -> None:
    state = StateName.PREOPERATIONAL
    conditions = Conditions()
    seen = []
    for name in ("linked", "cameras_up", "warm", "plc_alive"):
        conditions = replace(conditions, **{name: True})
        state = [state, *walk(state, conditions)][-1]
        seen.append(state.value)
    assert seen == ["Preoperational", "Initialized", "Initialized", "Ready"]


@pytest.mark.parametrize("lost", ["linked", "cameras_up", "warm", "plc_alive"])
def test_ready_is_left_for_initialized_when_anything_is_lost_and_comes_back(lost: str) -> None:
    assert walk(StateName.READY, replace(WORKING, **{lost: False})) == [StateName.INITIALIZED]
    assert walk(StateName.INITIALIZED, WORKING) == [StateName.READY]


def test_halt_outranks_a_fault_and_only_its_end_leaves_it() -> None:
    halted = replace(WORKING, halted=True)
    assert walk(StateName.READY, replace(halted, fault="x")) == [StateName.HALTED]
    assert walk(StateName.HALTED, replace(halted, plc_alive=False)) == []
    assert walk(StateName.HALTED, WORKING) == [StateName.INITIALIZED, StateName.READY]


def test_a_fault_that_heals_leads_back_through_initialized() -> None:
    assert walk(StateName.READY, replace(WORKING, fault="camera")) == [StateName.ERROR]
    assert walk(StateName.ERROR, WORKING) == [StateName.INITIALIZED, StateName.READY]


def test_a_free_running_station_works_in_continuous_execution() -> None:
    conditions = replace(WORKING, free_running=True)
    assert walk(StateName.PREOPERATIONAL, conditions) == [
        StateName.INITIALIZED,
        StateName.CONTINUOUS_EXECUTION,
    ]
