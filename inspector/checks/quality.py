"""The quality gate: a picture that cannot be trusted is no ground for a verdict.

Each measure of :mod:`inspector.look` has limits from the recipe, else from what ``inspector calibrate``
learnt of good parts, else from the detector's card, else none:

================= =============================================== ============ =======================
key of the recipe measures                                        cause        limits by
================= =============================================== ============ =======================
``min_side_px``   shorter side of the picture                     LowResolution recipe
``sharpness``     sharpness                                       Blur         recipe, card
``sharpness``     focus, smear                                    Blur         calibration
``exposure``      exposure                                        Exposure     recipe, calibration, card
``exposure``      contrast, noise                                 Exposure     calibration
``foreign``       foreign; large, or from the picture's border    Covered      calibration
``foreign``       foreign; else                                   Tampered     calibration
``position``      edge; the part's box cut by the picture's edge  PartialPart  calibration
``position``      x, y, size, pose                                UnusualPose  calibration
``frozen``        equal to the picture before, pixel by pixel     FrozenFrame  (always)
================= =============================================== ============ =======================

A tracked part that the picture's edge cuts is PartialPart, and a black picture Exposure, whatever has
been learnt; where the recipe states limits or ``off``, the recipe counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import cv2
import numpy as np

from inspector.calibration import Calibration, Normal
from inspector.checks.examples import Likeness, Strangeness
from inspector.checks.normals import RULES, Group, Rule
from inspector.checks.regions import part_boxes
from inspector.checkspecs import AnomalySpec, AssemblySpec, ClassifySpec
from inspector.domain import Box, Cause, Finding, FindingKind, Frame, Part
from inspector.look import look, measures_of
from inspector.recipe import CrossingTrigger, Recipe
from inspector.recipe import QualityGate as GateSpec

NAME = "quality"
DARK = 4.0
"""Least mean grey level where neither recipe nor calibration nor card state one: the lens is covered,
or the light is off."""
COVERED_SHARE = 0.2
COVERED_SPOTS = 4
"""What is foreign covers the picture when it is as large a share of it, or in so many places, as dirt
on the lens is, or comes from its border."""
COVERED_BORDER = 0.02
"""Share of the picture that what comes from the border must have."""
COVERED_MOST = 0.5
"""Where more is foreign it is no thing in the picture, but the picture itself: its light, its focus."""
WEIGHTS: Mapping[Group, float] = {"sharpness": 6.0, "exposure": 6.0, "foreign": 2.0, "position": 1.0}
"""Of several groups that are exceeded, the one that explains the others is named. Light and focus
change small patches and the layout too, a thing in the picture its layout."""


@dataclass(frozen=True)
class Limits:
    """What a good picture of this product looks like; None: not judged."""

    min_side_px: int
    sharpness_min: float | None
    exposure: tuple[float, float] | None
    learnt: Mapping[str, Normal] = field(default_factory=dict)
    """By name of the measure, beside the two above."""
    likeness: Likeness | None = None

    @classmethod
    def of(
        cls,
        spec: GateSpec,
        card: Mapping[str, float | str],
        calibration: Calibration | None = None,
    ) -> Limits:
        """The recipe's limits; for ``auto`` those of the calibration, else of the detector's card."""
        groups: dict[Group, bool] = {
            "sharpness": spec.sharpness == "auto",
            "exposure": spec.exposure == "auto",
            "position": spec.position == "auto",
            "foreign": spec.foreign == "auto",
        }
        looks = {} if calibration is None else calibration.looks
        learnt = {
            name: looks[name]
            for name, rule in RULES.items()
            if groups[rule.group] and name in looks and _limits(looks[name])
        }
        sharp: float | None = None
        light: tuple[float, float] | None = None
        if spec.sharpness == "auto":
            least = card.get("sharpness_min") if "focus" not in learnt else None
            sharp = float(least) if least is not None else None
        elif spec.sharpness != "off":
            sharp = spec.sharpness
        if spec.exposure == "auto":
            low, high = card.get("exposure_low"), card.get("exposure_high")
            if "exposure" not in learnt:
                # nobody has said what is too dark: a picture in which nothing can be seen is
                light = (DARK, 255.0) if low is None or high is None else (float(low), float(high))
        elif spec.exposure != "off":
            light = spec.exposure
        examples = None if calibration is None else calibration.examples
        likeness = None if examples is None else Likeness(examples)
        return cls(spec.min_side_px, sharp, light, learnt, likeness)


def _limits(normal: Normal) -> bool:
    return normal.low is not None or normal.high is not None


@dataclass(frozen=True, slots=True)
class PartPlace:
    """Where a recipe's part is seen in a picture: by tracking, or by a detector."""

    model: str = ""
    label: str = ""
    """Empty: tracking alone says where it is."""

    @classmethod
    def of(cls, recipe: Recipe) -> PartPlace | None:
        """None where no check knows a part within the picture: then the picture is the part."""
        if isinstance(recipe.text.trigger, CrossingTrigger):
            return cls()
        for spec in recipe.text.checks:
            if isinstance(spec, AnomalySpec | ClassifySpec) and spec.region is not None:
                return cls(recipe.detector_of(spec.region.of), spec.region.of)
            if isinstance(spec, AssemblySpec):
                for expected in spec.expect:
                    if expected.per is not None:
                        return cls(spec.model, expected.per)
        return None

    def box(self, part: Part) -> Box | None:
        """The part's box in the first picture; None where there is none, or several."""
        if part.box is not None or not self.label:
            return part.box
        boxes = part_boxes(part, self.model, self.label)
        return boxes[0] if len(boxes) == 1 else None


