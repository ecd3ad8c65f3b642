"""What the watch sees becomes health, events and records, and holds the station where it may."""

from __future__ import annotations

from dataclasses import replace

import pytest
from control_rig import RECIPE, Rig
from drifting import calibration, seen
from fakes import FakeClock, FakeRecorder, command

from inspector.config import Drift
from inspector.contract import StateName
from inspector.domain import Health
from inspector.drift import DriftWatch
from inspector.watching import RECORD_S, Watching

STEADY = [100.0, 101.0, 99.0, 100.0] * 20
WEAK = "brightness has fallen by 12 % against calibration; look at the lamp"


class Bench:
    """A watch and its surroundings, on a clock that stands still."""

    def __init__(self) -> None:
        self.recorder, self.clock = FakeRecorder(), FakeClock()
        self.watch = DriftWatch(Drift(), RECIPE, calibration({"exposure": STEADY}))
        self.watching = Watching(self.watch, self.recorder, self.clock)

    def show(self, brightness: float, parts: int = 200) -> None:
        show(self.watch, brightness, parts)
        self.watching.tick()


def show(watch: DriftWatch, brightness: float, parts: int = 200) -> None:
    for number in range(parts):
        watch.note(seen({"exposure": brightness + number % 3 - 1}))


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_change_of_health_is_told_in_words_and_once(bench: Bench) -> None:
    for brightness in (100, 88, 88, 88, 100, 100):
        bench.show(brightness)
    assert [(level, text) for level, name, text in bench.recorder.events if name == "drift"] == [
        ("warning", f"watch: {WEAK}"),
        ("error", f"act: {WEAK}"),
        ("info", "good: pictures and scores are no longer different"),
    ]


def test_readings_are_recorded_when_health_changes_and_else_at_a_bounded_rate(bench: Bench) -> None:
    def recorded() -> list[str]:
        return [one.health for _, readings in bench.recorder.readings for one in readings]

    for _ in range(5):
        bench.show(100)
    assert recorded() == ["good"]
    bench.clock.advance(RECORD_S)
    bench.watching.tick()
    assert recorded() == ["good"], "nothing new was seen"
    bench.show(100)
    bench.show(88)
    assert recorded() == ["good", "good", "watch"]
    recipe, readings = bench.recorder.readings[-1]
    assert recipe == RECIPE
    assert (readings[0].reference_median, readings[0].median, readings[0].n) == (100, 88, 200)


def test_a_measure_that_follows_another_is_recorded_at_once(bench: Bench) -> None:
    """The cause may show later than its effects: the lamp's light after the noise."""
    bench.watch.begin(RECIPE, calibration({"exposure": STEADY, "noise": STEADY}))

    def both(brightness: float, noise: float) -> None:
        for number in range(200):
            jitter = number % 3 - 1
            bench.watch.note(seen({"exposure": brightness + jitter, "noise": noise + jitter}))
        bench.watching.tick()

    both(100, 100)
    both(100, 88)
    both(88, 88)
    told = [{one.measure: one.health for one in readings} for _, readings in bench.recorder.readings]
    assert told[:2] == [
        {"exposure": "good", "noise": "good"},
        {"exposure": "good", "noise": "watch"},
    ]
    assert told[2]["exposure"] == "watch"


def test_what_was_learnt_at_the_line_is_told_once(bench: Bench) -> None:
    bench.watch.begin(RECIPE, None)
    for _ in range(3):
        bench.show(100)
    told = ["brightness: learnt from the first parts, for want of a calibration"]
    assert bench.recorder.named("drift") == told


# --- in the station's state ----------------------------------------------------------------------


def weak_light(rig: Rig) -> None:
    rig.drift.begin(RECIPE, calibration({"exposure": STEADY}))
    for _ in range(2):
        show(rig.drift, 88)
        rig.watching.tick()


def test_health_is_the_gravest_of_all() -> None:
    rig = Rig().ready()
    assert rig.control.state_payload().health == "good"
    weak_light(rig)
    rig.pass_time(0.1)
    state = rig.control.state_payload()
    assert (state.state, state.health, state.error_code) == (StateName.READY, "act", 0)
    assert state.error_text == WEAK
    assert rig.last_state().error_text == WEAK
    rig.recorder.health = Health("act", "the disk is full")
    assert rig.control.state_payload().error_text == "the disk is full"


def test_where_it_may_drift_holds_the_station_until_a_reset() -> None:
    rig = Rig(drift=Drift(act_leaves_ready=True)).ready()
    weak_light(rig)
    rig.pass_time(0.1)
    state = rig.control.state_payload()
    assert (state.state, state.error_code, state.error_text) == (StateName.ERROR, 30, WEAK)
    # another product has nothing to compare with yet, and the lamp is as weak as it was
    rig.drift.begin(replace(RECIPE, version=RECIPE.version + 1), None)
    rig.watching.tick()
    rig.pass_time(0.1)
    state = rig.control.state_payload()
    assert (state.state, state.error_code, state.error_text) == (StateName.ERROR, 30, WEAK)
    rig.handle(command("reset"))
    rig.pass_time(0.1)
    assert rig.control.state is StateName.READY
    assert rig.control.state_payload().health == "good"
    rig.drift.begin(RECIPE, calibration({"exposure": STEADY}))
    # not mended: as soon as two windows say so it is held again
    for _ in range(2):
        show(rig.drift, 88)
        rig.watching.tick()
    rig.pass_time(0.1)
    assert rig.control.state is StateName.ERROR


@pytest.mark.parametrize("at_first", [False, True])
def test_drift_that_is_over_does_not_hold_a_station_which_may_be_held_later(at_first: bool) -> None:
    may_hold = Drift(act_leaves_ready=True)
    rig = Rig(drift=may_hold if at_first else Drift()).ready()
    weak_light(rig)
    if at_first:
        rig.watching.adjust(Drift())
    for _ in range(2):
        show(rig.drift, 100)
        rig.watching.tick()
    rig.watching.adjust(may_hold)
    rig.watching.tick()
    rig.pass_time(0.1)
    assert rig.control.state is StateName.READY
    weak_light(rig)
    rig.pass_time(0.1)
    assert rig.control.state is StateName.ERROR


def test_drift_that_goes_on_holds_a_station_from_the_moment_that_it_may() -> None:
    rig = Rig().ready()
    weak_light(rig)
    rig.pass_time(0.1)
    assert rig.control.state is StateName.READY
    rig.watching.adjust(Drift(act_leaves_ready=True))
    rig.watching.tick()
    rig.pass_time(0.1)
    assert rig.control.state is StateName.ERROR
