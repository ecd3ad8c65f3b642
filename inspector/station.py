"""One part from its frames to a judgement. No threads, no I/O; time only to measure itself."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from inspector.checks.quality import QualityGate
from inspector.domain import (
    Box,
    Cause,
    CheckResult,
    Detection,
    Finding,
    Frame,
    Image,
    Judgement,
    Overlay,
    Part,
    Score,
)
from inspector.errors import DefectError, InspectorError
from inspector.judge import judge
from inspector.ports import Check, Detector
from inspector.recipe import CrossingTrigger, Recipe
from inspector.views import Seen, Views, together, unseen, view

COMPLETED, ABORTED, FAILED = 1, 3, 4
"""``resultState`` of the contract."""


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """What the station says of one part."""

    judgement: Judgement
    result_state: int
    findings: tuple[Finding, ...] = ()
    scores: tuple[Score, ...] = ()
    stages_ms: Mapping[str, float] | None = None
    part_box: Box | None = None
    detections: tuple[Detection, ...] = ()
    overlay: Overlay | None = None
    fault: str = ""
    """What went wrong, in words, when something did."""
    measures: Mapping[str, float] = field(default_factory=dict)
    """How the first picture looks, by name of the measure."""


class Station:
    """A recipe, loaded and warm. Several threads may inspect different parts at once."""

    def __init__(
        self,
        recipe: Recipe,
        gate: QualityGate,
        detectors: Mapping[str, Detector],
        checks: Sequence[Check],
        others: Sequence[Callable[[Image], object]] = (),
        cameras: Collection[str] = (),
    ) -> None:
        """``others``: the models beside the detectors, to be warmed up; ``cameras``: the names of the
        station's.
        """
        self.recipe = recipe
        self._views = Views.of(recipe, cameras)
        self._others = others
        self._gate = gate
        self._detectors = detectors
        self._checks = checks

    def detect(self, frame: Frame, model: str) -> tuple[Detection, ...]:
        """What one detector sees in a frame; tracking and checks share it."""
        return self._detectors[model].detect(frame.image)

    def warm_up(self) -> None:
        """Run every model once, so that the first part is not the slow one."""
        blank = np.full((480, 640, 3), 114, np.uint8)
        for detector in self._detectors.values():
            detector.detect(blank)
        for model in self._others:
            model(blank)

    def inspect(self, part: Part) -> Judged:
        """Judge one part.

        A model that fails is REVIEW, ``ModelFault``. Anything else that is raised is a defect of
        this program and propagates.
        """
        if not part.frames:
            return aborted(Cause.CAMERA_FAULT)
        stages: dict[str, float] = {}
        results: list[CheckResult] = []
        try:
            started = time.perf_counter()
            # before the gate, which wants to know where the part is
            part = self._completed(part)
            started = _lap(stages, "detect", started)
            seen = [Seen(self._detectors, frame) for frame in part.frames]
            looks = self._gate.inspect(part)
            started = _lap(stages, "quality", started)
            for check in self._checks:
                results.append(self._look(check, part, seen))
                started = _lap(stages, check.name, started)
        except InspectorError as error:
            # the part must be looked at by a person; the line goes on
            judgement = judge((), (Cause.MODEL_FAULT,))
            return Judged(judgement, FAILED, stages_ms=stages, fault=str(error))
        findings = [*looks.findings, *(found for result in results for found in result.findings)]
        scores = tuple(score for result in results for score in result.scores)
        ordered = tuple(sorted(findings, key=_gravity))
        return Judged(
            judge(ordered),
            COMPLETED,
            ordered,
            scores,
            stages,
            part.box,
            (
                *(found for seen in part.detections.values() for found in seen),
                *(found for result in results for found in result.detections),
            ),
            _overlay(results),
            measures=looks.measures,
        )

    def _look(
        self, check: Check, part: Part, seen: Sequence[Mapping[str, tuple[Detection, ...]]]
    ) -> CheckResult:
        """One check's result for the part: of all pictures at which it looks."""
        results = [
            (number, _proven(check.name, check.inspect(view(part, number, seen[number]))))
            for number in self._views.pictures(check.name, part)
        ]
        return together(results) if results else unseen(check.name, part)

    def _completed(self, part: Part) -> Part:
        """With what every detector sees in the first picture, and with what the tracked part is."""
        seen = dict(part.detections)
        for name in self._detectors:
            if name not in seen:
                seen[name] = self.detect(part.frames[0], name)
        trigger = self.recipe.text.trigger
        label = part.label
        if part.box is not None and not label and isinstance(trigger, CrossingTrigger):
            label = trigger.label
        return replace(part, detections=seen, label=label)


def aborted(cause: Cause, fault: str = "") -> Judged:
    """A part that was not inspected: ``resultState`` 3 and REVIEW."""
    return Judged(judge((), (cause,)), ABORTED, fault=fault)


def _proven(name: str, result: CheckResult) -> CheckResult:
    """The same result; :class:`DefectError` when a score in it is no number."""
    scores = [*(score.score for score in result.scores), *(found.score for found in result.findings)]
    if not all(map(math.isfinite, scores)):
        raise DefectError(f"check '{name}' gave a score that is no number")
    return result


def _gravity(finding: Finding) -> float:
    """Sorts the findings that exceed their threshold most to the front."""
    return -finding.score / max(finding.threshold, 1e-9)


def _lap(stages: dict[str, float], name: str, started: float) -> float:
    now = time.perf_counter()
    stages[name] = round((now - started) * 1000, 3)
    return now


def _overlay(results: Sequence[CheckResult]) -> Overlay | None:
    """The heat map of the first anomaly check, scaled so that 1.0 is its threshold."""
    for result in results:
        if result.heat is not None and result.heat_box is not None:
            heat = result.heat.heat / result.scores[0].threshold
            return Overlay(heat, result.heat_box, result.picture)
    return None
