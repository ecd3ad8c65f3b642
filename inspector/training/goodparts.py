"""What the good pictures say about how they should be learnt: input, tiles, rotation, light.

Every choice is a sentence on the card, and an option overrides each.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from inspector.bundle import InputSpec, Tile
from inspector.domain import Image
from inspector.errors import InputError

LEAST_AREA_PX = 256 * 256
MOST_AREA_PX = 448 * 448
"""Of the network's input. Larger costs time at the line, smaller loses thin faults."""
TILE_FROM = 3.0
"""A picture that would be shrunk by more than this is cut into tiles."""
TILE_SIDE = 640
"""Pixels of the picture, shrunk to ``TILE_INPUT``."""
TILE_INPUT = 448
TURNED_ALIKE = 1.25
"""Turned pictures explain others as well as unturned ones do, up to this factor: loose parts."""
TURNS_LOOKED_AT = (90, 180, 270)
MOST_COPIES = 8


@dataclass(frozen=True)
class AnomalyWishes:
    """What the user has said; None where the good pictures decide."""

    size: tuple[int, int] | None = None
    """Width and height of the network's input, multiples of 32."""
    tile: int | None = None
    """Side of the tiles in pixels of the picture; 0: none."""
    layers: tuple[str, ...] | None = None
    rotate: bool | None = None
    even_light: bool | None = None
    """Pictures are brought to the light of the good ones before they are compared."""
    region: tuple[float, float, float, float] | None = None
    """``x1, y1, x2, y2`` as shares of the picture's sides."""


def checked(wishes: AnomalyWishes) -> AnomalyWishes:
    """The wishes; raises :class:`InputError` for one that cannot be fulfilled."""
    if wishes.size is not None and any(side % 32 or side <= 0 for side in wishes.size):
        raise InputError(
            f"Input size {wishes.size[0]}x{wishes.size[1]} does not fit", "Give multiples of 32"
        )
    if wishes.region is not None:
        x1, y1, x2, y2 = wishes.region
        if not (0 <= x1 < x2 <= 1 and 0 <= y1 < y2 <= 1):
            raise InputError(
                f"A region of {x1:g},{y1:g},{x2:g},{y2:g} lies outside of the picture",
                "Give x1,y1,x2,y2 as shares of its sides, each 0 to 1",
            )
    if wishes.tile and wishes.size is not None and wishes.size[0] != wishes.size[1]:
        raise InputError("Tiles are square, the input size is not", "Give --size 448x448, or no --tile")
    if wishes.tile and wishes.even_light:
        raise InputError(
            "Light is not evened tile by tile: each shows another piece",
            "Give --no-tile or --no-even-light",
        )
    return wishes