@dataclass(frozen=True, slots=True)
class Looks:
    """What the gate says of a part's pictures."""

    findings: tuple[Finding, ...]
    measures: Mapping[str, float]
    """Of the first picture, by name as in :mod:`inspector.look`: what a watch for drift follows."""


class QualityGate:
    """Judges pictures, not parts."""

    def __init__(self, limits: Limits, notice_frozen: bool, place: PartPlace | None = None) -> None:
        """``place``: where the part is seen; None: the picture is the part."""
        self._limits = limits
        self._notice_frozen = notice_frozen
        self._place = place

    def inspect(self, part: Part) -> Looks:
        """Findings of kind ``quality``, each labelled with the word of its REVIEW cause."""
        findings: list[Finding] = []
        first: dict[str, float] = {}
        for number, frame in enumerate(part.frames):
            seen = look(frame.image)
            measures = dict(seen.measures)
            if self._place is not None:
                # where the part is in another camera's picture nobody has said
                box = self._place.box(part) if number == 0 else None
                measures = measures_of(seen, box, frame.size)
            strange = None
            if self._limits.likeness is not None:
                strange = self._limits.likeness.strangeness(seen)
                measures |= {"foreign": strange.foreign, "pose": strange.pose}
            first = first or measures
            judged = self._judge(frame, measures, strange)
            findings += [replace(found, picture=number) for found in judged]
        if part.frames and (box := self._edge_box(part)) is not None and _cut_off(box, part.frames[0]):
            findings.append(_finding(Cause.PARTIAL_PART, 1.0, 1.0, box))
        return Looks(tuple(findings), first)

    def _edge_box(self, part: Part) -> Box | None:
        """What must lie wholly within the picture: a tracked part, or one whose place is learnt."""
        if part.box is None and self._place is not None and "x" in self._limits.learnt:
            return self._place.box(part)
        return part.box

    def _judge(
        self, frame: Frame, measures: Mapping[str, float], strange: Strangeness | None
    ) -> Iterator[Finding]:
        limits = self._limits
        width, height = frame.size
        whole = Box(0, 0, width, height)
        if min(width, height) < limits.min_side_px:
            score = limits.min_side_px / max(1, min(width, height))
            yield _finding(Cause.LOW_RESOLUTION, score, 1.0, whole)
        if limits.exposure is not None:
            low, high = limits.exposure
            light = measures["exposure"]
            if not low <= light <= high:
                score = low / max(light, 1e-3) if light < low else light / high
                yield _finding(Cause.EXPOSURE, score, 1.0, whole)
        if limits.sharpness_min is not None:
            sharp = measures["sharpness"]
            if sharp < limits.sharpness_min:
                score = limits.sharpness_min / max(sharp, 1e-3)
                yield _finding(Cause.BLUR, score, 1.0, whole)
        yield from self._unlike(measures, strange, width, height)
        if self._notice_frozen and frame.repeats:
            yield _finding(Cause.FROZEN_FRAME, 1.0, 1.0, whole)

    def _unlike(
        self, measures: Mapping[str, float], strange: Strangeness | None, width: int, height: int
    ) -> Iterator[Finding]:
        """What is outside of what good pictures taught: of the group that is exceeded most.

        A hand darkens the picture and moves its edges too: what only follows would hide what it is.
        """
        learnt = self._limits.learnt
        # a place that is not known is not judged: the checks say whether the part is there
        outside = {
            name: beyond
            for name, normal in learnt.items()
            if name in measures and (beyond := _beyond(RULES[name], normal, measures[name])) > 0
        }
        if strange is not None and "foreign" in outside and len(outside) > 1:
            share = float((strange.levels > (learnt["foreign"].high or 0.0)).mean())
            if share > COVERED_MOST:
                del outside["foreign"]
        if not outside:
            return
        group = RULES[max(outside, key=lambda name: outside[name] * WEIGHTS[RULES[name].group])].group
        for name, beyond in outside.items():
            rule = RULES[name]
            if rule.group != group:
                continue
            cause, box = rule.cause, Box(0, 0, width, height)
            if name == "foreign" and strange is not None:
                cause, box = _intruder(strange, learnt[name].high or 0.0, width, height)
            yield _finding(cause, 1.0 + beyond, 1.0, box)


