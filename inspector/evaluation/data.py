"""Pictures to evaluate on, and what is true of each.

Two layouts. A ``data.yaml`` of Ultralytics' layout: its ``test`` split, else ``val``, with boxes. A
folder ``test/<kind>/`` as MVTec has it, ``test/good`` being the normal ones, with masks of what is
wrong in ``ground_truth/<kind>/``; Ultralytics' layout for classification is the same without masks.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from inspector.cameras.footage import PICTURES
from inspector.datasets.labels import LabelObject
from inspector.datasets.pictures import open_picture
from inspector.datasets.yolo import YoloData, label_file
from inspector.errors import DataError
from inspector.training.card import data_digest

GOOD = "good"
"""The folder of the normal pictures, and the kind of a part without a fault."""
SPLITS = ("test", "val")
"""The first that a data set has is evaluated on."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One picture."""

    path: Path
    name: str
    """Path relative to the data set's root, with ``/``."""
    kind: str | None = None
    """What the part is, where the folder says so: ``good``, or the kind of fault."""
    mask: Path | None = None
    """Picture in which every pixel that is not black is faulty."""


@dataclass(frozen=True)
class EvaluationData:
    """The pictures that are evaluated, in the order of their names."""

    path: Path
    """As it was given."""
    root: Path
    split: str
    samples: tuple[Sample, ...]
    labels: tuple[str, ...]
    """What can be boxed, or the kinds of the folders."""
    boxed: YoloData | None = None
    """Where the boxes come from; None: folders, without boxes."""

    @property
    def has_masks(self) -> bool:
        """Whether the truth is known by the pixel."""
        return any(sample.mask is not None for sample in self.samples)

    @property
    def has_outlines(self) -> bool:
        """Whether objects are known by their outline, not by their box alone."""
        return self.boxed is not None and self.boxed.task == "segment"

    def objects(self, sample: Sample, width: int, height: int) -> tuple[LabelObject, ...]:
        """What is to be found in a picture of that size, in pixels; nothing where there are folders.

        Raises :class:`DataError` for a label that cannot be read.
        """
        if self.boxed is None:
            return ()
        return tuple(self.boxed.objects(sample.path, width, height))

    def digest(self) -> str:
        """SHA-256 over names and contents of the pictures and of what says the truth about them."""
        files = [sample.path for sample in self.samples]
        files += [sample.mask for sample in self.samples if sample.mask is not None]
        if self.boxed is not None:
            files += [label for label in map(label_file, files) if label.is_file()]
        return data_digest((file for file in files if file.is_file()), self.root)


def read_data(path: Path) -> EvaluationData:
    """Read ``data.yaml``, or a folder ``test/<kind>/``.

    Raises :class:`DataError` when it is neither, holds no picture, or has a label that cannot be read.
    """
    if path.is_dir():
        return _folders(path)
    if path.suffix.lower() not in (".yaml", ".yml"):
        raise DataError(
            f"{path} is neither a data.yaml nor a folder with test/<kind>/",
            "Give the data.yaml of a set in Ultralytics' layout, or the folder above test/",
        )
    return _boxed(path)


def _boxed(path: Path) -> EvaluationData:
    data = YoloData.read(path)
    split = next((name for name in SPLITS if data.splits.get(name)), None)
    if split is None:
        raise DataError(f"{path} has neither a test nor a val split", "Name one: 'test: images/test'")
    pictures = sorted(set(data.splits[split]))
    for picture in pictures:
        # a label that cannot be read is told before an hour of inspecting, not after it
        data.objects(picture, 1, 1)
    samples = tuple(Sample(picture, _relative(picture, data.root)) for picture in pictures)
    return EvaluationData(path, data.root, split, samples, data.labels, data)


def _folders(path: Path) -> EvaluationData:
    root = path.resolve()
    if (root / "data.yaml").is_file():
        return _boxed(path / "data.yaml")
    split = next((name for name in SPLITS if (root / name).is_dir()), None)
    if split is None:
        raise DataError(
            f"{path} has no folder test/",
            f"Put the pictures into {path / 'test'}/<kind>/, the normal ones into {GOOD}",
        )
    kinds = sorted(folder for folder in (root / split).iterdir() if folder.is_dir())
    samples = [
        Sample(picture, _relative(picture, root), kind.name, _mask(root, kind.name, picture))
        for kind in kinds
        for picture in sorted(kind.rglob("*"))
        if picture.suffix.lower() in PICTURES
    ]
    if not samples:
        raise DataError(
            f"{path / split} holds no picture in a folder of its kind",
            f"Put them into {path / split}/<kind>/, the normal ones into {GOOD}",
        )
    for sample in samples:
        _prove_mask(sample)
    seen = {sample.kind for sample in samples}
    labels = tuple(kind.name for kind in kinds if kind.name in seen)
    return EvaluationData(path, root, split, tuple(samples), labels)


def _mask(root: Path, kind: str, picture: Path) -> Path | None:
    folder = root / "ground_truth" / kind
    for stem in (f"{picture.stem}_mask", picture.stem):
        for suffix in (".png", picture.suffix, ".bmp", ".tif", ".tiff"):
            if (file := folder / f"{stem}{suffix}").is_file():
                return file
    return None


def _prove_mask(sample: Sample) -> None:
    """Raises :class:`DataError` for a mask that does not belong to its picture."""
    if sample.mask is None:
        return
    try:
        size = open_picture(sample.mask.read_bytes()).size
    except (OSError, DataError) as error:
        raise DataError(f"{sample.mask} cannot be read: {error}", "Export it again") from error
    try:
        picture = open_picture(sample.path.read_bytes()).size
    except (OSError, DataError):
        # the picture is told of when its turn comes
        return
    # EXIF may turn the one and not the other
    if sorted(size) != sorted(picture):
        raise DataError(
            f"{sample.mask} is {size[0]}x{size[1]} pixels, its picture {picture[0]}x{picture[1]}",
            "A mask must have the size of its picture",
        )


def _relative(path: Path, root: Path) -> str:
    return Path(os.path.relpath(path, root)).as_posix()
