"""Every object of certain labels is a defect."""

from __future__ import annotations

from inspector.domain import CheckResult, Finding, FindingKind, Part, Score


class DetectCheck:
    """Implements :class:`inspector.ports.Check`; the score is the detector's confidence."""

    def __init__(
        self, name: str, model: str, labels: frozenset[str], threshold: float, review: float
    ) -> None:
        self.name = name
        self._model = model
        self._labels = labels
        self._threshold = threshold
        self._review = review

    def inspect(self, part: Part) -> CheckResult:
        """One finding for each object at or above the review threshold."""
        found = [d for d in part.detections.get(self._model, ()) if d.label in self._labels]
        if part.box is not None:
            found = [d for d in found if part.box.contains(*d.box.centre)]
        findings = tuple(
            Finding(
                self.name,
                FindingKind.DEFECT,
                d.label,
                d.confidence,
                self._threshold,
                d.box,
                self._review,
            )
            for d in found
            if d.confidence >= self._review
        )
        top = max((d.confidence for d in found), default=0.0)
        return CheckResult(findings, (Score(self.name, top, self._threshold, self._review),))
