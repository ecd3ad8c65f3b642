"""Annotated footage and the simulated line as data sets."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from inspector.datasets.yolo import YoloData, label_file
from inspector.domain import Box
from inspector.errors import DataError, FootageError
from inspector.training.card import read_picture
from inspector.training.dataset import Clip, footage_dataset
from inspector.training.simulated import good_crops, simulated_dataset

FRAMES = 7


def clip(folder: Path, name: str, labels: tuple[str, ...] = ("bottle", "cap")) -> Path:
    """A clip of seven frames, a box of each label in every frame."""
    path = folder / f"{name}.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25, (64, 48))
    for index in range(FRAMES):
        writer.write(np.full((48, 64, 3), index * 30, np.uint8))
    writer.release()
    boxes = [{"label": label, "xyxy": [4, 6, 36, 30]} for label in labels]
    frames = [{"frame": index, "source_frame": 9, "boxes": boxes} for index in range(FRAMES)]
    annotation = {"fps": 25, "size": [64, 48], "frames": frames}
    path.with_suffix(".json").write_text(json.dumps(annotation))
    return path


def test_clips_become_splits(tmp_path: Path) -> None:
    train, val, test = (clip(tmp_path, name) for name in "abc")
    path = footage_dataset([train], [val], tmp_path / "set", 3, [test])
    data = YoloData.read(path)
    assert data.labels == ("bottle", "cap")
    assert {split: len(pictures) for split, pictures in data.splits.items()} == {
        "train": 3,
        "val": 3,
        "test": 3,
    }
    assert data.own_val
    assert [picture.stem for picture in data.splits["train"]] == ["a_00000", "a_00003", "a_00006"]
    third = read_picture(data.splits["train"][2])
    assert abs(float(third.mean()) - 180) < 4
    assert data.boxes(data.splits["val"][0], 64, 48) == [
        ("bottle", Box(4, 6, 36, 30)),
        ("cap", Box(4, 6, 36, 30)),
    ]


def test_without_validation_the_training_pictures_stand_in(tmp_path: Path) -> None:
    path = footage_dataset([clip(tmp_path, "a")], [], tmp_path / "set", 1)
    data = YoloData.read(path)
    assert not data.own_val
    assert data.splits["val"] == data.splits["train"]


def test_a_data_set_replaces_its_own_kind_only(tmp_path: Path) -> None:
    video = clip(tmp_path, "a")
    out = tmp_path / "set"
    footage_dataset([video], [], out, 1)
    footage_dataset([video], [], out, 7)
    assert len(list((out / "images" / "train").iterdir())) == 1
    (out / "thesis.txt").write_text("years of work")
    with pytest.raises(DataError, match="no data set of ours"):
        footage_dataset([video], [], out, 1)
    assert (out / "thesis.txt").exists()


def test_what_is_missing_is_a_sentence(tmp_path: Path) -> None:
    video = clip(tmp_path, "a")
    with pytest.raises(FootageError, match="does not exist"):
        footage_dataset([tmp_path / "b.avi"], [], tmp_path / "set", 1)
    with pytest.raises(DataError, match="given twice"):
        footage_dataset([video], [video], tmp_path / "set", 1)
    with pytest.raises(DataError, match="takes no frame"):
        footage_dataset([video], [], tmp_path / "set", 0)
    video.with_suffix(".json").write_text('{"frames": [{"frame": 0}]}')
    with pytest.raises(DataError, match=r"frames\.0\.boxes"):
        footage_dataset([video], [], tmp_path / "set", 1)
    video.with_suffix(".json").unlink()
    with pytest.raises(DataError, match=r"a\.json is missing"):
        footage_dataset([video], [], tmp_path / "set", 1)
    assert not (tmp_path / "set").exists()


def test_a_video_that_is_none_or_ends_early_is_a_sentence(tmp_path: Path) -> None:
    video = clip(tmp_path, "a")
    annotation = json.loads(video.with_suffix(".json").read_text())
    annotation["frames"].append({"frame": 40, "boxes": []})
    video.with_suffix(".json").write_text(json.dumps(annotation))
    with pytest.raises(FootageError, match="ends at frame 7"):
        list(Clip.open(video).frames())
    video.write_bytes(b"no video")
    with pytest.raises(FootageError, match="is no video"):
        list(Clip.open(video).frames())


def test_labels_beside_pictures_are_read_or_refused(tmp_path: Path) -> None:
    data = YoloData.read(footage_dataset([clip(tmp_path, "a")], [], tmp_path / "set", 7))
    picture = data.splits["train"][0]
    path = label_file(picture)
    assert path == tmp_path / "set" / "labels" / "train" / "a_00000.txt"
    path.write_text("0 0.5 0.5 0.5 0.5\n7 0.5 0.5 0.5 0.5\n")
    with pytest.raises(DataError, match=r"a_00000\.txt:2: .* is no box"):
        data.boxes(picture, 64, 48)
    path.unlink()
    assert data.boxes(picture, 64, 48) == []


def test_simulated_parts_carry_their_truth(tmp_path: Path) -> None:
    path = simulated_dataset(tmp_path / "set", 20, seed=4)
    data = YoloData.read(path)
    assert data.labels == ("housing", "screw", "hole")
    assert {split: len(pictures) for split, pictures in data.splits.items()} == {
        "train": 18,
        "val": 4,
    }
    belts = [picture for picture in data.splits["train"] if picture.stem.startswith("belt")]
    assert belts
    assert data.boxes(belts[0], 640, 480) == []
    found = [data.boxes(picture, 640, 480) for picture in data.splits["train"]]
    assert any(label == "hole" for boxes in found for label, _ in boxes)
    for boxes in found:
        labels = [label for label, _ in boxes]
        assert labels.count("screw") + labels.count("hole") <= 4
    crops = sorted((tmp_path / "set" / "good").iterdir())
    assert len(crops) == 5
    for crop in crops:
        height, width = read_picture(crop).shape[:2]
        assert 280 < width < 340
        assert 220 < height < 280


def test_equal_seeds_give_equal_pictures(tmp_path: Path) -> None:
    assert good_crops(tmp_path / "a", 2, 9) == good_crops(tmp_path / "b", 2, 9) == 2
    names = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert names == ["part-0000_0.png", "part-0001_0.png"]
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_too_few_simulated_parts_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="too few"):
        simulated_dataset(tmp_path / "set", 3, seed=1)
