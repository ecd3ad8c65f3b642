"""Photos of one part into a data set: boxes drawn on one photo hold for all of them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from inspector.datasets.yolo import YoloData
from inspector.domain import Box
from inspector.errors import ConfigError, DataError, InputError
from inspector.pose import Pose
from inspector.training.places import numbers, placed_dataset

LAYOUT = """\
reference: 1_10.png
names: '(?P<number>\\d+)_(?P<states>[01]+)\\.png'
states: {"1": screw, "0": hole}
places:
  - {name: left, box: [100, 100, 140, 140]}
  - {name: right, box: [300, 200, 340, 240]}
"""
TRUE = {"left": (120, 120), "right": (320, 220)}


def _turned(angle: float) -> Pose:
    return Pose.of(np.array(cv2.getRotationMatrix2D((240, 200), angle, 1.0), np.float64))


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """One textured part, differently turned, whose components are bright or dark discs."""
    folder = tmp_path / "photos"
    folder.mkdir()
    coarse = np.random.default_rng(5).integers(90, 160, (50, 60, 1))
    part = np.kron(coarse, np.ones((8, 8, 3))).astype(np.uint8)
    for number, (states, angle) in enumerate((("10", 0), ("01", 6), ("11", -5), ("00", 3)), 1):
        image = part.copy()
        for state, at in zip(states, TRUE.values(), strict=True):
            cv2.circle(image, at, 20, (250, 250, 250) if state == "1" else (0, 0, 0), -1)
        warped = cv2.warpAffine(image, _turned(angle).matrix, (480, 400), borderMode=cv2.BORDER_REFLECT)
        cv2.imwrite(str(folder / f"{number}_{states}.png"), warped)
    (tmp_path / "layout.yaml").write_text(LAYOUT)
    return folder


def make(photos: Path, **changes: object) -> Path:
    fields: dict[str, object] = {"train": range(1, 4), "val": range(4, 5), "copies": 3, "seed": 1}
    layout, out = photos.parent / "layout.yaml", photos.parent / "out"
    return placed_dataset(photos, layout, out, **(fields | changes))  # type: ignore[arg-type]


def test_boxes_lie_where_the_components_are_and_states_come_from_the_name(photos: Path) -> None:
    data = YoloData.read(make(photos, copies=0))
    assert data.labels == ("screw", "hole")
    (second,) = [path for path in data.splits["train"] if path.stem == "2_01"]
    boxes = data.boxes(second, 480, 400)
    assert [label for label, _ in boxes] == ["hole", "screw"]
    for (_, box), at in zip(boxes, TRUE.values(), strict=True):
        assert box.centre == pytest.approx(_turned(6).point(*at), abs=2)
        assert box.width == pytest.approx(40, abs=1)


def test_every_box_of_a_turned_copy_holds_what_its_label_says(photos: Path) -> None:
    """Also where the border repeats the picture."""
    data = YoloData.read(make(photos, copies=8))
    checked = 0
    for path in data.splits["train"]:
        image = np.asarray(cv2.imread(str(path)), np.uint8)
        height, width = image.shape[:2]
        for label, box in data.boxes(path, width, height):
            x, y = (int(value) for value in box.centre)
            if Box(20, 20, width - 20, height - 20).contains(x, y):
                patch = image[y - 3 : y + 4, x - 3 : x + 4].mean()
                assert (patch > 200) if label == "screw" else (patch < 50), (path.name, label, box)
                checked += 1
    assert len(data.splits["train"]) == 27
    assert checked > 60


def test_equal_seeds_give_equal_data(photos: Path) -> None:
    first = {p.name: p.read_bytes() for p in make(photos).parent.rglob("*.txt")}
    again = {p.name: p.read_bytes() for p in make(photos).parent.rglob("*.txt")}
    other = {p.name: p.read_bytes() for p in make(photos, seed=2).parent.rglob("*.txt")}
    assert first == again != other


def test_a_photo_of_another_part_is_named(photos: Path) -> None:
    rng = np.random.default_rng(9)
    cv2.imwrite(str(photos / "5_11.png"), rng.integers(0, 255, (400, 480, 3)).astype(np.uint8))
    with pytest.raises(DataError, match=r"5_11\.png does not show the part of 1_10\.png"):
        make(photos, val=range(4, 6))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("(?P<states>[01]+)", "[01]+", "groups"),
        ("[01]+)", "[01+)", "no regular expression"),
        ("[100, 100, 140, 140]", "[140, 100, 100, 140]", "x1 < x2"),
        ("places:", "plces:", "unknown key"),
    ],
)
def test_a_wrong_layout_is_told(photos: Path, old: str, new: str, message: str) -> None:
    assert old in LAYOUT
    (photos.parent / "layout.yaml").write_text(LAYOUT.replace(old, new, 1))
    with pytest.raises(ConfigError, match=message):
        make(photos)


def test_names_and_numbers_that_do_not_fit_are_told(photos: Path) -> None:
    with pytest.raises(InputError, match="to train and to validate"):
        make(photos, val=range(3, 5))
    with pytest.raises(DataError, match="no photo has a number of the split 'val'"):
        make(photos, val=range(90, 95))
    (photos / "9_111.png").write_bytes(b"")
    with pytest.raises(DataError, match="3 states for 2 places"):
        make(photos)


def test_ranges_of_numbers() -> None:
    assert numbers("61-70", "--val") == range(61, 71)
    assert numbers("7", "--val") == range(7, 8)
    for wrong in ("70-61", "a", "1-", ""):
        with pytest.raises(InputError, match="--val"):
            numbers(wrong, "--val")
