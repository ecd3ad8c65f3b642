"""How well parts are told: escapes, false rejects, attribute agreement, and the ROC of scores.

A faulty part that is passed is an *escape*, a good one that is failed a *false reject*; REVIEW is
neither and has its own column. Attribute agreement is AIAG's ("Measurement Systems Analysis", 4th
edition, chapter III-C), the truth being the reference and the station the appraiser. The PLC treats
REVIEW as reject, so it is counted as reject there: a faulty part in REVIEW is no miss, a good one is a
false alarm. :attr:`PartFigures.decided` leaves parts in REVIEW out instead.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.stats import norm
from sklearn.metrics import cohen_kappa_score, roc_auc_score, roc_curve

from inspector.conformal import CONFIDENCE, upper_bound
from inspector.domain import Verdict
from inspector.evaluation.run import Outcome


@dataclass(frozen=True, slots=True)
class Share:
    """``count`` of ``of`` parts."""

    count: int
    of: int

    @property
    def rate(self) -> float | None:
        return self.count / self.of if self.of else None

    @property
    def upper(self) -> float | None:
        """One-sided exact 95 % upper bound (Clopper and Pearson, 1934); None without a part."""
        return upper_bound(self.count, self.of)


@dataclass(frozen=True, slots=True)
class Agreement:
    """AIAG attribute agreement of the station with the truth."""

    effectiveness: Share
    """Right decisions of all."""
    miss: Share
    """Faulty parts that were accepted, of the faulty."""
    false_alarm: Share
    """Good parts that were rejected, of the good."""
    kappa: float | None
    """Cohen's; None where truth and station know one and the same value only."""


@dataclass(frozen=True, slots=True)
class PartFigures:
    """All parts whose truth is known."""

    escapes: Share
    false_rejects: Share
    good_in_review: Share
    faulty_in_review: Share
    rejecting: Agreement
    """REVIEW counted as reject, as the PLC does."""
    decided: Agreement
    """Parts in REVIEW left out: what the station decided alone."""
    verdicts: dict[str, dict[str, int]]
    """Truth by kind, good ones first: number of PASS, FAIL and REVIEW."""
    causes: dict[str, dict[str, int]]
    """Truth by kind: number of each cause other than ``None``."""
    named: dict[str, dict[str, int]]
    """Truth by kind: under which label parts failed, the gravest finding's; beside PASS and REVIEW."""


@dataclass(frozen=True, slots=True)
class Ranking:
    """How well a score tells faulty from good parts."""

    auroc: float
    low: float
    high: float
    """95 %, two-sided."""
    good: int
    faulty: int
    curve: tuple[tuple[float, float], ...]
    """False-alarm rate and detection rate."""


@dataclass(frozen=True, slots=True)
class Repeats:
    """AIAG's within-appraiser agreement: parts that were seen several times."""

    parts: Share
    """Those that always got the same verdict."""
    looks: int


def measure(outcomes: Iterable[Outcome]) -> PartFigures | None:
    """Compare verdicts with the truth; None when the truth of no part is known."""
    known = [outcome for outcome in outcomes if outcome.faulty is not None]
    if not known:
        return None
    good = [outcome for outcome in known if not outcome.faulty]
    faulty = [outcome for outcome in known if outcome.faulty]
    kinds = sorted({str(outcome.kind) for outcome in good}) + sorted(
        {str(outcome.kind) for outcome in faulty}
    )
    by_kind = {kind: [item for item in known if item.kind == kind] for kind in kinds}
    return PartFigures(
        Share(_count(faulty, Verdict.PASS), len(faulty)),
        Share(_count(good, Verdict.FAIL), len(good)),
        Share(_count(good, Verdict.REVIEW), len(good)),
        Share(_count(faulty, Verdict.REVIEW), len(faulty)),
        _agreement(known),
        _agreement([item for item in known if item.verdict is not Verdict.REVIEW]),
        {
            kind: {verdict.value: _count(items, verdict) for verdict in Verdict}
            for kind, items in by_kind.items()
        },
        {
            kind: dict(Counter(item.cause.word for item in items if item.cause.code).most_common())
            for kind, items in by_kind.items()
        },
        {kind: dict(Counter(map(_named, items)).most_common()) for kind, items in by_kind.items()},
    )


