"""The quality gate: a picture that cannot be trusted is no ground for a verdict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from inspector.domain import Box, Cause, Finding, FindingKind, Frame, Part
from inspector.recipe import QualityGate as GateSpec
from inspector.sharpness import Look, look

NAME = "quality"


@dataclass(frozen=True)
class Limits:
    """What a good picture of this product looks like; None: not judged."""

    min_side_px: int
    sharpness_min: float | None
    exposure: tuple[float, float] | None

    @classmethod
    def of(cls, spec: GateSpec, calibration: Mapping[str, float | str]) -> Limits:
        """The recipe's limits; for ``auto`` those that the detector's card learnt, if it did."""
        sharp: float | None
        light: tuple[float, float] | None
        if spec.sharpness == "auto":
            learnt = calibration.get("sharpness_min")
            sharp = float(learnt) if learnt is not None else None
        else:
            sharp = None if spec.sharpness == "off" else spec.sharpness
        if spec.exposure == "auto":
            low, high = calibration.get("exposure_low"), calibration.get("exposure_high")
            light = (float(low), float(high)) if low is not None and high is not None else None
        else:
            light = None if spec.exposure == "off" else spec.exposure
        return cls(spec.min_side_px, sharp, light)


@dataclass(frozen=True, slots=True)
class Looks:
    """What the gate says of a part's pictures."""

    findings: tuple[Finding, ...]
    measures: Mapping[str, float]
    """Of the first picture, by name: what a watch for drift follows."""


class QualityGate:
    """Judges pictures, not parts."""

    def __init__(self, limits: Limits, notice_frozen: bool) -> None:
        self._limits = limits
        self._notice_frozen = notice_frozen

    def inspect(self, part: Part) -> Looks:
        """Findings of kind ``quality``, each labelled with the word of its REVIEW cause."""
        findings: list[Finding] = []
        measures: dict[str, float] = {}
        for frame in part.frames:
            seen = look(frame.image)
            if not measures:
                measures = {"sharpness": seen.sharpness, "exposure": seen.exposure}
            findings += self._judge(frame, seen)
        if part.box is not None and part.frames and _cut_off(part.box, part.frames[0]):
            findings.append(_finding(Cause.PARTIAL_PART, 1.0, 1.0, part.box))
        return Looks(tuple(findings), measures)

    def _judge(self, frame: Frame, seen: Look) -> list[Finding]:
        limits = self._limits
        width, height = frame.size
        whole = Box(0, 0, width, height)
        findings = []
        if min(width, height) < limits.min_side_px:
            score = limits.min_side_px / max(1, min(width, height))
            findings.append(_finding(Cause.LOW_RESOLUTION, score, 1.0, whole))
        if limits.exposure is not None:
            low, high = limits.exposure
            light = seen.exposure
            if not low <= light <= high:
                score = low / max(light, 1e-3) if light < low else light / high
                findings.append(_finding(Cause.EXPOSURE, score, 1.0, whole))
        if limits.sharpness_min is not None:
            sharp = seen.sharpness
            if sharp < limits.sharpness_min:
                score = limits.sharpness_min / max(sharp, 1e-3)
                findings.append(_finding(Cause.BLUR, score, 1.0, whole))
        if self._notice_frozen and frame.repeats:
            findings.append(_finding(Cause.FROZEN_FRAME, 1.0, 1.0, whole))
        return findings


def _cut_off(box: Box, frame: Frame) -> bool:
    width, height = frame.size
    return box.x1 <= 1 or box.y1 <= 1 or box.x2 >= width - 1 or box.y2 >= height - 1


def _finding(cause: Cause, score: float, threshold: float, box: Box) -> Finding:
    return Finding(NAME, FindingKind.QUALITY, cause.word, score, threshold, box)
