"""Thresholds that keep a promised rate of good parts, and what can be said of rates that were counted.

Split-conformal calibration (Vovk, Gammerman and Shafer, "Algorithmic Learning in a Random World", 2005;
Lei et al., JASA 2018): with the scores of ``n`` good parts that the model has not seen, a part that
FAILs above the score of rank ``ceil((n + 1) * (1 - rate))`` is a good one in at most ``rate`` of the
cases, on average over calibrations, whatever the distribution of the scores.

A part is judged by several checks, and the promise is about the part. So the thresholds of all checks
are cut from the same parts, one *block* after the other: a cut takes the part that scores highest on
one check, sets the threshold of this check just above it, and leaves the part out of what follows.
Each block holds the next good part with probability ``1 / (n + 1)``, however the checks depend on each
other, and ``m`` blocks hold a share that is distributed as Beta(m, n + 1 - m). Source: Tukey,
"Non-parametric estimation II: statistically equivalent blocks and tolerance regions", Annals of
Mathematical Statistics 1947; Fraser, "Sequentially determined statistically equivalent blocks", ibid.
1951, for cuts chosen by what is already cut. With one check this is the rank above. Equal scores only
make the share smaller.

Pure: standard library, no I/O.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from inspector.domain import Verdict

CONFIDENCE = 0.95
_ROUNDING = 1e-9
"""0.05 of 20 blocks is one block, whatever floating point makes of it."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """FAIL from ``fail`` up, REVIEW from ``review`` up to it."""

    fail: float
    review: float


@dataclass(frozen=True, slots=True)
class PartScores:
    """What the station said of one part, all its pictures together."""

    scores: Mapping[str, float]
    """By check, the largest of the pictures that could be trusted; raw."""
    fails: bool = False
    """By a check whose thresholds are not ours to set."""
    doubted: bool = False
    """REVIEW whatever the thresholds: a picture that is not trusted, or such a check's band."""

    def verdict(self, thresholds: Mapping[str, Thresholds]) -> Verdict:
        """What the part becomes at these thresholds; a picture that FAILs outweighs one in REVIEW."""
        judged = [
            (self.scores[name], limit) for name, limit in thresholds.items() if name in self.scores
        ]
        if self.fails or any(score >= limit.fail for score, limit in judged):
            return Verdict.FAIL
        if self.doubted or any(score >= limit.review for score, limit in judged):
            return Verdict.REVIEW
        return Verdict.PASS


@dataclass(frozen=True, slots=True)
class Calibrated:
    """Thresholds, and what they keep."""

    thresholds: Mapping[str, Thresholds]
    parts: int
    fail_blocks: int
    """Of ``parts + 1``: good parts that FAIL."""
    review_blocks: int
    """Of ``parts + 1``: good parts that go to REVIEW."""

    @property
    def false_reject_rate(self) -> float:
        return self.fail_blocks / (self.parts + 1)

    @property
    def review_rate(self) -> float:
        return self.review_blocks / (self.parts + 1)


def blocks(parts: int, rate: float) -> int:
    """How many of ``parts + 1`` blocks a rate may take."""
    return math.floor((parts + 1) * rate + _ROUNDING)


def parts_needed(checks: int, rate: float) -> int:
    """How many good parts it takes to promise a rate for that many checks together."""
    return math.ceil(checks / rate - _ROUNDING) - 1


def calibrate(
    parts: Sequence[PartScores],
    checks: Sequence[str],
    false_reject_rate: float,
    review_rate: float,
    faulty: Iterable[PartScores] = (),
) -> Calibrated:
    """Thresholds of ``checks`` from good parts.

    Both rates are taken as far as they go. Where there are too few parts for ``false_reject_rate``, the
    least that gives every check a threshold is taken instead, and :class:`Calibrated` says what that
    keeps. Parts that fail or are doubted anyway count against the rates. ``faulty`` parts let the
    REVIEW band of those checks grow first that would let them pass. Raises :class:`ValueError` when
    there are fewer parts that can be judged than checks.
    """
    left = [part for part in parts if not part.fails]
    failing = len(parts) - len(left)
    edges: dict[str, float] = {}
    spent = failing
    for turn in range(max(blocks(len(parts), false_reject_rate), failing + len(checks)) - failing):
        check = checks[turn % len(checks)]
        cut = _cut(left, check)
        if cut is not None:
            edges[check], left = cut
            spent += 1
    if missing := [check for check in checks if check not in edges]:
        raise ValueError(f"no part is left to set the threshold of '{missing[0]}'")
    fail = dict(edges)
    doubted = sum(part.doubted for part in left)
    left = [part for part in left if not part.doubted]
    cuts = max(0, blocks(len(parts), review_rate) - doubted)
    known = tuple(faulty)
    # the share that is doubted is known up to one block: a first cut closes it
    reviewed = doubted + (1 if doubted and not cuts else 0)
    for turn in range(cuts):
        check = _wanted(known, edges) or checks[turn % len(checks)]
        cut = _cut(left, check)
        if cut is not None:
            edges[check], left = cut
            reviewed += 1
    return Calibrated(
        {check: Thresholds(fail[check], edges[check]) for check in checks}, len(parts), spent, reviewed
    )


def _cut(left: Sequence[PartScores], check: str) -> tuple[float, list[PartScores]] | None:
    """Threshold just above the highest score, and the parts without that one; None: no part has one."""
    scored = [number for number, part in enumerate(left) if check in part.scores]
    if not scored:
        return None
    highest = max(scored, key=lambda number: left[number].scores[check])
    edge = math.nextafter(left[highest].scores[check], math.inf)
    return edge, [part for number, part in enumerate(left) if number != highest]


def _wanted(faulty: Iterable[PartScores], edges: Mapping[str, float]) -> str | None:
    """The check that most faulty parts which would pass come nearest to; None: none would pass."""
    votes: Counter[str] = Counter()
    for part in faulty:
        reach = {
            name: part.scores[name] / max(edge, _ROUNDING)
            for name, edge in edges.items()
            if name in part.scores
        }
        if reach and not part.fails and not part.doubted and max(reach.values()) < 1:
            votes[max(reach, key=lambda name: reach[name])] += 1
    return votes.most_common(1)[0][0] if votes else None


def upper_bound(count: int, of: int) -> float | None:
    """One-sided exact 95 % upper bound of a rate that was seen ``count`` times in ``of``; None of none.

    Source: Clopper and Pearson, Biometrika 1934: the rate at which so few are seen in 5 % of the cases.
    """
    if not of:
        return None
    if count >= of:
        return 1.0
    low, high = count / of, 1.0
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if _at_most(count, of, middle) > 1 - CONFIDENCE else (low, middle)
    return high


def _at_most(count: int, of: int, rate: float) -> float:
    """Probability of at most ``count`` in ``of``, binomial."""
    if rate <= 0:
        return 1.0
    if rate >= 1:
        return 1.0 if count >= of else 0.0
    ways = math.lgamma(of + 1)
    return math.fsum(
        math.exp(
            ways
            - math.lgamma(k + 1)
            - math.lgamma(of - k + 1)
            + k * math.log(rate)
            + (of - k) * math.log1p(-rate)
        )
        for k in range(count + 1)
    )
