"""What good parts score that a model has not seen: folds, a threshold, and parts unlike the others."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

FOLDS = 5
MAX_PARTS_ONE_BY_ONE = 8
MANY_PARTS = 40
FEW_MARGIN = 1.3
MANY_MARGIN = 1.15
MANY_SIGMA = 6.0
UNLIKE_SIGMA = 4.0
"""Robust standard deviations above the median from which a part is unlike the others."""
LEAST_TO_COMPARE = 8
"""Fewer parts have no median that says anything."""


@dataclass(frozen=True)
class Threshold:
    """A threshold, and what it rests on."""

    value: float
    """FAIL from here up."""
    review: float
    """REVIEW from here up to it: what no good part was like."""
    note: str
    unlike: tuple[str, ...]
    """Parts that are unlike the others, the strangest first."""


def folds(parts: Sequence[str], seed: int) -> list[frozenset[str]]:
    """The parts, each in one fold: a fold a part when there are few of them."""
    order = np.random.default_rng(seed).permutation(len(parts))
    count = len(parts) if len(parts) <= MAX_PARTS_ONE_BY_ONE else FOLDS
    return [frozenset(parts[i] for i in order[fold::count]) for fold in range(count)]


def threshold_of(parts: Mapping[str, float], how: str) -> Threshold:
    """Thresholds from the raw scores of good ``parts``; ``how`` says what they were compared with.

    FAIL is well above all of them. What is stranger than any good part, but those that are unlike the
    others, is for a person to see.
    """
    scores = list(parts.values())
    largest = max(scores)
    unlike = tuple(unlike_others(parts))
    usual = max((score for name, score in parts.items() if name not in unlike), default=largest)
    if len(scores) >= MANY_PARTS:
        spread = float(np.mean(scores)) + MANY_SIGMA * float(np.std(scores))
        value = max(spread, _above(largest, MANY_MARGIN))
        rule = (
            f"the larger of mean + {MANY_SIGMA:g} standard deviations and {MANY_MARGIN:g} times the "
            f"largest of the scores of {len(scores)} good parts"
        )
    else:
        value = _above(largest, FEW_MARGIN)
        rule = f"{FEW_MARGIN:g} times the largest of the scores of {len(scores)} good parts"
    note = (
        f"{rule}, {how}; a margin by experience, no promised false-reject rate; REVIEW above the "
        "largest of those that are not unlike the others"
    )
    return Threshold(round(value, 5), math.ceil(usual * 1e5 + 1) / 1e5, note, unlike)


def _above(largest: float, margin: float) -> float:
    """``margin`` times a score; of a method whose scores are negative as far above it."""
    return largest + (margin - 1) * abs(largest)


def unlike_others(scores: Mapping[str, float]) -> list[str]:
    """The names whose scores stand out from the others', the strangest first.

    By the median and the median absolute deviation, which a few faulty parts among the good do not
    move (Iglewicz and Hoaglin, "How to Detect and Handle Outliers", 1993).
    """
    if len(scores) < LEAST_TO_COMPARE:
        return []
    values = np.array(list(scores.values()))
    median = float(np.median(values))
    sigma = 1.4826 * float(np.median(np.abs(values - median)))
    limit = median + UNLIKE_SIGMA * sigma
    return sorted((name for name, score in scores.items() if score > limit), key=lambda n: -scores[n])
