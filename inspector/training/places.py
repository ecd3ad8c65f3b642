"""Photos of one part become a detector's data set: boxes drawn on one photo hold for all of them.

Nobody draws boxes on seventy photos of the same part. Its places are marked on one, the *reference*;
on every other photo they are found by registration (SIFT features of the part's texture, a similarity
fitted by RANSAC), and what each place holds is told by the photo's name. Turned and shifted copies are
added, so that the detector does not rely on a pose that the photos happen to share.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from pydantic import BaseModel, ConfigDict, Field, field_validator

from inspector.domain import Box, Image
from inspector.errors import DataError, InputError
from inspector.pose import Pose, TextureMatcher
from inspector.training.card import read_picture
from inspector.training.dataset import prepare, write_data_yaml, write_example
from inspector.yamlfile import YamlFile

MIN_VISIBLE = 0.35
"""A component that shows less of its box, cut by the border, is not labelled."""
SCALES = (0.75, 1.15)
GROWTH_PX = 500
"""A copy's canvas is up to so much larger than the photo, and as much smaller as cuts components."""
SHRINK_PX = 60
SHIFT_PX = 120


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Place(_Strict):
    """One place of the part, on the reference photo."""

    name: str = Field(min_length=1)
    box: tuple[float, float, float, float]
    """Pixels ``x1, y1, x2, y2``. It keeps its size when the part turns: components count as round."""

    @field_validator("box")
    @classmethod
    def _has_an_area(
        cls, value: tuple[float, float, float, float]
    ) -> tuple[float, float, float, float]:
        if not Box(*value).area > 0:
            raise ValueError("It must be x1, y1, x2, y2 with x1 < x2 and y1 < y2")
        return value


class Layout(_Strict):
    """The content of ``layout.yaml``."""

    reference: str
    """File name of the photo on which the places are marked."""
    names: str
    """Regular expression of a photo's whole name, with the groups ``number`` and ``states``."""
    states: dict[str, str] = Field(min_length=1)
    """The label by the character that stands for it in ``states``."""
    places: tuple[Place, ...] = Field(min_length=1)
    """In the order of the characters."""

    @field_validator("names")
    @classmethod
    def _has_both_groups(cls, value: str) -> str:
        try:
            groups = re.compile(value).groupindex
        except re.error as error:
            raise ValueError(f"It is no regular expression: {error}") from error
        if not {"number", "states"} <= set(groups):
            raise ValueError("It needs the groups (?P<number>…) and (?P<states>…)")
        return value


@dataclass(frozen=True)
class Photo:
    """A photo and the label at each place."""

    path: Path
    number: int
    labels: tuple[str, ...]


def placed_dataset(
    photos: Path,
    layout_yaml: Path,
    out: Path,
    *,
    train: range,
    val: range,
    copies: int = 5,
    turned_deg: float = 20.0,
    seed: int = 0,
) -> Path:
    """Write the data set ``out`` and return the path of its ``data.yaml``.

    ``train`` and ``val``: the photos' numbers. Each photo is written as it is and in ``copies`` more,
    turned by up to ``turned_deg`` degrees, scaled and shifted, some so far that the border cuts a
    component; what the photo does not fill is filled with its own texture, mirrored, repeated or drawn
    out, and the components that appear there are labelled too.

    Raises :class:`ConfigError` for a wrong layout, :class:`DataError` for a photo that is not named so,
    cannot be read, or does not show the reference's part.
    """
    layout = YamlFile(layout_yaml).parse(Layout)
    if set(train) & set(val):
        raise InputError("Some photos are to train and to validate on", "Give ranges that are apart")
    found = {photo.number: photo for photo in _photos(photos, layout)}
    chosen = {
        "train": [found[n] for n in train if n in found],
        "val": [found[n] for n in val if n in found],
    }
    for split, members in chosen.items():
        if not members:
            raise DataError(
                f"{photos}: no photo has a number of the split '{split}'", "Check the ranges"
            )
    finder = TextureMatcher(read_picture(photos / layout.reference))
    labels = list(dict.fromkeys(layout.states.values()))
    prepare(out)
    for split, members in chosen.items():
        for photo in members:
            image = read_picture(photo.path)
            pose = finder.pose(image)
            if pose is None:
                raise DataError(
                    f"{photo.path} does not show the part of {layout.reference}",
                    "Leave it out, or take a reference with more texture",
                )
            marked = list(_marked(layout, photo, pose))
            write_example(out, split, photo.path.stem, image, marked, labels)
            rng = np.random.default_rng((seed, photo.number))
            for copy in range(copies):
                turned, boxes = _copy(image, marked, turned_deg, rng)
                write_example(out, split, f"{photo.path.stem}-{copy}", turned, boxes, labels)
    source = (
        f"{len(chosen['train'])} photos numbered {_span(train)} (val {_span(val)}) in {photos.name}/, "
        f"each with {copies} copies turned by up to {turned_deg:g}°"
    )
    return write_data_yaml(out, labels, ("train", "val"), source)


