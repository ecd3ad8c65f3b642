"""How well objects are found: precision, recall, average precision, and what is taken for what.

Matching and average precision are those of ``pycocotools``, the reference implementation of COCO (Lin
et al., "Microsoft COCO", ECCV 2014): by descending score, each detection takes the free box of its
label that it overlaps most, if by at least the IoU asked for; precision is interpolated at 101 recalls.
The published protocol of DeepPCB (Tang et al., 2019) differs in two things: the IoU is 0.33, and
precision is not interpolated but averaged over the boxes that are found. :func:`published` measures so.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pycocotools import mask as coding
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from sklearn.metrics import average_precision_score

from inspector.domain import Box
from inspector.evaluation.run import Outcome, Seen

IOUS = tuple(float(value) for value in np.linspace(0.5, 0.95, 10))
"""Of mAP50-95."""
NONE = "none"
"""In the confusion matrix: found where nothing is, or there and not found."""
_MOST = 100_000
"""Detections of a picture that count: all."""


@dataclass(frozen=True, slots=True)
class ClassFigures:
    """How well one label is found. At the recipe's threshold unless it says otherwise."""

    label: str
    threshold: float | None
    """None: no detection, however weak."""
    truth: int
    """Boxes of the data set."""
    found: int
    """Detections at or above the threshold."""
    right: int
    """Of them, those that match a box."""
    precision: float | None
    """None: nothing was found."""
    recall: float | None
    """None: there is nothing to find."""
    f1: float | None
    ap: tuple[float, ...] | None
    """Average precision over all detections, one for each IoU asked for; None: nothing to find."""
    curve: tuple[tuple[float, float], ...] = ()
    """Recall and interpolated precision at the first IoU."""


@dataclass(frozen=True, slots=True)
class ObjectFigures:
    """All labels together, at the first IoU unless it says otherwise."""

    ious: tuple[float, ...]
    classes: tuple[ClassFigures, ...]
    precision: float | None
    recall: float | None
    f1: float | None
    """Over all objects of all labels."""
    false: tuple[frozenset[int], ...]
    """By picture: which detections at or above the threshold are wrong, as indices into
    ``Outcome.seen``."""
    missed: tuple[frozenset[int], ...]
    """By picture: which boxes were not found, as indices into ``Outcome.truth``."""

    def mean_ap(self, first: int | None = None) -> float | None:
        """Mean over the labels that occur, of the IoU with that index or over all of them."""
        values = [
            figures.ap[first] if first is not None else float(np.mean(figures.ap))
            for figures in self.classes
            if figures.ap is not None
        ]
        return float(np.mean(values)) if values else None


@dataclass(frozen=True, slots=True)
class _Matches:
    """Of one label: all detections by descending score."""

    scores: npt.NDArray[np.float64]
    hits: npt.NDArray[np.bool_]
    truth: int


def measure(
    outcomes: Sequence[Outcome], labels: Sequence[str], ious: Sequence[float] = IOUS
) -> ObjectFigures:
    """Compare all detections of ``labels`` with the boxes."""
    judge = _compared(outcomes, labels, ious, by_label=True)
    precision: npt.NDArray[np.float64] = judge.eval["precision"][:, :, :, 0, 0]
    recalls: npt.NDArray[np.float64] = judge.params.recThrs
    classes = []
    false: list[set[int]] = [set() for _ in outcomes]
    missed: list[set[int]] = [set() for _ in outcomes]
    for number, label in enumerate(labels):
        truth = sum(name == label for outcome in outcomes for name, _ in outcome.truth)
        found = right = 0
        threshold: float | None = None
        for index, (outcome, match) in enumerate(
            zip(outcomes, judge.evalImgs[number * len(outcomes) :], strict=False)
        ):
            hits = _hits(match)
            boxes = {place for place, (name, _) in enumerate(outcome.truth) if name == label}
            for place, seen in enumerate(outcome.seen):
                if seen.label == label:
                    threshold = seen.threshold
                    if seen.counts:
                        found += 1
                        if place in hits:
                            right += 1
                            boxes.discard(hits[place])
                        else:
                            false[index].add(place)
            missed[index] |= boxes
        ap = (
            tuple(float(precision[row, :, number].mean()) for row in range(len(ious)))
            if truth
            else None
        )
        curve = (
            tuple(zip(recalls.tolist(), precision[0, :, number].tolist(), strict=True)) if truth else ()
        )
        classes.append(
            ClassFigures(label, threshold, truth, found, right, *_rates(truth, found, right), ap, curve)
        )
    total = [sum(getattr(figures, name) for figures in classes) for name in ("truth", "found", "right")]
    return ObjectFigures(
        tuple(ious),
        tuple(classes),
        *_rates(*total),
        tuple(map(frozenset, false)),
        tuple(map(frozenset, missed)),
    )


