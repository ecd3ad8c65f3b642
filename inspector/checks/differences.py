"""Where a picture differs from the golden image of its position.

The golden image is registered to the picture, the two are compared, and what differs is grouped. Edges
never lie quite where they should, and that is dealt with in two ways, since each finds what the other
loses: what differs and is thicker than the jitter of an edge, and what differs from everything near the
same place. These candidates hold nearly every defect and a few false alarms; a trained judge, or their
size alone, tells them apart. Source of the idea: Tang et al., "Online PCB Defect Detector On A New PCB
Defect Dataset", 2019, whose network is fed the same pair.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from inspector.domain import Box, Image

Grey: TypeAlias = npt.NDArray[np.uint8]
"""``(height, width)`` ``uint8``."""

LEVEL = 100
"""Grey levels by which a pixel must differ."""
MIN_AREA_PX = 4
BLANK = 2.0
"""A golden image whose grey levels deviate less shows nothing."""
AGREEMENT_MIN = 0.5
"""Correlation below which the golden image is one of another part."""
SIDE = 96
"""Pixels of the judge's input."""
CONTEXT = 1.25
"""The judge sees so many times the longer side of a large candidate."""


@dataclass(frozen=True, slots=True)
class Grouping:
    """One way to tell differences from edges that jitter, and to group them."""

    reach_px: int
    """A pixel differs if it does from all pixels of the golden image that are no farther away."""
    thin_px: int
    """What is thinner does not count."""
    gap_px: int
    """Differences nearer than this are one."""
    pad_px: int
    """Around each group: what belongs to a defect is wider than what differs."""


GROUPINGS = (Grouping(0, 3, 15, 8), Grouping(3, 1, 9, 11))
"""On a third of DeepPCB's training boards both together miss, at IoU 0.33, 14 of 2,730 defects; the
first alone, with gaps of 5 and 15 pixels, missed 45."""
TOLERANT = 1
"""The grouping that knows fewest false alarms, for use without a judge."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A group of differing pixels."""

    box: Box
    """In pixels of the picture, padded."""
    grouping: int
    """Which of :data:`GROUPINGS` made it, and which of :attr:`Comparison.marks` it is in."""
    mark: int
    """Its number there."""
    area: int
    """Differing pixels."""
    strength: float
    """Mean difference of these pixels, 0..1."""


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """A picture beside its golden image."""

    picture: Grey
    golden: Grey
    """As registered to the picture."""
    marks: tuple[npt.NDArray[np.int32], ...]
    """One ``(height, width)`` a grouping: the number of the group that a differing pixel belongs to, 0
    elsewhere."""
    candidates: tuple[Candidate, ...]
    shift: tuple[int, int]
    """Whole pixels, right and down, from the golden image to the picture."""
    agreement: float
    """Correlation of the two, -1..1; NaN-free: 0 for a blank golden image."""

    @property
    def blank(self) -> bool:
        """Whether the golden image shows nothing."""
        return float(self.golden.std()) < BLANK


def compare(image: Image, golden: Image, level: int = LEVEL) -> Comparison:
    """Register ``golden`` to ``image``, both ``(height, width, 3)`` ``uint8`` BGR, and subtract.

    A golden image of another size is brought to the picture's. ``level``: grey levels by which a pixel
    must differ. Turned or tilted parts must be straightened before.
    """
    picture, template = _grey(image), _grey(golden)
    if template.shape != picture.shape:
        size = picture.shape[1], picture.shape[0]
        template = np.asarray(cv2.resize(template, size, interpolation=cv2.INTER_AREA), np.uint8)
    shift = _shift(picture, template)
    template = _moved(template, shift)
    marks, candidates = _grouped(picture, template, level)
    return Comparison(picture, template, marks, candidates, shift, _agreement(picture, template))


@dataclass(frozen=True, slots=True, eq=False)
class Crop:
    """What the judge sees of one candidate."""

    image: Image
    """``(side, side, 3)`` ``uint8``: picture, golden image, and the differences: 255 those of the
    candidate, 128 its neighbours'."""
    scale: float
    """Pixels of the crop a pixel of the picture."""


def crop_of(comparison: Comparison, candidate: Candidate, side: int = SIDE, margin: int = 0) -> Crop:
    """The surroundings of a candidate, which lies in the middle.

    ``margin``: so many pixels more on each side at the same scale, for a training that moves it.
    """
    box = candidate.box
    view = max(float(side), CONTEXT * max(box.x2 - box.x1, box.y2 - box.y1))
    scale = side / view
    x, y = box.centre
    full = side + 2 * margin
    planes = (
        (comparison.picture, cv2.BORDER_REPLICATE),
        (comparison.golden, cv2.BORDER_REPLICATE),
        (_differences(comparison, candidate, full / scale), cv2.BORDER_CONSTANT),
    )
    # the pixel (full - 1) / 2 of the crop is the candidate's centre; one matrix for all three planes
    matrix = np.array(
        [[scale, 0, (full - 1) / 2 - scale * (x - 0.5)], [0, scale, (full - 1) / 2 - scale * (y - 0.5)]]
    )
    mode = cv2.INTER_NEAREST if scale == 1.0 else cv2.INTER_LINEAR
    if scale == 1.0:
        matrix[:, 2] = np.round(matrix[:, 2])
    warped = [
        cv2.warpAffine(plane, matrix, (full, full), flags=mode, borderMode=border)
        for plane, border in planes
    ]
    return Crop(np.asarray(cv2.merge(warped), np.uint8), scale)


