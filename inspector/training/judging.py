"""What the judge of differences learns from: crops of candidates with their truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import structlog

from inspector.checks.differences import SIDE, compare, crop_of
from inspector.datasets.yolo import YoloData
from inspector.domain import Box
from inspector.errors import DataError
from inspector.golden import golden_file
from inspector.training.card import read_picture

log = structlog.get_logger(__name__)

MARGIN = 8
"""Pixels that a crop is larger than the judge's input, so that training can move it."""
IGNORED = -1
"""Class of a candidate that is neither clearly a defect nor clearly none."""
DELTA_PX = 16.0
"""A box is learnt as the distance of its sides from the candidate's, in this unit."""
_IOU = 0.4
_NEAR = 0.3


@dataclass(frozen=True, eq=False)
class Examples:
    """All candidates of a split."""

    crops: npt.NDArray[np.uint8]
    """``(n, side + 2 * MARGIN, …, 3)``, as :func:`~inspector.checks.differences.crop_of` gives them."""
    labels: npt.NDArray[np.int64]
    """``(n,)``: the defect's class, the number of classes for a false alarm, or :data:`IGNORED`."""
    deltas: npt.NDArray[np.float32]
    """``(n, 4)``: how far the true box's sides lie from the candidate's, in units of
    :data:`DELTA_PX` pixels of the crop."""


def collect(data: YoloData, split: str) -> Examples:
    """The candidates of all pictures of a split that have a golden image that shows something.

    Raises :class:`DataError` when a golden image is absent, or no picture has a candidate.
    """
    crops: list[npt.NDArray[np.uint8]] = []
    labels: list[int] = []
    deltas: list[tuple[float, ...]] = []
    blank: list[str] = []
    for path in data.splits[split]:
        image, golden = read_pair(path)
        comparison = compare(image, golden)
        if comparison.blank:
            blank.append(path.name)
            continue
        truth = data.boxes(path, image.shape[1], image.shape[0])
        named = assigned([one.box for one in comparison.candidates], truth, data.labels)
        for candidate, (label, box) in zip(comparison.candidates, named, strict=True):
            crop = crop_of(comparison, candidate, margin=MARGIN)
            crops.append(crop.image)
            labels.append(label)
            deltas.append(_deltas(candidate.box, box, crop.scale))
    if blank:
        log.warning("golden images that show nothing; left out", pictures=blank)
    if not crops:
        raise DataError(f"No picture of '{split}' differs from its golden image", "Look at both")
    return Examples(np.stack(crops), np.array(labels), np.array(deltas, np.float32))


def read_pair(path: Path) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """A picture and its golden image. Raises :class:`DataError` when one cannot be read."""
    golden = golden_file(path)
    if golden is None:
        raise DataError(
            f"{path} has no golden image",
            "Put it into a folder 'templates' beside 'images', or train another kind of detector",
        )
    return read_picture(path), read_picture(golden)


def assigned(
    candidates: Sequence[Box], truth: Sequence[tuple[str, Box]], labels: Sequence[str]
) -> list[tuple[int, Box | None]]:
    """Class and true box of each candidate.

    One that overlaps a defect well is that defect, and so is the best of those that hardly do. A lesser
    piece of a defect that another candidate shows is none: the judge is to tell a piece from the whole.
    """
    overlaps = np.array([[one.iou(box) for _, box in truth] for one in candidates])
    result: list[tuple[int, Box | None]] = []
    for number in range(len(candidates)):
        if not truth or not overlaps[number].any():
            result.append((len(labels), None))
            continue
        best = int(overlaps[number].argmax())
        label, box = truth[best]
        rank = overlaps[number, best]
        if rank >= _IOU or rank == overlaps[:, best].max():
            result.append((labels.index(label), box))
        elif rank >= _NEAR:
            result.append((IGNORED, None))
        else:
            result.append((len(labels), None))
    return result


def _deltas(candidate: Box, box: Box | None, scale: float) -> tuple[float, ...]:
    if box is None:
        return (0.0, 0.0, 0.0, 0.0)
    unit = scale / DELTA_PX
    return (
        (box.x1 - candidate.x1) * unit,
        (box.y1 - candidate.y1) * unit,
        (box.x2 - candidate.x2) * unit,
        (box.y2 - candidate.y2) * unit,
    )


def augmented(
    examples: Examples, chosen: npt.NDArray[np.int64], rng: np.random.Generator
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
    """Crops ``(n, SIDE, SIDE, 3)`` and deltas, moved, mirrored and transposed at random.

    Differences keep their meaning in all eight views of a board, as in any part seen from above.
    """
    crops = np.empty((len(chosen), SIDE, SIDE, 3), np.uint8)
    deltas = examples.deltas[chosen].copy()
    for row, index in enumerate(chosen):
        x, y = rng.integers(0, 2 * MARGIN + 1, 2)
        crop = examples.crops[index, y : y + SIDE, x : x + SIDE]
        flip_x, flip_y, transpose = rng.random(3) < 0.5
        crop, deltas[row] = oriented(crop, deltas[row], flip_x, flip_y, transpose)
        crops[row] = crop
    return crops, deltas


def oriented(
    crop: npt.NDArray[np.uint8],
    deltas: npt.NDArray[np.float32],
    flip_x: bool,
    flip_y: bool,
    transpose: bool,
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
    """One of the eight views of a crop ``(side, side, 3)``, and its deltas ``(4,)``."""
    left, top, right, bottom = deltas
    if flip_x:
        crop, left, right = crop[:, ::-1], -right, -left
    if flip_y:
        crop, top, bottom = crop[::-1], -bottom, -top
    if transpose:
        crop, left, top, right, bottom = crop.transpose(1, 0, 2), top, left, bottom, right
    return crop, np.array([left, top, right, bottom], np.float32)
