"""The pixels of an object. Standard library and numpy only, like the domain that it belongs to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Mask:
    """The pixels of an object: one bit each, cropped to a rectangle of the picture.

    Packed, because hundreds may lie in a part's detections, and bytes compare and hash like any value.
    """

    x: int
    y: int
    """The picture's pixel that is the mask's first."""
    width: int
    height: int
    bits: bytes
    """Row by row without gaps, the first pixel in the highest bit, as ``numpy.packbits`` has it."""

    @classmethod
    def of(cls, pixels: npt.NDArray[np.bool_], x: int, y: int) -> Mask:
        """The mask of ``(height, width)`` booleans whose first is the picture's pixel ``x, y``."""
        height, width = pixels.shape
        return cls(x, y, width, height, np.packbits(pixels).tobytes())

    @property
    def pixels(self) -> npt.NDArray[np.bool_]:
        """``(height, width)`` booleans, a copy."""
        packed = np.frombuffer(self.bits, np.uint8)
        count = self.width * self.height
        return np.unpackbits(packed, count=count).astype(np.bool_).reshape(self.height, self.width)

    @property
    def area(self) -> int:
        """How many pixels it has."""
        return int.from_bytes(self.bits).bit_count()

    def moved(self, dx: int, dy: int) -> Mask:
        """The same pixels elsewhere."""
        return Mask(self.x + dx, self.y + dy, self.width, self.height, self.bits)

    def cropped(self, width: int, height: int) -> Mask | None:
        """What lies inside a picture of that size; None when that is nothing."""
        left, top = max(0, -self.x), max(0, -self.y)
        inside = self.pixels[top : max(0, height - self.y), left : max(0, width - self.x)]
        return Mask.of(inside, self.x + left, self.y + top) if inside.any() else None

    def joined(self, other: Mask) -> Mask:
        """The pixels of both."""
        x1, y1 = min(self.x, other.x), min(self.y, other.y)
        x2 = max(self.x + self.width, other.x + other.width)
        y2 = max(self.y + self.height, other.y + other.height)
        canvas = np.zeros((y2 - y1, x2 - x1), np.bool_)
        for mask in (self, other):
            top, left = mask.y - y1, mask.x - x1
            canvas[top : top + mask.height, left : left + mask.width] |= mask.pixels
        return Mask.of(canvas, x1, y1)
