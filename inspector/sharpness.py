"""Two plain numbers that say whether a picture can be trusted: how sharp and how bright it is.

Training learns their limits from good frames, the quality gate compares each new frame with them; both
use this function, so that a limit means the same on either side. Needs OpenCV and numpy only.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2

from inspector.domain import Image

WIDTH = 320
"""Pixels: every picture is brought to this width first, so that the numbers of two cameras compare."""


@dataclass(frozen=True, slots=True)
class Look:
    """How one picture looks."""

    sharpness: float
    """Variance of the Laplacian of the grey picture; larger is sharper. Source: Pech-Pacheco et al.,
    "Diatom autofocusing in brightfield microscopy", ICPR 2000."""
    exposure: float
    """Mean grey value, 0 (black) to 255 (white)."""


def look(image: Image) -> Look:
    """Both numbers of a ``(height, width, 3)`` ``uint8`` BGR picture, at 320 px width."""
    rows, columns = image.shape[:2]
    height = max(1, round(rows * WIDTH / columns))
    # INTER_AREA averages when shrinking: sensor noise must not pass for sharpness
    small = cv2.resize(image, (WIDTH, height), interpolation=cv2.INTER_AREA)
    grey = cv2.cvtColor(small, cv2.COLOR_BGR2GRAY)
    _, deviation = cv2.meanStdDev(cv2.Laplacian(grey, cv2.CV_32F))
    return Look(float(deviation[0, 0]) ** 2, float(cv2.mean(grey)[0]))
