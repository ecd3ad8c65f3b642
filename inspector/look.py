"""How a picture looks, in a handful of plain numbers: what tells whether it can be trusted.

Calibration learns from good pictures which of them are normal, the quality gate compares each new
picture, and the watch for drift follows them; all use this one function, so that a number means the
same everywhere. Needs OpenCV and numpy only, and about 2 ms of one core for 640 x 640 pixels.

========== ==========================================================================================
measure    what it is
========== ==========================================================================================
sharpness  variance of the Laplacian of the grey picture at 320 px width; larger is sharper. Source:
           Pech-Pacheco et al., "Diatom autofocusing in brightfield microscopy", ICPR 2000
focus      the same as a share of the mean squared gradient: how fine the finest detail is, whatever the
           light and the contrast
smear      the weaker as a share of the stronger of two second differences at right angles, the least of
           two such pairs: falls when all is drawn out in one direction
exposure   mean grey value, 0 (black) to 255 (white)
contrast   standard deviation of the grey value
noise      standard deviation of the noise in the flattest quarter of the picture's middle, at full
           resolution, grey levels. Source: Immerkaer, "Fast noise variance estimation", CVIU 1996
x, y       middle of what has edges, as a fraction of width and height; of the part's box where a check
           knows one
size       root mean square distance of the edges from there; of a box the root of its share of the
           picture
edge       share of the edges that lie along the picture's border, 0..1
foreign    distance of the strangest patch from all that good pictures show, grey levels
pose       distance of the layout of edges from the good picture that is nearest, 0 to 1.41; these two
           only where examples have been learnt (:mod:`inspector.checks.examples`)
========== ==========================================================================================
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from inspector.domain import Box, Image

WIDTH = 320
"""Pixels: every picture is brought to this width first, so that the numbers of two cameras compare."""
COLUMNS = 20
"""Tiles across the picture; as many rows as make them about square."""
NATIVE_PX = 512
"""Side of the middle of the picture that is looked at in full resolution."""
DETAIL_LEVELS = 16.0
"""Doubling the fine detail counts as much as so many grey levels."""
LAYOUT_PX = 80
LAYOUT_CELLS = 4
LAYOUT_DIRECTIONS = 8
"""A layout of edges: their strength by cell, of so many across and down, and by direction."""

Array: TypeAlias = npt.NDArray[Any]
"""As OpenCV's own types have it."""


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """How one picture looks."""

    measures: Mapping[str, float]
    """By name; all of the table above but ``foreign`` and ``pose``."""
    tiles: Array
    """``(rows, columns, 4)``: of each tile the mean blue, green and red, and its fine detail on a
    logarithmic scale, all in grey levels."""
    layout: Array
    """``(128,)``: where in the picture edges face which way."""


def look(image: Image) -> Look:
    """All measures of a ``(height, width, 3)`` ``uint8`` BGR picture."""
    rows, columns = image.shape[:2]
    height = max(1, round(rows * WIDTH / columns))
    # INTER_AREA averages when shrinking: sensor noise must not pass for sharpness
    small = cv2.resize(image, (WIDTH, height), interpolation=cv2.INTER_AREA)
    grey = cv2.cvtColor(small, cv2.COLOR_BGR2GRAY)
    laplacian = cv2.Laplacian(grey, cv2.CV_32F)
    _, deviation = cv2.meanStdDev(laplacian)
    mean, contrast = cv2.meanStdDev(grey)
    sharpness = float(deviation[0, 0]) ** 2
    slope = _energy(cv2.Sobel(grey, cv2.CV_16S, 1, 0)) + _energy(cv2.Sobel(grey, cv2.CV_16S, 0, 1))
    size = (COLUMNS, max(1, round(COLUMNS * height / WIDTH)))
    detail = cv2.resize(np.abs(laplacian), size, interpolation=cv2.INTER_AREA)
    colours = cv2.resize(small, size, interpolation=cv2.INTER_AREA)
    measures = {
        "sharpness": sharpness,
        "focus": sharpness / (slope + 1e-3),
        "smear": _smear(grey),
        "exposure": float(mean[0, 0]),
        "contrast": float(contrast[0, 0]),
        "noise": _noise(image),
        **_place(grey, size),
    }
    tiles = np.dstack((colours, DETAIL_LEVELS * np.log2(1 + detail))).astype(np.float32)
    return Look(measures, tiles, _layout(grey))


