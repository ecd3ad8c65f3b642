"""Label files in Ultralytics' layout: one object a line, fractions of the picture.

``class cx cy width height`` is a box, ``class x1 y1 x2 y2 x3 y3 …`` a polygon.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from inspector.domain import Box

TOLERANCE = 0.01
"""By how much a value may lie outside 0..1, as rounding leaves it; Ultralytics' own limit."""
_BOX_COLUMNS = 5
_MIN_POINTS = 3


@dataclass(frozen=True)
class LabelRow:
    """A line of a label file, in fractions of the picture."""

    line: int
    """Its number in the file, from 1."""
    number: int
    """The class."""
    numbers: tuple[float, ...]
    """``cx cy width height`` of a box, ``x1 y1 x2 y2 …`` of a polygon."""

    @property
    def polygon(self) -> tuple[tuple[float, float], ...] | None:
        """Its corners, if it is one."""
        if len(self.numbers) == _BOX_COLUMNS - 1:
            return None
        return tuple(zip(self.numbers[::2], self.numbers[1::2], strict=True))

    @property
    def edges(self) -> tuple[float, float, float, float]:
        """Left, top, right and bottom."""
        corners = self.polygon
        if corners is None:
            x, y, w, h = self.numbers
            return x - w / 2, y - h / 2, x + w / 2, y + h / 2
        across, down = [x for x, _ in corners], [y for _, y in corners]
        return min(across), min(down), max(across), max(down)


@dataclass(frozen=True)
class LabelObject:
    """An object of a picture, in its pixels."""

    label: str
    box: Box
    polygon: tuple[tuple[float, float], ...] | None
    """Corners ``(x, y)`` of its outline, where the data set has outlines."""


@dataclass(frozen=True)
class LabelProblem:
    """A line that is no label of this data set."""

    path: Path
    line: int
    """0: the file as a whole."""
    text: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.text}" if self.line else f"{self.path}: {self.text}"


def label_file(picture: Path) -> Path:
    """Where a picture's labels are: its last folder ``images`` replaced by ``labels``."""
    parts = list(picture.parts)
    for index in range(len(parts) - 2, -1, -1):
        if parts[index] == "images":
            parts[index] = "labels"
            break
    return Path(*parts).with_suffix(".txt")


def read_labels(path: Path, labels: Sequence[str]) -> tuple[list[LabelRow], list[LabelProblem]]:
    """The lines of a label file, and those that are none; nothing of either when it does not exist."""
    try:
        # a byte-order mark is what editors on Windows leave
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return [], []
    except (OSError, UnicodeDecodeError) as error:
        # another program's file: whoever reads on must be told which
        return [], [LabelProblem(path, 0, f"cannot be read: {error}")]
    rows: list[LabelRow] = []
    problems: list[LabelProblem] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        row = _row(number, line, labels)
        if isinstance(row, str):
            problems.append(
                LabelProblem(
                    path, number, f"'{_short(line)}' is no box or outline of this data set: {row}"
                )
            )
        else:
            rows.append(row)
    outlines = [row for row in rows if row.polygon is not None]
    if outlines and len(outlines) < len(rows):
        odd = next(row for row in rows if row.polygon is None)
        problems.append(
            LabelProblem(path, odd.line, "a box among outlines: one file holds either, never both")
        )
    return rows, problems


def _row(number: int, line: str, labels: Sequence[str]) -> LabelRow | str:
    """The row, or what is wrong with it."""
    words = line.split()
    count = len(words)
    if count != _BOX_COLUMNS and (count < 1 + 2 * _MIN_POINTS or count % 2 == 0):
        return f"{count} columns, a box has 5 and an outline 7, 9, 11 …"
    try:
        values = [float(word) for word in words]
    except ValueError:
        return "not all of it are numbers"
    if not all(math.isfinite(value) for value in values):
        return "a value is no finite number"
    kind, numbers = values[0], tuple(values[1:])
    if kind != int(kind) or not 0 <= kind < len(labels):
        return f"class {words[0]} is unknown, the classes are 0 to {len(labels) - 1}"
    outside = [value for value in numbers if not -TOLERANCE <= value <= 1 + TOLERANCE]
    if count == _BOX_COLUMNS:
        outside += [value for value in numbers[2:] if -TOLERANCE <= value < 0]
    if outside:
        return f"{outside[0]:g} lies outside 0..1, the values are fractions of the picture"
    return LabelRow(number, int(kind), numbers)


def _short(line: str) -> str:
    line = line.strip()
    return line if len(line) <= 60 else line[:57] + "…"