def published(
    outcomes: Sequence[Outcome], labels: Sequence[str], iou: float
) -> tuple[float | None, float | None]:
    """Mean average precision over all detections, not interpolated, and the F-score of those that
    count, over all labels together: the protocol that DeepPCB was published with, at any IoU."""
    judge = _compared(outcomes, labels, (iou,), by_label=True)
    values = []
    there = found = right = 0
    for number, label in enumerate(labels):
        truth = sum(name == label for outcome in outcomes for name, _ in outcome.truth)
        scores, hits = [], []
        for outcome, match in zip(outcomes, judge.evalImgs[number * len(outcomes) :], strict=False):
            matched = _hits(match)
            for place, seen in enumerate(outcome.seen):
                if seen.label == label:
                    scores.append(seen.score)
                    hits.append(place in matched)
                    found += seen.counts
                    right += seen.counts and place in matched
        there += truth
        if truth:
            # scikit-learn's recall is of the boxes that were found at all
            share = sum(hits) / truth
            values.append(average_precision_score(hits, scores) * share if share else 0.0)
    return (float(np.mean(values)) if values else None), _rates(there, found, right)[2]


def mask_precision(outcomes: Sequence[Outcome], labels: Sequence[str]) -> tuple[float, float] | None:
    """mAP50 and mAP50-95 of masks, as COCO has them; None where nothing is to be found.

    What has no mask or outline stands for all pixels of its box.
    """
    judge = _compared(outcomes, labels, IOUS, by_label=True, masks=True)
    values: npt.NDArray[np.float64] = judge.eval["precision"][:, :, :, 0, 0].mean(axis=1)
    there = [number for number in range(len(labels)) if (values[:, number] > -1).all()]
    if not there:
        return None
    return float(values[0, there].mean()), float(values[:, there].mean())


def confusion(
    outcomes: Sequence[Outcome], labels: Sequence[str], iou: float = IOUS[0]
) -> npt.NDArray[np.int64]:
    """``(labels + 1, labels + 1)`` counts, truth by row, found by column, ``none`` last.

    Of the detections that count; a box is taken by the detection that overlaps it, whatever its label.
    """
    strong = [tuple(seen for seen in outcome.seen if seen.counts) for outcome in outcomes]
    judge = _compared(outcomes, labels, (iou,), by_label=False, seen=strong)
    counts = np.zeros((len(labels) + 1, len(labels) + 1), np.int64)
    place = {label: number for number, label in enumerate(labels)}
    for outcome, found, match in zip(outcomes, strong, judge.evalImgs, strict=True):
        hits = _hits(match)
        for index, seen in enumerate(found):
            if seen.label in place:
                row = place[outcome.truth[hits[index]][0]] if index in hits else len(labels)
                counts[row, place[seen.label]] += 1
        taken = set(hits.values())
        for index, (label, _) in enumerate(outcome.truth):
            if label in place and index not in taken:
                counts[place[label], len(labels)] += 1
    return counts


def _rates(truth: int, found: int, right: int) -> tuple[float | None, float | None, float | None]:
    """Precision, recall and F-score."""
    return (
        right / found if found else None,
        right / truth if truth else None,
        2 * right / (truth + found) if truth + found else None,
    )


_SHIFT = 1_000_000
"""Annotation ids are ``picture * _SHIFT + place + 1``: 0 means unmatched to pycocotools."""


