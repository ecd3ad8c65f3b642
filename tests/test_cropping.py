"""Pictures to learn from, cut out as the checks would see them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from fakes import CROSSING, FakeDetector, frame, make_recipe, make_station, picture, write_bundle

from inspector.cropping import Cropper
from inspector.domain import Box, Detection, Frame
from inspector.errors import InputError

REGION = CROSSING.replace(
    "checks:\n",
    "checks:\n  - {kind: anomaly, model: face, region: {of: bottle, inner: [0, 0.5, 1, 1]}}\n",
)
SIZE = (200, 100)


class Footage:
    """A bottle of 20 x 40 px that moves by 5 px a frame."""

    ends_on_error = True

    def __init__(self, frames: int = 40) -> None:
        self.frames = [frame(picture(size=SIZE, seed=n), index=n) for n in range(frames)]
        self.read_so_far = 0

    def read(self) -> Frame | None:
        self.read_so_far += 1
        return self.frames[self.read_so_far - 1] if self.read_so_far <= len(self.frames) else None

    def see(self, _: object) -> list[Detection]:
        x = 5.0 * (self.read_so_far - 1)
        return [Detection("bottle", 0.9, Box(x, 30, x + 20, 70))]


def crop(
    tmp_path: Path, text: str = REGION, span: float = 0.2, every: int = 3
) -> tuple[Cropper, Footage]:
    footage = Footage()
    station = make_station(make_recipe(tmp_path, text), FakeDetector(footage.see))
    cropper = Cropper(station, "bottle", tmp_path / "out", span, every)
    cropper.run(footage)
    return cropper, footage


def test_the_region_of_the_recipes_anomaly_check_is_written_losslessly(tmp_path: Path) -> None:
    cropper, footage = crop(tmp_path)
    paths = sorted((tmp_path / "out").iterdir())
    assert len(paths) == cropper.written
    assert cropper.parts == {"top-001"}
    first = int(paths[0].stem.split("_")[1])
    image = cv2.imread(str(paths[0]))
    x = 5 * first
    assert image is not None
    assert np.array_equal(image, footage.frames[first].image[50:70, x : x + 20])


def test_the_region_of_a_class_check_is_cut_out_too(tmp_path: Path) -> None:
    write_bundle(tmp_path / "soap" / "whole", "classify", ("clean", "cracked"))
    text = REGION.replace(
        "{kind: anomaly, model: face,", "{kind: classify, model: whole, good: [clean],"
    )
    crop(tmp_path, text)
    image = cv2.imread(str(next((tmp_path / "out").iterdir())))
    assert image is not None
    assert image.shape == (20, 20, 3)


def test_only_parts_near_the_line_and_every_nth_frame_are_written(tmp_path: Path) -> None:
    crop(tmp_path, span=0.2, every=3)
    indices = [int(path.stem.split("_")[1]) for path in sorted((tmp_path / "out").iterdir())]
    # the centre is within 40 px of the line at 100 px from frame 10 to 26
    assert indices == [12, 15, 18, 21, 24]


def test_without_an_anomaly_check_the_whole_box_is_cut_out(tmp_path: Path) -> None:
    crop(tmp_path, CROSSING)
    image = cv2.imread(str(next((tmp_path / "out").iterdir())))
    assert image is not None
    assert image.shape == (40, 20, 3)


def test_parts_cut_off_by_the_edge_are_left_out(tmp_path: Path) -> None:
    cropper, _ = crop(tmp_path, span=1.0, every=1)
    indices = [int(path.stem.split("_")[1]) for path in sorted((tmp_path / "out").iterdir())]
    assert indices == list(range(2, 36))
    assert cropper.written == 34


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "out").touch()
    with pytest.raises(InputError, match="cannot be made") as caught:
        crop(tmp_path)
    assert "--out" in caught.value.remedy
