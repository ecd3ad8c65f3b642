"""Pictures larger than the network's input: cut into tiles at full resolution, looked at one by one.

Neighbouring tiles overlap, so that what is no larger than the overlap is seen whole by one of them;
what both see is merged, so that a defect on a seam is found once, however large it is.

supervision's ``InferenceSlicer`` was looked at and left: it brings 320 MB to the line computer (scipy,
matplotlib, av), and like sahi it merges by plain overlap of boxes. The pieces of a long scratch share
no more than the overlap of their tiles, too little for such a rule; knowing the seams, it is exact.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from inspector.bundle import Tile
from inspector.domain import Box, Detection, Image
from inspector.errors import DefectError
from inspector.ports import Detector
from inspector.runtimes.fitting import PAD

_SAME = 0.4
"""IoU from which two objects that two tiles see whole are one."""
_INSIDE = 0.5
"""Share of the smaller, within what both tiles see, from which a cut piece belongs to a whole."""
_FACING = 0.05
"""The same for two pieces that are cut by the same seam: a diagonal's pieces share little."""
_SLACK = 0.3
"""How far a box may tremble, as a share of the margin below."""
_MARGIN = 0.01
"""A box that ends so near to its tile's edge, as a share of the side, was cut by it."""

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


class TiledDetector:
    """Implements :class:`inspector.ports.Detector` around another one. Safe to call from threads.

    Every tile has ``tile.side`` pixels a side; a picture or side that is smaller is padded with grey,
    so that the scale is always that of the training.
    """

    def __init__(self, detector: Detector, tile: Tile) -> None:
        self._detector = detector
        self._tile = tile

    def detect(self, image: Image) -> tuple[Detection, ...]:
        """All objects in ``image`` (``(height, width, 3)`` ``uint8`` BGR), most confident first.

        Raises :class:`DefectError` as the detector inside does, or when the picture is empty.
        """
        if not image.size:
            raise DefectError(f"An empty picture, {image.shape}, cannot be inspected")
        height, width = image.shape[:2]
        rects = tiles(width, height, self._tile)
        seen = [[_shifted(d, rect) for d in self._look(image, rect)] for rect in rects]
        return merge(seen, rects, self._tile.side * _MARGIN)

    def _look(self, image: Image, rect: Box) -> Sequence[Detection]:
        x1, y1, x2, y2 = (int(value) for value in rect.rounded(0))
        view, side = image[y1:y2, x1:x2], self._tile.side
        if view.shape[:2] == (side, side):
            return self._detector.detect(view)
        padded = np.full((side, side, 3), PAD, np.uint8)
        padded[: y2 - y1, : x2 - x1] = view
        return [
            inside
            for found in self._detector.detect(padded)
            if (inside := _clipped(found, x2 - x1, y2 - y1)) is not None
        ]


def tiles(width: int, height: int, tile: Tile) -> list[Box]:
    """The tiles of a picture of that size, row by row; evenly spread, their overlap never smaller.

    Their number grows with the picture's area and no faster.
    """
    columns, rows = _starts(width, tile), _starts(height, tile)
    return [
        Box(x, y, min(x + tile.side, width), min(y + tile.side, height)) for y in rows for x in columns
    ]


