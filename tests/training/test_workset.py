"""The data set as the training library sees it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from training.samples import LABELS, drawn_dataset

from inspector.bundle import Tile
from inspector.datasets.yolo import YoloData
from inspector.domain import Box
from inspector.errors import DataError
from inspector.runtimes.tiled import tiles
from inspector.training.plan import Plan
from inspector.training.statistics import statistics_of, told_by_place, upside_down
from inspector.training.workset import Marked, drawn_from, in_tile, tile_corners, write_workset

PLAN = Plan("yolo11n.yaml", 96, None, 0, 8, 0.5, 0.0, 0.5, 0.3, 1, 1, ())


def plan(**changes: object) -> Plan:
    return Plan(**{**PLAN.__dict__, **changes})  # type: ignore[arg-type]


def folder_digest(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


def large_dataset(out: Path, size: int = 900) -> YoloData:
    """One picture for training with a square of 20 px near its right edge, one with none to validate."""
    for split in ("train", "val"):
        (out / "images" / split).mkdir(parents=True)
        (out / "labels" / split).mkdir(parents=True)
        image = np.full((size, size, 3), 90, np.uint8)
        if split == "train":
            image[300:320, 860:880] = 255
        cv2.imwrite(str(out / "images" / split / "one.png"), image)
    line = f"0 {870 / size} {310 / size} {20 / size} {20 / size}\n"
    (out / "labels" / "train" / "one.txt").write_text(line)
    (out / "data.yaml").write_text("train: images/train\nval: images/val\nnames: [square]\n")
    return YoloData.read(out / "data.yaml")


def test_the_users_folder_is_left_alone_and_repeats_are_links(tmp_path: Path) -> None:
    data = YoloData.read(drawn_dataset(tmp_path / "drawn"))
    before = folder_digest(tmp_path / "drawn")
    written = write_workset(data, plan(repeats=3), tmp_path / "work", 0)
    assert (written.train, written.val) == (24, 4)
    copy = YoloData.read(written.path)
    assert copy.labels == LABELS
    assert len(copy.splits["train"]) == 24
    assert folder_digest(tmp_path / "drawn") == before
    first, mine = data.splits["train"][0], copy.splits["train"][0]
    assert mine.resolve() == first.resolve()
    for (label, box), (wanted, truth) in zip(
        copy.boxes(mine, 96, 96), data.boxes(first, 96, 96), strict=True
    ):
        assert label == wanted
        assert box.iou(truth) > 0.99


def test_a_thinned_set_is_drawn_by_chance(tmp_path: Path) -> None:
    data = YoloData.read(drawn_dataset(tmp_path / "drawn"))
    assert write_workset(data, plan(every=3), tmp_path / "work", 0).train == 2
    paths = [Path(f"{number:03d}.png") for number in range(120)]
    chosen = drawn_from(paths, 40)
    assert len(set(chosen)) == 40
    assert list(chosen) == sorted(chosen)
    # a set that takes turns with six classes loses none of them
    assert {int(path.stem) % 6 for path in chosen} == set(range(6))
    assert drawn_from(paths[:5], 40) == tuple(paths[:5])


def test_a_jpeg_that_the_library_would_repair_is_copied(tmp_path: Path) -> None:
    data = YoloData.read(drawn_dataset(tmp_path / "drawn"))
    broken = data.splits["train"][0]
    broken.write_bytes(broken.read_bytes() + b"trailing")
    write_workset(data, PLAN, tmp_path / "work", 0)
    images = sorted((tmp_path / "work" / "train" / "images").iterdir())
    assert not images[0].is_symlink()
    assert images[1].is_symlink()


def test_a_line_that_is_no_label_stops_unless_it_may_be_left_out(tmp_path: Path) -> None:
    data = YoloData.read(drawn_dataset(tmp_path / "drawn"))
    label = tmp_path / "drawn" / "labels" / "train" / "drawn-00.txt"
    label.write_text(label.read_text() + "7 0.5 0.5 0.1 0.1\n")
    with pytest.raises(DataError, match=r"drawn-00\.txt:3"):
        write_workset(data, PLAN, tmp_path / "work", 0)
    write_workset(data, PLAN, tmp_path / "work", 0, strict=False)
    kept = (tmp_path / "work" / "train" / "labels" / "000000-0.txt").read_text()
    assert len(kept.splitlines()) == 2


def test_tiles_show_the_object_at_its_place(tmp_path: Path) -> None:
    data = large_dataset(tmp_path / "large")
    written = write_workset(data, plan(tile=320, overlap=64, imgsz=320), tmp_path / "work", 0)
    copy = YoloData.read(written.path)
    shown = 0
    for path in copy.splits["train"]:
        image = cv2.imread(str(path))
        assert image.shape == (320, 320, 3)
        boxes = copy.boxes(path, 320, 320)
        shown += len(boxes)
        for _, box in boxes:
            cut = image[round(box.y1) : round(box.y2), round(box.x1) : round(box.x2)]
            assert (cut == 255).all()
            assert cut.size == 20 * 20 * 3
        assert bool(boxes) == bool((image == 255).any())
    assert shown >= 1
    assert written.train > shown, "some tiles show what is no object"
    assert written.val >= 1


def test_tiles_lie_where_the_line_cuts_them() -> None:
    for width, height in ((900, 640), (320, 1000), (200, 100)):
        cut = tiles(width, height, Tile(side=320, overlap=64))
        assert [(round(box.x1), round(box.y1)) for box in cut] == tile_corners(width, height, 320, 64)


def test_an_object_of_which_a_tile_shows_less_than_half_is_none() -> None:
    item = Marked(0, Box(90, 0, 130, 40))
    assert in_tile([item], 0, 0, 100) == []
    assert in_tile([item], 10, 0, 100) == [Marked(0, Box(80, 0, 100, 40))]


def test_an_outline_is_cut_with_its_tile() -> None:
    square = np.array([(50.0, 10.0), (150.0, 10.0), (150.0, 60.0), (50.0, 60.0)])
    (cut,) = in_tile([Marked(0, Box(50, 10, 150, 60), square)], 0, 0, 120)
    assert cut.polygon is not None
    assert cut.box == Box(50, 10, 119, 60)


def test_statistics_of_drawn_pictures(tmp_path: Path) -> None:
    data = YoloData.read(drawn_dataset(tmp_path / "drawn"))
    found = statistics_of(data)
    assert (found.task, found.pictures, found.val_pictures) == ("detect", 8, 4)
    assert found.long_px == 96
    assert found.object_px == pytest.approx(25, abs=1)
    assert found.object_share == pytest.approx(25 / 96, abs=0.02)


def test_the_average_of_textures_has_no_above_and_below() -> None:
    rng = np.random.default_rng(1)
    noise = [rng.normal(120, 20, (16, 16)).astype(np.float32) for _ in range(60)]
    assert upside_down(noise) < 0.15
    floor = np.zeros((16, 16), np.float32)
    floor[8:] = 80
    assert upside_down([thumb + floor for thumb in noise]) > 0.5
    assert upside_down(noise[:5]) == 1.0


def test_classes_that_never_change_places_are_told_by_them() -> None:
    rng = np.random.default_rng(1)
    left = [(x, y) for x, y in rng.uniform(0, 0.45, (30, 2))]
    right = [(x + 0.55, y) for x, y in rng.uniform(0, 0.45, (30, 2))]
    assert told_by_place({"a": left, "b": right}, 0)
    assert not told_by_place({"a": left, "b": right}, 1)
    assert not told_by_place({"a": left, "b": right[:5]}, 0), "five are too few to say"
