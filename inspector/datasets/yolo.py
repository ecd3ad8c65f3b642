"""A data set in one of Ultralytics' layouts: boxes, outlines, or a folder a class.

Boxes and outlines: a ``data.yaml`` with ``train``, ``val``, perhaps ``test``, ``names`` and ``path``,
and label files beside the pictures. Classification: a folder with ``train/``, ``val/`` and perhaps
``test/``, each with a folder a class, and no ``data.yaml``.

Beside Ultralytics' own keys ``data.yaml`` may have ``group``, a regular expression whose first group,
taken from a picture's file name without suffix, names what may not be split (a clip, a board, a day),
and ``source``, in words what the pictures are.

Every path must lie below the data set's root, which ``path`` names; links are not followed for that,
so a folder of links to pictures that lie elsewhere is a data set.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, ValidationError

from inspector.cameras.footage import PICTURES
from inspector.datasets.labels import LabelObject, label_file, read_labels
from inspector.domain import Box
from inspector.errors import ConfigError, DataError
from inspector.validation import first_offence
from inspector.yamlfile import YamlFile

__all__ = ["Task", "YoloData", "label_file"]

Task: TypeAlias = Literal["detect", "segment", "classify"]
_FOLDERS = {"train": ("train",), "val": ("val", "valid", "validation"), "test": ("test",)}
"""Names that Ultralytics knows for the splits of a classification set."""


class _DataYaml(BaseModel):
    model_config = ConfigDict(extra="ignore", coerce_numbers_to_str=True)
    path: str = ""
    source: str = ""
    group: str = ""
    train: str | list[str]
    val: str | list[str]
    test: str | list[str] | None = None
    nc: int | None = None
    names: dict[int, str] | list[str]


@dataclass(frozen=True)
class YoloData:
    """The pictures of each split, and the labels."""

    yaml: Path
    """The ``data.yaml``, or the folder of a classification set."""
    root: Path
    source: str
    """In words what the pictures are."""
    labels: tuple[str, ...]
    splits: dict[str, tuple[Path, ...]]
    """``train`` and ``val``, and ``test`` if there is one."""
    task: Task = "detect"
    """What its labels teach: ``segment`` as soon as one label file holds an outline."""
    group: str = ""
    """Regular expression of the group key; empty: there is none."""

    @classmethod
    def read(cls, path: Path, group: str | None = None) -> YoloData:
        """Read ``data.yaml``, or the folder of a classification set.

        ``group`` stands in for the file's own. Raises :class:`DataError`, with file and line, when it
        is none, a path is missing or points outside, or a split is missing or empty.
        """
        if path.is_dir() and not (path / "data.yaml").is_file():
            return _read_folders(path.resolve(), group or "")
        path = path / "data.yaml" if path.is_dir() else path
        try:
            file = YamlFile(path)
        except ConfigError as error:
            if not path.exists():
                raise DataError(error.message, "Give the data set's data.yaml") from None
            raise DataError(error.message, error.remedy) from error
        if "val" not in file.data and "validation" in file.data:
            file.data["val"] = file.data["validation"]  # Ultralytics takes it too
        try:
            raw = _DataYaml.model_validate(file.data)
        except ValidationError as error:
            line = file.line(error.errors()[0]["loc"])
            raise DataError(
                f"{path}:{line}: is no data set: {first_offence(error, 'file')}",
                "It needs 'train', 'val' and 'names'",
            ) from error
        names = _names(raw, file)
        if group is None and raw.group:
            _check_group(raw.group, f"{path}:{file.line(('group',))}: 'group'")
        elif group:
            _check_group(group, "--group")
        given = path.parent / raw.path
        if not given.is_dir():
            raise _error(file, ("path",), f"the folder {given} does not exist", "Correct 'path'")
        splits = {}
        for split, value in (("train", raw.train), ("val", raw.val), ("test", raw.test)):
            if value or split != "test":
                splits[split] = tuple(_pictures(file, split, value or [], given))
        root = given.resolve()
        source = raw.source or f"{root.name}/{path.name}"
        task: Task = "segment" if _has_outlines(splits, names) else "detect"
        return cls(
            path.resolve(), root, source, names, splits, task, raw.group if group is None else group
        )

    @property
    def own_val(self) -> bool:
        """Whether no validation picture is trained on."""
        return not set(self.splits["train"]) & set(self.splits["val"])

    def objects(self, picture: Path, width: int, height: int) -> list[LabelObject]:
        """The objects of a picture of that size, in its pixels; none when it has no label file.

        Raises :class:`DataError` for a line that is no label of this data set, with file and line.
        """
        if self.task == "classify":
            return []
        rows, problems = read_labels(label_file(picture), self.labels)
        if problems:
            raise DataError(
                str(problems[0]), "A line is 'class cx cy width height', fractions of the picture"
            )
        found = []
        for row in rows:
            left, top, right, bottom = row.edges
            box = Box(left * width, top * height, right * width, bottom * height)
            corners = row.polygon
            outline = corners and tuple((x * width, y * height) for x, y in corners)
            found.append(LabelObject(self.labels[row.number], box, outline))
        return found

    def boxes(self, picture: Path, width: int, height: int) -> list[tuple[str, Box]]:
        """Labels and boxes in pixels of a picture of that size; of an outline the box around it.

        Raises as :meth:`objects`.
        """
        return [(found.label, found.box) for found in self.objects(picture, width, height)]

    def category(self, picture: Path) -> str:
        """The class of a picture of a classification set."""
        return picture.relative_to(self.root).parts[1]

    def group_of(self, picture: Path) -> str | None:
        """The group key of a picture; None where the expression finds none."""
        match = re.search(self.group, picture.stem) if self.group else None
        return match.group(1) if match else None

    def files(self) -> list[Path]:
        """All pictures of ``train`` and ``val`` and their label files, each once."""
        pictures = sorted({*self.splits["train"], *self.splits["val"]})
        if self.task == "classify":
            return pictures
        return pictures + [path for path in map(label_file, pictures) if path.exists()]

    def place_of_label(self, number: int) -> str:
        """Where the class of that number is named, as ``file:line``, or its folder."""
        if self.task == "classify":
            return str(self.root / "train" / self.labels[number])
        return f"{self.yaml}:{YamlFile(self.yaml).line(('names', number))}"


def _error(file: YamlFile, location: tuple[int | str, ...], text: str, remedy: str) -> DataError:
    return DataError(f"{file.path}:{file.line(location)}: {text}", remedy)


def _names(raw: _DataYaml, file: YamlFile) -> tuple[str, ...]:
    names = raw.names
    if isinstance(names, dict):
        if sorted(names) != list(range(len(names))):
            text = f"'names' are not numbered 0 to {len(names) - 1}"
            raise _error(file, ("names",), text, "Number them so")
        names = [names[number] for number in range(len(names))]
    if not names:
        raise _error(file, ("names",), "'names' is empty", "Name the classes")
    for number, name in enumerate(names):
        if name in names[:number]:
            raise _error(file, ("names", number), f"the class '{name}' is named twice", "Rename one")
    if raw.nc not in (None, len(names)):
        text = f"'nc' is {raw.nc}, but there are {len(names)} names"
        raise _error(file, ("nc",), text, "Correct or remove it")
    return tuple(names)


def _check_group(text: str, where: str) -> None:
    try:
        groups = re.compile(text).groups
    except re.error as error:
        raise DataError(f"{where} is no regular expression: {error}", "Correct it") from error
    if not groups:
        raise DataError(
            f"{where} '{text}' has no group", r"Put the key into parentheses: '^(\d{5})'"
        ) from None


def _below(path: Path, *roots: Path) -> bool:
    """Whether a path lies below one of the folders, as written: links are not followed."""
    return any(path.is_relative_to(os.path.abspath(root)) for root in roots)  # noqa: PTH100


def _plain(path: Path) -> Path:
    """Without ``..``, links not followed: a linked picture keeps the label file beside the link."""
    return Path(os.path.abspath(path))  # noqa: PTH100


def _pictures(file: YamlFile, split: str, value: str | list[str], given: Path) -> Iterator[Path]:
    seen: set[Path] = set()
    root = given.resolve()
    for index, name in enumerate([value] if isinstance(value, str) else value):
        location = (split, index) if isinstance(value, list) else (split,)
        place = _plain(root / name)
        if name.startswith("../") and not place.exists():
            # as exported by Roboflow; Ultralytics looks there as well
            place = _plain(root / name.removeprefix("../"))
        if not _below(place, root, given):
            raise _error(
                file,
                location,
                f"the {split} pictures {place} lie outside of the data set {root}",
                "Move them, or let 'path' name the folder that holds all of them",
            )
        if place.is_dir():
            found = sorted(p for p in place.rglob("*") if p.suffix.lower() in PICTURES and p.is_file())
        elif place.suffix == ".txt" and place.is_file():
            found = list(_listed(place, root, given))
        else:
            raise _error(
                file, location, f"the {split} pictures {place} do not exist", "Correct the path"
            )
        yield from (picture for picture in found if picture not in seen)
        seen.update(found)
    if not seen:
        raise _error(file, (split,), f"the split '{split}' holds no picture", "Add pictures to it")


def _listed(path: Path, root: Path, given: Path) -> Iterator[Path]:
    """The pictures that a text file names, one a line, relative to itself."""
    for number, line in enumerate(path.read_text(encoding="utf-8-sig").splitlines(), 1):
        if not line.strip():
            continue
        picture = _plain(path.parent / line.strip())
        if not _below(picture, root, given):
            raise DataError(
                f"{path}:{number}: {picture} lies outside of the data set {root}",
                "Move it, or let 'path' name the folder that holds all of them",
            )
        if not picture.is_file():
            raise DataError(f"{path}:{number}: {picture} does not exist", "Remove the line")
        yield picture


def _has_outlines(splits: dict[str, tuple[Path, ...]], labels: tuple[str, ...]) -> bool:
    """Whether any label file holds a polygon; a file that is wrong is told when it is read for good."""
    return any(
        row.polygon is not None
        for pictures in splits.values()
        for picture in pictures
        for row in read_labels(label_file(picture), labels)[0]
    )


def _read_folders(root: Path, group: str) -> YoloData:
    if group:
        _check_group(group, "--group")
    splits: dict[str, tuple[Path, ...]] = {}
    labels: tuple[str, ...] = ()
    for split, names in _FOLDERS.items():
        folder = next((root / name for name in names if (root / name).is_dir()), None)
        if folder is None:
            if split == "test":
                continue
            raise DataError(
                f"{root} is no data set: it has neither data.yaml nor a folder '{split}'",
                "Give a data.yaml, or a folder with train/ and val/, each with a folder a class",
            )
        classes = tuple(sorted(path.name for path in folder.iterdir() if path.is_dir()))
        if split == "train":
            labels = classes
            if len(labels) < 2:
                raise DataError(f"{folder} has fewer than two folders", "Make a folder for each class")
        for unknown in sorted(set(classes) - set(labels)):
            raise DataError(
                f"{folder / unknown} is no class: {root / 'train'} has no folder '{unknown}'",
                "Rename it, or add pictures of the class to train",
            )
        splits[split] = tuple(
            path
            for label in classes
            for path in sorted((folder / label).rglob("*"))
            if path.suffix.lower() in PICTURES and path.is_file()
        )
        if not splits[split]:
            raise DataError(f"{folder} holds no picture", "Add pictures to its folders")
    return YoloData(root, root, root.name, labels, splits, "classify", group)
