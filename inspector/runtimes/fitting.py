"""A picture becomes the network's input, and places in the input places in the picture."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import cv2
import numpy as np

from inspector.bundle import InputSpec
from inspector.domain import Box, Image

PAD = 114
"""The grey around a letterboxed picture, as in training."""


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """A picture at the network's size, and how it came there."""

    image: Image
    scale_x: float
    scale_y: float
    left: int
    top: int

    def back(self, x1: float, y1: float, x2: float, y2: float) -> Box:
        """A box in pixels of the input as one in pixels of the picture, not clipped."""
        return Box(
            (x1 - self.left) / self.scale_x,
            (y1 - self.top) / self.scale_y,
            (x2 - self.left) / self.scale_x,
            (y2 - self.top) / self.scale_y,
        )


class Fitter:
    """Resizes by the card's word. Safe to call from threads."""

    def __init__(self, spec: InputSpec) -> None:
        self._width, self._height = spec.width, spec.height
        self._stretch = spec.fit == "stretch"
        self._local = threading.local()

    def fit(self, image: Image) -> Fitted:
        """``image``, not empty, at the network's size; overwritten by this thread's next call."""
        rows, columns = image.shape[:2]
        if (columns, rows) == (self._width, self._height):
            return Fitted(image, 1.0, 1.0, 0, 0)
        buffer = self._buffer()
        if self._stretch:
            cv2.resize(image, (self._width, self._height), dst=buffer)
            return Fitted(buffer, self._width / columns, self._height / rows, 0, 0)
        ratio = min(self._width / columns, self._height / rows)
        width = min(self._width, max(1, round(columns * ratio)))
        height = min(self._height, max(1, round(rows * ratio)))
        left, top = (self._width - width) // 2, (self._height - height) // 2
        if (width, height) == (self._width, self._height):
            cv2.resize(image, (width, height), dst=buffer)
        else:
            buffer.fill(PAD)
            buffer[top : top + height, left : left + width] = cv2.resize(image, (width, height))
        return Fitted(buffer, width / columns, height / rows, left, top)

    def _buffer(self) -> Image:
        # one a thread: allocating a picture for every frame costs more than filling it
        buffer: Image | None = getattr(self._local, "buffer", None)
        if buffer is None:
            buffer = np.empty((self._height, self._width, 3), np.uint8)
            self._local.buffer = buffer
        return buffer