def _beyond(rule: Rule, normal: Normal, value: float) -> float:
    """By how many tolerances the value is outside of its limits; 0 within."""
    scaled = rule.scaled(value)
    below = 0.0 if normal.low is None else rule.scaled(normal.low) - scaled
    above = 0.0 if normal.high is None else scaled - rule.scaled(normal.high)
    return max(0.0, below, above) / rule.scaled_tolerance


def _intruder(strange: Strangeness, limit: float, width: int, height: int) -> tuple[Cause, Box]:
    """What is foreign covers the part, or sits on it; and where it is."""
    mask = (strange.levels > limit).astype(np.uint8)
    count, marks, statistics, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    largest = 1 + int(statistics[1:, cv2.CC_STAT_AREA].argmax()) if count > 1 else 0
    blob = marks == largest
    rows, columns = mask.shape
    border = blob[0].any() or blob[-1].any() or blob[:, 0].any() or blob[:, -1].any()
    covers = (
        mask.mean() >= COVERED_SHARE
        or (count > COVERED_SPOTS and blob.sum() < mask.sum() / 2)
        or (border and blob.mean() >= COVERED_BORDER)
    )
    x, y, across, down = (int(value) for value in statistics[largest][:4])
    box = Box(0, 0, width, height).part(
        x / columns, y / rows, (x + across) / columns, (y + down) / rows
    )
    return (Cause.COVERED if covers else Cause.TAMPERED), box


def _cut_off(box: Box, frame: Frame) -> bool:
    width, height = frame.size
    return box.x1 <= 1 or box.y1 <= 1 or box.x2 >= width - 1 or box.y2 >= height - 1


def _finding(cause: Cause, score: float, threshold: float, box: Box) -> Finding:
    return Finding(NAME, FindingKind.QUALITY, cause.word, score, threshold, box)
