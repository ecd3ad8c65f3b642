"""What is normal of good pictures, and what it means when a picture is outside.

Of each measure of :mod:`inspector.look` limits are learnt that undisturbed pictures cross, all limits
together, no more often than ``review_rate``. A limit is the outermost of three:

- the prediction limit of a normal distribution (of the logarithm, for measures that are ratios) with
  the median and the scaled median deviation on that side as location and scale, which a few odd
  pictures do not move: Student's t for so few parts, at the share of ``review_rate`` that one of all
  limits has;
- one such deviation beyond the most extreme good picture, since tails may be heavier than normal;
- a tolerance that is small enough to leave verdicts alone: without it a steady lamp would be held to
  its steadiness, and any harmless change be an alarm.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Literal

import numpy as np
import numpy.typing as npt

from inspector.calibration import Examples, Normal
from inspector.checks.examples import Likeness, Strangeness, choose_examples
from inspector.domain import Box, Cause, Image
from inspector.look import Look, look, measures_of

MIN_PARTS = 10
"""Of fewer nothing is learnt but the values."""
FOLDS = 5
MOST_VALUES = 500
REVIEW_RATE = 0.01
MEASURED = 0.95
"""Share of the good pictures that must have a measure for it to have limits."""
Group = Literal["sharpness", "exposure", "position", "foreign"]
"""The recipe's key that switches a measure."""


@dataclass(frozen=True, slots=True)
class Rule:
    """How one measure is judged."""

    group: Group
    cause: Cause
    sides: tuple[Literal["low", "high"], ...]
    tolerance: float
    """Least distance of a limit from the middle; of a ratio, as a factor."""
    ratio: bool
    """Whether changes are factors: the logarithm is judged."""

    def scaled(self, value: float) -> float:
        """The value on the scale on which it is judged."""
        return math.log(max(value, 1e-3)) if self.ratio else value

    def unscaled(self, value: float) -> float:
        return math.exp(value) if self.ratio else value

    @property
    def scaled_tolerance(self) -> float:
        return math.log(self.tolerance) if self.ratio else self.tolerance


_BOTH: tuple[Literal["low", "high"], ...] = ("low", "high")
RULES: Mapping[str, Rule] = {
    "focus": Rule("sharpness", Cause.BLUR, ("low",), 1.55, True),
    "smear": Rule("sharpness", Cause.BLUR, ("low",), 1.5, True),
    "exposure": Rule("exposure", Cause.EXPOSURE, _BOTH, 1.18, True),
    "contrast": Rule("exposure", Cause.EXPOSURE, _BOTH, 1.18, True),
    # noise comes with too little light and much gain
    "noise": Rule("exposure", Cause.EXPOSURE, ("high",), 2.0, False),
    "x": Rule("position", Cause.UNUSUAL_POSE, _BOTH, 0.04, False),
    "y": Rule("position", Cause.UNUSUAL_POSE, _BOTH, 0.04, False),
    "size": Rule("position", Cause.UNUSUAL_POSE, _BOTH, 1.15, True),
    "pose": Rule("position", Cause.UNUSUAL_POSE, ("high",), 0.1, False),
    "edge": Rule("position", Cause.PARTIAL_PART, ("high",), 0.05, False),
    # 'Covered' where it is large or comes from the border, see the gate
    "foreign": Rule("foreign", Cause.TAMPERED, ("high",), 8.0, False),
}
"""By name of the measure. ``sharpness`` has no learnt limit: it falls with the light, ``focus`` not."""
LIMITS = sum(len(rule.sides) for rule in RULES.values())


@dataclass(frozen=True, slots=True)
class Learnt:
    """What good pictures teach, as ``calibration.json`` has it."""

    looks: dict[str, Normal]
    examples: Examples | None
    note: str
    """From how much it was learnt, in a sentence."""