def _count(outcomes: Iterable[Outcome], verdict: Verdict) -> int:
    return sum(outcome.verdict is verdict for outcome in outcomes)


def _named(outcome: Outcome) -> str:
    if outcome.verdict is not Verdict.FAIL:
        return outcome.verdict.value
    failing = [finding for finding in outcome.judged.findings if finding.fails]
    return failing[0].label if failing else outcome.cause.word


def _agreement(outcomes: Sequence[Outcome]) -> Agreement:
    truth = [bool(outcome.faulty) for outcome in outcomes]
    rejected = [outcome.verdict is not Verdict.PASS for outcome in outcomes]
    pairs = Counter(zip(truth, rejected, strict=True))
    faulty, good = sum(truth), len(truth) - sum(truth)
    # with one value throughout, agreement by chance is certain and kappa is 0 / 0
    one = len({*truth, *rejected}) < 2
    return Agreement(
        Share(pairs[True, True] + pairs[False, False], len(truth)),
        Share(pairs[True, False], faulty),
        Share(pairs[False, True], good),
        None if one else float(cohen_kappa_score(truth, rejected)),
    )


def rank(outcomes: Iterable[Outcome]) -> Ranking | None:
    """The ROC of the anomaly scores; None without both good and faulty parts that have one."""
    scored = [
        (outcome.faulty, outcome.anomaly)
        for outcome in outcomes
        if outcome.faulty is not None and outcome.anomaly is not None
    ]
    faulty = sum(bool(truth) for truth, _ in scored)
    good = len(scored) - faulty
    if not faulty or not good:
        return None
    truth, scores = zip(*scored, strict=True)
    auroc = float(roc_auc_score(truth, scores))
    alarms, hits, _ = roc_curve(truth, scores)
    low, high = auroc_bounds(auroc, faulty, good)
    return Ranking(
        auroc, low, high, good, faulty, tuple(zip(alarms.tolist(), hits.tolist(), strict=True))
    )


def auroc_bounds(auroc: float, faulty: int, good: int) -> tuple[float, float]:
    """Two-sided 95 % interval of an area under the ROC.

    Source: Newcombe, "Confidence intervals for an effect size measure based on the Mann-Whitney
    statistic, part 2", Statistics in Medicine 2006, method 5: the variance of Hanley and McNeil at the
    bound instead of at the estimate. Unlike DeLong's or a bootstrap's it does not shrink to nothing
    when the scores separate perfectly.
    """
    z = float(norm.ppf(0.5 + CONFIDENCE / 2))
    mean = (faulty + good) / 2 - 1

    def deviation(area: float) -> float:
        spread = 1 + mean * ((1 - area) / (2 - area) + area / (1 + area))
        return z * math.sqrt(max(0.0, area * (1 - area) * spread / (faulty * good)))

    low = 0.0 if auroc <= 0 else float(brentq(lambda a: auroc - a - deviation(a), 0.0, auroc - 1e-12))
    high = 1.0 if auroc >= 1 else float(brentq(lambda a: a - auroc - deviation(a), auroc + 1e-12, 1.0))
    return low, high


def repeats(outcomes: Iterable[Outcome]) -> Repeats | None:
    """Agreement of several looks at one part; None when each part was seen once.

    What stands before the last ``_`` of a file's name names the part, as ``inspector crop`` has it.
    """
    looks: dict[tuple[str, str], list[Verdict]] = {}
    for outcome in outcomes:
        part = outcome.sample.path.stem.rpartition("_")[0]
        if part:
            looks.setdefault((str(outcome.sample.path.parent), part), []).append(outcome.verdict)
    several = [verdicts for verdicts in looks.values() if len(verdicts) > 1]
    if not several:
        return None
    same = sum(len(set(verdicts)) == 1 for verdicts in several)
    return Repeats(Share(same, len(several)), sum(map(len, several)))


def percentiles(values: Sequence[float]) -> dict[str, float]:
    """p50, p95 and p99; nothing of nothing."""
    if not values:
        return {}
    return {f"p{share}": float(np.percentile(values, share)) for share in (50, 95, 99)}
