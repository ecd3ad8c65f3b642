"""Figures by object on cases that can be worked out by hand, and against a second implementation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from evaluation.measured import FAR, A, B, outcome, seen

from inspector.domain import Box, Detection
from inspector.evaluation.objects import confusion, mask_precision, measure, published
from inspector.evaluation.run import Outcome
from inspector.mask import Mask
from inspector.training.precision import mean_average_precision


def test_all_found_is_one() -> None:
    figures = measure([outcome([seen(A), seen(B, 0.6)], [("a", A), ("a", B)]), outcome()], ["a"])
    row = figures.classes[0]
    assert (row.truth, row.found, row.right) == (2, 2, 2)
    assert (row.precision, row.recall, row.f1) == (1.0, 1.0, 1.0)
    assert figures.mean_ap(0) == pytest.approx(1.0)
    assert figures.mean_ap() == pytest.approx(1.0)


def test_half_of_the_boxes_is_half_and_the_missed_one_is_named() -> None:
    figures = measure([outcome([seen(A)], [("a", B), ("a", A)])], ["a"])
    row = figures.classes[0]
    assert (row.precision, row.recall) == (1.0, 0.5)
    # precision 1 at the 51 recalls 0.00 … 0.50
    assert figures.mean_ap(0) == pytest.approx(51 / 101)
    assert figures.missed == (frozenset({0}),)
    assert figures.false == (frozenset(),)


def test_a_stronger_wrong_one_halves_the_precision() -> None:
    figures = measure([outcome([seen(FAR, 0.9), seen(A, 0.8)], [("a", A)])], ["a"])
    assert figures.mean_ap(0) == pytest.approx(0.5)
    assert figures.classes[0].precision == 0.5
    assert figures.false == (frozenset({0}),)


def test_what_is_below_the_threshold_counts_for_the_curve_alone() -> None:
    figures = measure([outcome([seen(A), seen(B, 0.2)], [("a", A), ("a", B)])], ["a"])
    row = figures.classes[0]
    assert (row.found, row.right, row.recall) == (1, 1, 0.5)
    assert figures.mean_ap(0) == pytest.approx(1.0)
    assert figures.missed == (frozenset({1}),)


def test_a_box_is_found_once() -> None:
    figures = measure([outcome([seen(A, 0.9), seen(A, 0.8)], [("a", A)])], ["a"])
    assert (figures.classes[0].found, figures.classes[0].right) == (2, 1)
    assert figures.classes[0].f1 == pytest.approx(2 / 3)


def test_the_overlap_decides_which_thresholds_count() -> None:
    # intersection 80, union 100: right at the seven IoUs 0.50 … 0.80
    figures = measure([outcome([seen(Box(0, 0, 8, 10))], [("a", A)])], ["a"])
    assert figures.mean_ap() == pytest.approx(0.7)


def test_labels_count_equally_and_only_those_that_occur() -> None:
    figures = measure(
        [outcome([seen(A), seen(B, label="ghost")], [("a", A), ("b", B)])], ["a", "b", "ghost"]
    )
    assert figures.mean_ap(0) == pytest.approx(0.5)
    ghost = figures.classes[2]
    assert (ghost.ap, ghost.recall, ghost.precision) == (None, None, 0.0)


def test_nothing_there_and_nothing_found_has_no_figures() -> None:
    figures = measure([outcome(), outcome()], ["a"])
    assert figures.mean_ap(0) is None
    assert (figures.precision, figures.recall, figures.f1) == (None, None, None)
    assert published([outcome()], ["a"], 0.33) == (None, None)


def test_the_published_protocol_takes_a_third_of_overlap_and_does_not_interpolate() -> None:
    # IoU 0.4: right at 0.33, wrong at 0.5
    third = Box(0, 0, 4, 10)
    truth = [("a", A), ("a", B), ("a", FAR)]
    found = [seen(third, 0.9), seen(Box(20, 0, 30, 10), 0.8), seen(B, 0.7), seen(FAR, 0.3)]
    mean, f1 = published([outcome(found, truth)], ["a"], 0.33)
    # right, wrong, right, right: precision 1/1, 2/3 and 3/4 at the boxes that are found
    assert mean == pytest.approx((1 + 2 / 3 + 3 / 4) / 3)
    # three at or above the threshold of 0.5, two of them right, of three boxes
    assert f1 == pytest.approx(2 * 2 / (3 + 3))


def test_boxes_that_nobody_found_cost_the_published_precision_their_share() -> None:
    mean, _ = published([outcome([seen(A)], [("a", A), ("a", B)])], ["a"], 0.33)
    assert mean == pytest.approx(0.5)
    assert published([outcome([seen(FAR)], [("a", A)])], ["a"], 0.33)[0] == 0.0


def test_confusion_has_what_is_missed_and_what_is_found_where_nothing_is() -> None:
    pictures = [
        outcome([seen(A, label="b"), seen(FAR)], [("a", A), ("b", B)]),
        outcome([seen(A), seen(B, 0.4)], [("a", A), ("a", B)]),
    ]
    counts = confusion(pictures, ["a", "b"])
    assert counts.tolist() == [
        # found as a, as b, not at all
        [1, 1, 1],
        [0, 0, 1],
        [1, 0, 0],
    ]


def drawn(rng: np.random.Generator) -> Outcome:
    def box() -> Box:
        x, y = rng.uniform(0, 60, 2)
        return Box(x, y, x + rng.uniform(5, 25), y + rng.uniform(5, 25))

    truth = [(str(rng.choice(["a", "b", "c"])), box()) for _ in range(rng.integers(0, 5))]
    near = [
        seen(Box(*(edge + rng.normal(0, 2) for edge in (b.x1, b.y1, b.x2, b.y2))), rng.uniform(), label)
        for label, b in truth
        if rng.uniform() < 0.8
    ]
    other = [
        seen(box(), rng.uniform(), str(rng.choice(["a", "b", "c"]))) for _ in range(rng.integers(0, 4))
    ]
    return outcome([*near, *other], truth)


def detections(outcomes: Sequence[Outcome]) -> list[list[Detection]]:
    return [[Detection(s.label, s.score, s.box) for s in o.seen] for o in outcomes]


@pytest.mark.parametrize("seed", range(4))
def test_the_implementation_of_the_training_agrees(seed: int) -> None:
    rng = np.random.default_rng(seed)
    outcomes = [drawn(rng) for _ in range(40)]
    figures = measure(outcomes, ["a", "b", "c"])
    map50, map50_95 = mean_average_precision(detections(outcomes), [o.truth for o in outcomes])
    assert 0.2 < map50 < 0.95
    assert figures.mean_ap(0) == pytest.approx(map50, abs=1e-9)
    assert figures.mean_ap() == pytest.approx(map50_95, abs=1e-9)
    counts = confusion(outcomes, ["a", "b", "c"])
    assert counts[:3].sum() == sum(len(o.truth) for o in outcomes)
    assert counts[:, :3].sum() == sum(s.counts for o in outcomes for s in o.seen)


def test_masks_are_compared_by_their_pixels() -> None:
    corner, whole = np.zeros((10, 10), np.bool_), np.ones((10, 10), np.bool_)
    corner[:6] = True
    triangle = ((30.0, 30.0), (40.0, 30.0), (30.0, 40.0))
    given = outcome(
        [replace(seen(A), mask=Mask.of(corner, 0, 0)), replace(seen(B), mask=Mask.of(whole, 30, 30))],
        [("a", A), ("b", B)],
    )
    # six tenths of the box: right at the IoUs 0.50, 0.55 and 0.60
    square = ((0.0, 0.0), (10.0, 0.0), (10.0, 10.0), (0.0, 10.0))
    boxes = mask_precision([replace(given, outlines=(square, None))], ["a"])
    assert boxes == pytest.approx((1.0, 0.3))
    # the boxes agree entirely, the triangle has half of the other's pixels
    second = replace(given, seen=tuple(replace(s, label="b") for s in given.seen[1:]))
    assert measure([second], ["b"]).mean_ap() == pytest.approx(1.0)
    half = mask_precision([replace(second, outlines=(None, triangle))], ["b"])
    assert half is not None
    assert half[1] <= 0.2
    assert mask_precision([outcome()], ["a"]) is None
