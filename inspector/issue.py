"""From a judged part to the inspection that is reported and recorded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Lock

from inspector.domain import Frame, Inspection, RecipeRef, Timings, Trigger
from inspector.recipe import Recipe
from inspector.station import Judged


def reference(recipe: Recipe) -> RecipeRef:
    """What every inspection carries of its recipe."""
    return RecipeRef(recipe.recipe_id, recipe.text.version, recipe.recipe_hash, recipe.model_hash)


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(slots=True)
class Issuer:
    """Numbers the inspections of one run of one station. Safe to call from several threads."""

    station: str
    boot_id: int
    recipe: RecipeRef
    simulated: bool
    now: Callable[[], datetime] = _utc_now
    _seq: int = 0
    _lock: Lock = field(default_factory=Lock)

    def number(self) -> int:
        """The next running number, from 1."""
        with self._lock:
            self._seq += 1
            return self._seq

    def issue(
        self,
        number: int,
        trigger: Trigger,
        judged: Judged,
        frames: tuple[Frame, ...],
        age_s: float,
        timings_ms: tuple[float, float],
        *,
        recipe: RecipeRef | None = None,
    ) -> Inspection:
        """The inspection of one part.

        ``number`` is from :meth:`number`, ``age_s`` the verdict's age in seconds, ``timings_ms``
        acquisition and processing in milliseconds. ``recipe`` is by default the active one.
        """
        return Inspection(
            result_id=f"{self.boot_id:08x}-{number}",
            seq=number & 0xFFFFFFFF,
            station=self.station,
            station_boot_id=self.boot_id,
            trigger=trigger,
            recipe=recipe or self.recipe,
            judgement=judged.judgement,
            result_state=judged.result_state,
            findings=judged.findings,
            scores=judged.scores,
            timings=Timings(*timings_ms, judged.stages_ms or {}),
            age_s=age_s,
            created=self.now(),
            source=frames[0].source if frames else "",
            frame=frames[0].index if frames else -1,
            simulated=self.simulated,
            part_box=judged.part_box,
            detections=judged.detections,
            frames=frames,
            overlay=judged.overlay,
            measures=judged.measures,
        )
