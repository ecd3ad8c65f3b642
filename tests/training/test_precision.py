"""Average precision on cases that can be worked out by hand."""

from __future__ import annotations

import pytest

from inspector.domain import Box, Detection
from inspector.training.precision import mean_average_precision

A, B = Box(0, 0, 10, 10), Box(50, 50, 60, 60)


def found(box: Box, confidence: float = 0.9, label: str = "a") -> Detection:
    return Detection(label, confidence, box)


def test_all_right_is_one() -> None:
    assert mean_average_precision([[found(A), found(B, 0.5)], []], [[("a", A), ("a", B)], []]) == (
        pytest.approx(1.0),
        pytest.approx(1.0),
    )


def test_half_of_the_boxes_is_half() -> None:
    map50, _ = mean_average_precision([[found(A)]], [[("a", A), ("a", B)]])
    # precision 1 at the 51 recalls 0.00 … 0.50
    assert map50 == pytest.approx(51 / 101)


def test_a_stronger_wrong_one_halves_the_precision() -> None:
    map50, _ = mean_average_precision([[found(B, 0.9), found(A, 0.8)]], [[("a", A)]])
    assert map50 == pytest.approx(0.5)


def test_a_second_box_on_the_same_object_is_wrong_but_weaker() -> None:
    map50, _ = mean_average_precision([[found(A, 0.9), found(A, 0.8)]], [[("a", A)]])
    assert map50 == pytest.approx(1.0)


def test_the_overlap_decides_which_thresholds_count() -> None:
    # intersection 72, union 108: IoU 0.667, right at 0.50, 0.55, 0.60 and 0.65
    map50, map50_95 = mean_average_precision([[found(Box(0, 0, 9, 10))]], [[("a", Box(1, 0, 10, 10))]])
    assert Box(0, 0, 9, 10).iou(Box(1, 0, 10, 10)) == pytest.approx(0.8)
    assert map50 == pytest.approx(1.0)
    assert map50_95 == pytest.approx(0.7)


def test_labels_count_equally_and_only_those_that_occur() -> None:
    map50, _ = mean_average_precision([[found(A), found(A, label="ghost")]], [[("a", A), ("b", B)]])
    assert map50 == pytest.approx(0.5)
    assert mean_average_precision([[found(A)]], [[]]) == (0.0, 0.0)
