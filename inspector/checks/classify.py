"""The picture as a whole must be of a good class."""

from __future__ import annotations

from collections.abc import Mapping

from inspector.checks.anomaly import crop, no_part, regions_of
from inspector.criteria import PartRegion
from inspector.domain import Box, CheckResult, Finding, FindingKind, Part, Score
from inspector.ports import Classifier


class ClassifyCheck:
    """Implements :class:`inspector.ports.Check`.

    The score is 1 - the probability of all good classes together: how sure the model is that this is
    none of them. A finding is labelled with the most probable class that is not good.
    """

    def __init__(
        self,
        name: str,
        model: Classifier,
        good: frozenset[str],
        threshold: float,
        review: float,
        region: PartRegion | None = None,
        detector: str = "",
    ) -> None:
        self.name = name
        self._model = model
        self._good = good
        self._threshold = threshold
        self._review = review
        self._region = region
        self._detector = detector

    def inspect(self, part: Part) -> CheckResult:
        """Judge the region of each part in the first picture; a region without a part is NoPart."""
        image = part.frames[0].image
        regions = regions_of(part, self._region, self._detector)
        if not regions:
            return CheckResult((no_part(self.name, image),))
        findings: list[Finding] = []
        worst = 0.0
        for box in regions:
            probabilities = self._model.classify(crop(image, box))
            label, score = self._defect(probabilities)
            worst = max(worst, score)
            if score >= self._review:
                findings.append(self._finding(label, score, box))
        score_of_part = Score(self.name, worst, self._threshold, self._review)
        return CheckResult(tuple(findings), (score_of_part,))

    def _defect(self, probabilities: Mapping[str, float]) -> tuple[str, float]:
        bad = {label: p for label, p in probabilities.items() if label not in self._good}
        # the sum of the bad ones, which is the same, keeps its digits where it is small
        return max(bad, key=lambda label: bad[label]), min(1.0, sum(bad.values()))

    def _finding(self, label: str, score: float, box: Box) -> Finding:
        return Finding(self.name, FindingKind.DEFECT, label, score, self._threshold, box, self._review)
