"""Where a recipe works, beside the threshold that anomalib would have chosen on the same raw scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from inspector.checkspecs import check_name
from inspector.domain import Verdict
from inspector.evaluation.parts import Share
from inspector.evaluation.run import Outcome, Reading
from inspector.recipe import Recipe

LARGEST = "good_max"
"""Key of a card's calibration: the largest score of good parts, where the scores are not all there."""


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """What becomes of the parts that have an anomaly score."""

    name: str
    thresholds: Mapping[str, float]
    """FAIL, by name of the anomaly check."""
    escapes: Share
    false_rejects: Share
    diverted: Share
    """Good parts in REVIEW."""
    note: str
    """Where the thresholds come from."""


def operating_points(recipe: Recipe, outcomes: Sequence[Outcome]) -> tuple[OperatingPoint, ...]:
    """The recipe's, then anomalib's where good scores are known; nothing without a truth or a score."""
    checks = Reading.of(recipe).anomaly_checks
    known = [o for o in outcomes if o.faulty is not None and o.anomaly is not None]
    if not known:
        return ()
    scores = [{s.check: s.score for s in o.judged.scores if s.check in checks} for o in known]
    ours = {s.check: s.threshold for o in known for s in o.judged.scores if s.check in checks}
    points = [_point("recipe", ours, known, [o.verdict for o in known], _origin(recipe))]
    theirs, notes = {}, []
    for check in sorted(ours):
        found = _anomalib(recipe, check)
        if found is None:
            return tuple(points)
        theirs[check], note = found
        notes.append(note if len(ours) == 1 else f"{check}: {note}")
    verdicts = [
        Verdict.FAIL if any(score > theirs[check] for check, score in of.items()) else Verdict.PASS
        for of in scores
    ]
    points.append(_point("anomalib's default", theirs, known, verdicts, "; ".join(notes)))
    return tuple(points)


def _point(
    name: str,
    thresholds: Mapping[str, float],
    outcomes: Sequence[Outcome],
    verdicts: Sequence[Verdict],
    note: str,
) -> OperatingPoint:
    faulty = [v for o, v in zip(outcomes, verdicts, strict=True) if o.faulty]
    good = [v for o, v in zip(outcomes, verdicts, strict=True) if not o.faulty]
    return OperatingPoint(
        name,
        thresholds,
        Share(faulty.count(Verdict.PASS), len(faulty)),
        Share(good.count(Verdict.FAIL), len(good)),
        Share(good.count(Verdict.REVIEW), len(good)),
        note,
    )


def _origin(recipe: Recipe) -> str:
    if recipe.settled is None:
        return "the verdicts of the station, at the thresholds of recipe and card"
    kept = recipe.settled.kept
    return (
        "the verdicts of the station, at thresholds that keep on average "
        f"{kept.false_reject_rate:.2%} of good parts in FAIL and {kept.review_rate:.2%} in REVIEW"
    )


def _anomalib(recipe: Recipe, check: str) -> tuple[float, str] | None:
    """Its threshold and where that comes from; None: no scores of good parts are known.

    Anomalib 2 (``F1AdaptiveThreshold``) takes the threshold of the best F1 on its validation scores,
    and the largest score where these are of normal images alone; what is above it is anomalous.
    """
    calibration = None if recipe.calibration is None else recipe.calibration.checks.get(check)
    if calibration is not None and calibration.good:
        if calibration.faulty:
            value = f1_threshold(calibration.good, calibration.faulty)
            return value, "the best F1 on the good and faulty parts of the calibration"
        return max(calibration.good), _degenerate("the calibration")
    spec = next(spec for spec in recipe.text.checks if check_name(spec) == check)
    card = recipe.bundles[str(spec.model)].card
    if card.good_scores:
        return max(card.good_scores), _degenerate("the training, held out")
    if LARGEST in card.calibration:
        return float(card.calibration[LARGEST]), _degenerate("the training, held out")
    return None


def _degenerate(where: str) -> str:
    return (
        f"the largest score of the good parts of {where}: its F1-adaptive threshold comes to that "
        "where there are normal images alone"
    )


def f1_threshold(good: Sequence[float], faulty: Sequence[float]) -> float:
    """The score from which up calling a part faulty has the best F1; the lowest of several."""
    scores = np.array([*good, *faulty])
    truth = np.array([False] * len(good) + [True] * len(faulty))
    candidates = np.unique(scores)
    called = scores[None] >= candidates[:, None]
    hits = (called & truth[None]).sum(1)
    f1 = 2 * hits / (called.sum(1) + len(faulty))
    return float(candidates[int(f1.argmax())])
