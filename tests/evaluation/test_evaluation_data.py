"""Both layouts of data are read, and what is wrong with them is told in a sentence."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from evaluation.measured import A, B, line_of, write_boxed, write_picture

from inspector.errors import InputError
from inspector.evaluation.data import read_data


def folders(root: Path) -> Path:
    for kind in ("good", "dent"):
        for number in (0, 1):
            write_picture(root / "test" / kind / f"{number:03d}.png", number)
    write_picture(root / "ground_truth" / "dent" / "000_mask.png")
    return root


def test_a_folder_a_kind_with_masks(tmp_path: Path) -> None:
    data = read_data(folders(tmp_path))
    assert [(s.name, s.kind) for s in data.samples] == [
        ("test/dent/000.png", "dent"),
        ("test/dent/001.png", "dent"),
        ("test/good/000.png", "good"),
        ("test/good/001.png", "good"),
    ]
    assert data.labels == ("dent", "good")
    assert [s.mask and s.mask.name for s in data.samples] == ["000_mask.png", None, None, None]
    assert data.objects(data.samples[0], 64, 48) == ()


def test_a_mask_that_does_not_belong_is_told_before_anything_runs(tmp_path: Path) -> None:
    root = folders(tmp_path)
    mask = root / "ground_truth" / "dent" / "001_mask.png"
    mask.write_bytes(b"none")
    with pytest.raises(InputError, match=r"001_mask\.png cannot be read"):
        read_data(root)
    cv2.imwrite(str(mask), np.zeros((20, 30), np.uint8))
    with pytest.raises(InputError, match=r"001_mask\.png is 30x20 pixels, its picture 64x48"):
        read_data(root)


def test_the_test_split_is_used_before_the_validation(tmp_path: Path) -> None:
    yaml = write_boxed(tmp_path, {"b": (1, [line_of(A)]), "a": (2, [line_of(A), line_of(B)])})
    data = read_data(yaml)
    assert data.split == "test"
    assert [sample.name for sample in data.samples] == ["images/test/a.png", "images/test/b.png"]
    found = data.objects(data.samples[0], 64, 48)
    assert [item.label for item in found] == ["scratch", "scratch"]
    assert found[1].box.rounded() == B.rounded()
    assert not data.has_outlines
    yaml.write_text(yaml.read_text().replace("test: images/test\n", ""))
    assert read_data(yaml).split == "val"
    # the folder of a data.yaml stands for it
    assert read_data(tmp_path).samples == read_data(yaml).samples


def test_the_digest_knows_pictures_labels_and_masks(tmp_path: Path) -> None:
    yaml = write_boxed(tmp_path / "boxes", {"a": (1, [line_of(A)])})
    root = folders(tmp_path / "kinds")
    first = read_data(yaml).digest(), read_data(root).digest()
    assert (read_data(yaml).digest(), read_data(root).digest()) == first
    (tmp_path / "boxes" / "labels" / "test" / "a.txt").write_text(line_of(B))
    assert read_data(yaml).digest() != first[0]
    write_picture(root / "ground_truth" / "dent" / "000_mask.png", 9)
    second = read_data(root).digest()
    assert second != first[1]
    # the same name and content in another folder is another picture
    (root / "test" / "dent" / "001.png").rename(root / "test" / "good" / "002.png")
    assert read_data(root).digest() != second


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("nowhere", "neither a data.yaml nor a folder"),
        ("empty", "has no folder test/"),
        ("bare", "holds no picture in a folder of its kind"),
        ("missing.yaml", "missing.yaml"),
    ],
)
def test_what_is_no_data_set(tmp_path: Path, place: str, words: str) -> None:
    (tmp_path / "empty").mkdir()
    write_picture(tmp_path / "bare" / "test" / "loose.png")
    (tmp_path / "bare" / "test" / "good").mkdir()
    with pytest.raises(InputError, match=words) as refused:
        read_data(tmp_path / place)
    assert refused.value.remedy


def test_a_label_that_is_none_is_told_with_file_and_line_before_anything_runs(tmp_path: Path) -> None:
    yaml = write_boxed(tmp_path, {"a": (1, [line_of(A), "0 0.5 nan 0.1 0.1"])})
    with pytest.raises(InputError, match=r"a\.txt:2"):
        read_data(yaml)
