"""Parts whose looks and scores are plain numbers, for the watch for drift."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt

from inspector.calibration import Calibration, CheckCalibration, Normal
from inspector.domain import Cause, Inspection, RecipeRef, Score, Timings, Trigger
from inspector.drift import DriftWatch
from inspector.judge import judge

RECIPE = RecipeRef("soap", 3, "0" * 64, "1" * 64)
MEASURES = ("exposure", "sharpness", "x")
CHECK = "surface"
PASSED = judge(())
_PART = Inspection(
    result_id="1-1",
    seq=1,
    station="s",
    station_boot_id=1,
    trigger=Trigger(1, 1, "p", 0.0, 1.0),
    recipe=RECIPE,
    judgement=PASSED,
    result_state=1,
    findings=(),
    scores=(),
    timings=Timings(),
    age_s=0.0,
    created=datetime(2026, 1, 1, tzinfo=UTC),
)
Numbers = npt.NDArray[np.float64]


def seen(
    measures: dict[str, float],
    score: float | None = None,
    *,
    cause: Cause = Cause.NONE,
    challenge: str | None = None,
    result_state: int = 1,
    recipe: RecipeRef = RECIPE,
) -> Inspection:
    """A part of which only this is known."""
    return replace(
        _PART,
        trigger=_PART.trigger if challenge is None else replace(_PART.trigger, challenge=challenge),
        recipe=recipe,
        judgement=PASSED if cause is Cause.NONE else judge((), (cause,)),
        result_state=result_state,
        scores=() if score is None else (Score(CHECK, score, 9.0, 9.0),),
        measures=measures,
    )


def calibration(looks: dict[str, Sequence[float]], scores: Sequence[float] = ()) -> Calibration:
    """What good parts were like, of the models of :data:`RECIPE`."""
    checks = {}
    if scores:
        checks[CHECK] = CheckCalibration(threshold=9, review_threshold=9, good=tuple(sorted(scores)))
    return Calibration(
        parts=10,
        pictures=10,
        source="good",
        digest="0",
        model_hash=RECIPE.model_hash,
        checks=checks,
        looks={name: Normal(values=tuple(values)) for name, values in looks.items()},
        command="",
    )


def calibrated(table: Numbers) -> Calibration:
    """From ``(parts, 4)`` numbers: of :data:`MEASURES`, and the score."""
    looks: dict[str, Sequence[float]] = {
        name: list(table[:, column]) for column, name in enumerate(MEASURES)
    }
    return calibration(looks, list(table[:, -1]))


def feed(watch: DriftWatch, table: Numbers, every: int = 20) -> list[str]:
    """Let ``(parts, 4)`` numbers pass, and look ``every`` so many parts; the health at each look."""
    levels = []
    for number, row in enumerate(table.tolist()):
        watch.note(seen(dict(zip(MEASURES, row, strict=False)), row[-1]))
        if number % every == every - 1:
            watch.look()
            levels.append(watch.health.level)
    return levels
