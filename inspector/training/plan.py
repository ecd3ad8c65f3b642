"""How to train on a data set, decided from the data: a pure function from statistics to a plan.

The rules, each of which an option overrides:

* **Input size.** Nine in ten objects shall have 24 px or more at the input, but a picture is never
  blown up, and never made smaller than 320 px for nothing. A budget that is too short for that size
  lowers it, to 12 px an object and no further.
* **Tiles.** When objects would have less than 12 px even in a picture of 640 px, the network is trained
  on tiles cut from the pictures, and the line cuts its pictures likewise.
* **Flips.** Pictures are mirrored unless a class's name speaks of left and right, of writing or of a
  sense of rotation, or classes can be told by their place from left to right. They are turned upside
  down when the average picture looks the same that way, as of textures and loose parts, and no name
  or place of a class speaks of above and below.
* **Architecture.** YOLO11n: from scratch it learns faster than YOLO26n, whose advantage, no
  suppression of overlapping boxes, costs less than a millisecond to do without.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from pathlib import Path

from inspector.datasets.yolo import Task

BASES: dict[Task, str] = {
    "detect": "yolo11n.yaml",
    "segment": "yolo11n-seg.yaml",
    "classify": "yolo11n-cls.yaml",
}
STRIDE = 32
MAX_INPUT = 640
FLOOR_INPUT = 320
"""Larger pictures are not made smaller than this, whatever the size of their objects."""
GOOD_OBJECT_PX = 24
LEAST_OBJECT_PX = 12
TILE_OBJECT_PX = 20
TILE_INPUT = 416
CLASSIFY_INPUT = 224
ENOUGH_EPOCHS = 12
ENOUGH_PASSES = (8_000, 40_000)
"""Pictures that a training from scratch should see, at least, and from where on size is worth more."""
STEPS_AN_EPOCH = 40
"""A smaller set is repeated within an epoch, which saves the measurements in between."""
LEAST_EPOCHS = 3
"""Expected of any training, until one epoch has told how long it takes."""
FEWEST_EPOCHS = 8
"""A set too large for as many is thinned out, else the learning rate would fall within two steps."""
EXPORT_S = 75.0
UPSIDE_DOWN = 0.2
"""Largest difference between the average picture and itself upside down, by its own contrast."""
_MANY_CHARACTERS = 8
_SIDEWAYS = {"left", "right", "lh", "rh", "cw", "ccw", "clockwise", "counterclockwise"}
_SIDEWAYS |= {"anticlockwise", "arrow", "text", "letter", "digit", "character", "char", "word"}
_SIDEWAYS |= {"logo", "barcode", "qr", "ocr", "writing", "imprint", "date", "thread", "mirrored"}
_UPRIGHT = {"up", "down", "top", "bottom", "upper", "lower", "upside", "above", "below", "upright"}


@dataclass(frozen=True)
class Statistics:
    """What is known of a data set before training; lengths in pixels of its pictures."""

    task: Task
    labels: tuple[str, ...]
    pictures: int
    """For training."""
    val_pictures: int
    long_px: float
    """The longer side of the pictures that is not exceeded by nine in ten."""
    object_px: float
    """Square root of the area of a box; one in ten is smaller. 0 without boxes."""
    large_object_px: float
    """The longer side of a box that is not exceeded by 95 of a hundred."""
    object_share: float
    """As ``object_px``, as a share of the longer side of its picture."""
    upside_down: float
    """How different the average picture is upside down: 0 the same, 1 as much as its contrast."""
    told_by_x: bool = False
    """Whether two classes can be told by their place from left to right alone."""
    told_by_y: bool = False


@dataclass(frozen=True)
class Wishes:
    """What the user has said; None leaves it to :func:`choose`."""

    base: str | None = None
    imgsz: int | None = None
    tile: int | None = None
    """Side of the tiles in pixels of the pictures; 0: none."""
    batch: int | None = None
    fliplr: float | None = None
    flipud: float | None = None
    mosaic: float | None = None
    scale: float | None = None


@dataclass(frozen=True)
class Plan:
    """How to train, and why."""

    base: str
    imgsz: int
    tile: int | None
    """Side of the tiles in pixels of the pictures; None trains on whole pictures."""
    overlap: int
    """Least pixels that neighbouring tiles share, so that nearly all objects are whole in one."""
    batch: int
    fliplr: float
    flipud: float
    mosaic: float
    scale: float
    repeats: int
    """How often a picture occurs in an epoch."""
    every: int
    """One in so many pictures is trained on: the set is too large for the budget."""
    why: tuple[str, ...]
    """A sentence for each choice."""


def choose(
    statistics: Statistics,
    *,
    training_s: float | None,
    picture_s: float,
    wishes: Wishes | None = None,
    repeat: bool = True,
) -> Plan:
    """The plan for a data set.

    ``training_s``: seconds that training may take, without export; None: no limit. ``picture_s``:
    seconds that a training step takes for one picture of 320x320 px. ``repeat``: whether an epoch may
    show a picture more than once; not where the user counts epochs.
    """
    wishes = wishes or Wishes()
    why: list[str] = []
    imgsz, tile = _size(statistics, training_s, picture_s, wishes, why)
    fliplr, flipud = _flips(statistics, wishes, why)
    batch = wishes.batch or (16 if statistics.pictures >= 64 else 8)
    # a set of a few pictures would measure and save itself after every other step
    repeats = math.ceil(STEPS_AN_EPOCH * batch / statistics.pictures) if repeat else 1
    # pictures of one fixed camera keep their scale; textures come as they come
    scale = 0.5 if flipud else 0.3
    base = wishes.base or BASES[statistics.task]
    mosaic = 0.5 if wishes.mosaic is None else wishes.mosaic
    scale = scale if wishes.scale is None else wishes.scale
    repeats = max(1, repeats)
    why.append(
        f"{Path(base).name} at {imgsz} px, batch {batch}, mirrored {fliplr:g}, upside down {flipud:g}, "
        f"mosaic {mosaic:g}, scale ±{scale:g}, each picture {repeats}x an epoch"
    )
    return Plan(
        base=base,
        imgsz=imgsz,
        tile=tile,
        overlap=_overlap(statistics.large_object_px, tile) if tile else 0,
        batch=batch,
        fliplr=fliplr,
        flipud=flipud,
        mosaic=mosaic,
        scale=scale,
        repeats=repeats,
        every=1,
        why=tuple(why),
    )


def seconds_a_picture(picture_s: float, imgsz: int) -> float:
    """What a training step takes for one picture at the input size ``imgsz``."""
    return picture_s * (imgsz / 320) ** 2


def thinned(
    plan: Plan, train: int, val: int, *, training_s: float, picture_s: float
) -> tuple[Plan, int]:
    """The plan and the number of epochs for which there is time.

    ``train`` and ``val``: pictures or tiles of an epoch. A set that is too large is thinned out.
    """
    epochs = training_s / epoch_seconds(plan, train, val, picture_s)
    if epochs >= FEWEST_EPOCHS:
        return plan, round(epochs)
    most = max(1, train // (STEPS_AN_EPOCH * plan.batch))
    every = min(most, math.ceil(FEWEST_EPOCHS / max(epochs, 0.01)))
    if every > 1:
        sentence = f"one in {every} pictures only: the whole set is too large for the time given"
        plan = replace(plan, every=every, why=(*plan.why, sentence))
    epochs = training_s / epoch_seconds(plan, train // every, val, picture_s)
    return plan, max(LEAST_EPOCHS, round(epochs))


def epoch_seconds(plan: Plan, train: int, val: int, picture_s: float) -> float:
    """How long an epoch takes; measuring a picture takes about a third of training on it."""
    return (train + val / 3) * seconds_a_picture(picture_s, plan.imgsz)


def reserve_s(total_s: float, val: int, imgsz: int, picture_s: float) -> float:
    """What export, quantisation and the measurement of each file take of ``total_s``."""
    measuring = 4 * val / 3 * seconds_a_picture(picture_s, imgsz)
    return min(0.3 * total_s, max(0.05 * total_s, EXPORT_S + measuring))


def _size(
    statistics: Statistics,
    training_s: float | None,
    picture_s: float,
    wishes: Wishes,
    why: list[str],
) -> tuple[int, int | None]:
    """Input size and tile; appends the reasons to ``why``."""
    native = _multiple(statistics.long_px)
    if statistics.task == "classify":
        size = min(native, CLASSIFY_INPUT)
        why.append(f"input {size} px: whole pictures of {statistics.long_px:.0f} px are classified")
        return wishes.imgsz or size, None
    share = statistics.object_share or 1.0
    floor = min(native, FLOOR_INPUT)
    needed = _multiple(LEAST_OBJECT_PX / share)
    if wishes.tile or (wishes.tile is None and wishes.imgsz is None and needed > MAX_INPUT < native):
        return _tiles(statistics, wishes, why)
    wanted = min(native, MAX_INPUT, max(floor, _multiple(GOOD_OBJECT_PX / share)))
    least = min(wanted, max(_multiple(LEAST_OBJECT_PX / share), min(floor, 256)))
    size = wanted
    if training_s is not None:
        low, high = ENOUGH_PASSES
        enough = min(high, max(low, ENOUGH_EPOCHS * statistics.pictures))
        while size > least and training_s / seconds_a_picture(picture_s, size) < enough:
            size -= STRIDE
    if wishes.imgsz is not None:
        return wishes.imgsz, None
    why.append(
        f"input {size} px: pictures have {statistics.long_px:.0f} px, and nine in ten objects "
        f"{share * size:.0f} px or more there"
        + ("" if size == wanted else f"; {wanted} px would take too long")
    )
    return size, None


def _tiles(statistics: Statistics, wishes: Wishes, why: list[str]) -> tuple[int, int]:
    shrink = min(1.0, TILE_OBJECT_PX / max(statistics.object_px, 1.0))
    # whatever overlaps by half a tile is whole in one of two neighbours
    room = 2 * min(statistics.large_object_px, statistics.long_px) * shrink
    size = min(MAX_INPUT, max(TILE_INPUT, _multiple(room)))
    if wishes.imgsz is not None:
        size = wishes.imgsz
    tile = wishes.tile or min(round(size / shrink), math.ceil(statistics.long_px))
    why.append(
        f"tiles of {tile} px at an input of {size} px: objects of {statistics.object_px:.0f} px are "
        f"too small in whole pictures of {statistics.long_px:.0f} px"
    )
    return size, tile


def _overlap(large_object_px: float, tile: int) -> int:
    return min(tile // 2, max(tile // 10, math.ceil(1.1 * large_object_px)))


def _flips(statistics: Statistics, wishes: Wishes, why: list[str]) -> tuple[float, float]:
    """How often a picture is mirrored and turned upside down."""
    words = [set(_words(label)) for label in statistics.labels]
    characters = sum(len(label) == 1 and label.isalnum() for label in statistics.labels)
    writing = characters >= _MANY_CHARACTERS
    sideways = sorted(set().union(*words) & _SIDEWAYS)
    upright = sorted(set().union(*words) & _UPRIGHT)
    if sideways or writing or statistics.told_by_x:
        fliplr = 0.0
        reason = f"the class names say '{sideways[0]}'" if sideways else "classes are characters"
        if statistics.told_by_x and not sideways and not writing:
            reason = "classes differ by their place from left to right"
        why.append(f"not mirrored: {reason}")
    else:
        fliplr = 0.5
    flat = statistics.upside_down < UPSIDE_DOWN
    may_turn = flat and not (upright or sideways or writing or statistics.told_by_y)
    flipud = 0.5 if may_turn else 0.0
    if flipud:
        why.append("also upside down: the average picture has no above and below")
    return (
        fliplr if wishes.fliplr is None else wishes.fliplr,
        flipud if wishes.flipud is None else wishes.flipud,
    )


def _words(label: str) -> list[str]:
    """``rolled-in_scale`` and ``RolledInScale`` alike: their words, small."""
    return re.findall(r"[a-z]+", re.sub(r"([a-z])([A-Z])", r"\1 \2", label).lower())


def _multiple(pixels: float) -> int:
    return max(STRIDE, math.ceil(pixels / STRIDE) * STRIDE)
