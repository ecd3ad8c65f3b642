"""How well an anomaly map shows where the fault is, where the data have masks.

Maps and masks are compared at most 256 pixels wide and high: maps are coarser than that anyway.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from scipy.ndimage import label as connected
from sklearn.metrics import roc_auc_score

from inspector.cameras.footage import read_picture
from inspector.domain import Overlay
from inspector.errors import DataError
from inspector.evaluation.run import Outcome

SIDE = 256
FALSE_POSITIVES = 0.3
"""AUPRO is the area up to this share of good pixels that are marked, as its authors have it."""

Map = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class PixelFigures:
    """All pixels of all pictures that have a map and a truth."""

    auroc: float
    aupro: float
    pictures: int
    regions: int
    """Connected faulty regions."""


def measure(outcomes: Iterable[Outcome]) -> PixelFigures | None:
    """Compare maps with masks; None without a map or without both sorts of pixels.

    Pictures of faulty parts without a mask are left out. Raises :class:`DataError` for a mask that
    cannot be read or is not of its picture's size.
    """
    maps: list[Map] = []
    masks: list[Mask] = []
    for outcome in outcomes:
        overlay = outcome.judged.overlay
        if overlay is None or (outcome.faulty and outcome.sample.mask is None):
            continue
        maps.append(_map(overlay, outcome.size))
        masks.append(_mask(outcome, (maps[-1].shape[1], maps[-1].shape[0])))
    if not maps:
        return None
    truth = np.concatenate([mask.ravel() for mask in masks])
    if truth.all() or not truth.any():
        return None
    lowest = min(float(np.nanmin(heat)) for heat in maps)
    # what was not looked at is as unsuspicious as anything can be
    maps = [np.nan_to_num(heat, nan=lowest) for heat in maps]
    scores = np.concatenate([heat.ravel() for heat in maps])
    area, regions = region_overlap(maps, masks)
    return PixelFigures(float(roc_auc_score(truth, scores)), area, len(maps), regions)


def region_overlap(maps: Sequence[Map], masks: Sequence[Mask]) -> tuple[float, int]:
    """Area under the per-region overlap, 0..1, and the number of faulty regions.

    The mean share of each connected faulty region that is marked, against the share of good pixels
    that are, up to 0.3 of them, divided by 0.3. Source: Bergmann et al., "The MVTec Anomaly Detection
    Dataset", IJCV 2021.
    """
    good = np.sort(np.concatenate([heat[~mask] for heat, mask in zip(maps, masks, strict=True)]))[::-1]
    regions = []
    for heat, mask in zip(maps, masks, strict=True):
        marks, count = connected(mask, structure=np.ones((3, 3)))
        regions += [np.sort(heat[marks == number]) for number in range(1, count + 1)]
    # every share of good pixels that a threshold can give, thinned out to what a curve needs
    values, first = np.unique(-good, return_index=True)
    marked = np.append(first[1:], good.size) / good.size
    chosen = np.unique(np.linspace(0, len(values) - 1, min(len(values), 20_000)).astype(int))
    thresholds = -values[chosen]
    overlap = np.zeros(len(chosen))
    for region in regions:
        overlap += 1 - np.searchsorted(region, thresholds, side="left") / region.size
    overlap /= len(regions)
    # at no marked good pixel at all: what lies above the highest of them
    above = np.mean(
        [1 - np.searchsorted(region, good[0], side="right") / region.size for region in regions]
    )
    shares = np.concatenate(([0.0], marked[chosen]))
    overlaps = np.concatenate(([float(above)], overlap))
    inside = shares <= FALSE_POSITIVES
    end = float(np.interp(FALSE_POSITIVES, shares, overlaps))
    xs, ys = np.append(shares[inside], FALSE_POSITIVES), np.append(overlaps[inside], end)
    return float(np.trapezoid(ys, xs)) / FALSE_POSITIVES, len(regions)


def _map(overlay: Overlay, size: tuple[int, int]) -> Map:
    """The map at working size; NaN where the check did not look."""
    scale = min(1.0, SIDE / max(size))
    width, height = (max(1, round(side * scale)) for side in size)
    left, top = round(overlay.box.x1 * scale), round(overlay.box.y1 * scale)
    right = max(left + 1, min(width, round(overlay.box.x2 * scale)))
    bottom = max(top + 1, min(height, round(overlay.box.y2 * scale)))
    heat = np.full((height, width), np.nan, np.float32)
    fitted = cv2.resize(overlay.heat, (right - left, bottom - top), interpolation=cv2.INTER_LINEAR)
    target = heat[top:bottom, left:right]
    target[:] = fitted[: target.shape[0], : target.shape[1]]
    return heat


def _mask(outcome: Outcome, size: tuple[int, int]) -> Mask:
    path = outcome.sample.mask
    if path is None:
        return np.zeros((size[1], size[0]), np.bool_)
    mask = read_picture(path).max(axis=2) > 0
    if (mask.shape[1], mask.shape[0]) != outcome.size:
        raise DataError(
            f"{path} is {mask.shape[1]}x{mask.shape[0]} pixels, its picture "
            f"{outcome.size[0]}x{outcome.size[1]}",
            "A mask must have the size of its picture",
        )
    covered = cv2.resize(np.asarray(mask, np.float32), size, interpolation=cv2.INTER_AREA)
    # a fault of a few pixels must not vanish on the way down
    return covered >= 0.5 if (covered >= 0.5).any() else covered > 0
