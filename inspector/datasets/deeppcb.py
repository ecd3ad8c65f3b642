"""DeepPCB into Ultralytics' layout: ``python -m inspector.datasets.deeppcb SOURCE OUT``.

Source: Tang et al., "Online PCB Defect Detector On A New PCB Defect Dataset", 2019. Pictures and golden
images are copied. The published test split stays; validation is one whole board group of the
training split, since neighbouring boards of a group look alike.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import yaml

from inspector.errors import DataError, InspectorError

LABELS = ("open", "short", "mousebite", "spur", "copper", "pin-hole")
VALIDATION_GROUP = "92000"
SIDE = 640
_GROUP_DIGITS = 5


def convert(source: Path, out: Path) -> Path:
    """Write ``out/data.yaml`` with ``images``, ``templates`` and ``labels``; returns its path.

    Raises :class:`DataError` when ``source`` is not the data set or a line of it is no box.
    """
    splits = {name: _ids(source / f"{name}.txt") for name in ("train", "test")}
    splits["val"] = [name for name in splits["train"] if name.startswith(VALIDATION_GROUP)]
    splits["train"] = [name for name in splits["train"] if not name.startswith(VALIDATION_GROUP)]
    for folder in ("images", "templates", "labels"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    for names in splits.values():
        for name in names:
            _copy(source / "images" / f"{name}.jpg", out / "images")
            _copy(source / "templates" / f"{name}.png", out / "templates")
            lines = _lines(source / "annotations" / f"{name}.txt")
            (out / "labels" / f"{name}.txt").write_text("".join(lines), encoding="utf-8")
    for split, names in splits.items():
        text = "".join(f"./images/{name}.jpg\n" for name in names)
        (out / f"{split}.txt").write_text(text, encoding="utf-8")
    data = {
        "source": f"DeepPCB, published split, validated on board group {VALIDATION_GROUP}",
        "path": ".",
        "train": "train.txt",
        "val": "val.txt",
        "test": "test.txt",
        "group": rf"^(\d{{{_GROUP_DIGITS}}})",
        "names": dict(enumerate(LABELS)),
    }
    path = out / "data.yaml"
    path.write_text(yaml.safe_dump(data, sort_keys=False), encoding="utf-8")
    return path


def _ids(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").split()
    except OSError as error:
        raise DataError(
            f"{path} cannot be read: {error.strerror}", "Give the folder of DeepPCB"
        ) from error


def _copy(file: Path, folder: Path) -> None:
    shutil.copyfile(file, folder / file.name)


def _lines(path: Path) -> list[str]:
    """The boxes of one board as ``class cx cy width height``, fractions of the picture."""
    lines = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            x1, y1, x2, y2, kind = (int(word) for word in line.split())
        except ValueError:
            raise DataError(f"{path}:{number}: '{line}' is not 'x1 y1 x2 y2 type'") from None
        values = (x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1
        lines.append(f"{kind - 1} " + " ".join(f"{value / SIDE:.6f}" for value in values) + "\n")
    return lines


if __name__ == "__main__":
    try:
        sys.stdout.write(f"{convert(Path(sys.argv[1]), Path(sys.argv[2]))}\n")
    except InspectorError as error:
        # told in one sentence; a traceback would hide it
        sys.stderr.write(f"{error}\n")
        raise SystemExit(error.exit_code) from None
