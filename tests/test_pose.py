"""How a part lies in a picture, against a reference photo of it."""

from __future__ import annotations

import cmath
import math

import cv2
import numpy as np
import pytest

from inspector.domain import Box, Image
from inspector.pose import Pose, TextureMatcher, pose_of_components

PLACES = [(100.0, 100.0), (400.0, 120.0), (110.0, 300.0), (420.0, 340.0)]
LIES = Pose(0.9 * cmath.exp(1j * math.radians(12)), 60 + 30j)


def find(seen: list[tuple[float, float]], **changes: object) -> Pose | None:
    limits: dict[str, object] = {
        "reach": [20.0] * len(PLACES),
        "tolerance_px": 15.0,
        "turn_deg": 30.0,
        "scale": (0.7, 1.4),
    }
    fits = np.ones((len(PLACES), len(seen)), bool)
    return pose_of_components(PLACES, fits, seen, (800, 600), **(limits | changes))  # type: ignore[arg-type]


def test_a_pose_goes_there_and_back() -> None:
    assert LIES.scale == pytest.approx(0.9)
    assert LIES.turned_deg == pytest.approx(12)
    assert LIES.back(*LIES.point(17, 300)) == pytest.approx((17, 300))
    assert Pose.of(LIES.matrix) == LIES
    x, y = LIES.matrix @ np.array([17, 300, 1])
    assert LIES.point(17, 300) == pytest.approx((x, y))


def test_a_box_keeps_its_middle_and_scales_its_sides() -> None:
    box = LIES.box(Box(90, 280, 130, 300))
    assert box.centre == pytest.approx(LIES.point(110, 290))
    assert (box.width, box.height) == pytest.approx((36, 18))


def test_outliers_and_noise_do_not_move_the_pose() -> None:
    rng = np.random.default_rng(2)
    for _ in range(20):
        true = [tuple(np.array(LIES.point(*p)) + rng.normal(0, 1, 2)) for p in PLACES]
        noise = [tuple(rng.uniform((0, 0), (800, 600))) for _ in range(12)]
        order = rng.permutation(16)
        pose = find([(true + noise)[i] for i in order])
        assert pose is not None
        for place in PLACES:
            assert math.dist(pose.point(*place), LIES.point(*place)) < 4


@pytest.mark.parametrize("limits", [{"turn_deg": 10.0}, {"scale": (0.95, 1.4)}, {"scale": (0.2, 0.85)}])
def test_the_true_pose_is_not_found_beyond_the_limits(limits: dict[str, object]) -> None:
    """At most one in which two components fit and the other places lie outside the picture."""
    seen = [LIES.point(*p) for p in PLACES]
    found = find(seen)
    assert found is not None
    assert found.turn == pytest.approx(LIES.turn)
    pose = find(seen, **limits)
    if pose is not None:
        inside = [p for p in PLACES if 20 < pose.point(*p)[0] < 780 and 20 < pose.point(*p)[1] < 580]
        assert len(inside) < 4
        assert abs(pose.turn - LIES.turn) > 0.02


def test_what_does_not_fit_a_place_does_not_locate() -> None:
    seen = [LIES.point(*p) for p in PLACES]
    fits = np.zeros((4, 4), bool)
    fits[0, 0] = True
    arguments = {"reach": [20.0] * 4, "tolerance_px": 15.0, "turn_deg": 30.0, "scale": (0.7, 1.4)}
    assert pose_of_components(PLACES, fits, seen, (800, 600), **arguments) is None  # type: ignore[arg-type]


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_components_locate_nothing(count: int) -> None:
    assert find([(100.0, 100.0)] * count) is None


def texture(seed: int) -> Image:
    rng = np.random.default_rng(seed)
    coarse = rng.integers(60, 200, (50, 60, 1))
    return np.kron(coarse, np.ones((8, 8, 3))).astype(np.uint8)


def test_texture_finds_the_part_and_refuses_another() -> None:
    reference = texture(3)
    warped = cv2.warpAffine(reference, LIES.matrix, (640, 520), borderMode=cv2.BORDER_REFLECT)
    darker = np.clip(np.asarray(warped, float) * 0.6, 0, 255).astype(np.uint8)
    matcher = TextureMatcher(reference)
    pose = matcher.pose(darker)
    assert pose is not None
    for x, y in ((50, 50), (400, 60), (80, 340), (420, 350)):
        assert math.dist(pose.point(x, y), LIES.point(x, y)) < 2
    assert matcher.pose(texture(4)) is None
    assert matcher.pose(np.full((300, 300, 3), 90, np.uint8)) is None
    assert TextureMatcher(np.full((300, 300, 3), 90, np.uint8)).pose(reference) is None
