"""Whether pictures and scores still look as they did when the recipe was calibrated.

The last parts are compared with a reference, measure by measure: how the picture looks (brightness,
sharpness, position, as :mod:`inspector.checks.quality` measures them) and what each check scored. Two
things must hold before a change is called one:

- it is large: the population stability index (Lewis 1994; usual limits 0.1 for *watch* and 0.25 for
  *act*), less what chance gives it at this number of parts (Yurdakul and Naranjo, "Statistical
  properties of the population stability index", J. Risk Model Validation 2020);
- it is no chance: a two-sample Kolmogorov-Smirnov test, whose limit is so low that a stable line of
  independent parts gives less than one false alarm in :data:`FALSE_ALARM_PARTS` parts, however often
  it is looked at (a union bound over all looks and measures). Neighbouring parts of a real line are
  alike; they count for as many independent ones as their autocorrelation allows.

*Act* moreover has lasted for a whole window, so that two windows without a common part agree.

Which parts count: production parts that were inspected to the end, no challenge parts. Of the picture,
all of them: a lamp that decays sends parts to REVIEW, and these must be seen. Of scores, all that did
not FAIL: faulty parts are no drift, and a REVIEW is most often a good part whose score has risen. When
most parts fail, scores say nothing any more, and the watch says that instead.

Nothing here knows a clock or does I/O. The reference is one distribution: variants of a product that
look different alternate within a window, or have a recipe each.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from inspector.calibration import Calibration
from inspector.config import Drift
from inspector.domain import (
    GRAVITY,
    Cause,
    DriftReading,
    Health,
    HealthLevel,
    Inspection,
    RecipeRef,
    Score,
    Verdict,
)

FALSE_ALARM_PARTS = 100_000_000
"""A stable line gives at most one false alarm in so many parts, on average: at one part a second in
three years."""
LOOKS_PER_WINDOW = 10
LEAST_REFERENCE = 30
"""Calibration values; a measure with fewer is learnt at the line."""
MOST = 0.75
"""Share of parts that fail from which on the scores of the rest say nothing."""
REFERENCE_LIMIT = 2000
"""Values of a reference that are kept, evenly over their range of ranks."""
BINS, LEAST_IN_BIN = 10, 10
SCORE = "score:"
"""What precedes the check's name where a score is followed."""

Values = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Comparison:
    """How different the last parts are from the reference."""

    psi: float
    """Population stability index without what chance gives; 0 at the least."""
    p_value: float


class Reference:
    """What one measure was like when all was well."""

    def __init__(self, values: Iterable[float], source: str) -> None:
        """``source``: in words, such as ``calibration``; at least one value."""
        known = np.sort(np.fromiter(values, np.float64))
        if len(known) > REFERENCE_LIMIT:
            known = known[np.linspace(0, len(known) - 1, REFERENCE_LIMIT).round().astype(int)]
        self.values: Values = known
        self.source = source
        self.median = float(np.median(known))
        self._edges = _edges(known)
        self._shares = self._spread(known)

    def compare(self, window: Values) -> Comparison:
        """``window``: ``(n,)`` values in the order of the parts, n >= 2."""
        worth = correlation_length(window)
        reference, current = len(self.values) / worth, len(window) / worth
        shares = self._spread(window)
        index = float(np.sum((shares - self._shares) * np.log(shares / self._shares)))
        chance = len(self._edges) * (1 / reference + 1 / current)
        distance = ks_distance(self.values, np.sort(window))
        together = reference * current / (reference + current)
        return Comparison(max(0.0, index - chance), min(1.0, 2 * math.exp(-2 * together * distance**2)))

    def _spread(self, values: Values) -> Values:
        """Share of the values in each bin; half a value is added to each, so that none is empty."""
        bins = len(self._edges) + 1
        counts = np.bincount(np.searchsorted(self._edges, values), minlength=bins) + 0.5
        return np.asarray(counts / counts.sum(), np.float64)


