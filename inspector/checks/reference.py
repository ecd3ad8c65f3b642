"""The part must look like its golden image; what differs is judged, or counts by its size alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from inspector.checks.differences import AGREEMENT_MIN, TOLERANT, Comparison, compare, crop_of
from inspector.domain import (
    Box,
    Cause,
    CheckResult,
    Detection,
    Finding,
    FindingKind,
    Frame,
    Image,
    Opinion,
    Part,
    Score,
)
from inspector.errors import DefectError
from inspector.ports import Judge

LABEL = "difference"
"""What a finding is called where no judge names it."""
MIN_SCORE = 0.01
"""Weaker opinions are dropped."""
FUSION_IOU = 0.5
"""Boxes of one label that overlap so much are of one defect."""
CANDIDATES_LIMIT = 400
"""More differences than that are no defects: the golden image does not fit."""


class ReferenceCheck:
    """Implements :class:`inspector.ports.Check`; with a judge the score is its probability of a defect,
    without one the mean difference of the pixels that differ, 0..1."""

    def __init__(
        self,
        name: str,
        threshold: float,
        review: float,
        *,
        golden: Image | None = None,
        judge: Judge | None = None,
        level: int,
        min_area_px: int = 0,
    ) -> None:
        """``golden`` is the one image of all parts; without it each frame brings its own."""
        self.name = name
        self._threshold, self._review = threshold, review
        self._golden, self._judge = golden, judge
        self._level, self._min_area = level, min_area_px

    def inspect(self, part: Part) -> CheckResult:
        """Compare each picture with its golden image.

        A golden image that shows nothing is ``ModelFault``, one of something else ``UnusualPose``: both
        REVIEW. Raises :class:`DefectError` when there is none at all.
        """
        findings: list[Finding] = []
        detections: list[Detection] = []
        for frame in part.frames:
            golden = self._golden if self._golden is not None else frame.golden
            if golden is None:
                raise DefectError(f"check '{self.name}' has no golden image for '{frame.source}'")
            comparison = compare(frame.image, golden, self._level)
            misfit = self._misfit(comparison, frame)
            if misfit is not None:
                findings.append(misfit)
                continue
            detections += self._detections(comparison)
        findings += [
            Finding(
                self.name,
                FindingKind.DEFECT,
                found.label,
                found.confidence,
                self._threshold,
                found.box,
                self._review,
            )
            for found in detections
            # not '>=': a score that is no number must not pass by failing every comparison
            if not found.confidence < self._review
        ]
        worst = max((found.confidence for found in detections), default=0.0)
        score = Score(self.name, worst, self._threshold, self._review)
        return CheckResult(tuple(findings), (score,), detections=tuple(detections))

    def _detections(self, comparison: Comparison) -> list[Detection]:
        if self._judge is not None:
            return judged(comparison, self._judge.judge, self._judge.side)
        return [
            Detection(LABEL, candidate.strength, candidate.box)
            for candidate in comparison.candidates
            if candidate.grouping == TOLERANT and candidate.area >= self._min_area
        ]

    def _misfit(self, comparison: Comparison, frame: Frame) -> Finding | None:
        """Why nothing can be told from this golden image, if so."""
        width, height = frame.size
        whole = Box(0, 0, width, height)
        if comparison.blank:
            return Finding(self.name, FindingKind.QUALITY, Cause.MODEL_FAULT.word, 1.0, 1.0, whole)
        crowded = len(comparison.candidates) > CANDIDATES_LIMIT
        if comparison.agreement < AGREEMENT_MIN or crowded:
            score = AGREEMENT_MIN / max(comparison.agreement, 1e-3)
            return Finding(self.name, FindingKind.QUALITY, Cause.UNUSUAL_POSE.word, score, 1.0, whole)
        return None


def judged(comparison: Comparison, judge: Callable[[Image], Opinion], side: int) -> list[Detection]:
    """What the judge takes for defects, most confident first, one box a defect and label.

    A defect that fell into several candidates is reported once: their boxes, moved to where the judge
    sees the defect's sides, overlap, and their mean by confidence is nearer than any of them. Source:
    Solovyev et al., "Weighted boxes fusion", Image and Vision Computing 2021.
    """
    rows, columns = comparison.picture.shape
    found: list[Detection] = []
    for candidate in comparison.candidates:
        crop = crop_of(comparison, candidate, side)
        opinion = judge(crop.image)
        left, top, right, bottom = (moved / crop.scale for moved in opinion.sides)
        given = candidate.box
        box = Box(given.x1 + left, given.y1 + top, given.x2 + right, given.y2 + bottom)
        # within the picture first: one that was moved beyond its border has no pixel
        box = box.clipped(columns, rows)
        if box.x2 - box.x1 < 1 or box.y2 - box.y1 < 1:
            box = given
        found += [
            Detection(label, score, box)
            for label, score in opinion.scores.items()
            if not score < MIN_SCORE
        ]
    return _fused(found)


def _fused(found: Sequence[Detection]) -> list[Detection]:
    """One detection for all of a label that overlap the most confident of them."""
    left = sorted(found, key=lambda item: -item.confidence)
    kept: list[Detection] = []
    while left:
        first = left[0]
        same = [
            one for one in left if one.label == first.label and one.box.iou(first.box) >= FUSION_IOU
        ]
        left = [one for one in left if one not in same]
        weights = [one.confidence for one in same]
        sides = np.average([(b.x1, b.y1, b.x2, b.y2) for b in (one.box for one in same)], 0, weights)
        kept.append(replace(first, box=Box(*map(float, sides))))
    return kept