def choose_input(
    sizes: Sequence[tuple[int, int]], wishes: AnomalyWishes
) -> tuple[InputSpec, list[str]]:
    """The network's input for pictures of these widths and heights, and why."""
    reasons = []
    distinct = sorted(set(sizes))
    left, top, right, bottom = wishes.region or (0.0, 0.0, 1.0, 1.0)
    if wishes.region is not None:
        reasons.append(
            f"Only the region {left:g},{top:g},{right:g},{bottom:g} is looked at, as asked for"
        )
    widths = [width * (right - left) for width, _ in sizes]
    heights = [height * (bottom - top) for _, height in sizes]
    width, height = float(np.median(widths)), float(np.median(heights))
    aspect = float(np.median([w / h for w, h in zip(widths, heights, strict=True)]))
    shrunk = math.sqrt(width * height / MOST_AREA_PX)
    tile = wishes.tile
    if tile is None and wishes.size is None and shrunk > TILE_FROM:
        tile = TILE_SIDE
        reasons.append(
            f"Tiles of {tile} px: a picture of {width:.0f}x{height:.0f} px as a whole would be shrunk "
            f"{shrunk:.1f} times, and thin faults with it"
        )
    elif tile:
        reasons.append(f"Tiles of {tile} px, as asked for")
    if tile:
        side = wishes.size[0] if wishes.size else _multiple(min(TILE_INPUT, max(256, tile)))
        reasons.append(f"Input {side}x{side} for each tile")
        spec = InputSpec(
            width=side,
            height=side,
            fit="letterbox",
            resize="graph",
            tile=Tile(side=tile, overlap=tile // 8),
            region=wishes.region,
        )
        return spec, reasons
    if wishes.size is not None:
        size = wishes.size
        reasons.append(f"Input {size[0]}x{size[1]}, as asked for")
    else:
        size = input_size(width * height, aspect)
        kinds = "all pictures" if len(distinct) == 1 else f"pictures of {len(distinct)} sizes"
        reasons.append(
            f"Input {size[0]}x{size[1]}: the aspect of {kinds} (median {width:.0f}x{height:.0f} px), "
            f"{math.sqrt(size[0] * size[1]):.0f} px a side on average, no more than "
            f"{math.isqrt(MOST_AREA_PX)}, for time at the line"
        )
    reasons.append("The aspect is kept: what differs from the input's is padded with grey")
    spec = InputSpec(
        width=size[0], height=size[1], fit="letterbox", resize="graph", region=wishes.region
    )
    return spec, reasons


def input_size(area: float, aspect: float) -> tuple[int, int]:
    """Width and height, multiples of 32, of about ``area`` within bounds, nearest to ``aspect``."""
    area = min(MOST_AREA_PX, max(LEAST_AREA_PX, area))
    ideal = math.sqrt(area * aspect)
    around = {_multiple(ideal * factor) for factor in (0.85, 0.9, 0.95, 1.0, 1.05)}
    pairs = [(width, _multiple(width / aspect)) for width in sorted(around, reverse=True)]

    def misfit(pair: tuple[int, int]) -> float:
        # a few percent of padding cost nothing, pixels are worth something
        return abs(math.log(pair[0] / pair[1] / aspect)) + 0.5 * abs(math.log(pair[0] * pair[1] / area))

    return min(pairs, key=misfit)


def _multiple(value: float) -> int:
    return max(32, round(value / 32) * 32)


def turned(image: Image, degrees: float) -> Image:
    """The picture turned about its centre; what comes in at the corners is mirrored."""
    height, width = image.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.0)
    result = cv2.warpAffine(
        image, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
    )
    return np.asarray(result, np.uint8)


def turned_factor(pictures: Sequence[Image], patches: Callable[[Image], Tensor], seed: int) -> float:
    """How much worse pictures are explained by others that were turned than by the same unturned.

    ``patches`` gives ``(rows, columns, channels)`` features of a square picture. 1 for textures without
    a direction and for parts that lie at any angle; the largest over quarter and half turns, so that a
    part that only looks alike upside down is not taken for a loose one. Compared within a circle, which
    turning maps to itself.
    """
    squares = [_square(image) for image in pictures]
    half = len(squares) // 2
    generator = torch.Generator().manual_seed(seed)

    def rows(images: Sequence[Image], most: int) -> Tensor:
        found = []
        for image in images:
            grid = patches(image)
            found.append(grid[_circle(grid.shape[0])])
        all_rows = torch.cat(found)
        return all_rows[torch.randperm(len(all_rows), generator=generator)[:most]]

    asked = rows(squares[half:], 2000)

    def distance(degrees: int) -> float:
        known = rows(
            [np.ascontiguousarray(np.rot90(one, degrees // 90)) for one in squares[:half]], 4000
        )
        return float(torch.cdist(asked, known).min(1).values.mean())

    plain = distance(0)
    if plain == 0:
        return 1.0
    return max(distance(degrees) for degrees in TURNS_LOOKED_AT) / plain


def _square(image: Image) -> Image:
    height, width = image.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return image[top : top + side, left : left + side]


def _circle(side: int) -> Tensor:
    axis = torch.arange(side) - (side - 1) / 2
    return axis[:, None].square() + axis[None].square() < (0.46 * side) ** 2
