"""When a station must have been proven by a challenge, and what is lacking. No threads, no I/O."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from inspector.challenge import ChallengeRun
from inspector.config import Challenge, Shift
from inspector.domain import RecipeRef
from inspector.shifts import current_shift


class Duty:
    """Keeps the last run, and says whether it still holds.

    How old a run is, is measured on the monotonic clock, so that setting the clock makes nothing due;
    only the age that a run had at the start, and the shifts, are those of the wall clock.
    """

    def __init__(
        self,
        config: Challenge,
        shifts: Sequence[Shift],
        zone: ZoneInfo,
        last: ChallengeRun | None,
        *,
        wall: datetime,
        now_s: float,
    ) -> None:
        """``last`` is from the records; ``wall`` and ``now_s`` are both clocks at the start."""
        self.config = config
        self._shifts, self._zone = shifts, zone
        self._last = last
        age_s = 0.0 if last is None else max(0.0, (wall - last.at).total_seconds())
        self._last_s = now_s - age_s

    def take(self, run: ChallengeRun, now_s: float) -> None:
        """A run has just ended."""
        if run.counts:
            self._last, self._last_s = run, now_s

    def lack(self, recipe: RecipeRef, wall: datetime, now_s: float) -> str:
        """Why the station is not proven, in words; empty when it is, or need not be."""
        last, config = self._last, self.config
        if last is None:
            scheduled = config.every_h or config.shift_start or config.recipe_change
            return "challenge overdue: none was ever run" if scheduled else ""
        if not last.passed:
            return last.text
        if config.recipe_change and last.recipe.recipe_hash[:16] != recipe.recipe_hash[:16]:
            return (
                f"challenge overdue: recipe {recipe.recipe_id} version {recipe.version} is not proven"
            )
        grace = timedelta(minutes=config.grace_min)
        age = timedelta(seconds=now_s - self._last_s)
        if config.every_h is not None and age > timedelta(hours=config.every_h) + grace:
            return f"challenge overdue: the last was {age.total_seconds() / 3600:.1f} h ago"
        if config.shift_start:
            shift = current_shift(self._shifts, self._zone, wall)
            if last.at < shift.start and wall >= shift.start + grace:
                return f"challenge overdue: none since the shift '{shift.name}' began"
        return ""
