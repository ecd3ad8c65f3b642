"""The station's state machine, as the contract has it. Pure: conditions in, states out."""

from __future__ import annotations

from dataclasses import dataclass

from inspector.contract import StateName


@dataclass(frozen=True, slots=True)
class Conditions:
    """What the state depends on."""

    linked: bool = False
    """The broker is connected, or the station is configured to have none."""
    cameras_up: bool = False
    warm: bool = False
    """Models and recipe are loaded and have run once."""
    plc_alive: bool = False
    """The PLC's heartbeat lives, or the station needs none."""
    changing: bool = False
    """Another recipe is on its way to become active."""
    unproven: bool = False
    """A challenge failed or is overdue, and the configuration makes that count."""
    halted: bool = False
    fault: str = ""
    """Something that the station cannot work with, in words."""
    free_running: bool = False


_ENTERED_FROM = {
    StateName.INITIALIZED: {
        StateName.PREOPERATIONAL,
        StateName.READY,
        StateName.CONTINUOUS_EXECUTION,
        StateName.HALTED,
        StateName.ERROR,
    },
    StateName.READY: {StateName.INITIALIZED},
    StateName.CONTINUOUS_EXECUTION: {StateName.INITIALIZED},
}
"""``Halted`` and ``Error`` may be entered from anywhere."""


def target(conditions: Conditions, now: StateName) -> StateName:
    """The state that these conditions call for."""
    if conditions.halted:
        return StateName.HALTED
    if conditions.fault:
        return StateName.ERROR
    if not (conditions.linked and conditions.cameras_up) and now is StateName.PREOPERATIONAL:
        return StateName.PREOPERATIONAL
    working = conditions.linked and conditions.cameras_up and conditions.warm and conditions.plc_alive
    if working and not (conditions.changing or conditions.unproven):
        return StateName.CONTINUOUS_EXECUTION if conditions.free_running else StateName.READY
    return StateName.INITIALIZED


def path(now: StateName, conditions: Conditions) -> list[StateName]:
    """The states to pass through, one by one, to where these conditions call for."""
    wanted = target(conditions, now)
    if wanted is now:
        return []
    if wanted in (StateName.HALTED, StateName.ERROR) or now in _ENTERED_FROM.get(wanted, ()):
        return [wanted]
    return [StateName.INITIALIZED, wanted]
