"""The watch for drift at work: what it sees becomes the station's health, events and records."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from inspector.config import Drift
from inspector.domain import DriftReading, Health, HealthLevel, Level
from inspector.drift import DriftWatch
from inspector.ports import Recorder

RECORD_S = 60.0
"""At most so often the readings are recorded, unless the health of one of them changes."""

_LEVELS: dict[HealthLevel, Level] = {"good": "info", "watch": "warning", "act": "error"}


class Watching:
    """Belongs to one thread; its work is done at a bounded rate, away from the parts."""

    def __init__(
        self, watch: DriftWatch, recorder: Recorder, clock: Callable[[], float], *, holds: bool = False
    ) -> None:
        """``holds``: whether the station shall not work while something must be done."""
        self._watch, self._recorder, self._clock = watch, recorder, clock
        self._may_hold = holds
        self.health = Health()
        """How pictures and scores are doing."""
        self._reason = ""
        """What had to be done when that was last so and might hold, until :meth:`restart`."""
        self._next_record_s = float("-inf")
        self._moved: dict[str, HealthLevel] = {}
        """Health of the measures that are not good."""
        self._learnt: tuple[str, ...] = ()

    @property
    def holds(self) -> str:
        """Why the station must leave ``Ready``, in words, until :meth:`restart`; empty: it need not.

        Another recipe, which has nothing to compare with yet, is no reason to go on.
        """
        return self._reason if self._may_hold else ""

    def restart(self) -> None:
        """Somebody has seen to it: forget the last parts, keep what they are compared with."""
        self._watch.restart()
        self._reason = ""
        self._follow(self._watch.health)

    def adjust(self, config: Drift) -> None:
        """Take other limits while the station runs."""
        self._watch.adjust(config)
        self._may_hold = config.act_leaves_ready
        if not self._may_hold:
            self._reason = ""  # what is over by the time that it may hold again must not hold

    def tick(self) -> None:
        """Look at the parts since the last call."""
        compared = self._watch.look()
        self._tell_learnt()
        self._follow(self._watch.health)
        before, self._moved = self._moved, _moved(self._watch.readings)
        now = self._clock()
        if self._moved != before or (compared and now >= self._next_record_s):
            self._next_record_s = now + RECORD_S
            self._recorder.drift(self._watch.recipe, self._watch.readings)

    def _follow(self, health: Health) -> None:
        """When the level is another one, an event says why."""
        before, self.health = self.health, health
        if health.level == "act" and self._may_hold:
            self._reason = health.text
        if health.level != before.level:
            text = health.text or "pictures and scores are no longer different"
            self._recorder.event(_LEVELS[health.level], "drift", f"{health.level}: {text}")

    def _tell_learnt(self) -> None:
        learnt = self._watch.learnt
        fresh = [name for name in learnt if name not in self._learnt]
        self._learnt = learnt
        if fresh:
            text = f"{', '.join(fresh)}: learnt from the first parts, for want of a calibration"
            self._recorder.event("info", "drift", text)


def _moved(readings: Sequence[DriftReading]) -> dict[str, HealthLevel]:
    return {one.measure: one.health for one in readings if one.health != "good"}