def _hits(match: Mapping[str, npt.NDArray[np.float64]] | None) -> dict[int, int]:
    """Which detection took which box at the first IoU, by their places in the outcome."""
    if match is None:
        return {}
    return {
        (int(found) - 1) % _SHIFT: (int(box) - 1) % _SHIFT
        for found, box in zip(match["dtIds"], match["dtMatches"][0], strict=True)
        if box
    }


def _compared(
    outcomes: Sequence[Outcome],
    labels: Sequence[str],
    ious: Sequence[float],
    *,
    by_label: bool,
    seen: Sequence[Sequence[Seen]] | None = None,
    masks: bool = False,
) -> COCOeval:
    numbers = {label: number for number, label in enumerate(labels, 1)}
    truth = [
        _annotation(picture, place, numbers[label], box)
        | ({"segmentation": _outline(outcome, place)} if masks else {})
        for picture, outcome in enumerate(outcomes)
        for place, (label, box) in enumerate(outcome.truth)
        if label in numbers
    ]
    found = [
        _annotation(picture, place, numbers[item.label], item.box)
        | {"score": item.score}
        | ({"segmentation": _pixels(item, outcomes[picture].size)} if masks else {})
        for picture, items in enumerate(seen or [outcome.seen for outcome in outcomes])
        for place, item in enumerate(items)
        if item.label in numbers
    ]
    # it tells of its progress on stdout, which is for results
    with contextlib.redirect_stdout(io.StringIO()):
        judge = COCOeval(
            _coco(len(outcomes), numbers, truth),
            _coco(len(outcomes), numbers, found),
            "segm" if masks else "bbox",
        )
        judge.params.imgIds = list(range(len(outcomes)))
        judge.params.catIds = list(numbers.values())
        judge.params.useCats = int(by_label)
        judge.params.iouThrs = np.array(ious)
        judge.params.maxDets = [_MOST]
        judge.params.areaRng = [[0, 1e12]]
        judge.params.areaRngLbl = ["all"]
        judge.evaluate()
        if by_label:
            judge.accumulate()
    return judge


def _annotation(picture: int, place: int, label: int, box: Box) -> dict[str, object]:
    return {
        "id": picture * _SHIFT + place + 1,
        "image_id": picture,
        "category_id": label,
        "bbox": [box.x1, box.y1, box.width, box.height],
        "area": box.area,
        "iscrowd": 0,
    }


def _outline(outcome: Outcome, place: int) -> dict[str, object]:
    """The truth's pixels, run-length encoded."""
    width, height = outcome.size
    corners = outcome.outlines[place] if outcome.outlines else None
    if corners is None:
        box = outcome.truth[place][1]
        corners = ((box.x1, box.y1), (box.x2, box.y1), (box.x2, box.y2), (box.x1, box.y2))
    flat = [value for corner in corners for value in corner]
    encoded: dict[str, object] = coding.frPyObjects([flat], max(1, height), max(1, width))[0]
    return encoded


def _pixels(item: Seen, size: tuple[int, int]) -> dict[str, object]:
    """A detection's pixels, run-length encoded."""
    canvas = np.zeros((size[1], size[0]), np.uint8, order="F")
    if item.mask is None:
        box = item.box
        canvas[round(box.y1) : round(box.y2), round(box.x1) : round(box.x2)] = 1
    else:
        mask = item.mask
        canvas[mask.y : mask.y + mask.height, mask.x : mask.x + mask.width] = mask.pixels
    encoded: dict[str, object] = coding.encode(canvas)
    return encoded


def _coco(
    pictures: int, labels: Mapping[str, int], annotations: Iterable[Mapping[str, object]]
) -> COCO:
    coco = COCO()
    coco.dataset = {
        # a size is asked for, and not used where masks are encoded already
        "images": [{"id": number, "width": 1, "height": 1} for number in range(pictures)],
        "categories": [{"id": number, "name": label} for label, number in labels.items()],
        "annotations": [dict(item) for item in annotations],
    }
    coco.createIndex()
    return coco
