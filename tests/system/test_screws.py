"""The shipped recipe of the wooden block, on photos that it was not trained on: 71 to 100."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
from support import a_station

from inspector.domain import Frame, Image, Part, Trigger, Verdict
from inspector.pose import Pose, TextureMatcher
from inspector.station import Judged, Station
from system.cli import run_here

ROOT = Path(__file__).resolve().parents[2]
RECIPE = ROOT / "configs" / "recipes" / "screws"
PLACES = {
    "top left": (104, 226),
    "top right": (413, 212),
    "bottom left": (116, 580),
    "bottom right": (435, 558),
}
"""Their middles on photo 1, as in ``layout.yaml``."""
MARGIN_PX = 250
SHIFT_PX = 100
TURN_DEG = 15.0


@dataclass(frozen=True, eq=False)
class Photo:
    """A photo and which screws it shows."""

    number: int
    path: Path
    image: Image
    missing: frozenset[str]


@pytest.fixture(scope="module")
def photos(data_dir: Path) -> list[Photo]:
    found = []
    for path in (data_dir / "screws").glob("*.jpg"):
        number, states = path.stem.split("_")
        if int(number) > 70:
            missing = frozenset(
                place for place, state in zip(PLACES, states, strict=True) if state == "0"
            )
            found.append(Photo(int(number), path, _read(path), missing))
    assert len(found) == 30
    return sorted(found, key=lambda photo: photo.number)


@pytest.fixture(scope="module")
def station() -> Station:
    return a_station(RECIPE)


@pytest.fixture(scope="module")
def matcher(data_dir: Path) -> TextureMatcher:
    """Finds the block by the wood's texture: another way than the recipe's, to check it."""
    return TextureMatcher(_read(data_dir / "screws" / "1_1011.jpg"))


def _read(path: Path) -> Image:
    return np.asarray(cv2.imread(str(path)), np.uint8)


def inspect(station: Station, image: Image) -> Judged:
    trigger = Trigger(0, 1, "block", 0.0, 3600.0)
    return station.inspect(Part(trigger, (Frame(image, "photo", 0, 0.0, recorded=True),)))


def wrong_positions(judged: Judged, photo: Photo) -> set[str]:
    """Places that were judged otherwise than they are; findings of another kind count too."""
    said = {finding.label for finding in judged.findings if finding.kind == "missing"}
    others = {
        f"{finding.kind} {finding.label}" for finding in judged.findings if finding.kind != "missing"
    }
    return (said ^ photo.missing) | others


def copies(photo: Photo, pad: int = MARGIN_PX) -> Iterator[tuple[Image, Pose]]:
    """The photo turned both ways and shifted, on a canvas filled with its own mirror image."""
    height, width = photo.image.shape[:2]
    for turn in (-TURN_DEG, TURN_DEG):
        shift = np.random.default_rng((photo.number, int(turn > 0))).uniform(-SHIFT_PX, SHIFT_PX, 2)
        matrix = np.array(cv2.getRotationMatrix2D((width / 2, height / 2), turn, 1.0))
        matrix[:, 2] += pad + shift
        size = (width + 2 * pad, height + 2 * pad)
        yield (
            np.asarray(
                cv2.warpAffine(photo.image, matrix, size, borderMode=cv2.BORDER_REFLECT), np.uint8
            ),
            Pose.of(matrix),
        )


def test_all_120_positions_and_every_verdict_are_right(station: Station, photos: list[Photo]) -> None:
    wrong = {}
    for photo in photos:
        judged = inspect(station, photo.image)
        verdict = Verdict.FAIL if photo.missing else Verdict.PASS
        positions = wrong_positions(judged, photo)
        if positions or judged.judgement.verdict is not verdict:
            wrong[photo.path.name] = (judged.judgement.verdict, positions)
    assert wrong == {}


def test_copies_turned_and_shifted_are_judged_alike(station: Station, photos: list[Photo]) -> None:
    wrong = {}
    for photo in photos:
        for number, (image, _) in enumerate(copies(photo)):
            judged = inspect(station, image)
            verdict = Verdict.FAIL if photo.missing else Verdict.PASS
            positions = wrong_positions(judged, photo)
            if positions or judged.judgement.verdict is not verdict:
                wrong[photo.path.name, number] = (judged.judgement.verdict, positions)
    assert wrong == {}


def test_a_missing_screw_is_shown_where_it_should_be(
    station: Station, photos: list[Photo], matcher: TextureMatcher
) -> None:
    """Within 12 px of where the wood's texture puts the hole, on the photo and on a turned copy."""
    seen = 0
    for photo in [photo for photo in photos if photo.missing][::3]:
        lies = matcher.pose(photo.image)
        assert lies is not None
        for image, moved in ((photo.image, Pose()), *copies(photo)):
            for finding in inspect(station, image).findings:
                assert finding.expected_box is not None
                true = moved.point(*lies.point(*PLACES[finding.label]))
                assert math.dist(finding.expected_box.centre, true) < 12, (
                    photo.path.name,
                    finding.label,
                )
                assert 80 < finding.expected_box.width < 120
                seen += 1
    assert seen > 20


