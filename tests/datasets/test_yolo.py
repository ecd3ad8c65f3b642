"""Data sets in Ultralytics' layouts: read, or refused with file and line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from inspector.datasets.labels import label_file
from inspector.datasets.yolo import YoloData
from inspector.domain import Box
from inspector.errors import DataError


def pictures(root: Path, folder: str, names: Sequence[str], labels: str = "") -> None:
    """Files with the names of pictures, which reading a data set does not open."""
    for name in names:
        path = root / folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
        note = label_file(path)
        note.parent.mkdir(parents=True, exist_ok=True)
        note.write_text(labels)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "set"
    pictures(folder, "images/train", ["a-1.jpg", "a-2.png", "b-1.TIF"], "0 0.5 0.5 0.2 0.4\n")
    pictures(folder, "images/val", ["c-1.jpg"])
    return folder


def yaml(root: Path, text: str = "", train: str = "images/train", val: str = "images/val") -> Path:
    path = root / "data.yaml"
    path.write_text(f"{text}train: {train}\nval: {val}\nnames: [disc, square]\n")
    return path


def test_boxes(root: Path) -> None:
    data = YoloData.read(yaml(root))
    assert data.task == "detect"
    assert [path.name for path in data.splits["train"]] == ["a-1.jpg", "a-2.png", "b-1.TIF"]
    (found,) = data.objects(data.splits["train"][0], 200, 100)
    assert found.label == "disc"
    assert found.box == Box(80, 30, 120, 70)
    assert found.polygon is None
    assert data.boxes(data.splits["train"][0], 200, 100) == [("disc", Box(80, 30, 120, 70))]


def test_outlines(root: Path) -> None:
    pictures(root, "images/val", ["c-2.jpg"], "1 0.1 0.2 0.5 0.2 0.3 0.6\n")
    data = YoloData.read(yaml(root))
    assert data.task == "segment"
    (found,) = data.objects(root / "images/val/c-2.jpg", 100, 50)
    assert found.label == "square"
    assert np.array(found.polygon) == pytest.approx(np.array([(10, 10), (50, 10), (30, 30)]))
    assert found.box.x1 == pytest.approx(10)
    assert (found.box.x2, found.box.y2) == pytest.approx((50, 30))


def test_a_box_among_outlines_of_one_file(root: Path) -> None:
    picture = root / "images/train/a-1.jpg"
    label_file(picture).write_text("0 0.1 0.2 0.5 0.2 0.3 0.6\n0 0.5 0.5 0.2 0.2\n")
    data = YoloData.read(yaml(root))
    with pytest.raises(DataError, match=r"a-1\.txt:2: a box among outlines"):
        data.objects(picture, 10, 10)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("0 0.5 0.5 0.2", "4 columns"),
        ("0 0.1 0.1 0.2 0.2 0.3", "6 columns"),
        ("0 0.1 0.1 0.2 0.2 0.3 0.3 0.4", "8 columns"),
        ("5 0.5 0.5 0.2 0.2", "class 5 is unknown"),
        ("0 nan 0.5 0.2 0.2", "no finite number"),
        ("0 0.5 1.2 0.2 0.2", "1.2 lies outside 0..1"),
        ("disc 0.5 0.5 0.2 0.2", "numbers"),
    ],
)
def test_lines_that_are_no_labels(root: Path, line: str, why: str) -> None:
    picture = root / "images/train/a-1.jpg"
    label_file(picture).write_text(f"0 0.5 0.5 0.2 0.2\n{line}\n")
    data = YoloData.read(yaml(root))
    for read in (data.objects, data.boxes):
        with pytest.raises(DataError) as told:
            read(picture, 10, 10)
        assert f"{label_file(picture)}:2: " in str(told.value)
        assert why in str(told.value)


def test_a_byte_order_mark_is_no_fault(root: Path) -> None:
    picture = root / "images/train/a-1.jpg"
    label_file(picture).write_bytes(b"\xef\xbb\xbf0 0.5 0.5 0.2 0.2\r\n")
    assert len(YoloData.read(yaml(root)).boxes(picture, 10, 10)) == 1


@pytest.mark.parametrize(
    ("text", "line", "why"),
    [
        (
            "path: .\ntrain: ../other/images\nval: images/val\nnames: [a]\n",
            2,
            "outside of the data set",
        ),
        ("train: images/train\nval: [images/val, /etc]\nnames: [a]\n", 2, "outside of the data set"),
        ("train: images/train\nval: images/nowhere\nnames: [a]\n", 2, "do not exist"),
        ("path: nowhere\ntrain: a\nval: b\nnames: [a]\n", 1, "does not exist"),
        ("train: images/train\nnames: [a]\n", 1, "is no data set: val"),
        ("train: images/train\nval: images/val\nnames: {0: a, 2: b}\n", 3, "not numbered 0 to 1"),
        ("train: images/train\nval: images/val\nnames:\n  - a\n  - b\n  - a\n", 6, "named twice"),
        ("train: images/train\nval: images/val\nnc: 3\nnames: [a, b]\n", 3, "'nc' is 3"),
        ("train: images/train\nval: images/val\nnames: []\n", 3, "'names' is empty"),
        ("train: images/train\nval: labels/val\nnames: [a]\n", 2, "holds no picture"),
        ("group: a-(\ntrain: images/train\nval: images/val\nnames: [a]\n", 1, "no regular expression"),
        ("group: a-.\ntrain: images/train\nval: images/val\nnames: [a]\n", 1, "has no group"),
        ("train: [\n", 2, "not valid YAML"),
        ("- a\n", 1, "no mapping"),
    ],
)
def test_a_data_yaml_that_is_wrong(root: Path, text: str, line: int, why: str) -> None:
    other = root.parent / "other" / "images"
    pictures(other.parent, "images", ["x.jpg"])
    path = root / "data.yaml"
    path.write_text(text)
    with pytest.raises(DataError) as told:
        YoloData.read(path)
    assert f"{path}:{line}: " in str(told.value)
    assert why in str(told.value)


def test_path_may_name_a_root_that_lies_elsewhere(root: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "yaml"
    elsewhere.mkdir()
    data = YoloData.read(yaml(elsewhere, f"path: {root}\n"))
    assert data.root == root.resolve()
    assert len(data.splits["train"]) == 3


def test_folders_named_as_roboflow_does(root: Path) -> None:
    data = YoloData.read(yaml(root, train="../images/train", val="../images/val"))
    assert data.splits["val"] == (root / "images/val/c-1.jpg",)


def test_lists_of_pictures(root: Path) -> None:
    (root / "train.txt").write_text("./images/train/a-1.jpg\n\nimages/train/b-1.TIF\n")
    data = YoloData.read(yaml(root, train="train.txt"))
    assert [path.name for path in data.splits["train"]] == ["a-1.jpg", "b-1.TIF"]
    for line, why in (("/etc/passwd", "lies outside"), ("images/none.jpg", "does not exist")):
        (root / "train.txt").write_text(f"./images/train/a-1.jpg\n{line}\n")
        with pytest.raises(DataError) as told:
            YoloData.read(yaml(root, train="train.txt"))
        assert f"{root / 'train.txt'}:2: " in str(told.value)
        assert why in str(told.value)


def test_linked_pictures_have_their_labels_beside_the_link(root: Path, tmp_path: Path) -> None:
    linked = tmp_path / "linked"
    for folder in ("images", "labels"):
        (linked / folder).mkdir(parents=True)
    (linked / "images" / "one.jpg").symlink_to(root / "images/train/a-1.jpg")
    (linked / "labels" / "one.txt").write_text("1 0.5 0.5 1 1\n")
    (linked / "all.txt").write_text("images/one.jpg\n")
    data = YoloData.read(yaml(linked, train="all.txt", val="images"))
    assert data.boxes(data.splits["train"][0], 10, 10) == [("square", Box(0, 0, 10, 10))]


def test_group_keys(root: Path) -> None:
    path = yaml(root, "group: '^([a-z])-'\n")
    data = YoloData.read(path)
    assert [data.group_of(picture) for picture in data.splits["train"]] == ["a", "a", "b"]
    assert YoloData.read(path, r"-(\d)").group_of(root / "a-2.png") == "2"
    assert YoloData.read(path, "(z)").group_of(root / "a-2.png") is None
    assert YoloData.read(yaml(root)).group_of(root / "a-2.png") is None


def test_a_folder_a_class(tmp_path: Path) -> None:
    for name in ("train/good/1.jpg", "train/bad/2.png", "train/bad/deep/3.png", "valid/good/4.jpg"):
        pictures(tmp_path, str(Path(name).parent), [Path(name).name])
    data = YoloData.read(tmp_path)
    assert data.task == "classify"
    assert data.labels == ("bad", "good")
    assert [data.category(picture) for picture in data.splits["train"]] == ["bad", "bad", "good"]
    assert [data.category(picture) for picture in data.splits["val"]] == ["good"]
    assert data.own_val
    assert data.objects(data.splits["val"][0], 10, 10) == []
    assert data.files() == sorted(set(data.splits["train"]) | set(data.splits["val"]))


def test_class_folders_that_do_not_fit(tmp_path: Path) -> None:
    pictures(tmp_path, "train/good", ["1.jpg"])
    with pytest.raises(DataError, match="fewer than two folders"):
        YoloData.read(tmp_path)
    pictures(tmp_path, "train/bad", ["2.jpg"])
    with pytest.raises(DataError, match="nor a folder 'val'"):
        YoloData.read(tmp_path)
    (tmp_path / "val" / "good").mkdir(parents=True)
    with pytest.raises(DataError, match="val holds no picture"):
        YoloData.read(tmp_path)
    pictures(tmp_path, "val/odd", ["3.jpg"])
    with pytest.raises(DataError, match=r"val/odd is no class: .*train has no folder 'odd'"):
        YoloData.read(tmp_path)


def test_a_folder_with_a_data_yaml_is_that_data_set(root: Path) -> None:
    yaml(root)
    assert YoloData.read(root).yaml == (root / "data.yaml").resolve()
