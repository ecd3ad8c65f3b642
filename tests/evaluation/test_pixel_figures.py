"""Figures by pixel on cases that can be worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from evaluation.measured import SIZE, outcome

from inspector.domain import Box, Overlay
from inspector.errors import DataError
from inspector.evaluation.pixels import measure, region_overlap
from inspector.evaluation.run import Outcome

WHOLE = Box(0, 0, *SIZE)


def test_overlap_of_regions_by_hand() -> None:
    # ten good pixels 0 … 9; one region half above all of them, the other entirely
    mask = np.zeros((4, 5), np.bool_)
    heat = np.zeros((4, 5), np.float32)
    mask[0, :4] = True
    heat[0] = [20, 20, -1, -1, 0]
    mask[3, :2] = True
    heat[3] = [20, 20, 0, 0, 0]
    heat[1], heat[2] = range(0, 5), range(5, 10)
    area, regions = region_overlap([heat], [mask])
    assert regions == 2
    # the mean of 0.5 and 1.0, wherever the threshold lies among the good pixels
    assert area == pytest.approx(0.75)


def test_each_region_counts_the_same_whatever_its_size() -> None:
    mask = np.zeros((10, 30), np.bool_)
    heat = np.zeros((10, 30), np.float32)
    mask[0:8, 0:20] = True
    mask[9, 29] = True
    heat[9, 29] = 1.0
    heat[mask & (heat == 0)] = -1.0
    assert region_overlap([heat], [mask])[0] == pytest.approx(0.5)


def test_a_map_that_says_nothing_is_worth_nothing() -> None:
    mask = np.zeros((10, 10), np.bool_)
    mask[:2] = True
    # one value throughout: nothing is marked, or all is; the line between, to 0.3, has half of 0.3
    area, _ = region_overlap([np.zeros((10, 10), np.float32)], [mask])
    assert area == pytest.approx(0.15)


def masked(folder: Path, heat: np.ndarray, box: Box = WHOLE, size: tuple[int, int] = SIZE) -> Outcome:
    mask = np.zeros((size[1], size[0]), np.uint8)
    mask[size[1] // 2 :, size[0] // 2 :] = 255
    path = folder / "mask.png"
    cv2.imwrite(str(path), mask)
    given = outcome(faulty=True)
    return replace(
        given,
        sample=replace(given.sample, mask=path),
        judged=replace(given.judged, overlay=Overlay(heat.astype(np.float32), box)),
    )


def good(heat: np.ndarray) -> Outcome:
    given = outcome(faulty=False)
    overlay = Overlay(heat.astype(np.float32), WHOLE)
    return replace(given, judged=replace(given.judged, overlay=overlay))


def test_a_map_that_is_hot_where_the_mask_is(tmp_path: Path) -> None:
    hot = np.kron([[0, 0], [0, 1]], np.ones((24, 32)))
    figures = measure([masked(tmp_path, hot), good(np.zeros((4, 4)))])
    assert figures is not None
    assert figures.auroc == pytest.approx(1.0)
    assert figures.aupro == pytest.approx(1.0)
    assert (figures.pictures, figures.regions) == (2, 1)
    cold = measure([masked(tmp_path, 1 - hot), good(np.zeros((4, 4)))])
    assert cold is not None
    assert cold.auroc < 0.5


def test_what_the_check_did_not_look_at_is_unsuspicious(tmp_path: Path) -> None:
    half = Box(SIZE[0] / 2, SIZE[1] / 2, *SIZE)
    figures = measure([masked(tmp_path, np.full((3, 3), 2.0), half), good(np.ones((4, 4)))])
    assert figures is not None
    assert figures.auroc == pytest.approx(1.0)


def test_without_a_map_or_a_mask_there_is_no_figure(tmp_path: Path) -> None:
    assert measure([outcome(faulty=False)]) is None
    assert measure([good(np.zeros((4, 4)))]) is None


def test_a_mask_of_another_size_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"mask.png is 30x20 pixels, its picture 64x48"):
        measure([masked(tmp_path, np.zeros((4, 4)), size=(30, 20))])
