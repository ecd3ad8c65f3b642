"""A control on a clock that stands still, and everything around it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast
from zoneinfo import ZoneInfo

from fakes import PLC_BEAT, FakeClock, FakeDetector, FakeJournal, FakePlc, FakeRecorder, make_station

from inspector.alarm import AlarmWatch
from inspector.challenge import ChallengeRun
from inspector.challenger import Challenger
from inspector.changeover import Active, Changeover
from inspector.config import Alarms, Challenge, Drift, Shift
from inspector.contract import StatePayload
from inspector.control import Control
from inspector.desk import Desk
from inspector.domain import Cause, Inspection, RecipeRef, Trigger
from inspector.drift import DriftWatch
from inspector.duty import Duty
from inspector.errors import BundleError
from inspector.issue import Issuer
from inspector.judge import judge
from inspector.ports import HaltMark, LinkUp, Received
from inspector.recipe import PlcTrigger, Recipe
from inspector.signs import Signs
from inspector.station import Judged, Station
from inspector.watching import Watching

RECIPE = RecipeRef("soap", 3, "0" * 64, "1" * 64)
HEALTHY = Signs()
STANDARD_DRIFT, NO_ALARMS = Drift(), Alarms()
START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
"""Time of day when a rig is made."""


class FakeRecipes:
    """Finds what it was given; ``broken`` refuses to load."""

    def __init__(self) -> None:
        self.known: list[Recipe] = []
        self.broken = False
        self.loaded: list[str] = []

    def find(self, recipe_id: str, version: int | None) -> Recipe | None:
        for recipe in self.known:
            if recipe.recipe_id == recipe_id and version in (None, recipe.text.version):
                return recipe
        return None

    def load(self, recipe: Recipe) -> Station:
        if self.broken:
            raise BundleError("the network is corrupt", "Restore it")
        self.loaded.append(recipe.recipe_id)
        return make_station(recipe, FakeDetector())


class Rig:
    """A control and everything around it; time moves by :meth:`pass_time` alone."""

    def __init__(
        self,
        *,
        free_running: bool = False,
        has_plc: bool = True,
        challenge: Challenge | None = None,
        last: ChallengeRun | None = None,
        recipe: RecipeRef = RECIPE,
        drift: Drift = STANDARD_DRIFT,
        alarms: Alarms = NO_ALARMS,
        halt_mark: HaltMark | None = None,
    ) -> None:
        self.clock, self.plc, self.journal = FakeClock(), FakePlc(), FakeJournal()
        self.recorder, self.desk = FakeRecorder(), Desk("soap")
        self.accepted: list[Trigger] = []
        self.signs = HEALTHY
        self.plc_beats = True
        self.recipes = FakeRecipes()
        self.threads: list[Callable[[], None]] = []
        self.answers: list[tuple[int, str, str]] = []
        self.busy = False
        """Whether a part is on its way, so that nothing may be swapped."""
        recipe_now = SimpleNamespace(text=SimpleNamespace(trigger=PlcTrigger()))
        self.active = Active(cast(Station, SimpleNamespace(recipe=recipe_now)), recipe)
        self._start_s = self.clock()
        self.duty = Duty(
            challenge or Challenge(),
            (Shift(name="early", start="06:00"), Shift(name="late", start="14:00")),
            ZoneInfo("UTC"),
            last,
            wall=START,
            now_s=self.clock(),
        )
        self.challenger = Challenger(
            "s", self.duty, self.desk, self.recorder, ("top",), self.clock, self.time_of_day
        )
        self.drift = DriftWatch(drift, recipe)
        self.alarms = AlarmWatch(alarms)
        self.watching = Watching(self.drift, self.recorder, self.clock, holds=drift.act_leaves_ready)
        self.control = Control(
            desk=self.desk,
            journal=self.journal,
            recorder=self.recorder,
            plc=self.plc if has_plc else None,
            active=lambda: self.active,
            mode="production",
            free_running=free_running,
            boot_id=5,
            clock=self.clock,
            accept=self.accepted.append,
            challenger=self.challenger,
            changeover=Changeover(self.recipes, self._start),
            watching=self.watching,
            alarms=self.alarms,
            swap=self._swap,
            start=self._start,
            tell=lambda *answer: self.answers.append(answer),
            stopping=lambda: False,
            halt_mark=halt_mark,
        )

    def _start(self, name: str, target: Callable[[], None]) -> None:
        self.threads.append(target)

    def run_threads(self) -> None:
        """Run to its end what was started in threads of its own."""
        while self.threads:
            self.threads.pop(0)()

    def _swap(self, active: Active) -> bool:
        if not self.busy:
            self.active = active
        return not self.busy

    def time_of_day(self) -> datetime:
        """The wall clock, which runs with the other."""
        return START + timedelta(seconds=self.clock() - self._start_s)

    @property
    def state(self) -> str:
        return self.control.state.value

    def handle(self, message: Any) -> None:
        if isinstance(message, Received):
            message = dataclasses.replace(message, at_s=self.clock())
        self.control.handle(message)

    def pass_time(self, seconds: float = 0.05) -> None:
        """Ticks each 50 ms, and the PLC's heart beats, as long as it does."""
        for _ in range(round(seconds / 0.05)):
            self.clock.advance(0.05)
            self.tick()

    def jump(self, hours: float) -> None:
        """Let hours pass between two ticks."""
        self.clock.advance(hours * 3600)
        self.tick()

    def tick(self) -> None:
        """One tick of the control, after a beat of the PLC's heart, if it beats."""
        if self.plc_beats:
            self.control.handle(Received("plc/hb", PLC_BEAT, self.clock()))
        self.control.tick(self.signs)

    def start(self) -> Rig:
        """Link and models are there."""
        self.handle(LinkUp())
        self.control.warm()
        self.pass_time()
        return self

    def ready(self) -> Rig:
        self.start()
        assert self.state == "Ready"
        return self

    def last_state(self) -> StatePayload:
        return self.plc.of(StatePayload)[-1]

    def judge(self, trigger: Trigger, cause: Cause = Cause.NONE) -> Inspection:
        """End a part as the reporter does."""
        inspection = inspected(trigger, cause)
        self.desk.book(inspection, None)
        self.alarms.note(inspection)
        if trigger.challenge is not None:
            self.challenger.judged(inspection)
        return inspection


def inspected(trigger: Trigger, cause: Cause = Cause.NONE) -> Inspection:
    """A part of ``soap`` that was judged."""
    issuer = Issuer("s", 5, RECIPE, simulated=False)
    judgement = dataclasses.replace(judge(()), verdict=cause.verdict, cause=cause)
    return issuer.issue(issuer.number(), trigger, Judged(judgement, 1), (), 0.01, (0.0, 0.0))
