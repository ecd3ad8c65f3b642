"""The part must look like the good ones that the model has learnt."""

from __future__ import annotations

import cv2
import numpy as np

from inspector.checks.regions import part_boxes
from inspector.criteria import PartRegion
from inspector.domain import (
    AnomalyMap,
    Box,
    Cause,
    CheckResult,
    Finding,
    FindingKind,
    Image,
    Part,
    Score,
)
from inspector.mask import Mask
from inspector.ports import AnomalyModel

HOT = 0.8
"""The finding's box encloses what scores at least this share of the hottest spot."""


class AnomalyCheck:
    """Implements :class:`inspector.ports.Check`; the score is the model's own, raw.

    A finding's mask is what the map says is odd: at least as hot as the review threshold, or, where the
    map stays below it, as the hottest spot by ``HOT``.
    """

    def __init__(
        self,
        name: str,
        model: AnomalyModel,
        threshold: float,
        review: float,
        region: PartRegion | None = None,
        detector: str = "",
    ) -> None:
        self.name = name
        self._model = model
        self._threshold = threshold
        self._review = review
        self._region = region
        self._detector = detector

    def inspect(self, part: Part) -> CheckResult:
        """Score the region of each part in the first picture; a region without a part is NoPart."""
        image = part.frames[0].image
        regions = regions_of(part, self._region, self._detector)
        if not regions:
            return CheckResult((no_part(self.name, image),))
        scored = [(self._model.score(crop(image, box)), box) for box in regions]
        findings = tuple(
            Finding(
                self.name,
                FindingKind.ANOMALY,
                "anomaly",
                result.score,
                self._threshold,
                hot_box(result, box),
                self._review,
                mask=hot_mask(result, box, self._review),
            )
            for result, box in scored
            # not '>=': a score that is no number must not pass by failing every comparison
            if not result.score < self._review
        )
        worst, box = max(scored, key=lambda pair: pair[0].score)
        score = Score(self.name, worst.score, self._threshold, self._review)
        return CheckResult(findings, (score,), worst, box)


def regions_of(part: Part, region: PartRegion | None, detector: str) -> list[Box]:
    """What to look at in the first picture: the region of each part, or the whole picture."""
    width, height = part.frames[0].size
    if region is None:
        return [Box(0, 0, width, height)]
    return [region_box(box, region, width, height) for box in part_boxes(part, detector, region.of)]


def region_box(box: Box, region: PartRegion, width: int, height: int) -> Box:
    """The region of a part's box in whole pixels, clipped to a picture of that size."""
    inner = box.part(*region.inner).clipped(width, height)
    return Box(*(float(round(value)) for value in inner.rounded(0)))


def crop(image: Image, box: Box) -> Image:
    """A view of the picture inside the box, at least one pixel large."""
    x1, y1 = int(box.x1), int(box.y1)
    return image[y1 : max(int(box.y2), y1 + 1), x1 : max(int(box.x2), x1 + 1)]


def hot_box(result: AnomalyMap, region: Box) -> Box:
    """Where in the picture the map is hottest: the connected area around its maximum."""
    heat = result.heat
    rows, columns = heat.shape
    mask = (heat >= HOT * float(heat.max())).astype(np.uint8)
    _, marks = cv2.connectedComponents(mask, connectivity=8)
    row, column = np.unravel_index(int(heat.argmax()), heat.shape)
    ys, xs = np.nonzero(marks == marks[row, column])
    return region.part(
        float(xs.min()) / columns,
        float(ys.min()) / rows,
        float(xs.max() + 1) / columns,
        float(ys.max() + 1) / rows,
    )


def hot_mask(result: AnomalyMap, region: Box, threshold: float) -> Mask | None:
    """The pixels of the picture at least as hot as ``threshold``; None when the map is cold all over.

    A map whose maximum stays below the threshold, as of a model whose score is not its map's maximum,
    is cut at ``HOT`` of its maximum.
    """
    heat = result.heat
    hottest = float(heat.max())
    if hottest <= 0:
        return None
    width, height = max(1, round(region.width)), max(1, round(region.height))
    # nearest keeps the cells' edges, so that the mask claims no finer resolution than the map has
    hot = (heat >= (threshold if hottest >= threshold else HOT * hottest)).astype(np.uint8)
    pixels = cv2.resize(hot, (width, height), interpolation=cv2.INTER_NEAREST).astype(np.bool_)
    rows, columns = np.flatnonzero(pixels.any(1)), np.flatnonzero(pixels.any(0))
    if not rows.size:
        # a region smaller than its map may lose the spot
        return None
    cut = pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return Mask.of(cut, round(region.x1) + int(columns[0]), round(region.y1) + int(rows[0]))


def no_part(check: str, image: Image) -> Finding:
    """The picture does not show the part that the check is about."""
    whole = Box(0, 0, image.shape[1], image.shape[0])
    return Finding(check, FindingKind.QUALITY, Cause.NO_PART.word, 1.0, 1.0, whole)
