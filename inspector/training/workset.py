"""The data set as the training library sees it: a copy in the work folder, made for one plan.

The user's folder is left alone: the library writes caches beside labels and repairs JPEG files in
place. Pictures are linked; labels are written anew, clipped to the picture, because the library drops
a picture for one number above 1. Tiles are cut, repeats are further links.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import yaml

from inspector.datasets.labels import label_file, read_labels
from inspector.datasets.yolo import YoloData
from inspector.domain import Box, Image
from inspector.errors import DataError
from inspector.training.card import read_picture
from inspector.training.plan import Plan

VISIBLE = 0.5
"""An object of which a tile shows less is no example of its class."""
EMPTY_SHARE = 0.5
"""Tiles without an object that are kept, by the number of those with one."""
VAL_PICTURES = 500
"""Measured after each epoch; the bundle is measured on all."""

Polygon = npt.NDArray[np.float64]
"""``(n, 2)`` pixels."""


@dataclass(frozen=True)
class Workset:
    """What was written."""

    path: Path
    """What the library is told: a ``data.yaml``, or of a classification set the folder."""
    train: int
    """Pictures or tiles, repeats included."""
    val: int


@dataclass(frozen=True)
class Marked:
    """A labelled object in a picture, in pixels."""

    kind: int
    box: Box
    polygon: Polygon | None = None


def write_workset(data: YoloData, plan: Plan, out: Path, seed: int, *, strict: bool = True) -> Workset:
    """Write the training and validation pictures of ``data`` into ``out``, replacing it.

    Raises :class:`DataError` for a picture or a label that cannot be read.
    """
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    train, val = data.splits["train"], data.splits["val"]
    train = drawn_from(train, max(1, len(train) // plan.every), seed)
    val = drawn_from(val, VAL_PICTURES, seed)
    if data.task == "classify":
        for split, pictures, repeats in (("train", train, plan.repeats), ("val", val, 1)):
            for kind in range(len(data.labels)):
                # the library numbers classes by the order of these names
                (out / split / f"{kind:04d}").mkdir(parents=True)
            for number, path in enumerate(pictures):
                folder = out / split / f"{data.labels.index(data.category(path)):04d}"
                # as the line sees it: the whole picture, made square; the library would cut it
                square = cv2.resize(read_picture(path), (plan.imgsz, plan.imgsz))
                first = folder / f"{number:06d}-0.png"
                _save(first, np.asarray(square, np.uint8))
                for repeat in range(1, repeats):
                    (folder / f"{number:06d}-{repeat}.png").symlink_to(first)
        return Workset(out, len(train) * plan.repeats, len(val))
    rng = np.random.default_rng(seed)
    written = []
    for split, pictures, repeats in (("train", train, plan.repeats), ("val", val, 1)):
        images, labels = out / split / "images", out / split / "labels"
        images.mkdir(parents=True)
        labels.mkdir()
        if plan.tile is None:
            written.append(len(pictures) * repeats)
            for number, path in enumerate(pictures):
                height, width = read_picture(path).shape[:2]
                text = _lines(objects(data, path, width, height, strict=strict), width, height)
                for repeat in range(repeats):
                    _link(path, images / f"{number:06d}-{repeat}{path.suffix.lower()}")
                    (labels / f"{number:06d}-{repeat}.txt").write_text(text, encoding="utf-8")
        else:
            written.append(_write_tiles(data, pictures, plan, images, labels, rng, strict))
    described = {
        "path": str(out),
        "train": "train/images",
        "val": "val/images",
        "names": dict(enumerate(data.labels)),
    }
    path = out / "data.yaml"
    path.write_text(yaml.safe_dump(described, sort_keys=False), encoding="utf-8")
    return Workset(path, *written)


def drawn_from(pictures: Sequence[Path], most: int, seed: int = 0) -> tuple[Path, ...]:
    """At most so many of ``pictures``, drawn by chance, in their order.

    Every n-th would meet only some classes of a set that takes turns with them.
    """
    if len(pictures) <= most:
        return tuple(pictures)
    chosen = np.random.default_rng(seed).choice(len(pictures), most, replace=False)
    return tuple(pictures[index] for index in sorted(chosen.tolist()))


def objects(
    data: YoloData, picture: Path, width: int, height: int, *, strict: bool = True
) -> list[Marked]:
    """The objects of a picture of that size, with polygons where the data set has them.

    Raises :class:`DataError` for a line that is no label of this data set; unless ``strict``, such
    lines are left out.
    """
    if data.task == "classify":
        return []
    if strict:
        data.objects(picture, width, height)
    found = []
    for row in read_labels(label_file(picture), data.labels)[0]:
        left, top, right, bottom = row.edges
        box = Box(left * width, top * height, right * width, bottom * height)
        polygon = None
        if data.task == "segment":
            corners = row.polygon or ((left, top), (right, top), (right, bottom), (left, bottom))
            polygon = np.array(corners) * (width, height)
        found.append(Marked(row.number, box, polygon))
    return found


def tile_corners(width: int, height: int, side: int, overlap: int) -> list[tuple[int, int]]:
    """Left upper corners of the tiles that cover a picture with at least that overlap, evenly."""
    return [(x, y) for y in _starts(height, side, overlap) for x in _starts(width, side, overlap)]


def in_tile(found: Sequence[Marked], x: int, y: int, side: int) -> list[Marked]:
    """The objects that a tile shows well enough, in pixels of the tile."""
    shown = []
    for item in found:
        moved = Box(item.box.x1 - x, item.box.y1 - y, item.box.x2 - x, item.box.y2 - y)
        inside = moved.clipped(side, side)
        if inside.area <= 0 or inside.area < VISIBLE * moved.area:
            continue
        if item.polygon is None:
            shown.append(replace(item, box=inside))
            continue
        cut = _clipped(item.polygon - (x, y), side)
        if cut is not None:
            shown.append(Marked(item.kind, _around(cut), cut))
    return shown


def _write_tiles(
    data: YoloData,
    pictures: Sequence[Path],
    plan: Plan,
    images: Path,
    labels: Path,
    rng: np.random.Generator,
    strict: bool,
) -> int:
    """Tiles with objects, and some without; returns their number."""
    side, overlap = plan.tile or 0, plan.overlap
    written, empty = 0, 0
    for number, path in enumerate(pictures):
        image = read_picture(path)
        height, width = image.shape[:2]
        found = objects(data, path, width, height, strict=strict)
        bare = []
        for x, y in tile_corners(width, height, side, overlap):
            shown = in_tile(found, x, y, side)
            if not shown:
                bare.append((x, y))
                continue
            _write_tile(image, x, y, side, shown, images, labels, f"{number:06d}-{x}-{y}")
            written += 1
        # a picture without an object still teaches what is none
        wanted = max(1, math.ceil(EMPTY_SHARE * written) - empty) if bare else 0
        for index in rng.permutation(len(bare))[: min(wanted, 4)]:
            x, y = bare[index]
            _write_tile(image, x, y, side, [], images, labels, f"{number:06d}-{x}-{y}")
            empty += 1
    return written + empty


def _write_tile(
    image: Image,
    x: int,
    y: int,
    side: int,
    shown: Sequence[Marked],
    images: Path,
    labels: Path,
    name: str,
) -> None:
    cut = image[y : y + side, x : x + side]
    _save(images / f"{name}.png", cut)
    height, width = cut.shape[:2]
    (labels / f"{name}.txt").write_text(_lines(shown, width, height), encoding="utf-8")


def _lines(found: Sequence[Marked], width: int, height: int) -> str:
    """The label file's text; objects are clipped to the picture."""
    lines = []
    for item in found:
        box = item.box.clipped(width, height)
        if box.area <= 0:
            continue
        if item.polygon is not None:
            points = np.clip(item.polygon / (width, height), 0, 1)
            numbers = points.reshape(-1).tolist()
        else:
            numbers = [
                (box.x1 + box.x2) / 2 / width,
                (box.y1 + box.y2) / 2 / height,
                box.width / width,
                box.height / height,
            ]
        lines.append(" ".join([str(item.kind), *(f"{value:.6f}" for value in numbers)]))
    return "".join(f"{line}\n" for line in lines)


