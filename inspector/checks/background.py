"""Whether a spot of the picture shows anything but the background around it."""

from __future__ import annotations

import cv2
import numpy as np

from inspector.domain import Box, Image

DISTANCE = 14.0
"""A colour so far from the background's (CIE Lab, lightness at half its weight) is something else."""
SPREADS = 4.0
"""Or so many times the background's own spread, whichever is more."""
SHARE = 0.3
"""So much of the spot must be something else for a thing to be there."""
BAND = 0.8
"""The background is looked at above the spot, over so many of its heights."""
GAP = 0.5
"""And so many of its heights away, lest a thing that sticks out of the spot count as background."""


def occupied(image: Image, spot: Box) -> float:
    """How much of ``spot`` differs from the background above it, 0..1.

    The background is the median colour of a band above the spot, its spread the median distance from
    that. Nothing can be told, and 0 is returned, where the spot or the band lies outside the picture.
    """
    height, width = image.shape[:2]
    side = max(4.0, BAND * spot.height)
    top = spot.y1 - GAP * spot.height
    inner = spot.clipped(width, height)
    band = Box(spot.x1 - spot.width, top - side, spot.x2 + spot.width, top).clipped(width, height)
    if min(inner.width, inner.height, band.width, band.height) < 2:
        return 0.0
    wall = _lab(image, band)
    colour = np.median(wall, 0)
    spread = float(np.median(np.linalg.norm(wall - colour, axis=1)))
    off = np.linalg.norm(_lab(image, inner) - colour, axis=1)
    return float((off > max(DISTANCE, SPREADS * spread)).mean())


def _lab(image: Image, box: Box) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """The colours in a box, ``(n, 3)``."""
    patch = image[int(box.y1) : int(np.ceil(box.y2)), int(box.x1) : int(np.ceil(box.x2))]
    lab = cv2.cvtColor(patch, cv2.COLOR_BGR2LAB).astype(np.float32).reshape(-1, 3)
    lab[:, 0] *= 0.5
    return lab
