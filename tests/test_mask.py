"""Masks: packed, moved, joined, measured, outlined."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest

from inspector.mask import Mask
from inspector.outline import MAX_POINTS, MAX_POLYGONS, length_px, polygons


def random_mask(seed: int, width: int, height: int) -> Mask:
    rng = np.random.default_rng(seed)
    return Mask.of(
        rng.random((height, width)) < 0.4, int(rng.integers(0, 50)), int(rng.integers(0, 50))
    )


def on_canvas(mask: Mask, size: int = 200) -> np.ndarray:
    canvas = np.zeros((size, size), np.bool_)
    canvas[mask.y : mask.y + mask.height, mask.x : mask.x + mask.width] = mask.pixels
    return canvas


@pytest.mark.parametrize(("width", "height"), [(1, 1), (7, 3), (8, 8), (13, 5)])
def test_packing_keeps_every_pixel(width: int, height: int) -> None:
    pixels = np.random.default_rng(width).random((height, width)) < 0.5
    mask = Mask.of(pixels, 3, 4)
    assert (mask.pixels == pixels).all()
    assert mask.area == pixels.sum()
    assert len(mask.bits) == math.ceil(width * height / 8)
    assert mask == Mask.of(pixels.copy(), 3, 4)
    assert hash(mask) == hash(Mask.of(pixels.copy(), 3, 4))


def test_joining_is_the_union_wherever_they_lie() -> None:
    for seed in range(20):
        one, other = random_mask(seed, 20, 30), random_mask(seed + 99, 33, 9)
        joined = one.joined(other)
        assert (on_canvas(joined) == (on_canvas(one) | on_canvas(other))).all()


def test_moving_and_cropping() -> None:
    mask = random_mask(1, 20, 30)
    assert (on_canvas(mask.moved(7, 11))[11:, 7:] == on_canvas(mask)[:-11, :-7]).all()
    width, height = mask.x + 9, mask.y + 4
    cropped = mask.cropped(width, height)
    assert cropped is not None
    expected = on_canvas(mask).copy()
    expected[height:] = False
    expected[:, width:] = False
    assert (on_canvas(cropped) == expected).all()
    assert mask.cropped(mask.x, 500) is None


def test_length_is_measured_at_any_angle() -> None:
    assert length_px(Mask.of(np.ones((3, 12), np.bool_), 0, 0)) == pytest.approx(12)
    assert length_px(Mask.of(np.ones((12, 3), np.bool_), 5, 5)) == pytest.approx(12)
    assert length_px(Mask.of(np.eye(10, dtype=np.bool_), 0, 0)) == pytest.approx(
        10 * math.sqrt(2), abs=0.1
    )
    turned = np.zeros((200, 200), np.uint8)
    corners = cv2.boxPoints(((100, 100), (90, 12), 30))
    cv2.fillPoly(turned, [corners.astype(np.int32)], 1)
    assert length_px(Mask.of(turned > 0, 0, 0)) == pytest.approx(90, abs=2.5)
    # two pieces are one object: from end to end
    apart = np.zeros((2, 50), np.bool_)
    apart[:, :3] = apart[:, -3:] = True
    assert length_px(Mask.of(apart, 0, 0)) == pytest.approx(50)


def test_outlines_enclose_the_pixels() -> None:
    canvas = np.zeros((120, 160), np.uint8)
    cv2.ellipse(canvas, (60, 60), (40, 25), 20, 0, 360, 1, -1)
    cv2.rectangle(canvas, (130, 90), (150, 110), 1, -1)
    found = polygons(Mask.of(canvas > 0, 1000, 2000))
    assert len(found) == 2
    again = np.zeros_like(canvas)
    for outline in found:
        points = np.array(outline).reshape(-1, 2) - (1000.5, 2000.5)
        cv2.fillPoly(again, [np.round(points).astype(np.int32)], 1)
    shared = (again & canvas).sum() / (again | canvas).sum()
    assert shared > 0.95
    # the largest first
    assert np.array(found[0]).reshape(-1, 2)[:, 0].min() < 1030


def test_outlines_stay_small_whatever_the_mask() -> None:
    noise = np.random.default_rng(3).random((300, 300)) < 0.5
    found = polygons(Mask.of(noise, 0, 0))
    assert 0 < len(found) <= MAX_POLYGONS
    assert all(6 <= len(outline) <= 2 * MAX_POINTS for outline in found)
    assert polygons(Mask.of(np.ones((1, 1), np.bool_), 4, 5)) == ((4, 5, 5, 5, 5, 6, 4, 6),)