def _edges(values: Values) -> Values:
    """Inner edges of bins with about equally many of the sorted ``values``, which lie left of an edge
    that they equal. A value that fills a whole bin alone, such as the 0 of a check that sees nothing,
    gets an edge on either side."""
    bins = min(BINS, max(2, len(values) // LEAST_IN_BIN))
    inner = np.quantile(values, np.arange(1, bins) / bins, method="inverted_cdf")
    edges, counts = np.unique(inner, return_counts=True)
    alone = edges[(counts > 1) | (edges == values[0])]
    return np.unique(np.concatenate((edges, np.nextafter(alone, -np.inf))))


def ks_distance(first: Values, second: Values) -> float:
    """Largest difference of the two distribution functions, 0..1; both sorted."""
    both = np.concatenate((first, second))
    gaps = np.searchsorted(first, both, "right") / len(first)
    gaps -= np.searchsorted(second, both, "right") / len(second)
    return float(np.abs(gaps).max())


def correlation_length(values: Values) -> float:
    """How many neighbours are worth one independent value; 1 at the least.

    The integrated autocorrelation time by the initial positive sequence (Geyer, "Practical Markov chain
    Monte Carlo", 1992), of what remains without a straight trend: a slow drift must not hide itself.
    """
    count = len(values)
    steps = np.arange(count) - (count - 1) / 2
    rest = values - values.mean()
    rest -= steps * (steps @ rest) / (steps @ steps)
    # twice the length: the end must not meet the beginning
    power = np.fft.irfft(np.abs(np.fft.rfft(rest, 2 * count)) ** 2)[:count]
    if power[0] <= 1e-12 * count * max(1e-12, float(np.square(values).max())):
        return 1.0  # all equal, or on a line
    pairs = (power / power[0])[: count // 2 * 2].reshape(-1, 2).sum(axis=1)
    ends = np.flatnonzero(pairs <= 0)
    return max(1.0, 2 * float(pairs[: ends[0] if len(ends) else None].sum()) - 1)


@dataclass(slots=True)
class _Stream:
    """One measure of the parts as they come."""

    measure: str
    window: deque[float]
    reference: Reference | None = None
    learning: list[float] = field(default_factory=list)
    fresh: int = 0
    """Values since the last comparison."""
    calm: int = 0
    """Values since the comparisons say less than :attr:`reading`."""
    grave: int | None = None
    """Values since the first comparison in a row that says ``act``."""
    reading: DriftReading | None = None

    @property
    def learnt(self) -> bool:
        """Whether the first parts are the reference."""
        return self.reference is not None and bool(self.learning)

    def take(self, value: float, learn: int, fit: bool) -> None:
        """``fit``: good enough to learn from, while there is no reference yet. What is no number, such
        as a ratio in a black picture, is left out."""
        if not math.isfinite(value):
            return
        if self.reference is not None:
            self.window.append(value)
            self.fresh += 1
        elif fit:
            self.learning.append(value)
            if len(self.learning) >= learn:
                self.reference = Reference(self.learning, f"the first {learn} parts")

    def restart(self) -> None:
        """Forget the last parts."""
        self.window.clear()
        self.fresh = self.calm = 0
        self.grave = self.reading = None

    def compare(self, reference: Reference, config: Drift, p_limit: float) -> None:
        """Bring :attr:`reading` up to date."""
        window = np.fromiter(self.window, np.float64)
        seen = reference.compare(window)
        level: HealthLevel = "good"
        if seen.p_value <= p_limit and seen.psi >= config.watch_psi:
            level = "act" if seen.psi >= config.act_psi else "watch"
        level = self._settled(level, config.window)
        self.fresh = 0
        self.reading = DriftReading(
            self.measure,
            level,
            seen.psi,
            seen.p_value,
            reference.source,
            len(reference.values),
            reference.median,
            float(np.median(window)),
            len(window),
        )

    def _settled(self, level: HealthLevel, window: int) -> HealthLevel:
        """What a comparison says, confirmed: ``act`` has lasted until no part of the first window that
        said so is left, and an alarm ends when a whole window is without one."""
        before = self.reading.health if self.reading is not None else "good"
        if level != "act":
            self.grave = None
        else:
            self.grave = 0 if self.grave is None else self.grave + self.fresh
            if before != "act" and self.grave < window:
                level = "watch"
        self.calm = self.calm + self.fresh if GRAVITY[level] < GRAVITY[before] else 0
        return before if 0 < self.calm < window else level


@dataclass(frozen=True, slots=True)
class _Note:
    """What is kept of a part until the next look."""

    recipe_hash: str
    verdict: Verdict
    cause: Cause
    measures: Mapping[str, float]
    scores: tuple[Score, ...]


class DriftWatch:
    """Follows the parts of one station. :meth:`note` is for any thread, all else for one."""

    def __init__(
        self, config: Drift, recipe: RecipeRef, calibration: Calibration | None = None
    ) -> None:
        self._config = config
        self._notes: deque[_Note] = deque(maxlen=10 * config.window)
        self.begin(recipe, calibration)

    def begin(self, recipe: RecipeRef, calibration: Calibration | None) -> None:
        """Start anew with a recipe; what the calibration does not know is learnt from the first parts.

        Scores of a calibration with other models are void.
        """
        self.recipe = recipe
        """What judges the parts that are followed; others are left out."""
        self._streams: dict[str, _Stream] = {}
        self.restart()
        if calibration is None:
            return
        known = {name: normal.values for name, normal in calibration.looks.items()}
        if calibration.model_hash == recipe.model_hash:
            known |= {SCORE + name: check.good for name, check in calibration.checks.items()}
        for measure, values in known.items():
            if len(values) >= LEAST_REFERENCE:
                self._stream(measure).reference = Reference(values, "calibration")

    def adjust(self, config: Drift) -> None:
        """Take other limits; the window and the number of parts to learn from stay as they are."""
        limits = {"watch_psi": config.watch_psi, "act_psi": config.act_psi}
        self._config = self._config.model_copy(update=limits)

    def restart(self) -> None:
        """Forget the last parts, and what they gave cause for; the references stay."""
        self._notes.clear()
        self._failed: deque[bool] = deque(maxlen=self._config.window)
        self._failures = 0
        self._mostly_failing = False
        for stream in self._streams.values():
            stream.restart()

    def note(self, inspection: Inspection) -> None:
        """Take note of a judged part; costs a microsecond and keeps no picture."""
        if inspection.result_state == 1 and inspection.trigger.challenge is None:
            self._notes.append(
                _Note(
                    inspection.recipe.recipe_hash,
                    inspection.verdict,
                    inspection.judgement.cause,
                    inspection.measures,
                    inspection.scores,
                )
            )

    def look(self) -> bool:
        """Work through what was noted; whether something was compared anew."""
        while self._notes:
            note = self._notes.popleft()
            if note.recipe_hash == self.recipe.recipe_hash:
                self._take(note)
        config = self._config
        step = max(1, config.window // LOOKS_PER_WINDOW)
        p_limit = step / FALSE_ALARM_PARTS / max(1, len(self._streams))
        compared = False
        for stream in self._streams.values():
            full = len(stream.window) == config.window
            if stream.reference is not None and full and stream.fresh >= step:
                stream.compare(stream.reference, config, p_limit)
                compared = True
        return compared

    @property
    def learnt(self) -> tuple[str, ...]:
        """The measures whose reference was learnt at the line, in an operator's words."""
        return tuple(_word(one.measure).name for one in self._streams.values() if one.learnt)

    @property
    def readings(self) -> tuple[DriftReading, ...]:
        """The last comparison of every measure that has had one."""
        return tuple(one.reading for one in self._streams.values() if one.reading is not None)

    @property
    def health(self) -> Health:
        """The gravest of all, in words: what has changed, since when it is compared, where to look."""
        moved = sorted(
            (one for one in self.readings if one.health != "good"), key=lambda one: _rank(one.measure)
        )
        if moved:
            level = max((one.health for one in moved), key=GRAVITY.__getitem__)
            return Health(level, _words(moved))
        if self._mostly_failing:
            return Health(
                "watch",
                f"most of the last {self._config.window} parts failed, so that scores cannot be "
                "compared; look at the parts, then at light and lens",
            )
        return Health()

    def _take(self, note: _Note) -> None:
        failed = note.verdict is Verdict.FAIL
        fit = note.verdict is Verdict.PASS or note.cause is Cause.UNCERTAIN
        learn = self._config.learn_parts
        for name, value in note.measures.items():
            self._stream(name).take(value, learn, fit)
        self._count_failed(failed)
        if failed:
            return
        highest: dict[str, float] = {}
        for score in note.scores:
            highest[score.check] = max(score.score, highest.get(score.check, score.score))
        for check, value in highest.items():
            self._stream(SCORE + check).take(value, learn, fit)

    def _count_failed(self, failed: bool) -> None:
        window = self._config.window
        if len(self._failed) == window:
            self._failures -= self._failed[0]
        self._failed.append(failed)
        self._failures += failed
        if len(self._failed) == window and self._failures > MOST * window:
            self._mostly_failing = True
        elif self._failures < window / 2:
            self._mostly_failing = False

    def _stream(self, measure: str) -> _Stream:
        if measure not in self._streams:
            self._streams[measure] = _Stream(measure, deque(maxlen=self._config.window))
        return self._streams[measure]


@dataclass(frozen=True, slots=True)
class _Word:
    """How an operator calls a measure, and where to look when it moves."""

    name: str
    remedy: str
    unit: str = ""
    """Of the change; by default percent of what it was."""
    scale: float = 1.0
    """From the measure's unit to this one."""


_WORDS = {
    "exposure": _Word("brightness", "look at the lamp"),
    "contrast": _Word("contrast", "look at the lamp and the lens"),
    "noise": _Word("noise", "look at the lamp, the camera's gain and its cable"),
    "sharpness": _Word("sharpness", "look at the lens: focus, dirt, vibration"),
    "focus": _Word("focus", "look at the lens: focus, dirt, vibration"),
    "smear": _Word("smear", "look for vibration, or for a belt that runs faster"),
    "x": _Word(
        "position across", "look at guide rails, trigger and camera mount", "% of the width", 100
    ),
    "y": _Word(
        "position along", "look at guide rails, trigger and camera mount", "% of the height", 100
    ),
    "turn": _Word("angle", "look at guide rails and camera mount", "degrees"),
    "size": _Word("size in the picture", "look at the camera's distance and its lens"),
    "edge": _Word("share at the picture's border", "look at guide rails, trigger and camera mount"),
    "foreign": _Word("strangeness", "look at a picture for dirt or foreign matter"),
}
"""By measure of :mod:`inspector.look`, causes before their effects: a weak lamp also lowers contrast
and sharpness, and all of these raise scores."""


def _word(measure: str) -> _Word:
    if measure.startswith(SCORE):
        name = f"the score of '{measure.removeprefix(SCORE)}'"
        return _Word(name, "look at light, lens and parts, before good parts fail")
    return _WORDS.get(measure, _Word(measure, "look at a picture"))


def _rank(measure: str) -> int:
    if measure.startswith(SCORE):
        return len(_WORDS) + 1
    return list(_WORDS).index(measure) if measure in _WORDS else len(_WORDS)


def _words(moved: list[DriftReading]) -> str:
    first = moved[0]
    also = ", ".join(_word(one.measure).name for one in moved[1:])
    more = f" (also {also})" if also else ""
    return f"{_change(first)} against {first.reference}{more}; {_word(first.measure).remedy}"


def _change(reading: DriftReading) -> str:
    word, was, now = _word(reading.measure), reading.reference_median, reading.median
    verb = "fallen" if now < was else "risen"
    if word.unit:
        amount = f"{abs(now - was) * word.scale:.3g} {word.unit}"
    elif abs(was) > 1e-9:
        amount = f"{abs(now / was - 1) * 100:.0f} %"
    else:
        return f"{word.name} has {verb} from {was:.3g} to {now:.3g}"
    if amount.startswith("0 "):
        return f"the spread of {word.name} has changed"
    return f"{word.name} has {verb} by {amount}"
