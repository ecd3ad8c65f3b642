"""Every object of certain labels is a defect, as far as the quality plan counts it."""

from __future__ import annotations

from collections.abc import Mapping

from inspector.checks.acceptance import Acceptance
from inspector.checks.anomaly import no_part
from inspector.domain import CheckResult, Detection, Finding, FindingKind, Part, Score


class DetectCheck:
    """Implements :class:`inspector.ports.Check`; the score is the detector's confidence.

    ``criteria`` say by label what counts; of the others every object does, by the check's thresholds.

    Its :class:`~inspector.domain.Score` is that of the object which decides, with the thresholds of
    that object's class: the one that exceeds its threshold most, the allowed ones of each class apart.
    """

    def __init__(
        self,
        name: str,
        model: str,
        labels: frozenset[str],
        threshold: float,
        review: float,
        criteria: Mapping[str, Acceptance] | None = None,
    ) -> None:
        self.name = name
        self._model = model
        self._default = Acceptance(threshold, review)
        self._wanted = dict.fromkeys(sorted(labels), self._default) | dict(criteria or {})

    def inspect(self, part: Part) -> CheckResult:
        """One finding for each object that counts, at or above its class's review threshold.

        What is too small, not watched, ignored or allowed is none. Zones of a part that is not seen
        are NoPart, if nothing else is watched.
        """
        found = part.detections.get(self._model, ())
        if part.box is not None:
            found = tuple(d for d in found if part.box.contains(*d.box.centre))
        findings: list[Finding] = []
        unplaced = False
        scores = [self._score(0.0, self._default)]
        for label, accepted in self._wanted.items():
            if accepted.is_unplaced(part):
                unplaced = True
                continue
            counted = sorted(
                (d for d in found if d.label == label and accepted.counts(d, part)),
                key=lambda d: -d.confidence,
            )
            excess = counted[accepted.allowed :]
            if excess:
                scores.append(self._score(excess[0].confidence, accepted))
                # beyond what is allowed all are to blame, and the picture should show them
                blamed = counted if excess[0].confidence >= accepted.threshold else excess
                findings += [
                    self._finding(d, accepted) for d in blamed if d.confidence >= accepted.review
                ]
        deciding = max(scores, key=lambda score: score.score / score.threshold)
        findings.sort(key=lambda finding: -finding.score)
        if unplaced:
            findings.append(no_part(self.name, part.frames[0].image))
        return CheckResult(tuple(findings), (deciding,))

    def _score(self, confidence: float, accepted: Acceptance) -> Score:
        return Score(self.name, confidence, accepted.threshold, accepted.review)

    def _finding(self, found: Detection, accepted: Acceptance) -> Finding:
        return Finding(
            self.name,
            FindingKind.DEFECT,
            found.label,
            found.confidence,
            accepted.threshold,
            found.box,
            accepted.review,
            mask=found.mask,
        )
