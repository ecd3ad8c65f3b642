"""One look at every picture and its labels; every test of the audit works on what it leaves."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from inspector.datasets.labels import LabelProblem, LabelRow, label_file, read_labels
from inspector.datasets.pictures import open_picture, small
from inspector.datasets.yolo import YoloData
from inspector.errors import DataError

GREY_SIDE = 96
"""Side of the thumbnail that near-duplicates are looked for on."""
COLOUR_SIDE = 32
"""Side of the thumbnail that backgrounds are compared on."""


@dataclass(frozen=True)
class Look:
    """What the audit knows of one picture."""

    path: Path
    problem: str = ""
    """Why it cannot be read; then nothing below but the labels holds."""
    digest: str = ""
    """SHA-256 of the file."""
    width: int = 0
    height: int = 0
    """Of the upright picture."""
    grey: NDArray[np.uint8] = field(default_factory=lambda: np.zeros((0, 0), np.uint8))
    """``(96, 96)``."""
    colour: NDArray[np.uint8] = field(default_factory=lambda: np.zeros((0, 0, 3), np.uint8))
    """``(32, 32, 3)`` CIE Lab."""
    rows: tuple[LabelRow, ...] = ()
    label_problems: tuple[LabelProblem, ...] = ()


def look_at_all(data: YoloData, pictures: Iterable[Path]) -> dict[Path, Look]:
    """Look at each picture, as many at a time as there are cores."""
    wanted = list(dict.fromkeys(pictures))
    # decoding and resizing leave Python's lock
    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        return dict(zip(wanted, pool.map(lambda path: _look(data, path), wanted), strict=True))


def _look(data: YoloData, path: Path) -> Look:
    rows: list[LabelRow] = []
    problems: list[LabelProblem] = []
    if data.task != "classify":
        rows, problems = read_labels(label_file(path), data.labels)
    try:
        content = path.read_bytes()
        pixels, (width, height) = small(open_picture(content), content, GREY_SIDE * 2)
    except OSError as error:
        # one bad file is a finding, the others are looked at all the same
        return Look(path, str(error.strerror), rows=tuple(rows), label_problems=tuple(problems))
    except DataError as error:
        return Look(path, error.message, rows=tuple(rows), label_problems=tuple(problems))
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    colour = cv2.resize(pixels, (COLOUR_SIDE, COLOUR_SIDE), interpolation=cv2.INTER_AREA)
    return Look(
        path,
        "",
        hashlib.sha256(content).hexdigest(),
        width,
        height,
        np.asarray(cv2.resize(grey, (GREY_SIDE, GREY_SIDE), interpolation=cv2.INTER_AREA), np.uint8),
        np.asarray(cv2.cvtColor(colour, cv2.COLOR_RGB2LAB), np.uint8),
        tuple(rows),
        tuple(problems),
    )