def _photos(folder: Path, layout: Layout) -> Iterator[Photo]:
    if not folder.is_dir():
        raise DataError(f"{folder} is no folder", "Give the folder of the photos")
    pattern = re.compile(layout.names)
    for path in sorted(folder.iterdir()):
        match = pattern.fullmatch(path.name)
        if match is None:
            continue
        states = match["states"]
        try:
            labels = tuple(layout.states[state] for state in states)
        except KeyError as error:
            raise DataError(
                f"{path}: the state {error} has no label", "Add it to 'states' in the layout"
            ) from None
        if len(labels) != len(layout.places):
            raise DataError(
                f"{path}: its name gives {len(labels)} states for {len(layout.places)} places",
                "Rename the photo, or mend 'places' in the layout",
            )
        yield Photo(path, int(match["number"]), labels)


def _marked(layout: Layout, photo: Photo, pose: Pose) -> Iterator[tuple[str, Box]]:
    for place, label in zip(layout.places, photo.labels, strict=True):
        yield label, pose.box(Box(*place.box))


def _copy(
    image: Image, marked: Sequence[tuple[str, Box]], turned_deg: float, rng: np.random.Generator
) -> tuple[Image, list[tuple[str, Box]]]:
    rows, columns = image.shape[:2]
    fill: Literal["reflect", "wrap", "replicate"] = rng.choice(
        np.array(["reflect", "reflect", "wrap", "replicate"])
    )
    mode = {"reflect": cv2.BORDER_REFLECT, "wrap": cv2.BORDER_WRAP, "replicate": cv2.BORDER_REPLICATE}
    width = columns + int(rng.integers(-SHRINK_PX, GROWTH_PX))
    height = rows + int(rng.integers(-SHRINK_PX, GROWTH_PX))
    middle = (columns / 2, rows / 2)
    angle, scale = (float(rng.uniform(*span)) for span in ((-turned_deg, turned_deg), SCALES))
    matrix = np.array(cv2.getRotationMatrix2D(middle, angle, scale), np.float64)
    matrix[:, 2] += np.array([width - columns, height - rows]) / 2
    matrix[:, 2] += rng.uniform(-SHIFT_PX, SHIFT_PX, 2)
    copy = cv2.warpAffine(image, matrix, (width, height), flags=cv2.INTER_AREA, borderMode=mode[fill])
    pose = Pose.of(matrix)
    boxes = []
    for label, box in marked:
        for seen in _repeats(box, columns, rows, fill):
            there = pose.box(seen)
            if there.clipped(width, height).area >= MIN_VISIBLE * there.area:
                boxes.append((label, there))
    return np.asarray(copy, np.uint8), boxes


def _repeats(box: Box, columns: int, rows: int, fill: str) -> Iterator[Box]:
    """The box, and where the filled border repeats what is in it."""
    yield box
    if fill == "replicate":
        return
    for i, j in product((-1, 0, 1), repeat=2):
        if (i, j) == (0, 0):
            continue
        if fill == "wrap":
            yield Box(box.x1 + i * columns, box.y1 + j * rows, box.x2 + i * columns, box.y2 + j * rows)
        else:
            x1, x2 = _mirrored(box.x1, box.x2, i, columns)
            y1, y2 = _mirrored(box.y1, box.y2, j, rows)
            yield Box(x1, y1, x2, y2)


def _mirrored(low: float, high: float, side: int, length: int) -> tuple[float, float]:
    if side == 0:
        return low, high
    edge = 0 if side < 0 else 2 * length
    return edge - high, edge - low


def numbers(text: str, option: str) -> range:
    """``61-70`` or ``7`` as a range, both ends included; :class:`InputError` for anything else."""
    match = re.fullmatch(r"(\d+)(?:-(\d+))?", text)
    if match is None or int(match[2] or match[1]) < int(match[1]):
        raise InputError(
            f"{option} '{text}' is no range of numbers", "Give it as FIRST-LAST, such as 1-60"
        )
    return range(int(match[1]), int(match[2] or match[1]) + 1)


def _span(numbers: range) -> str:
    return f"{numbers.start}-{numbers.stop - 1}"
