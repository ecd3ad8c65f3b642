"""Two plain numbers that say whether a picture can be trusted: how sharp and how bright it is.

Training learns their limits from good frames, the quality gate compares each new frame with them; both
use these functions, so that a limit means the same on either side. Needs OpenCV and numpy only.
"""

from __future__ import annotations

import cv2
import numpy as np

from inspector.domain import Image

WIDTH = 320
"""Pixels: every picture is brought to this width first, so that the numbers of two cameras compare."""


def _grey(image: Image) -> Image:
    rows, columns = image.shape[:2]
    height = max(1, round(rows * WIDTH / columns))
    # INTER_AREA averages when shrinking: sensor noise must not pass for sharpness
    small = cv2.resize(image, (WIDTH, height), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), dtype=np.uint8)


def sharpness(image: Image) -> float:
    """Variance of the Laplacian of the grey picture at 320 px width; larger is sharper.

    ``image`` is ``(height, width, 3)`` ``uint8`` BGR. Source: Pech-Pacheco et al., "Diatom autofocusing
    in brightfield microscopy", ICPR 2000.
    """
    return float(cv2.Laplacian(_grey(image), cv2.CV_32F).var())


def exposure(image: Image) -> float:
    """Mean grey value, 0 (black) to 255 (white), of a ``(height, width, 3)`` ``uint8`` BGR picture."""
    return float(_grey(image).mean())
