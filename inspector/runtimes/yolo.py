"""A YOLO network's output becomes detections in pixels of the picture, with masks where it has them."""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

from inspector.bundle import Card
from inspector.domain import Box, Detection, Image
from inspector.errors import BundleError, DefectError
from inspector.mask import Mask
from inspector.ports import Network
from inspector.runtimes.fitting import Fitted, Fitter

_NMS_IOU = 0.6
_MAX_DETECTIONS = 300

Floats = npt.NDArray[np.float32]
Rows = Floats
"""``(n, 6 + k)``: x1, y1, x2, y2 in pixels of the network's input, confidence, class, ``k`` mask
coefficients."""


class YoloDetector:
    """Finds objects with a network of the heads ``end2end`` or ``raw``. Safe to call from threads.

    For ``detect`` the network has one output, for ``segment`` two: ``detections``, whose boxes carry
    mask coefficients, and ``prototypes``. ``min_confidence``: weaker detections are dropped. Only
    ``raw`` needs non-maximum suppression, within each class.

    Raises :class:`BundleError` when the card is not one of a detector.
    """

    def __init__(self, network: Network, card: Card, min_confidence: float = 0.05) -> None:
        if not card.finds_objects or card.head not in ("end2end", "raw"):
            raise BundleError(
                f"A model for '{card.task}' ({card.architecture}) cannot detect objects",
                "Name a bundle made by 'inspector train detector'",
            )
        self._network = network
        self._labels = card.labels
        self._size = card.input.width, card.input.height
        self._end2end = card.head == "end2end"
        self._has_masks = card.task == "segment"
        self._min_confidence = min_confidence
        self._fitter = Fitter(card.input)

    def detect(self, image: Image) -> tuple[Detection, ...]:
        """All objects in ``image`` (``(height, width, 3)`` ``uint8`` BGR), most confident first.

        Boxes are clipped to the picture, and masks to their box. Raises :class:`DefectError` when an
        output is not finite or missing, or the picture is empty.
        """
        if not image.size:
            raise DefectError(f"An empty picture, {image.shape}, cannot be inspected")
        fitted = self._fitter.fit(image)
        output, prototypes = self._run(fitted.image)
        if self._end2end:
            rows = _from_end2end(output, self._min_confidence)
        else:
            rows = _from_raw(output, len(self._labels), self._min_confidence)
        height, width = image.shape[:2]
        found = []
        for row in rows:
            x1, y1, x2, y2, confidence, label = row[:6].tolist()
            box = fitted.back(x1, y1, x2, y2).clipped(width, height)
            if box.area > 0:
                mask = None
                if prototypes is not None:
                    mask = _mask(row[6:], prototypes, box, fitted, self._size)
                found.append(Detection(self._labels[int(label)], confidence, box, mask))
        return tuple(found)

    def _run(self, image: Image) -> tuple[Floats, Floats | None]:
        outputs = self._network(image)
        prototypes = None
        if self._has_masks:
            if not {"detections", "prototypes"} <= set(outputs):
                raise DefectError(
                    f"A network for masks gives {', '.join(outputs)}, not detections and prototypes"
                )
            output, prototypes = outputs["detections"][0], outputs["prototypes"][0]
        else:
            output = next(iter(outputs.values()))[0]
        if not np.isfinite(output).all() or not (prototypes is None or np.isfinite(prototypes).all()):
            raise DefectError("The detector gave a number that is none")
        return output, prototypes


def _from_end2end(output: Floats, min_confidence: float) -> Rows:
    """``(n, 6 + k)`` as the network gives it, without the weak ones."""
    kept = output[output[:, 4] >= min_confidence]
    return kept[np.argsort(-kept[:, 4], kind="stable")]


def _from_raw(output: Floats, classes: int, min_confidence: float) -> Rows:
    """``(4 + classes + k, anchors)``, centre and size, to rows after non-maximum suppression."""
    scores = output[4 : 4 + classes]
    labels = scores.argmax(0)
    confidences = scores.max(0)
    strong = np.flatnonzero(confidences >= min_confidence)
    strong = strong[np.argsort(-confidences[strong], kind="stable")]
    centre, half = output[:2, strong].T, output[2:4, strong].T / 2
    rows = np.concatenate(
        (
            centre - half,
            centre + half,
            confidences[strong, None],
            labels[strong, None],
            output[4 + classes :, strong].T,
        ),
        axis=1,
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


def _mask(
    coefficients: Floats, prototypes: Floats, box: Box, fitted: Fitted, size: tuple[int, int]
) -> Mask | None:
    """The pixels inside ``box`` where the weighted prototypes are positive; None without any.

    ``prototypes``: ``(k, rows, columns)`` logits over the network's input of ``size``. After YOLACT
    (Bolya et al., ICCV 2019), but interpolated at the picture's own resolution.
    """
    _, rows, columns = prototypes.shape
    per_x, per_y = fitted.scale_x * columns / size[0], fitted.scale_y * rows / size[1]
    x, y = math.floor(box.x1), math.floor(box.y1)
    width, height = math.ceil(box.x2) - x, math.ceil(box.y2) - y
    # the prototype at the centre of the first pixel, and of any other by the scale
    first_x = (x + 0.5) * per_x + fitted.left * columns / size[0] - 0.5
    first_y = (y + 0.5) * per_y + fitted.top * rows / size[1] - 0.5
    # only what lies under the box is computed: masks of small objects are the usual case
    left, top = max(0, math.floor(first_x)), max(0, math.floor(first_y))
    right = min(columns, math.ceil(first_x + width * per_x) + 2)
    bottom = min(rows, math.ceil(first_y + height * per_y) + 2)
    if left >= right or top >= bottom:
        return None
    window = prototypes[:, top:bottom, left:right]
    logits = np.tensordot(coefficients, window, axes=1).astype(np.float32)
    to_window = np.array([[per_x, 0, first_x - left], [0, per_y, first_y - top]])
    way = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    large = cv2.warpAffine(
        logits, to_window, (width, height), flags=way, borderMode=cv2.BORDER_REPLICATE
    )
    pixels = np.asarray(large) > 0
    return Mask.of(pixels, x, y) if pixels.any() else None
