"""Figures by part on cases that can be worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from evaluation.measured import A, outcome
from sklearn.metrics import roc_auc_score

from inspector.domain import Cause, Finding, FindingKind
from inspector.evaluation.parts import (
    Share,
    auroc_bounds,
    measure,
    percentiles,
    rank,
    repeats,
)
from inspector.evaluation.run import Outcome

DEFECT, UNSURE, GOOD = Cause.DEFECT, Cause.UNCERTAIN, Cause.NONE


def batch(*groups: tuple[bool, Cause, int]) -> list[Outcome]:
    return [
        outcome(faulty=faulty, cause=cause) for faulty, cause, count in groups for _ in range(count)
    ]


@pytest.mark.parametrize(
    ("count", "of", "upper"),
    [
        # none of n: 1 - 0.05 ** (1 / n), about 3 / n
        (0, 59, 0.04951),
        (0, 299, 0.009969),
        # Clopper and Pearson's for one of ten, and for all
        (1, 10, 0.39416),
        (10, 10, 1.0),
    ],
)
def test_the_upper_bound_is_exact_and_one_sided(count: int, of: int, upper: float) -> None:
    assert Share(count, of).upper == pytest.approx(upper, abs=5e-5)


def test_a_share_of_nothing_has_neither_rate_nor_bound() -> None:
    assert Share(0, 0).rate is None
    assert Share(0, 0).upper is None


def test_review_is_neither_an_escape_nor_a_false_reject() -> None:
    figures = measure(
        batch(
            *((True, DEFECT, 40), (True, GOOD, 4), (True, UNSURE, 6)),
            *((False, GOOD, 90), (False, DEFECT, 3), (False, UNSURE, 7)),
        )
    )
    assert figures is not None
    assert (figures.escapes.count, figures.escapes.of) == (4, 50)
    assert (figures.false_rejects.count, figures.false_rejects.of) == (3, 100)
    assert (figures.faulty_in_review.count, figures.good_in_review.count) == (6, 7)
    assert figures.verdicts == {
        "good": {"PASS": 90, "FAIL": 3, "REVIEW": 7},
        "fault": {"PASS": 4, "FAIL": 40, "REVIEW": 6},
    }
    assert figures.causes["good"] == {"Uncertain": 7, "Defect": 3}


def test_agreement_counts_review_as_reject_or_leaves_it_out() -> None:
    figures = measure(
        batch(
            *((True, DEFECT, 40), (True, GOOD, 4), (True, UNSURE, 6)),
            *((False, GOOD, 90), (False, DEFECT, 3), (False, UNSURE, 7)),
        )
    )
    assert figures is not None
    rejecting, alone = figures.rejecting, figures.decided
    assert rejecting.effectiveness.rate == pytest.approx((46 + 90) / 150)
    assert rejecting.miss.rate == pytest.approx(4 / 50)
    assert rejecting.false_alarm.rate == pytest.approx(10 / 100)
    # by hand: 56 of 150 are rejected, chance agrees on (50 * 56 + 100 * 94) / 150 ** 2
    chance = (50 * 56 + 100 * 94) / 150**2
    assert rejecting.kappa == pytest.approx((136 / 150 - chance) / (1 - chance))
    assert alone.effectiveness.rate == pytest.approx((40 + 90) / 137)
    assert (alone.miss.count, alone.miss.of) == (4, 44)
    assert (alone.false_alarm.count, alone.false_alarm.of) == (3, 93)


def test_one_value_throughout_has_no_kappa_and_no_warning() -> None:
    figures = measure(batch((False, GOOD, 5)))
    assert figures is not None
    assert figures.rejecting.kappa is None
    assert figures.rejecting.miss.rate is None
    assert figures.rejecting.effectiveness.rate == 1.0
    everything = measure(batch((False, UNSURE, 2), (True, UNSURE, 2)))
    assert everything is not None
    assert everything.decided.effectiveness.rate is None


def test_parts_of_unknown_truth_are_left_out() -> None:
    assert measure([outcome(), outcome()]) is None
    figures = measure([outcome(), *batch((True, DEFECT, 1))])
    assert figures is not None
    assert figures.escapes.of == 1


def test_a_failed_part_is_named_after_its_gravest_finding() -> None:
    failed = outcome(faulty=True, cause=DEFECT, kind="dent")
    box = Finding("detect", FindingKind.DEFECT, "scratch", 0.9, 0.5, A)
    named = measure([with_findings(failed, box), *batch((False, GOOD, 1))])
    assert named is not None
    assert named.named == {"good": {"PASS": 1}, "dent": {"scratch": 1}}


def with_findings(given: Outcome, *findings: Finding) -> Outcome:
    return replace(given, judged=replace(given.judged, findings=findings))


def test_the_ranking_is_that_of_the_pairs() -> None:
    parts = [
        *(outcome(faulty=False, anomaly=score) for score in (0.1, 0.2, 0.4, 0.5)),
        *(outcome(faulty=True, anomaly=score) for score in (0.3, 0.5, 0.9)),
        outcome(faulty=True),
    ]
    ranking = rank(parts)
    assert ranking is not None
    # of twelve pairs: 0.3 beats two, 0.5 beats three and draws with one, 0.9 beats four
    assert ranking.auroc == pytest.approx((2 + 3.5 + 4) / 12)
    assert (ranking.good, ranking.faulty) == (4, 3)
    assert ranking.low < ranking.auroc < ranking.high
    assert rank(parts[:4]) is None


def test_bounds_of_a_perfect_ranking_are_not_perfect() -> None:
    low, high = auroc_bounds(1.0, 20, 20)
    assert high == 1.0
    assert 0.85 < low < 0.95
    assert auroc_bounds(1.0, 500, 500)[0] > low
    assert auroc_bounds(0.0, 20, 20) == pytest.approx((0.0, 1 - low))


def test_bounds_hold_the_truth_as_often_as_they_promise() -> None:
    # two normal distributions 1.5 apart: the area is Phi(1.5 / sqrt 2)
    rng = np.random.default_rng(1)
    truth = np.array([0] * 30 + [1] * 20)
    inside = 0
    for _ in range(300):
        scores = rng.normal(0, 1, 50) + 1.5 * truth
        low, high = auroc_bounds(float(roc_auc_score(truth, scores)), 20, 30)
        inside += low <= 0.85561 <= high
    assert 0.92 <= inside / 300 <= 0.99


def test_repeats_are_parts_that_were_seen_several_times() -> None:
    looks = [
        *(outcome(faulty=True, cause=DEFECT, name=f"clip-1_{frame}.png") for frame in (3, 6, 9)),
        outcome(faulty=True, cause=DEFECT, name="clip-2_3.png"),
        outcome(faulty=True, cause=UNSURE, name="clip-2_6.png"),
        outcome(faulty=True, cause=DEFECT, name="clip-3_3.png"),
        outcome(faulty=True, cause=DEFECT, name="alone.png"),
    ]
    again = repeats(looks)
    assert again is not None
    assert (again.parts.count, again.parts.of, again.looks) == (1, 2, 5)
    assert repeats(looks[-2:]) is None


def test_percentiles_of_nothing_are_nothing() -> None:
    assert percentiles([]) == {}
    assert percentiles([1.0, 2.0, 3.0])["p50"] == 2.0