def _starts(length: int, tile: Tile) -> list[int]:
    if length <= tile.side:
        return [0]
    count = -(-(length - tile.overlap) // (tile.side - tile.overlap))
    return [round(index * (length - tile.side) / (count - 1)) for index in range(count)]


def merge(
    seen: Sequence[Sequence[Detection]], rects: Sequence[Box], margin: float
) -> tuple[Detection, ...]:
    """What each tile saw, in pixels of the picture, as one list: each object once, strongest first.

    ``margin``: a box that ends within so many pixels of its tile's edge, where the picture goes on, is
    a piece. Whole objects that two tiles see alike are one, the stronger is kept. A piece belongs to
    the whole that it covers best, else to the pieces that face it across the seam: they are joined.
    """
    found = [detection for detections in seen for detection in detections]
    owner = [index for index, detections in enumerate(seen) for _ in detections]
    if len(rects) == 1 or not found:
        return tuple(found)
    groups = _Groups(len(found))
    view = _View.of(found, owner, rects, margin)
    best: dict[int, tuple[float, int]] = {}
    for first, second in view.neighbours():
        for pair in view.pairs(first, second):
            one, other = pair.one, pair.other
            pieces = view.is_piece(one), view.is_piece(other)
            if pieces == (False, False):
                if pair.iou >= _SAME:
                    groups.join(one, other)
            elif pieces == (True, True):
                if pair.shared >= (_FACING if pair.facing else _INSIDE):
                    groups.join(one, other)
            elif pair.shared_about >= _INSIDE:
                piece, whole = (one, other) if pieces[0] else (other, one)
                best[piece] = max(best.get(piece, (-1.0, -1)), (pair.iou, whole))
    for piece, (_, whole) in best.items():
        groups.join(piece, whole)
    merged = [
        _joined([found[i] for i in group], [rects[owner[i]] for i in group], view.wholes(group))
        for group in groups
    ]
    return tuple(sorted(merged, key=lambda d: -d.confidence))


@dataclass(frozen=True, slots=True)
class _Pair:
    """Two detections of one label by two tiles, compared within what both tiles see."""

    one: int
    other: int
    shared: float
    """Share of the smaller that is common."""
    shared_about: float
    """The same for boxes that tremble by a pixel or two: a sliver at an edge is not much wider."""
    iou: float
    facing: bool
    """Both are pieces, cut by edges of which each runs through the other's tile."""


@dataclass(frozen=True)
class _View:
    """All detections as arrays, and which of them each tile's edges have cut."""

    rects: Floats
    """``(tiles, 4)``"""
    boxes: Floats
    """``(n, 4)``"""
    labels: npt.NDArray[np.int64]
    cut: Flags
    """``(n, 4)``: at the left, upper, right, lower edge of its tile, where the picture goes on."""
    of_tile: list[npt.NDArray[np.int64]]
    """Indices of each tile's detections."""
    slack: float
    """How far a box may tremble."""

    @classmethod
    def of(
        cls, found: Sequence[Detection], owner: Sequence[int], rects: Sequence[Box], margin: float
    ) -> _View:
        edges = np.array([(r.x1, r.y1, r.x2, r.y2) for r in rects], np.float64)
        boxes = np.array([(d.box.x1, d.box.y1, d.box.x2, d.box.y2) for d in found], np.float64)
        numbers = {label: n for n, label in enumerate(dict.fromkeys(d.label for d in found))}
        labels = np.array([numbers[d.label] for d in found], np.int64)
        owners = np.array(owner, np.int64)
        limits = np.concatenate((edges[:, :2].min(0), edges[:, 2:].max(0)))
        inner = edges != limits
        cut = (np.abs(boxes - edges[owners]) <= margin) & inner[owners]
        of_tile = [np.flatnonzero(owners == number) for number in range(len(rects))]
        return cls(edges, boxes, labels, cut, of_tile, margin * _SLACK)

    def is_piece(self, index: int) -> bool:
        return bool(self.cut[index].any())

    def wholes(self, group: Sequence[int]) -> list[bool]:
        return [not self.is_piece(index) for index in group]

    def neighbours(self) -> Iterator[tuple[int, int]]:
        """Pairs of tiles that see something in common; their number grows with that of the tiles."""
        for first in range(len(self.rects)):
            later = self.rects[first + 1 :]
            low = np.maximum(self.rects[first, :2], later[:, :2])
            high = np.minimum(self.rects[first, 2:], later[:, 2:])
            for offset in np.flatnonzero((low < high).all(1)):
                yield first, first + 1 + int(offset)

    def pairs(self, first: int, second: int) -> Iterator[_Pair]:
        """Detections of two tiles that have one label and overlap, or nearly."""
        rects = self.rects[[first, second]]
        low, high = rects[:, :2].max(0) - self.slack, rects[:, 2:].min(0) + self.slack
        zone = np.concatenate((low, high))
        ones, others = (self._within(tile, zone) for tile in (first, second))
        if not len(ones) or not len(others):
            return
        a, b = self._clipped(ones, zone)[:, None], self._clipped(others, zone)[None]
        sides = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
        smaller = np.minimum(a[..., 2:] - a[..., :2], b[..., 2:] - b[..., :2])
        common = np.clip(sides, 0, None).prod(-1)
        about = np.clip(np.minimum(sides + self.slack, smaller), 0, None).prod(-1)
        area_a, area_b = (np.prod(c[..., 2:] - c[..., :2], -1) for c in (a, b))
        least = np.minimum(area_a, area_b)
        shared, shared_about = common / least, about / least
        iou = common / (area_a + area_b - common)
        inside = self._edges_inside(first, second), self._edges_inside(second, first)
        crossing = np.any(self.cut[ones] & inside[0], 1), np.any(self.cut[others] & inside[1], 1)
        facing = np.logical_and.outer(*crossing)
        same = self.labels[ones][:, None] == self.labels[others][None]
        for i, j in zip(*np.nonzero(same & (about > 0)), strict=True):
            yield _Pair(
                int(ones[i]),
                int(others[j]),
                float(shared[i, j]),
                float(shared_about[i, j]),
                float(iou[i, j]),
                bool(facing[i, j]),
            )

    def _within(self, tile: int, zone: Floats) -> npt.NDArray[np.int64]:
        mine = self.of_tile[tile]
        boxes = self.boxes[mine]
        return mine[((boxes[:, :2] < zone[2:]) & (boxes[:, 2:] > zone[:2])).all(1)]

    def _clipped(self, indices: npt.NDArray[np.int64], zone: Floats) -> Floats:
        boxes = self.boxes[indices]
        low, high = np.maximum(boxes[:, :2], zone[:2]), np.minimum(boxes[:, 2:], zone[2:])
        return np.concatenate((low, high), axis=1)

    def _edges_inside(self, tile: int, other: int) -> Flags:
        """Which edges of ``tile`` run through ``other``."""
        mine, its = self.rects[tile], self.rects[other]
        return np.concatenate((mine[:2] > its[:2], mine[2:] < its[2:]))


class _Groups:
    """Which detections are of one object (disjoint sets)."""

    def __init__(self, count: int) -> None:
        self._parent = list(range(count))

    def join(self, one: int, other: int) -> None:
        self._parent[self._root(one)] = self._root(other)

    def _root(self, index: int) -> int:
        while self._parent[index] != index:
            self._parent[index] = self._parent[self._parent[index]]
            index = self._parent[index]
        return index

    def __iter__(self) -> Iterator[list[int]]:
        groups: dict[int, list[int]] = {}
        for index in range(len(self._parent)):
            groups.setdefault(self._root(index), []).append(index)
        return iter(groups.values())


def _joined(group: Sequence[Detection], rects: Sequence[Box], whole: Sequence[bool]) -> Detection:
    """One detection of all that were seen of an object, as sure as the surest.

    Where one tile saw it whole, the others only add what lies outside of that tile.
    """
    if len(group) == 1:
        return group[0]
    surest = max(range(len(group)), key=lambda i: (whole[i], group[i].confidence))
    box, mask = group[surest].box, group[surest].mask
    for index, other in enumerate(group):
        if index == surest or (whole[surest] and _covers(rects[surest], other.box)):
            continue
        box = Box(
            min(box.x1, other.box.x1),
            min(box.y1, other.box.y1),
            max(box.x2, other.box.x2),
            max(box.y2, other.box.y2),
        )
        if other.mask is not None:
            mask = other.mask if mask is None else mask.joined(other.mask)
    confidence = max(detection.confidence for detection in group)
    return Detection(group[surest].label, confidence, box, mask)


def _covers(rect: Box, box: Box) -> bool:
    return rect.intersection(box) >= box.area


def _shifted(found: Detection, rect: Box) -> Detection:
    x, y, box = int(rect.x1), int(rect.y1), found.box
    moved = Box(box.x1 + x, box.y1 + y, box.x2 + x, box.y2 + y)
    mask = None if found.mask is None else found.mask.moved(x, y)
    return Detection(found.label, found.confidence, moved, mask)


def _clipped(found: Detection, width: int, height: int) -> Detection | None:
    """The part of it inside a picture of that size, which was padded at its right and lower side."""
    box = found.box.clipped(width, height)
    if box.area <= 0:
        return None
    mask = found.mask
    if mask is not None:
        mask = mask.cropped(width, height)
    return Detection(found.label, found.confidence, box, mask)
