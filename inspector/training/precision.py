"""Mean average precision of detections, as COCO defines it.

Average precision is the mean of the interpolated precision at 101 recalls; mAP50 takes a detection for
right from an intersection over union of 0.5, mAP50-95 is the mean over 0.50, 0.55 … 0.95. Source: Lin
et al., "Microsoft COCO", ECCV 2014, and its reference implementation ``pycocotools``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from inspector.domain import Box, Detection

IOUS = np.linspace(0.5, 0.95, 10)
_RECALLS = np.linspace(0, 1, 101)

Labelled = Sequence[tuple[str, Box]]


def mean_average_precision(
    found: Sequence[Sequence[Detection]], truth: Sequence[Labelled]
) -> tuple[float, float]:
    """mAP50 and mAP50-95 of ``found`` against ``truth``, both by picture.

    Only labels that occur in ``truth`` count. Both are 0 when it holds no box.
    """
    values = average_precisions(found, truth, IOUS)
    if not values.size:
        return 0.0, 0.0
    return float(values[:, 0].mean()), float(values.mean())


def average_precisions(
    found: Sequence[Sequence[Detection]], truth: Sequence[Labelled], ious: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """``(labels, len(ious))``: average precision of each label that occurs in ``truth``, by name."""
    labels = sorted({label for boxes in truth for label, _ in boxes})
    return np.array([_of_label(label, found, truth, ious) for label in labels])


def _of_label(
    label: str,
    found: Sequence[Sequence[Detection]],
    truth: Sequence[Labelled],
    ious: npt.NDArray[np.float64],
) -> npt.NDArray[np.float64]:
    """``(len(ious),)`` average precisions of one label."""
    confidences, right, total = _ranked(label, found, truth, ious)
    if not confidences:
        return np.zeros(len(ious))
    order = np.argsort(-np.array(confidences), kind="stable")
    hits = np.cumsum(np.array(right)[order], axis=0)
    precision = hits / np.arange(1, len(order) + 1)[:, None]
    # the best precision at this recall or a higher one
    precision = np.maximum.accumulate(precision[::-1], axis=0)[::-1]
    result = np.zeros(len(ious))
    for column in range(len(ious)):
        at = np.searchsorted(hits[:, column] / total, _RECALLS, side="left")
        reached = at < len(order)
        result[column] = precision[at[reached], column].sum() / len(_RECALLS)
    return result


def _ranked(
    label: str,
    found: Sequence[Sequence[Detection]],
    truth: Sequence[Labelled],
    ious: npt.NDArray[np.float64],
) -> tuple[list[float], list[npt.NDArray[np.bool_]], int]:
    """Confidence of each detection of a label, whether it is right at each IoU, and the true boxes."""
    confidences: list[float] = []
    right: list[npt.NDArray[np.bool_]] = []
    total = 0
    for detections, boxes in zip(found, truth, strict=True):
        wanted = [box for name, box in boxes if name == label]
        total += len(wanted)
        taken = np.zeros((len(ious), len(wanted)), dtype=bool)
        mine = [item for item in detections if item.label == label]
        for detection in sorted(mine, key=lambda item: -item.confidence):
            overlaps = np.array([detection.box.iou(box) for box in wanted])
            confidences.append(detection.confidence)
            right.append(_match(overlaps, taken, ious))
    return confidences, right, total


def published_precision(
    found: Sequence[Sequence[Detection]], truth: Sequence[Labelled], iou: float
) -> float:
    """Mean over the labels of the precision at each box that is found, summed and divided by all boxes.

    Nothing is interpolated: the protocol that DeepPCB was published with, and of the ICDAR contests
    whose script it took over. 0 when ``truth`` holds no box.
    """
    labels = sorted({label for boxes in truth for label, _ in boxes})
    values = []
    for label in labels:
        confidences, right, total = _ranked(label, found, truth, np.array([iou]))
        order = np.argsort(-np.array(confidences), kind="stable")
        hits = np.array([bool(one[0]) for one in right], dtype=bool)[order]
        precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
        values.append(float(precision[hits].sum()) / total)
    return float(np.mean(values)) if values else 0.0


def _match(
    overlaps: npt.NDArray[np.float64],
    taken: npt.NDArray[np.bool_],
    ious: npt.NDArray[np.float64],
) -> npt.NDArray[np.bool_]:
    """Whether a detection is right, by threshold; marks the box that it takes in ``taken``."""
    right = np.zeros(len(ious), dtype=bool)
    if not overlaps.size:
        return right
    for row, threshold in enumerate(ious):
        free = np.where(taken[row], -1.0, overlaps)
        best = int(free.argmax())
        if free[best] >= threshold:
            taken[row, best] = True
            right[row] = True
    return right
