"""The published layout of DeepPCB becomes a data set that the audit, training and evaluation read."""

from __future__ import annotations

from pathlib import Path

import boards
import cv2
import pytest

from inspector.datasets.deeppcb import LABELS, VALIDATION_GROUP, convert
from inspector.datasets.yolo import YoloData
from inspector.errors import DataError
from inspector.golden import golden_file


def source(folder: Path, line: str = "64 32 96 64 3") -> Path:
    for name in ("images", "templates", "annotations"):
        (folder / name).mkdir(parents=True)
    names = {"train": ["20085000", f"{VALIDATION_GROUP}001"], "test": ["12000001"]}
    for split, ids in names.items():
        (folder / f"{split}.txt").write_text("\n".join(ids) + "\n")
        for name in ids:
            cv2.imwrite(
                str(folder / "images" / f"{name}.jpg"), cv2.resize(boards.golden(1), (640, 640))
            )
            cv2.imwrite(
                str(folder / "templates" / f"{name}.png"), cv2.resize(boards.golden(1), (640, 640))
            )
            (folder / "annotations" / f"{name}.txt").write_text(f"{line}\n")
    return folder


def test_splits_labels_and_golden_images(tmp_path: Path) -> None:
    data = YoloData.read(convert(source(tmp_path / "source"), tmp_path / "out"))
    assert data.labels == LABELS
    assert {split: [p.stem for p in found] for split, found in data.splits.items()} == {
        "train": ["20085000"],
        "val": [f"{VALIDATION_GROUP}001"],
        "test": ["12000001"],
    }
    (picture,) = data.splits["test"]
    ((label, box),) = data.boxes(picture, 640, 640)
    assert label == "mousebite"
    assert box.rounded() == (64.0, 32.0, 96.0, 64.0)
    golden = golden_file(picture)
    assert golden is not None
    assert golden.parent.name == "templates"


def test_a_line_that_is_no_box_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"annotations/.*:1: '64 32 96 64' is not"):
        convert(source(tmp_path / "source", "64 32 96 64"), tmp_path / "out")


def test_another_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"train\.txt cannot be read"):
        convert(tmp_path, tmp_path / "out")
