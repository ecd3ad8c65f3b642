"""What good pictures look like, by example: what is like none of the examples is strange.

In small: a sticker, a hand before the lens, or a patch of adversarial noise has a colour or a density
of detail that no good picture has anywhere, whichever way the part lies. A part's own faults are mostly
made of what good parts are made of too, and the other checks find them. The idea is PatchCore's, a
memory of patches thinned to a cover (Roth et al., "Towards Total Recall in Industrial Anomaly
Detection", CVPR 2022), with four plain numbers a patch in place of a network's features.

As a whole: a part that lies elsewhere or turned otherwise than any good one has its edges in other
places and directions. Parts that were good at every angle may lie at every angle.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from inspector.calibration import Examples
from inspector.look import Array, Look

MOST_PATCHES = 256
ALIKE_LEVELS = 6.0
"""No two patches are kept that differ by less, in grey levels."""
MOST_LAYOUTS = 64
MOST_PICTURES = 100
"""Patches are taken from so many, spread over all: more would only take longer."""
GAIN = (0.5, 2.0)
"""Pictures are brought to the exposure of good ones, within this: light is judged apart."""


@dataclass(frozen=True, slots=True, eq=False)
class Strangeness:
    """How far a picture is from all examples."""

    levels: Array
    """``(rows, columns)``: of its patches, in grey levels."""
    pose: float
    """Of its layout."""

    @property
    def foreign(self) -> float:
        """The largest distance that four neighbouring patches all reach: one alone is chance."""
        if min(self.levels.shape) < 2:
            return float(self.levels.max())
        least = cv2.erode(self.levels, np.ones((2, 2), np.uint8), anchor=(1, 1))
        return float(least[1:, 1:].max())


class Likeness:
    """Compares pictures with examples."""

    def __init__(self, examples: Examples) -> None:
        self._exposure = examples.exposure
        self._patches = np.array(examples.patches, np.float32)
        self._squares = (self._patches**2).sum(1)
        self._layouts = np.array(examples.layouts, np.float32)

    def strangeness(self, seen: Look) -> Strangeness:
        """Of that picture."""
        tiles = _at_exposure(seen, self._exposure)
        flat = tiles.reshape(-1, tiles.shape[2])
        # |a - b|^2 by one matrix product: 0.1 ms for 400 tiles and 256 patches
        squares = (flat**2).sum(1) + (self._squares[:, None] - 2 * self._patches @ flat.T).min(0)
        levels = np.sqrt(np.maximum(squares, 0)).reshape(tiles.shape[:2])
        pose = np.linalg.norm(self._layouts - seen.layout, axis=1).min()
        return Strangeness(levels, float(pose))


def choose_examples(looks: Sequence[Look]) -> Examples:
    """A cover of all patches and layouts of good pictures."""
    exposure = max(1.0, float(np.median([seen.measures["exposure"] for seen in looks])))
    some = looks[:: math.ceil(len(looks) / MOST_PICTURES)]
    patches = np.concatenate([_at_exposure(seen, exposure).reshape(-1, 4) for seen in some])
    layouts = np.stack([seen.layout for seen in looks])
    return Examples(
        exposure=exposure,
        patches=tuple(
            (round(blue, 1), round(green, 1), round(red, 1), round(detail, 1))
            for blue, green, red, detail in _cover(patches, MOST_PATCHES, ALIKE_LEVELS).tolist()
        ),
        layouts=tuple(
            tuple(round(value, 3) for value in layout)
            for layout in _cover(layouts, MOST_LAYOUTS, 0.0).tolist()
        ),
    )


def _cover(points: Array, most: int, apart: float) -> Array:
    """Up to ``most`` of the points, each time the one farthest from those chosen (greedy k-centre)."""
    squares = (points**2).sum(1)
    nearest = np.full(len(points), np.inf, np.float32)
    chosen: list[int] = []
    while len(chosen) < min(most, len(points)) and nearest.max() > apart**2:
        farthest = int(nearest.argmax())
        chosen.append(farthest)
        distances = squares + (squares[farthest] - 2 * (points @ points[farthest]))
        nearest = np.minimum(nearest, distances)
    return points[chosen]


def _at_exposure(seen: Look, exposure: float) -> Array:
    gain = float(np.clip(exposure / max(seen.measures["exposure"], 1.0), *GAIN))
    tiles = seen.tiles.copy()
    tiles[..., :3] *= gain
    return tiles
