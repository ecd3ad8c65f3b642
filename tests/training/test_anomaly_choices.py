"""What the good pictures say about how they are learnt, and what options change."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import structlog
import torch
from training.samples import spoilt, texture, textures

from inspector.bundle import Bundle, mark_of
from inspector.domain import Image
from inspector.errors import InputError
from inspector.runtimes.load import load_anomaly
from inspector.training.anomaly import train_anomaly
from inspector.training.goodparts import (
    TURNED_ALIKE,
    AnomalyWishes,
    checked,
    choose_input,
    turned_factor,
)
from inspector.training.heldout import folds, threshold_of, unlike_others
from inspector.training.light import EvenLight, mean_light

SMALL = {"bank": 100, "command": ""}


def test_the_input_keeps_the_aspect_and_is_no_larger_than_the_line_can_take() -> None:
    for size, expected in (
        ((700, 700), (448, 448)),
        ((576, 768), (384, 512)),
        ((1024, 1024), (448, 448)),
        ((100, 100), (256, 256)),
    ):
        spec, _ = choose_input([size] * 3, AnomalyWishes())
        assert (spec.width, spec.height) == expected
        assert (spec.fit, spec.resize, spec.tile) == ("letterbox", "graph", None)


def test_mixed_sizes_are_padded_and_not_squashed() -> None:
    spec, reasons = choose_input([(400, 400), (400, 400), (600, 300)], AnomalyWishes())
    assert (spec.width, spec.fit) == (spec.height, "letterbox")
    assert any("2 sizes" in reason for reason in reasons)


def test_large_pictures_are_cut_into_tiles_unless_told_otherwise() -> None:
    spec, reasons = choose_input([(2448, 2048)] * 2, AnomalyWishes())
    assert spec.tile is not None
    assert any("thin faults" in reason for reason in reasons)
    assert choose_input([(2448, 2048)] * 2, AnomalyWishes(tile=0))[0].tile is None
    asked, _ = choose_input([(300, 300)], AnomalyWishes(tile=128))
    assert asked.tile is not None
    assert (asked.tile.side, asked.width) == (128, 256)


@pytest.mark.parametrize(
    ("wishes", "sentence"),
    [
        (AnomalyWishes(size=(100, 100)), "multiples of 32"),
        (AnomalyWishes(region=(0.5, 0, 0.2, 1)), "shares of its sides"),
        (AnomalyWishes(size=(64, 96), tile=128), "Tiles are square"),
        (AnomalyWishes(tile=128, even_light=True), "tile by tile"),
    ],
)
def test_wishes_that_cannot_be_fulfilled_are_sentences(wishes: AnomalyWishes, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        checked(wishes)


def _local_means(image: Image) -> torch.Tensor:
    """Features that know a direction: mean, and slopes in x and y, of each 8 pixels square."""
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY).astype(np.float32)
    fields = [grey, np.abs(np.gradient(grey, axis=1)) * 8, np.abs(np.gradient(grey, axis=0)) * 8]
    small = [cv2.resize(field, (12, 12), interpolation=cv2.INTER_AREA) for field in fields]
    return torch.from_numpy(np.stack(small, -1))


def test_brushed_grain_has_a_direction_and_noise_has_none() -> None:
    rng = np.random.default_rng(1)
    grain = [texture(rng) for _ in range(12)]
    noise = [
        cv2.GaussianBlur(rng.integers(0, 256, (96, 96, 3), dtype=np.uint8), (0, 0), 3)
        for _ in range(12)
    ]
    assert turned_factor(grain, _local_means, 0) > 1.5
    assert turned_factor(noise, _local_means, 0) <= TURNED_ALIKE


def test_even_light_undoes_a_lamp_that_dims_or_is_tinted() -> None:
    image = texture(np.random.default_rng(1))
    step = EvenLight(mean_light([image]))

    def seen(picture: Image) -> torch.Tensor:
        rgb = np.ascontiguousarray(picture[..., ::-1].transpose(2, 0, 1))
        return step(torch.from_numpy(rgb[None]).float())

    clean = seen(image)
    for gains in ((0.8,) * 3, (1.1, 1.0, 0.9)):
        lit = np.clip(image * np.array(gains), 0, 255).round().astype(np.uint8)
        assert (seen(lit) - clean).abs().mean() < 0.02
    # what is far darker stays far darker
    assert (seen((image * 0.2).astype(np.uint8)) - clean).mean() < -0.5
    assert torch.isfinite(seen(np.zeros_like(image))).all()


def test_parts_are_held_out_once_each() -> None:
    parts = [f"p{number}" for number in range(12)]
    found = folds(parts, 0)
    assert len(found) == 5
    assert sorted(part for fold in found for part in fold) == sorted(parts)
    assert all(len(fold) == 1 for fold in folds(parts[:8], 0))


def test_a_threshold_lies_above_all_good_scores() -> None:
    few = threshold_of({"a": 1.0, "b": 2.0}, "x")
    many = threshold_of({f"p{number}": 1.0 for number in range(39)} | {"last": 1.2}, "x")
    assert few.value == pytest.approx(2.6)
    assert many.value >= 1.15 * 1.2
    assert "no promised false-reject rate" in few.note


def test_what_is_stranger_than_any_usual_good_part_is_reviewed() -> None:
    scores = {f"p{number}": 10.0 + number % 5 for number in range(20)}
    assert 14.0 < threshold_of(scores, "x").review < 14.001
    odd = threshold_of({**scores, "faulty": 60.0}, "x")
    assert 14.0 < odd.review < 14.001 < 60.0 < odd.value


def test_parts_unlike_the_others_are_named_strangest_first() -> None:
    scores = {f"p{number}": 10 + number % 5 for number in range(20)}
    assert unlike_others(scores) == []
    assert unlike_others({**scores, "odd": 40.0, "odder": 60.0}) == ["odder", "odd"]
    assert unlike_others({"a": 1.0, "b": 50.0}) == []


def test_faulty_parts_among_the_good_are_named_and_training_goes_on(tmp_path: Path) -> None:
    good = textures(tmp_path / "good", 14)
    for number in (3, 8):
        path = good / f"part-{number:03d}_0.png"
        picture = spoilt(cv2.imread(str(path)))
        # each spoilt in its own way, so that neither explains the other
        cv2.line(picture, (10 * number, 0), (60, 95), (0, 0, 255 - 20 * number), 5)
        cv2.imwrite(str(path), picture)
    wishes = AnomalyWishes(size=(160, 128), rotate=False)
    with structlog.testing.capture_logs() as logs:
        card = train_anomaly(good, tmp_path / "out", wishes=wishes, **SMALL)
    (named,) = [entry for entry in logs if entry["event"] == "unlike the others"]
    assert {"part-003_0.png", "part-008_0.png"} <= set(named["files"])
    assert len(named["files"]) <= 4
    assert any("part-003_0.png" in sentence for sentence in card.training)
    assert len(card.good_scores) == 14
    assert set(card.learnt) == {mark_of(path) for path in good.iterdir()}


def test_tiles_see_a_small_fault_in_a_large_picture(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    good = tmp_path / "good"
    good.mkdir()

    def large() -> Image:
        return np.hstack([np.vstack([texture(rng), texture(rng)]) for _ in range(2)])

    for number in range(6):
        cv2.imwrite(str(good / f"part{number}.png"), large())
    wishes = AnomalyWishes(tile=128, size=(128, 128), rotate=False)
    card = train_anomaly(good, tmp_path / "out", wishes=wishes, **SMALL)
    model = load_anomaly(Bundle.load(tmp_path / "out"))
    fresh = large()
    faulty = fresh.copy()
    faulty[110:118, 200:230] = (20, 20, 90)
    found = model.score(faulty)
    assert found.score > 1.2 * max(model.score(fresh).score, max(card.good_scores))
    rows, columns = found.heat.shape
    assert rows / columns == pytest.approx(192 / 256, rel=0.1)
    row, column = np.unravel_index(int(found.heat.argmax()), found.heat.shape)
    assert abs((column + 0.5) / columns * 256 - 215) < 30
    assert abs((row + 0.5) / rows * 192 - 114) < 30


def test_region_and_mask_hide_what_is_outside(tmp_path: Path) -> None:
    good = textures(tmp_path / "good", 6)
    mask = np.full((96, 128, 3), 255, np.uint8)
    mask[:, 64:] = 0
    cv2.imwrite(str(tmp_path / "mask.png"), mask)
    fresh = texture(np.random.default_rng(9))
    for name, wishes, hidden in (
        ("mask", AnomalyWishes(size=(160, 128), rotate=False, even_light=False), tmp_path / "mask.png"),
        ("region", AnomalyWishes(size=(96, 128), rotate=False, region=(0, 0, 0.5, 1)), None),
    ):
        out = tmp_path / name
        train_anomaly(good, out, wishes=wishes, mask=hidden, **SMALL)
        model = load_anomaly(Bundle.load(out))
        # the ring lies in the right half
        clean, ring = model.score(fresh), model.score(spoilt(fresh))
        assert ring.score < 1.1 * clean.score
        assert not ring.heat[:, int(0.75 * ring.heat.shape[1]) :].any()
        assert model.score(spoilt(fresh)[:, ::-1]).score > 1.2 * clean.score
    with pytest.raises(InputError, match="does not exist"):
        train_anomaly(good, tmp_path / "x", mask=tmp_path / "none.png", **SMALL)
