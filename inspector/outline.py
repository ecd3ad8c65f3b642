"""What is measured and drawn of a mask: its length at any angle, its outline."""

from __future__ import annotations

from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from inspector.mask import Mask

Polygon: TypeAlias = tuple[float, ...]
"""``x1, y1, x2, y2, …`` in pixels of the picture."""

MAX_POLYGONS = 8
MAX_POINTS = 64
"""A record is for a person's eye: so much of an outline is kept, the largest pieces first."""
_TOLERANCE_PX = 1.0


def length_px(mask: Mask) -> float:
    """The longer side of the smallest rectangle, at any angle, around all pixels of the mask."""
    contours = _contours(mask)
    if not contours:
        return 0.0
    centres = np.concatenate(contours).reshape(-1, 2)
    # pixels have an extent: their corners, not their centres, are what the rectangle holds
    corners = np.concatenate([centres + np.array((dx, dy)) for dx in (0, 1) for dy in (0, 1)])
    _, (width, height), _ = cv2.minAreaRect(cv2.convexHull(corners.astype(np.float32)))
    return float(max(width, height))


def polygons(mask: Mask) -> tuple[Polygon, ...]:
    """The outlines of the mask's pieces, simplified to a pixel; holes are not kept."""
    largest = sorted(_contours(mask), key=_extent, reverse=True)[:MAX_POLYGONS]
    return tuple(_polygon(contour, mask.x, mask.y) for contour in largest)


def _contours(mask: Mask) -> list[npt.NDArray[np.int32]]:
    contours, _ = cv2.findContours(
        mask.pixels.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE
    )
    return [np.asarray(contour, np.int32) for contour in contours]


def _extent(contour: npt.NDArray[np.int32]) -> float:
    _, _, width, height = cv2.boundingRect(contour)
    return float(width * height)


def _polygon(contour: npt.NDArray[np.int32], x: int, y: int) -> Polygon:
    tolerance = _TOLERANCE_PX
    points = cv2.approxPolyDP(contour, tolerance, True)
    while len(points) > MAX_POINTS:
        tolerance *= 1.5
        points = cv2.approxPolyDP(contour, tolerance, True)
    if len(points) < 3:
        # a line of pixels has no inside between their centres: its rectangle
        left, top, width, height = cv2.boundingRect(contour)
        x1, y1, x2, y2 = x + left, y + top, x + left + width, y + top + height
        return tuple(map(float, (x1, y1, x2, y1, x2, y2, x1, y2)))
    centres = points.reshape(-1, 2) + np.array((x + 0.5, y + 0.5))
    return tuple(float(value) for value in centres.reshape(-1))