def _starts(length: int, side: int, overlap: int) -> Iterator[int]:
    if length <= side:
        yield 0
        return
    count = math.ceil((length - overlap) / (side - overlap))
    for number in range(count):
        yield round(number * (length - side) / (count - 1))


def _around(points: Polygon) -> Box:
    (x1, y1), (x2, y2) = points.min(0).tolist(), points.max(0).tolist()
    return Box(x1, y1, x2, y2)


def _clipped(polygon: Polygon, side: int) -> Polygon | None:
    """The largest part of ``polygon`` inside a tile; None when no pixel is."""
    canvas = np.zeros((side, side), np.uint8)
    cv2.fillPoly(canvas, [np.round(polygon).astype(np.int32)], 1)
    contours, _ = cv2.findContours(canvas, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    large = [contour.reshape(-1, 2) for contour in contours if len(contour) >= 3]
    if not large:
        return None
    return np.asarray(max(large, key=cv2.contourArea), np.float64)


def _save(path: Path, image: Image) -> None:
    if not cv2.imwrite(str(path), image, [cv2.IMWRITE_PNG_COMPRESSION, 1]):
        raise DataError(f"{path} cannot be written", "Check the free space and the permissions")


def _link(source: Path, target: Path) -> None:
    """Link, or copy a JPEG file that the library would repair in place."""
    if source.suffix.lower() in (".jpg", ".jpeg"):
        with source.open("rb") as stream:
            stream.seek(-2, 2)
            whole = stream.read() == b"\xff\xd9"
        if not whole:
            shutil.copyfile(source, target)
            return
    target.symlink_to(source.resolve())