def _differences(comparison: Comparison, candidate: Candidate, view: float) -> Grey:
    """255 where the candidate differs, 128 where others do; only near the candidate."""
    marks = comparison.marks[candidate.grouping]
    plane = np.zeros(marks.shape, np.uint8)
    x, y = candidate.box.centre
    reach = view / 2 + 2
    y1, y2 = max(0, int(y - reach)), int(y + reach) + 1
    x1, x2 = max(0, int(x - reach)), int(x + reach) + 1
    near = marks[y1:y2, x1:x2]
    plane[y1:y2, x1:x2] = np.where(near == candidate.mark, 255, np.where(near > 0, 128, 0))
    return plane


def _grey(image: Image) -> Grey:
    if image.ndim == 2:
        return image
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), np.uint8)


def _shift(picture: Grey, golden: Grey) -> tuple[int, int]:
    """The whole-pixel shift that leaves the least difference."""
    (dx, dy), _ = cv2.phaseCorrelate(golden.astype(np.float32), picture.astype(np.float32))
    # a repetitive pattern has several peaks: the shift found must beat no shift at all
    near = {(round(dx) + i, round(dy) + j) for i in (-1, 0, 1) for j in (-1, 0, 1)}
    near |= {(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1)}
    limit = min(picture.shape) // 4
    tried = sorted((abs(x) + abs(y), x, y) for x, y in near if abs(x) < limit and abs(y) < limit)
    costs = [(cv2.norm(picture, _moved(golden, (x, y)), cv2.NORM_L1), way, x, y) for way, x, y in tried]
    return min(costs)[2:]


def _moved(image: Grey, shift: tuple[int, int]) -> Grey:
    if shift == (0, 0):
        return image
    matrix = np.array([[1, 0, shift[0]], [0, 1, shift[1]]], np.float32)
    size = image.shape[1], image.shape[0]
    moved = cv2.warpAffine(
        image, matrix, size, flags=cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(moved, np.uint8)


def _agreement(picture: Grey, golden: Grey) -> float:
    small = [
        cv2.resize(plane, (160, 160), interpolation=cv2.INTER_AREA).astype(np.float64).ravel()
        for plane in (picture, golden)
    ]
    if min(plane.std() for plane in small) < 1e-6:
        return 0.0
    first, second = ((plane - plane.mean()) / plane.std() for plane in small)
    return float((first * second).mean())


def _difference(picture: Grey, golden: Grey, reach: int) -> Grey:
    """By how much a pixel lies outside of what the golden image has within ``reach`` pixels."""
    if not reach:
        return np.asarray(cv2.absdiff(picture, golden), np.uint8)
    near = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
    # saturating subtraction: what lies within is 0 on both sides
    above = cv2.subtract(picture, cv2.dilate(golden, near))
    below = cv2.subtract(cv2.erode(golden, near), picture)
    return np.asarray(cv2.max(above, below), np.uint8)


def _grouped(
    picture: Grey, golden: Grey, level: int
) -> tuple[tuple[npt.NDArray[np.int32], ...], tuple[Candidate, ...]]:
    planes = []
    found: dict[Box, Candidate] = {}
    for number, grouping in enumerate(GROUPINGS):
        difference = _difference(picture, golden, grouping.reach_px)
        mask = np.where(difference >= level, 255, 0).astype(np.uint8)
        thin, gap = grouping.thin_px, grouping.gap_px
        mask = np.asarray(cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((thin, thin), np.uint8)))
        joined = cv2.dilate(mask, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (gap, gap)))
        count, labels, stats, _ = cv2.connectedComponentsWithStats(joined, connectivity=8)
        marks = np.where(mask > 0, labels, 0).astype(np.int32)
        planes.append(marks)
        for mark in range(1, count):
            x, y, width, height = (int(value) for value in stats[mark, :4])
            region = slice(y, y + height), slice(x, x + width)
            candidate = _candidate(marks[region] == mark, difference[region], (x, y), number, mark)
            if candidate.area >= MIN_AREA_PX:
                # a group that both ways find with the same box counts once
                found.setdefault(candidate.box, candidate)
    rows, columns = picture.shape
    clipped = (replace(one, box=one.box.clipped(columns, rows)) for one in found.values())
    return tuple(planes), tuple(clipped)


def _candidate(
    inside: npt.NDArray[np.bool_], difference: Grey, corner: tuple[int, int], grouping: int, mark: int
) -> Candidate:
    across, down = np.flatnonzero(inside.any(0)), np.flatnonzero(inside.any(1))
    x, y = corner
    pad = GROUPINGS[grouping].pad_px
    box = Box(
        float(x + across[0] - pad),
        float(y + down[0] - pad),
        float(x + across[-1] + 1 + pad),
        float(y + down[-1] + 1 + pad),
    )
    strength = float(difference[inside].mean()) / 255
    return Candidate(box, grouping, mark, int(np.count_nonzero(inside)), strength)
