"""What an anomaly network sees of a picture: all of it, a region or tiles; one map of all views."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from inspector.bundle import InputSpec
from inspector.domain import Box, Image
from inspector.runtimes.fitting import PAD
from inspector.runtimes.tiled import tiles

Heat = npt.NDArray[np.float32]


def views(width: int, height: int, spec: InputSpec) -> list[Box]:
    """What the network is shown of a picture of that size, in whole pixels of the picture."""
    whole = Box(0, 0, width, height)
    if spec.region is not None:
        inside = whole.part(*spec.region)
        x1, y1 = min(round(inside.x1), width - 1), min(round(inside.y1), height - 1)
        whole = Box(x1, y1, max(round(inside.x2), x1 + 1), max(round(inside.y2), y1 + 1))
    if spec.tile is None:
        return [whole]
    x, y = whole.x1, whole.y1
    cut = tiles(int(whole.width), int(whole.height), spec.tile)
    return [Box(one.x1 + x, one.y1 + y, one.x2 + x, one.y2 + y) for one in cut]


def shown(image: Image, view: Box, spec: InputSpec) -> Image:
    """The view of ``image``, padded with grey at its right or lower side where the card says so."""
    seen = image[int(view.y1) : int(view.y2), int(view.x1) : int(view.x2)]
    if spec.fit == "stretch":
        return seen
    rows, columns = seen.shape[:2]
    if spec.tile is not None:
        wide = high = spec.tile.side
    else:
        wide = max(columns, round(rows * spec.width / spec.height))
        high = max(rows, round(columns * spec.height / spec.width))
    if (high, wide) == (rows, columns):
        return seen
    padded = np.full((high, wide, 3), PAD, np.uint8)
    padded[:rows, :columns] = seen
    return padded


def stitched(
    maps: Sequence[Heat], boxes: Sequence[Box], width: int, height: int, spec: InputSpec
) -> Heat:
    """One map over a picture of that size; where views overlap, the hotter counts; elsewhere 0.

    ``maps``: ``(rows, columns)`` each, as the network gave them of the views ``boxes``, with padding.
    """
    parts = [_without_padding(heat, box, spec) for heat, box in zip(maps, boxes, strict=True)]
    if len(parts) == 1 and boxes[0] == Box(0, 0, width, height):
        return parts[0]
    cell = min(boxes[0].width / parts[0].shape[1], boxes[0].height / parts[0].shape[0])
    across = np.zeros((math.ceil(height / cell), math.ceil(width / cell)), np.float32)
    for heat, box in zip(parts, boxes, strict=True):
        x1, y1 = math.floor(box.x1 / cell), math.floor(box.y1 / cell)
        x2 = min(across.shape[1], max(x1 + 1, round(box.x2 / cell)))
        y2 = min(across.shape[0], max(y1 + 1, round(box.y2 / cell)))
        target = across[y1:y2, x1:x2]
        # nearest, so that the hottest spot is as hot as the network said
        resized = cv2.resize(heat, (x2 - x1, y2 - y1), interpolation=cv2.INTER_NEAREST)
        np.maximum(target, resized, out=target)
    return across


def _without_padding(heat: Heat, box: Box, spec: InputSpec) -> Heat:
    if spec.fit == "stretch":
        return heat
    rows, columns = heat.shape
    if spec.tile is not None:
        wide = high = float(spec.tile.side)
    else:
        wide = max(box.width, box.height * spec.width / spec.height)
        high = max(box.height, box.width * spec.height / spec.width)
    across, down = (
        math.ceil(columns * box.width / wide - 0.5),
        math.ceil(rows * box.height / high - 0.5),
    )
    return heat[: max(1, down), : max(1, across)]
