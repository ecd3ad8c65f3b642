"""Thresholds keep what they promise: on average, and in the spread that mathematics gives it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from scipy.stats import betabinom, binomtest

from inspector.conformal import (
    PartScores,
    Thresholds,
    blocks,
    calibrate,
    parts_needed,
    upper_bound,
)
from inspector.domain import Box, Finding, FindingKind, Verdict
from inspector.judge import judge

SPLITS, TESTED = 300, 400
BOX = Box(0, 0, 1, 1)


def one(scores: Sequence[float], check: str = "a") -> list[PartScores]:
    return [PartScores({check: score}) for score in scores]


def verdict(part: PartScores, thresholds: dict[str, Thresholds]) -> Verdict:
    """By the judge of the line, from findings as the checks report them."""
    findings = [
        Finding(name, FindingKind.ANOMALY, "odd", part.scores[name], limits.fail, BOX, limits.review)
        for name, limits in thresholds.items()
        if name in part.scores
    ]
    if part.fails:
        findings.append(Finding("fixed", FindingKind.DEFECT, "scratch", 0.9, 0.5, BOX))
    if part.doubted:
        findings.append(Finding("fixed", FindingKind.DEFECT, "scratch", 0.4, 0.5, BOX, 0.3))
    return judge(findings).verdict


# --- one check is the rank of split-conformal prediction -----------------------------------------


@pytest.mark.parametrize(
    ("parts", "rate"), [(19, 0.05), (99, 0.05), (100, 0.05), (150, 0.031), (20, 0.3)]
)
def test_with_one_check_the_threshold_lies_just_above_the_conformal_rank(
    parts: int, rate: float
) -> None:
    scores = np.random.default_rng(parts).normal(5, 1, parts)
    rank = math.ceil((parts + 1) * (1 - rate) - 1e-9)
    expected = math.nextafter(sorted(scores)[rank - 1], math.inf)
    found = calibrate(one(scores), ("a",), rate, 0)
    assert found.thresholds["a"] == Thresholds(expected, expected)
    assert found.false_reject_rate <= rate + 1e-12


def test_the_part_at_the_threshold_itself_does_not_fail() -> None:
    found = calibrate(one(range(1, 20)), ("a",), 0.05, 0)
    assert verdict(PartScores({"a": 19.0}), dict(found.thresholds)) is Verdict.PASS
    assert verdict(PartScores({"a": 19.0001}), dict(found.thresholds)) is Verdict.FAIL


def test_the_review_band_takes_the_next_ranks() -> None:
    found = calibrate(one(range(1, 100)), ("a",), 0.02, 0.03)
    assert found.thresholds["a"] == Thresholds(math.nextafter(98, 99), math.nextafter(95, 99))
    assert (found.false_reject_rate, found.review_rate) == (0.02, 0.03)


def test_too_few_parts_give_the_least_that_can_be_promised() -> None:
    found = calibrate(one(range(9)), ("a",), 0.01, 0.01)
    assert found.false_reject_rate == 0.1
    assert found.thresholds["a"].fail == math.nextafter(8, 9)
    assert found.review_rate == 0


@pytest.mark.parametrize(("checks", "rate"), [(1, 0.01), (1, 0.05), (3, 0.05), (2, 0.003)])
def test_so_many_parts_as_are_said_to_be_needed_are_needed(checks: int, rate: float) -> None:
    needed = parts_needed(checks, rate)
    assert blocks(needed, rate) >= checks
    assert blocks(needed - 1, rate) < checks


def test_equal_scores_never_break_the_promise() -> None:
    # a detector that sees nothing on most good parts
    found = calibrate(one([0.0] * 95 + [0.2] * 4), ("a",), 0.05, 0.05)
    assert found.thresholds["a"].fail == math.nextafter(0, 1)
    assert [verdict(part, dict(found.thresholds)) for part in one([0.0])] == [Verdict.PASS]
    assert calibrate(one([0.3] * 60), ("a",), 0.1, 0.1).thresholds["a"].review > 0.3


def test_more_checks_than_parts_cannot_be_calibrated() -> None:
    with pytest.raises(ValueError, match="'b'"):
        calibrate([PartScores({"a": 1.0, "b": 1.0})], ("a", "b"), 0.5, 0)


def test_a_part_without_trusted_picture_neither_fails_nor_passes() -> None:
    thresholds = {"a": Thresholds(2, 1)}
    assert PartScores({}, doubted=True).verdict(thresholds) is Verdict.REVIEW
    assert PartScores({"a": 3}, doubted=True).verdict(thresholds) is Verdict.FAIL
    assert PartScores({"a": 0}, fails=True).verdict(thresholds) is Verdict.FAIL


# --- the promise, over many calibrations --------------------------------------------------------


def drawn(rng: np.random.Generator, count: int, kind: str) -> list[PartScores]:
    """Good parts: scores of checks that depend on each other, skewed, of several views, or tied."""
    base = rng.gamma(4, 1, count)
    if kind == "one":
        return one(base)
    views = base[:, None] + rng.gumbel(0, 0.5, (count, 3))
    second = np.exp(0.3 * base + rng.normal(0, 0.4, count))
    third = np.maximum(0, rng.normal(-1, 0.4, count))
    parts = [
        PartScores({"a": float(max(v)), "b": float(s), "c": float(t)})
        for v, s, t in zip(views, second, third, strict=True)
    ]
    if kind == "three":
        return parts
    # a check that states its threshold fails some, the quality gate doubts others
    fails, doubted = rng.random(count) < 0.01, rng.random(count) < 0.015
    return [
        PartScores({} if d else p.scores, bool(f) and not d, bool(d))
        for p, f, d in zip(parts, fails, doubted, strict=True)
    ]


KINDS = {"one": ("a",), "three": ("a", "b", "c"), "mixed": ("a", "b", "c")}


@pytest.mark.parametrize(("kind", "parts"), [("one", 60), ("three", 120), ("mixed", 200)])
def test_the_promise_holds_on_average_and_in_its_spread(kind: str, parts: int) -> None:
    promised, review = 0.05, 0.04
    rng = np.random.default_rng(20)
    failing, reviewed, blocks_of = [], [], []
    for _ in range(SPLITS):
        found = calibrate(drawn(rng, parts, kind), KINDS[kind], promised, review)
        assert found.false_reject_rate <= promised
        verdicts = [verdict(part, dict(found.thresholds)) for part in drawn(rng, TESTED, kind)]
        failing.append(verdicts.count(Verdict.FAIL))
        reviewed.append(verdicts.count(Verdict.REVIEW))
        blocks_of.append((found.fail_blocks, found.review_blocks))
    # what counts is the share that a calibration keeps, drawn anew by each: Beta(m, n + 1 - m)
    assert_within(failing, [m for m, _ in blocks_of], parts)
    assert_within(reviewed, [m for _, m in blocks_of], parts)
    assert np.mean(failing) / TESTED <= promised + monte_carlo(promised, parts)
    kept = np.mean([m for _, m in blocks_of]) / (parts + 1)
    assert np.mean(reviewed) / TESTED <= kept + monte_carlo(review, parts)


def monte_carlo(rate: float, parts: int) -> float:
    """Three standard errors of the mean share over all splits."""
    m = rate * (parts + 1)
    variance = betabinom(TESTED, m, parts + 1 - m).var() / TESTED**2
    return 3 * math.sqrt(variance / SPLITS)


def assert_within(counts: Sequence[int], of_blocks: Sequence[int], parts: int) -> None:
    law = [betabinom(TESTED, m, parts + 1 - m) for m in of_blocks]
    beyond = [
        sum(count > one_law.ppf(level) for count, one_law in zip(counts, law, strict=True))
        for level in (0.99, 0.9999)
    ]
    assert beyond[0] <= 0.04 * SPLITS
    assert beyond[1] == 0


def test_the_kept_share_is_as_large_as_the_promise_allows_not_merely_smaller() -> None:
    # with continuous scores the law is exact, so the mean is met from below as well
    rng = np.random.default_rng(3)
    shares: list[float] = []
    for _ in range(SPLITS):
        found = calibrate(drawn(rng, 99, "three"), KINDS["three"][:2], 0.05, 0.04)
        verdicts = [verdict(part, dict(found.thresholds)) for part in drawn(rng, TESTED, "three")]
        shares.append(verdicts.count(Verdict.FAIL) / TESTED)
    assert np.mean(shares) == pytest.approx(0.05, abs=monte_carlo(0.05, 99))


def test_one_misfit_check_does_not_loosen_the_others() -> None:
    rng = np.random.default_rng(5)
    parts = [PartScores({"a": float(a), "b": float(100 * b)}) for a, b in rng.normal(5, 1, (200, 2))]
    found = calibrate(parts, ("a", "b"), 0.05, 0)
    assert found.thresholds["a"].fail < 8.5
    assert found.thresholds["b"].fail > 500


# --- faulty parts, and parts that fail anyway ----------------------------------------------------


def test_parts_that_fail_by_other_checks_use_up_the_promise() -> None:
    parts = [
        *one(np.arange(1.0, 98.0)),
        PartScores({"a": 50.0}, fails=True),
        PartScores({"a": 1.0}, fails=True),
    ]
    found = calibrate(parts, ("a",), 0.05, 0)
    assert found.fail_blocks == 5
    assert found.thresholds["a"].fail == math.nextafter(95, 99)
    few = calibrate(parts, ("a",), 0.02, 0)
    assert few.false_reject_rate == 0.03


def test_doubted_parts_use_up_the_review_rate() -> None:
    parts = [*one(np.arange(1.0, 98.0)), PartScores({}, doubted=True), PartScores({}, doubted=True)]
    found = calibrate(parts, ("a",), 0.01, 0.05)
    assert found.thresholds["a"] == Thresholds(math.nextafter(97, 99), math.nextafter(94, 99))
    assert calibrate(parts, ("a",), 0.01, 0.02).review_rate == 0.03


def test_faulty_parts_widen_the_band_of_the_check_that_would_let_them_pass() -> None:
    rng = np.random.default_rng(1)
    parts = [PartScores({"a": float(a), "b": float(b)}) for a, b in rng.normal(10, 1, (199, 2))]
    plain = calibrate(parts, ("a", "b"), 0.02, 0.04)
    faulty = [PartScores({"a": plain.thresholds["a"].review - 0.1, "b": 5.0})] * 3
    wider = calibrate(parts, ("a", "b"), 0.02, 0.04, faulty)
    assert wider.thresholds["a"].review < plain.thresholds["a"].review
    assert wider.thresholds["a"].fail == plain.thresholds["a"].fail
    assert wider.review_rate == plain.review_rate


# --- bounds  -------------------------------------------------------------------------


@pytest.mark.parametrize(("count", "of"), [(0, 1), (0, 48), (3, 48), (48, 48), (7, 500), (1, 20_000)])
def test_upper_bound_is_that_of_clopper_and_pearson(count: int, of: int) -> None:
    expected = binomtest(count, of, alternative="less").proportion_ci(0.95, method="exact").high
    assert upper_bound(count, of) == pytest.approx(expected, abs=1e-9)


def test_nothing_seen_has_no_bound() -> None:
    assert upper_bound(0, 0) is None