def measures_of(seen: Look, box: Box | None, frame: tuple[int, int]) -> dict[str, float]:
    """The measures with the place of the part's box in a frame of that width and height."""
    measures = dict(seen.measures)
    for name in ("x", "y", "size"):
        del measures[name]
    if box is not None:
        width, height = frame
        measures["x"], measures["y"] = box.centre[0] / width, box.centre[1] / height
        measures["size"] = math.sqrt(box.area / (width * height))
    return measures


_RESIDUE = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
_PAIRS = (
    (((0, 0, 0), (1, -2, 1), (0, 0, 0)), ((0, 1, 0), (0, -2, 0), (0, 1, 0))),
    (((1, 0, 0), (0, -2, 0), (0, 0, 1)), ((0, 0, 1), (0, -2, 0), (1, 0, 0))),
)
_SECOND = tuple(tuple(np.array(kernel, np.float32) for kernel in pair) for pair in _PAIRS)
"""Second differences along the axes and along the diagonals."""


def _smear(grey: Array) -> float:
    least = 1.0
    for pair in _SECOND:
        one, other = (_energy(cv2.filter2D(grey, cv2.CV_16S, kernel)) for kernel in pair)
        least = min(least, (min(one, other) + 1e-3) / (max(one, other) + 1e-3))
    return least


def _noise(image: Image) -> float:
    top, left = (max(0, (side - NATIVE_PX) // 2) for side in image.shape[:2])
    # green alone: what most sensors have most of, and no conversion
    middle = image[top : top + NATIVE_PX, left : left + NATIVE_PX]
    green = cv2.extractChannel(middle, 1)
    residue = np.abs(cv2.filter2D(green, cv2.CV_32F, _RESIDUE))
    patches = cv2.resize(residue, (COLUMNS, COLUMNS), interpolation=cv2.INTER_AREA)
    return float(np.percentile(patches, 25)) * math.sqrt(math.pi / 2) / 6


def _energy(values: npt.NDArray[Any]) -> float:
    return float(cv2.norm(values, cv2.NORM_L2SQR)) / values.size


def _place(grey: Array, size: tuple[int, int]) -> dict[str, float]:
    """Where the edges are; at half the width, which is fine enough."""
    half = (max(1, grey.shape[1] // 2), max(1, grey.shape[0] // 2))
    coarse = cv2.resize(grey, half, interpolation=cv2.INTER_AREA)
    along, down = (cv2.Sobel(coarse, cv2.CV_32F, *order) for order in ((1, 0), (0, 1)))
    energy = cv2.sqrt(along * along + down * down)
    strength = cv2.resize(energy, size, interpolation=cv2.INTER_AREA)
    # what is everywhere, such as noise and grain, has no place
    strength = np.maximum(strength - np.percentile(strength, 10), 0) + 1e-6
    total = float(strength.sum())
    columns, rows = ((np.arange(count) + 0.5) / count for count in size)
    by_column, by_row = strength.sum(0), strength.sum(1)
    x, y = float(by_column @ columns) / total, float(by_row @ rows) / total
    spread = float(by_column @ (columns - x) ** 2 + by_row @ (rows - y) ** 2) / total
    inner = float(strength[1:-1, 1:-1].sum())
    return {"x": x, "y": y, "size": math.sqrt(spread), "edge": 1 - inner / total}


def _layout(grey: Array) -> Array:
    """``(cells * cells * directions,)``, of length 1; alike in any light.

    As the histograms of Dalal and Triggs, "Histograms of oriented gradients for human detection", CVPR
    2005, but with signed directions, so that a part upside down differs; the root makes distances
    Hellinger's.
    """
    tiny = cv2.resize(grey, (LAYOUT_PX, LAYOUT_PX), interpolation=cv2.INTER_AREA)
    tiny = cv2.GaussianBlur(tiny, (0, 0), 1.0)
    along, down = (cv2.Sobel(tiny, cv2.CV_32F, *order) for order in ((1, 0), (0, 1)))
    weight = 1 / (cv2.magnitude(along, down) + 1e-3)
    cells = []
    for number in range(LAYOUT_DIRECTIONS):
        angle = 2 * math.pi * number / LAYOUT_DIRECTIONS
        facing = np.maximum(along * math.cos(angle) + down * math.sin(angle), 0)
        share = facing * facing * weight
        cells.append(
            cv2.resize(share, (LAYOUT_CELLS, LAYOUT_CELLS), interpolation=cv2.INTER_AREA).ravel()
        )
    strength = np.concatenate(cells)
    layout: Array = np.sqrt(strength / (strength.sum() + 1e-6))
    return layout.astype(np.float32)
