"""Every component must be there, in its place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from inspector.checks.anomaly import no_part
from inspector.checks.regions import inside, part_boxes
from inspector.domain import Box, CheckResult, Detection, Finding, FindingKind, Part, Score
from inspector.recipe import Expectation

SAME_SPOT = 0.5
"""Two detections that overlap so much (IoU) are one component."""


class AssemblyCheck:
    """Implements :class:`inspector.ports.Check`.

    The score of a component is its absence: 1 - the detector's confidence that it is in its place.
    """

    def __init__(
        self,
        name: str,
        model: str,
        expectations: Sequence[Expectation],
        threshold: float,
        review: float,
    ) -> None:
        self.name = name
        self._model = model
        self._expectations = expectations
        self._threshold = threshold
        self._review = review

    def inspect(self, part: Part) -> CheckResult:
        """Findings for what is missing, misplaced or too many, on each part in the first picture."""
        seen = part.detections.get(self._model, ())
        findings: list[Finding] = []
        absences: list[float] = []
        for label in dict.fromkeys(expected.per for expected in self._expectations):
            boxes = part_boxes(part, self._model, label)
            if not boxes:
                findings.append(no_part(self.name, part.frames[0].image))
            for box in boxes:
                for expected in self._expectations:
                    if expected.per == label:
                        absent, found = self._verify(expected, box, seen)
                        absences.append(absent)
                        findings += found
        if not absences:
            return CheckResult(tuple(findings))
        score = Score(self.name, max(absences), self._threshold, self._review)
        return CheckResult(tuple(findings), (score,))

    def _verify(
        self, expected: Expectation, box: Box, seen: Sequence[Detection]
    ) -> tuple[float, list[Finding]]:
        place = box.part(*expected.place)
        present = _distinct(inside(seen, expected.label, place))
        confidences = [d.confidence for d in present] + [0.0] * expected.count
        absences = [1.0 - confidence for confidence in confidences[: expected.count]]
        findings = [
            self._absent(expected, absent, box, place, seen)
            for absent in absences
            if absent >= self._review
        ]
        findings += self._surplus(expected, present)
        return max(absences), findings

    def _absent(
        self, expected: Expectation, absent: float, box: Box, place: Box, seen: Sequence[Detection]
    ) -> Finding:
        strays = [
            d
            for d in inside(seen, expected.label, box)
            if d.confidence > 1.0 - self._threshold and not self._is_expected(d, box)
        ]
        kind = FindingKind.MISPLACED if strays else FindingKind.MISSING
        return Finding(
            self.name,
            kind,
            expected.name or expected.label,
            absent,
            self._threshold,
            strays[0].box if strays else place,
            self._review,
            expected_box=place,
        )

    def _is_expected(self, found: Detection, box: Box) -> bool:
        """Whether that component lies where some expectation wants one like it."""
        return any(
            box.part(*expected.place).contains(*found.box.centre)
            for expected in self._expectations
            if expected.label == found.label
        )

    def _surplus(self, expected: Expectation, present: list[Detection]) -> Iterator[Finding]:
        for extra in present[expected.count :]:
            # as sure of the one too many as of the ones that must be there
            if extra.confidence > 1.0 - self._threshold:
                yield Finding(
                    self.name,
                    FindingKind.EXTRA,
                    expected.name or expected.label,
                    extra.confidence,
                    1.0 - self._threshold,
                    extra.box,
                )


def _distinct(detections: Sequence[Detection]) -> list[Detection]:
    kept: list[Detection] = []
    for found in detections:
        if all(found.box.iou(other.box) < SAME_SPOT for other in kept):
            kept.append(found)
    return kept