@pytest.mark.parametrize("side", ["left", "right", "top", "bottom"])
def test_a_position_that_the_border_cuts_is_review(
    station: Station, photos: list[Photo], matcher: TextureMatcher, side: str
) -> None:
    """The border runs through the middle of a position; nothing else of the block is lost."""
    for photo in [photo for photo in photos if len(photo.missing) <= 1][:4]:
        lies = matcher.pose(photo.image)
        assert lies is not None
        place = {
            "left": "top left",
            "right": "bottom right",
            "top": "top right",
            "bottom": "bottom left",
        }[side]
        x, y = (round(value) for value in lies.point(*PLACES[place]))
        height, width = photo.image.shape[:2]
        left, right = (x if side == "left" else 0), (x if side == "right" else width)
        top, bottom = (y if side == "top" else 0), (y if side == "bottom" else height)
        judged = inspect(station, np.ascontiguousarray(photo.image[top:bottom, left:right]))
        assert judged.judgement.verdict is Verdict.REVIEW, (photo.path.name, side)
        assert judged.judgement.cause.word == "PartialPart", (photo.path.name, side)


def test_a_picture_without_the_block_is_no_part(station: Station, photos: list[Photo]) -> None:
    wood = photos[0].image[300:500, 180:360]
    judged = inspect(station, np.asarray(cv2.resize(wood, (600, 789)), np.uint8))
    assert judged.judgement.verdict is Verdict.REVIEW
    assert "NoPart" in {cause.word for cause in judged.judgement.causes}


def test_predictions_name_each_missing_screw_with_its_place(
    photos: list[Photo],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    chosen = {
        photo.path.name: photo
        for photo in [*photos[:3], *[p for p in photos if len(p.missing) == 4][:1]]
    }
    for name, photo in chosen.items():
        kind = "missing" if photo.missing else "good"
        (tmp_path / "data" / "test" / kind).mkdir(parents=True, exist_ok=True)
        shutil.copy(photo.path, tmp_path / "data" / "test" / kind / name)
    lines = tmp_path / "predictions.jsonl"
    outcome = run_here(
        monkeypatch, capsys, "evaluate", RECIPE, tmp_path / "data", "--predictions", lines
    )
    assert outcome.code == 0, outcome.err
    rows = [json.loads(line) for line in lines.read_text().splitlines()]
    assert len(rows) == len(chosen)
    for row in rows:
        photo = chosen[Path(row["image"]).name]
        named = {
            finding["label"]: finding for finding in row["findings"] if finding["kind"] == "missing"
        }
        assert set(named) == photo.missing
        assert all(len(finding["expectedBox"]) == 4 for finding in named.values())


def test_the_recipe_is_small() -> None:
    files = [path for path in RECIPE.rglob("*") if path.is_file()]
    assert max(path.stat().st_size for path in files) <= 6_000_000
    assert sum(path.stat().st_size for path in files) <= 14_000_000
