"""A missing cap and a wrong thing on a bottle's top are told apart, on clips that nothing was fitted to."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
from support import a_station

from inspector.cameras.footage import open_footage
from inspector.domain import Box, Finding, Frame, Image, Part, Trigger
from inspector.judge import judge
from inspector.station import Station
from system.cli import ROOT

CLIPS = {
    "hand-wash": ("clip-d", (86, 118, 145, 168, 196)),
    "shower-gel": ("clip-e", (88, 117, 136, 155, 174)),
}
"""Product, clip and the frames in which its bottles cross the line."""
LINE_X = {"hand-wash": 0.5, "shower-gel": 0.425}


@dataclass(frozen=True, eq=False)
class Bottle:
    """A bottle as it crosses, and its cap."""

    frame: int
    image: Image
    box: Box
    cap: Box


def bottles(data_dir: Path, product: str) -> list[Bottle]:
    clip, frames = CLIPS[product]
    notes = {
        note["frame"]: note["boxes"]
        for note in json.loads((data_dir / "bottles" / f"{clip}.json").read_text())["frames"]
    }
    found = []
    recording = open_footage(data_dir / "bottles" / f"{clip}.mp4")
    while (frame := recording.read()) is not None and frame.index <= max(frames):
        if frame.index not in frames:
            continue
        line = LINE_X[product] * frame.image.shape[1]
        boxes = [(note["label"], Box(*note["xyxy"])) for note in notes[frame.index]]
        box = min((b for label, b in boxes if label == "bottle"), key=lambda b: abs(b.centre[0] - line))
        cap = next(b for label, b in boxes if label == "cap" and box.contains(*b.centre))
        found.append(Bottle(frame.index, frame.image, box, cap))
    recording.close()
    return found


@pytest.fixture(scope="module", params=sorted(CLIPS))
def line(request: pytest.FixtureRequest, data_dir: Path) -> tuple[Station, list[Bottle]]:
    product = str(request.param)
    found = bottles(data_dir, product)
    assert len(found) == 5
    return a_station(ROOT / "configs" / "recipes" / product), found


def caps(station: Station, bottle: Bottle, image: Image) -> list[Finding]:
    """What the assembly check says of that bottle, whose box is the detector's, as on the line."""
    frame = Frame(image, "clip", bottle.frame, 0.0, recorded=True)
    seen = station.detect(frame, "detector")
    box = max((one.box for one in seen if one.label == "bottle"), key=bottle.box.iou)
    assert box.iou(bottle.box) > 0.6
    part = Part(Trigger(0, 1, "bottle", 0.0, 60.0), (frame,), box, {"detector": seen})
    return [finding for finding in station.inspect(part).findings if finding.check == "assembly"]


def bare(bottle: Bottle) -> Image:
    """The cap painted over in the colour of the wall above it."""
    image = bottle.image.copy()
    x1, y1, x2, y2 = (int(v) for v in bottle.cap.rounded(0))
    wall = image[y1 - 16 : y1 - 6, x1:x2].reshape(-1, 3).mean(0)
    patch = image[y1 - 4 : y2 + 2, max(0, x1 - 4) : x2 + 4]
    noise = np.random.default_rng(bottle.frame).normal(0, 2, patch.shape)
    patch[:] = np.clip(wall + noise, 0, 255).astype(np.uint8)
    return image


def topped(bottle: Bottle, thing: Image) -> Image:
    """That thing in the cap's stead, as high and a little wider."""
    image = bare(bottle)
    y1, y2 = int(bottle.cap.y1), int(bottle.cap.y2)
    height, x = y2 - y1, int(bottle.box.centre[0])
    width = int(1.3 * height)
    image[y1:y2, x - width // 2 : x - width // 2 + width] = cv2.resize(thing, (width, height))
    return image


def screw(data_dir: Path) -> Image:
    photo = np.asarray(cv2.imread(str(data_dir / "screws" / "11_1111.jpg")), np.uint8)
    return photo[200:300, 75:175]


def nut(data_dir: Path) -> Image:
    path = min((data_dir / "metal_nut").rglob("*.jpg"))
    return np.asarray(cv2.imread(str(path)), np.uint8)


def cookie(data_dir: Path) -> Image:
    path = min((data_dir / "cookies").rglob("*normal*.jpg"))
    photo = np.asarray(cv2.imread(str(path)), np.uint8)
    rows, columns = photo.shape[:2]
    return photo[rows // 4 : rows * 3 // 4, columns // 4 : columns * 3 // 4]


def red(_: Path) -> Image:
    return np.full((40, 40, 3), (40, 40, 200), np.uint8)


def noise(_: Path) -> Image:
    return np.random.default_rng(0).integers(0, 255, (40, 40, 3)).astype(np.uint8)


def test_capped_bottles_have_no_finding(line: tuple[Station, list[Bottle]]) -> None:
    station, found = line
    assert [caps(station, bottle, bottle.image) for bottle in found] == [[]] * 5


def test_bottles_without_a_cap_lack_it(line: tuple[Station, list[Bottle]]) -> None:
    station, found = line
    for bottle in found:
        findings = caps(station, bottle, bare(bottle))
        assert [finding.kind for finding in findings] == ["missing"], bottle.frame
        assert findings[0].expected_box is not None
        assert findings[0].expected_box.contains(*bottle.cap.centre)


@pytest.mark.parametrize("thing", [screw, nut, cookie, red, noise])
def test_another_thing_on_top_is_wrong(
    line: tuple[Station, list[Bottle]], data_dir: Path, thing: Callable[[Path], Image]
) -> None:
    station, found = line
    for bottle in found:
        findings = caps(station, bottle, topped(bottle, thing(data_dir)))
        assert [finding.kind for finding in findings] == ["wrong"], bottle.frame
        assert judge(findings).cause.word == "Wrong"
        assert findings[0].expected_box is not None
