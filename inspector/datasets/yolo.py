"""A data set in Ultralytics' layout, read as far as training and its card need it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from inspector.cameras.footage import PICTURES
from inspector.domain import Box
from inspector.errors import DataError


class _DataYaml(BaseModel):
    model_config = ConfigDict(extra="ignore")
    path: str = ""
    source: str = ""
    train: str | list[str]
    val: str | list[str]
    test: str | list[str] | None = None
    names: dict[int, str] | list[str]


@dataclass(frozen=True)
class YoloData:
    """The pictures of each split, and the labels."""

    yaml: Path
    root: Path
    source: str
    """In words what the pictures are."""
    labels: tuple[str, ...]
    splits: dict[str, tuple[Path, ...]]
    """``train`` and ``val``, and ``test`` if there is one."""

    @classmethod
    def read(cls, path: Path) -> YoloData:
        """Read ``data.yaml``.

        Raises :class:`DataError` when it is none, or a split is missing or empty.
        """
        try:
            raw = _DataYaml.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            raise DataError(f"{path} does not exist", "Give the data set's data.yaml") from None
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise DataError(f"{path} cannot be read: {error}") from error
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(key) for key in first["loc"])
            raise DataError(
                f"{path} is no data set: {place or 'file'}: {first['msg']}",
                "It needs 'train', 'val' and 'names'",
            ) from error
        root = (path.parent / raw.path).resolve()
        names = raw.names if isinstance(raw.names, list) else _in_order(raw.names, path)
        given = {"train": raw.train, "val": raw.val, "test": raw.test}
        splits = {
            split: tuple(_pictures(root, value, path, split)) for split, value in given.items() if value
        }
        source = raw.source or f"{root.name}/{path.name}"
        return cls(path.resolve(), root, source, tuple(names), splits)

    @property
    def own_val(self) -> bool:
        """Whether no validation picture is trained on."""
        return not set(self.splits["train"]) & set(self.splits["val"])

    def boxes(self, picture: Path, width: int, height: int) -> list[tuple[str, Box]]:
        """Labels and boxes in pixels of a picture of that size; none when it has no label file.

        Raises :class:`DataError` for a line that is no box.
        """
        path = label_file(picture)
        if not path.exists():
            return []
        found = []
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if not line.strip():
                continue
            try:
                kind, x, y, w, h = (float(word) for word in line.split())
                label = self.labels[int(kind)]
            except (ValueError, IndexError):
                raise DataError(
                    f"{path}:{number}: '{line}' is no box of this data set",
                    "A line is 'class cx cy width height', fractions of the picture",
                ) from None
            box = Box(
                (x - w / 2) * width, (y - h / 2) * height, (x + w / 2) * width, (y + h / 2) * height
            )
            found.append((label, box))
        return found

    def files(self) -> list[Path]:
        """All pictures of ``train`` and ``val`` and their label files, each once."""
        pictures = sorted({*self.splits["train"], *self.splits["val"]})
        return pictures + [path for path in map(label_file, pictures) if path.exists()]


def label_file(picture: Path) -> Path:
    """Where a picture's boxes are: its last folder ``images`` replaced by ``labels``."""
    parts = list(picture.parts)
    for index in range(len(parts) - 2, -1, -1):
        if parts[index] == "images":
            parts[index] = "labels"
            break
    return Path(*parts).with_suffix(".txt")


def _in_order(names: dict[int, str], path: Path) -> list[str]:
    if sorted(names) != list(range(len(names))):
        raise DataError(f"{path}: 'names' are not numbered 0 to {len(names) - 1}", "Number them so")
    return [names[number] for number in range(len(names))]


def _pictures(root: Path, value: str | list[str], path: Path, split: str) -> Iterator[Path]:
    count = 0
    for name in [value] if isinstance(value, str) else value:
        place = (root / name).resolve()
        if place.is_dir():
            found = sorted(p for p in place.rglob("*") if p.suffix.lower() in PICTURES)
        elif place.suffix == ".txt" and place.is_file():
            lines = place.read_text(encoding="utf-8").split("\n")
            found = [(place.parent / line.strip()).resolve() for line in lines if line.strip()]
        else:
            raise DataError(f"{path}: the {split} pictures {place} do not exist")
        count += len(found)
        yield from found
    if not count:
        raise DataError(f"{path}: the split '{split}' holds no picture")
