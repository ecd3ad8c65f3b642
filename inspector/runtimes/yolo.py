"""A YOLO network's output becomes detections in pixels of the picture."""

from __future__ import annotations

import threading

import cv2
import numpy as np
import numpy.typing as npt

from inspector.bundle import Card
from inspector.domain import Box, Detection, Image
from inspector.errors import BundleError, DefectError
from inspector.ports import Network

_PAD = 114
"""The grey around a letterboxed picture, as in training."""
_NMS_IOU = 0.6
_MAX_DETECTIONS = 300

Rows = npt.NDArray[np.float32]
"""``(n, 6)``: x1, y1, x2, y2 in pixels of the network's input, confidence, class."""


class YoloDetector:
    """Finds objects with a network of the heads ``end2end`` or ``raw``. Safe to call from threads.

    ``min_confidence``: weaker detections are dropped. Only ``raw`` needs non-maximum suppression,
    within each class.

    Raises :class:`BundleError` when the card is not one of a detector.
    """

    def __init__(self, network: Network, card: Card, min_confidence: float = 0.05) -> None:
        if card.task != "detect" or card.head not in ("end2end", "raw"):
            raise BundleError(
                f"A model for '{card.task}' ({card.architecture}) cannot detect objects",
                "Name a bundle made by 'inspector train detector'",
            )
        self._network = network
        self._labels = card.labels
        self._width, self._height = card.input.width, card.input.height
        self._stretch = card.input.fit == "stretch"
        self._end2end = card.head == "end2end"
        self._min_confidence = min_confidence
        self._local = threading.local()

    def detect(self, image: Image) -> tuple[Detection, ...]:
        """All objects in ``image`` (``(height, width, 3)`` ``uint8`` BGR), most confident first.

        Boxes are clipped to the picture. Raises :class:`DefectError` when an output is not finite, or
        the picture is empty.
        """
        if not image.size:
            raise DefectError(f"An empty picture, {image.shape}, cannot be inspected")
        fitted, scale, offset = self._fit(image)
        output = next(iter(self._network(fitted).values()))[0]
        if not np.isfinite(output).all():
            raise DefectError("The detector gave a number that is none")
        read = _from_end2end if self._end2end else _from_raw
        rows = read(output, self._min_confidence)
        height, width = image.shape[:2]
        found = []
        for x1, y1, x2, y2, confidence, label in rows.tolist():
            box = Box(
                (x1 - offset[0]) / scale[0],
                (y1 - offset[1]) / scale[1],
                (x2 - offset[0]) / scale[0],
                (y2 - offset[1]) / scale[1],
            ).clipped(width, height)
            if box.area > 0:
                found.append(Detection(self._labels[int(label)], confidence, box))
        return tuple(found)

    def _fit(self, image: Image) -> tuple[Image, tuple[float, float], tuple[int, int]]:
        """``image`` at the network's size; its scale in x and y, and its offset in pixels."""
        rows, columns = image.shape[:2]
        if (columns, rows) == (self._width, self._height):
            return image, (1.0, 1.0), (0, 0)
        buffer = self._buffer()
        if self._stretch:
            cv2.resize(image, (self._width, self._height), dst=buffer)
            return buffer, (self._width / columns, self._height / rows), (0, 0)
        ratio = min(self._width / columns, self._height / rows)
        width = min(self._width, max(1, round(columns * ratio)))
        height = min(self._height, max(1, round(rows * ratio)))
        left, top = (self._width - width) // 2, (self._height - height) // 2
        if (width, height) == (self._width, self._height):
            cv2.resize(image, (width, height), dst=buffer)
        else:
            buffer.fill(_PAD)
            buffer[top : top + height, left : left + width] = cv2.resize(image, (width, height))
        return buffer, (width / columns, height / rows), (left, top)

    def _buffer(self) -> Image:
        # one a thread: allocating a picture for every frame costs more than filling it
        buffer: Image | None = getattr(self._local, "buffer", None)
        if buffer is None:
            buffer = np.empty((self._height, self._width, 3), np.uint8)
            self._local.buffer = buffer
        return buffer


def _from_end2end(output: npt.NDArray[np.float32], min_confidence: float) -> Rows:
    """``(n, 6)`` as the network gives it, without the weak ones."""
    kept = output[output[:, 4] >= min_confidence]
    return kept[np.argsort(-kept[:, 4], kind="stable")]


def _from_raw(output: npt.NDArray[np.float32], min_confidence: float) -> Rows:
    """``(4 + classes, anchors)``, centre and size, to ``(n, 6)`` after non-maximum suppression."""
    scores = output[4:]
    labels = scores.argmax(0)
    confidences = scores.max(0)
    strong = np.flatnonzero(confidences >= min_confidence)
    strong = strong[np.argsort(-confidences[strong], kind="stable")]
    centre, half = output[:2, strong].T, output[2:4, strong].T / 2
    rows = np.concatenate(
        (centre - half, centre + half, confidences[strong, None], labels[strong, None]), axis=1
    ).astype(np.float32)
    return rows[_keep(rows)][:_MAX_DETECTIONS]


def _keep(rows: Rows) -> list[int]:
    """Indices of rows, strongest first, that no stronger one of the same class covers."""
    areas = (rows[:, 2] - rows[:, 0]) * (rows[:, 3] - rows[:, 1])
    alive = np.ones(len(rows), dtype=bool)
    kept: list[int] = []
    for index in range(len(rows)):
        if not alive[index]:
            continue
        kept.append(index)
        low = np.maximum(rows[index, :2], rows[:, :2])
        high = np.minimum(rows[index, 2:4], rows[:, 2:4])
        shared = np.clip(high - low, 0, None).prod(1)
        union = areas[index] + areas - shared
        same = rows[:, 5] == rows[index, 5]
        alive &= ~(same & (shared > _NMS_IOU * union))
    return kept
