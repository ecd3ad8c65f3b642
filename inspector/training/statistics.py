"""The statistics of a data set from which :func:`inspector.training.plan.choose` decides."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import cv2
import numpy as np
import numpy.typing as npt

from inspector.datasets.yolo import YoloData
from inspector.training.card import read_picture
from inspector.training.plan import Statistics
from inspector.training.workset import drawn_from, objects

MAX_PICTURES = 400
"""Looked at; more would not change a choice."""
_THUMB = 16
_FEW_PICTURES = 20
"""Fewer have no average that says anything."""
_FEW_OBJECTS = 20
_TOLD = 0.98
"""Probability that an object of the one class lies left of one of the other: told by its place."""


def statistics_of(data: YoloData, *, strict: bool = True) -> Statistics:
    """Look at up to 400 training pictures, drawn by chance.

    Raises :class:`DataError` for a picture or a label that cannot be read.
    """
    pictures = data.splits["train"]
    longs: list[float] = []
    sides: list[float] = []
    lengths: list[float] = []
    shares: list[float] = []
    places: dict[str, list[tuple[float, float]]] = {}
    thumbs = []
    for path in drawn_from(pictures, MAX_PICTURES):
        image = read_picture(path)
        height, width = image.shape[:2]
        long_px = max(width, height)
        longs.append(long_px)
        grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
        thumb = cv2.resize(grey, (_THUMB, _THUMB), interpolation=cv2.INTER_AREA)
        thumbs.append(np.asarray(thumb, np.float32))
        for item in objects(data, path, width, height, strict=strict):
            label, box = data.labels[item.kind], item.box
            side = float(np.sqrt(max(box.area, 0.0)))
            sides.append(side)
            lengths.append(max(box.width, box.height))
            shares.append(side / long_px)
            centre = (box.x1 + box.x2) / 2 / width, (box.y1 + box.y2) / 2 / height
            places.setdefault(label, []).append(centre)
    return Statistics(
        task=data.task,
        labels=data.labels,
        pictures=len(pictures),
        val_pictures=len(data.splits["val"]),
        long_px=float(np.percentile(longs, 90)),
        object_px=float(np.percentile(sides, 10)) if sides else 0.0,
        large_object_px=float(np.percentile(lengths, 95)) if lengths else 0.0,
        object_share=float(np.percentile(shares, 10)) if shares else 0.0,
        upside_down=upside_down(thumbs),
        told_by_x=told_by_place(places, 0),
        told_by_y=told_by_place(places, 1),
    )


def upside_down(thumbs: Sequence[npt.NDArray[np.float32]]) -> float:
    """How different the average picture is from itself upside down, by the pictures' own contrast.

    Textures and loose parts, of which each lies differently, have an average without above and below.
    Too few pictures to say give 1.
    """
    if len(thumbs) < _FEW_PICTURES:
        return 1.0
    average = np.mean(thumbs, axis=0)
    contrast = float(np.mean([thumb.std() for thumb in thumbs]))
    if contrast == 0:
        return 0.0
    return float((average - average[::-1]).std() / 2 / contrast)


def told_by_place(places: Mapping[str, Sequence[tuple[float, float]]], axis: int) -> bool:
    """Whether two classes, each with enough objects, never change places along ``axis`` (0: x)."""
    known = [
        np.array([place[axis] for place in found])
        for found in places.values()
        if len(found) >= _FEW_OBJECTS
    ]
    for one, other in itertools.combinations(known, 2):
        left = float((one[:, None] < other[None]).mean())
        if max(left, 1 - left) > _TOLD:
            return True
    return False
