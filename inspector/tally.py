"""Finished parts by what became of them, and how long they took: what a metrics page shows."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import Lock

from inspector.domain import Inspection

AGE_S = (0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.0, 5.0)
"""Upper bounds of the histogram of ages, in seconds."""
DEADLINE_SHARE = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.5, 2.0)
"""Upper bounds of the histogram of the share of the deadline that was used; above 1 is late."""
LEAST_DEADLINE_S = 1e-6
"""A deadline may be so short that as a number of seconds it is 0."""


@dataclass(frozen=True, slots=True)
class Histogram:
    """A consistent copy: how many values lay at or below each bound."""

    bounds: Sequence[float]
    at_most: Sequence[int]
    """Cumulative, one a bound."""
    count: int
    total: float


@dataclass(frozen=True, slots=True)
class Tallied:
    """A consistent copy of a :class:`Tally`."""

    parts: dict[tuple[str, str], int]
    """Production parts by verdict and cause."""
    age_s: Histogram
    deadline_share: Histogram


@dataclass(slots=True)
class _Bins:
    bounds: Sequence[float]
    counts: list[int] = field(default_factory=list)
    total: float = 0.0

    def __post_init__(self) -> None:
        self.counts = [0] * (len(self.bounds) + 1)

    def add(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def copy(self) -> Histogram:
        running, at_most = 0, []
        for count in self.counts:
            running += count
            at_most.append(running)
        return Histogram(self.bounds, at_most[:-1], running, self.total)


@dataclass(slots=True)
class Tally:
    """Safe to call from several threads."""

    _lock: Lock = field(default_factory=Lock)
    _parts: Counter[tuple[str, str]] = field(default_factory=Counter)
    _age_s: _Bins = field(default_factory=lambda: _Bins(AGE_S))
    _share: _Bins = field(default_factory=lambda: _Bins(DEADLINE_SHARE))

    def note(self, inspection: Inspection) -> None:
        """Count a finished part; challenge parts are outside of production."""
        if inspection.trigger.challenge is not None:
            return
        age_s, deadline_s = inspection.age_s, inspection.trigger.deadline_s
        with self._lock:
            self._parts[inspection.verdict.value, inspection.judgement.cause.word] += 1
            self._age_s.add(age_s)
            self._share.add(age_s / max(deadline_s, LEAST_DEADLINE_S))

    def copy(self) -> Tallied:
        """All of it at one moment."""
        with self._lock:
            return Tallied(dict(self._parts), self._age_s.copy(), self._share.copy())
