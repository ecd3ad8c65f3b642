"""Single pictures from files, each inspected as the whole picture of one part."""

from __future__ import annotations

from pathlib import Path

from inspector.cameras.footage import read_picture
from inspector.datasets.pictures import decode, open_picture
from inspector.domain import Frame, Image, Part, Trigger
from inspector.errors import DataError, FootageError
from inspector.golden import golden_file

_DEADLINE_S = 3600.0
"""Nobody waits for the verdict."""


def part_of(path: Path) -> str:
    """Which part a picture shows: its name up to the last underscore, ``bottle-003_0040.png``."""
    return path.stem.rpartition("_")[0] or path.stem


def read_still(path: Path) -> Image:
    """A picture as ``uint8`` BGR. Raises :class:`DataError` for what is none, or is cut short."""
    try:
        # its size is known before it fills the memory, and a truncated file is not filled up with grey
        data = path.read_bytes()
        decode(open_picture(data), data)
        return read_picture(path)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}", "Copy it again") from error
    except DataError as error:
        # it does not know the file's name
        raise DataError(f"{path}: {error.message}", error.remedy) from error
    except FootageError as error:
        # what OpenCV alone cannot read
        raise DataError(error.message, error.remedy) from error


def read_golden(picture: Path) -> Image | None:
    """The golden image of the picture's position; None where there is none.

    Raises :class:`DataError` when it cannot be read.
    """
    path = golden_file(picture)
    if path is None:
        return None
    try:
        return read_picture(path)
    except FootageError as error:
        raise DataError(error.message, error.remedy) from error


def still(path: Path, image: Image, index: int, recipe_id: str, golden: Image | None = None) -> Part:
    """The part that a picture shows, as if triggered; ``index`` counts the pictures."""
    frame = Frame(image, path.stem, index, float(index), recorded=True, golden=golden)
    number = index + 1
    trigger = Trigger(0, number, f"image#{number}", float(index), _DEADLINE_S, recipe_id)
    return Part(trigger, (frame,))