@dataclass(slots=True)
class LooksLearner:
    """Takes good pictures one by one and keeps a few numbers of each."""

    by_box: bool = False
    """Whether the part's place is that of its box; else that of the edges in the picture."""
    _looks: list[Look] = field(default_factory=list)
    _measures: list[dict[str, float]] = field(default_factory=list)
    _parts: list[str] = field(default_factory=list)

    def see(self, image: Image, part: str = "", box: Box | None = None) -> None:
        """One good picture of that part; without a name, of a part of its own."""
        seen = look(image)
        size = (image.shape[1], image.shape[0])
        self._looks.append(seen)
        self._measures.append(measures_of(seen, box, size) if self.by_box else dict(seen.measures))
        self._parts.append(part or f"#{len(self._parts)}")

    def learn(self, review_rate: float = REVIEW_RATE) -> Learnt:
        """Limits that undisturbed pictures cross no more often than ``review_rate``, and all values.

        Of fewer than :data:`MIN_PARTS` parts there are values without limits.
        """
        pictures, parts = len(self._looks), len(set(self._parts))
        enough = parts >= MIN_PARTS
        measures = [dict(each) for each in self._measures]
        examples = None
        if enough:
            for index, strange in self._strangeness():
                measures[index] |= {"foreign": strange.foreign, "pose": strange.pose}
            examples = choose_examples(self._looks)
        names = dict.fromkeys(name for each in measures for name in each)
        looks = {}
        for name in names:
            values = [each[name] for each in measures if name in each]
            known = enough and len(values) >= MEASURED * pictures
            low, high = _limits(name, values, parts, review_rate) if known else (None, None)
            step = math.ceil(len(values) / MOST_VALUES)
            kept = tuple(round(value, 5) for value in values[::step])
            looks[name] = Normal(low=low, high=high, values=kept)
        note = f"what is normal of a picture learnt from {pictures} of {parts} good parts"
        if not enough:
            note = f"{parts} good parts do not tell what is normal of a picture: {MIN_PARTS} would"
        return Learnt(looks, examples, note)

    def _strangeness(self) -> Iterator[tuple[int, Strangeness]]:
        """Index and strangeness of each picture, beside examples of other parts."""
        folds = {part: number % FOLDS for number, part in enumerate(dict.fromkeys(self._parts))}
        for fold in range(FOLDS):
            here = [folds[part] == fold for part in self._parts]
            others = [seen for seen, left_out in zip(self._looks, here, strict=True) if not left_out]
            likeness = Likeness(choose_examples(others))
            for index, left_out in enumerate(here):
                if left_out:
                    yield index, likeness.strangeness(self._looks[index])


def learn_looks(
    pictures: Iterable[Image],
    boxes: Sequence[Box | None] | None = None,
    review_rate: float = REVIEW_RATE,
) -> Learnt:
    """What good pictures, each of a part of its own, teach; ``boxes``: the part's in each of them."""
    learner = LooksLearner(by_box=boxes is not None)
    for index, image in enumerate(pictures):
        learner.see(image, box=None if boxes is None else boxes[index])
    return learner.learn(review_rate)


def _limits(
    name: str, values: Sequence[float], parts: int, review_rate: float
) -> tuple[float | None, float | None]:
    rule = RULES.get(name)
    if rule is None:
        return None, None
    scaled: npt.NDArray[np.float64] = np.array([rule.scaled(value) for value in values])
    middle = float(np.median(scaled))
    share = min(max(review_rate, 1e-4) / LIMITS, 0.1)
    factor = _student(1 - share, parts - 1) * math.sqrt(1 + 1 / parts)

    def limit(side: Literal["low", "high"], sign: float) -> float | None:
        if side not in rule.sides:
            return None
        beyond = sign * (scaled - middle)
        deviation = 1.4826 * float(np.median(beyond[beyond >= 0]))
        reach = max(factor * deviation, float(beyond.max()) + deviation, rule.scaled_tolerance)
        return round(rule.unscaled(middle + sign * reach), 5)

    return limit("low", -1.0), limit("high", 1.0)


def _student(level: float, freedom: int) -> float:
    """Quantile of Student's t, by Cornish and Fisher: within 2 % from 9 degrees of freedom, 0.9995.

    Source: Abramowitz and Stegun, "Handbook of Mathematical Functions", 26.7.5. The line has no scipy.
    """
    z = NormalDist().inv_cdf(level)
    terms = (
        z,
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
    )
    return float(sum(term / freedom**power for power, term in enumerate(terms)))
