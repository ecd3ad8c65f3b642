"""The simulated line's pictures: reproducible, true to their boxes, faulty where they say so."""

from collections import Counter
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from inspector.sim.scene import FaultKind, PartTruth, SceneRenderer, degrade, draw_plan

FAULTS = [kind for kind in FaultKind if kind is not FaultKind.GOOD]
Image = npt.NDArray[np.uint8]


@pytest.fixture(scope="module")
def renderer() -> SceneRenderer:
    return SceneRenderer(7)


def _draw(renderer: SceneRenderer, kind: FaultKind, seed: int) -> tuple[Image, PartTruth]:
    return renderer.render(kind, np.random.default_rng(seed), belt_px=12.5 * seed)


def _boxes(truth: PartTruth) -> list[tuple[float, float, float, float]]:
    return [truth.housing, *truth.screws, *([truth.defect] if truth.defect else [])]


def _sharpness(image: Image) -> float:
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    return float(cv2.Laplacian(cv2.GaussianBlur(grey, (0, 0), 1.0), cv2.CV_32F).var())


@pytest.mark.parametrize("kind", FaultKind)
def test_same_seed_and_state_give_the_same_bytes(renderer: SceneRenderer, kind: FaultKind) -> None:
    image, truth = _draw(renderer, kind, 3)
    again, same = _draw(renderer, kind, 3)
    assert image.tobytes() == again.tobytes()
    assert truth == same
    assert image.shape == (480, 640, 3)
    assert image.dtype == np.uint8


def test_another_renderer_of_the_same_seed_draws_the_same(renderer: SceneRenderer) -> None:
    other = SceneRenderer(7)
    for kind in (FaultKind.GOOD, FaultKind.STAIN):
        assert _draw(renderer, kind, 5)[0].tobytes() == _draw(other, kind, 5)[0].tobytes()


def test_parts_differ(renderer: SceneRenderer) -> None:
    first, a = _draw(renderer, FaultKind.GOOD, 1)
    second, b = _draw(renderer, FaultKind.GOOD, 2)
    assert a.housing != b.housing
    assert not np.array_equal(first, second)


@pytest.mark.parametrize("kind", FAULTS)
def test_a_fault_shows_inside_its_box_and_nowhere_else(
    renderer: SceneRenderer, kind: FaultKind
) -> None:
    for seed in range(6):
        good, clean = _draw(renderer, FaultKind.GOOD, seed)
        bad, truth = _draw(renderer, kind, seed)
        assert clean.defect is None
        assert truth.defect is not None
        assert truth.housing == clean.housing
        x0, y0, x1, y1 = (round(v) for v in truth.defect)
        change = np.abs(good.astype(np.int16) - bad.astype(np.int16)).max(axis=2)
        assert max(x1 - x0, y1 - y0) >= 25
        assert np.count_nonzero(change[y0:y1, x0:x1] > 25) >= 60
        margin = 16  # shadow, rim and lens reach beyond the fault itself
        change[max(y0 - margin, 0) : y1 + margin, max(x0 - margin, 0) : x1 + margin] = 0
        assert change.max() == 0
        left, top, right, bottom = truth.housing
        assert left < x0 < x1 < right
        assert top < y0 < y1 < bottom


@pytest.mark.parametrize("kind", FaultKind)
def test_screws_are_told_truly(renderer: SceneRenderer, kind: FaultKind) -> None:
    image, truth = _draw(renderer, kind, 11)
    assert truth.fault is kind
    assert len(truth.screws) == (3 if kind is FaultKind.MISSING_SCREW else 4)
    if kind is FaultKind.MISSING_SCREW:
        assert truth.defect is not None
        x0, y0, x1, y1 = (
            round(v) + inset for v, inset in zip(truth.defect, (6, 6, -6, -6), strict=True)
        )
        complete, _ = _draw(renderer, FaultKind.GOOD, 11)
        assert image[y0:y1, x0:x1].mean() < 0.8 * complete[y0:y1, x0:x1].mean()


@pytest.mark.parametrize("centre", [-400.0, -140.0, 0.0, 90.0, 320.0, 560.0, 700.0, 1100.0])
def test_boxes_stay_within_the_image(renderer: SceneRenderer, centre: float) -> None:
    for kind in FaultKind:
        _, truth = renderer.render(kind, np.random.default_rng(4), centre_x=centre)
        for x0, y0, x1, y1 in _boxes(truth):
            assert 0 <= x0 <= x1 <= 640
            assert 0 <= y0 <= y1 <= 480
    if not -160 < centre < 800:
        assert truth.housing[0] == truth.housing[2]
        assert truth.screws == ()
        assert truth.defect is None


def test_a_part_far_away_leaves_the_belt_empty(renderer: SceneRenderer) -> None:
    image, _ = renderer.render(FaultKind.GOOD, np.random.default_rng(0), centre_x=-500)
    assert image[150:330].mean() < 90
    assert renderer.empty_belt(np.random.default_rng(0), 40.0)[150:330].mean() < 90


def test_the_belt_moves_right_with_its_dirt(renderer: SceneRenderer) -> None:
    def band(belt_px: float) -> npt.NDArray[np.float32]:
        image = renderer.empty_belt(np.random.default_rng(0), belt_px)[100:380].mean(axis=2)
        smooth = cv2.GaussianBlur(image.astype(np.float32), (0, 0), 1.5)
        return np.asarray(smooth - cv2.GaussianBlur(smooth, (0, 0), 25), dtype=np.float32)

    before, after = band(0.0), band(60.0)
    moved = np.corrcoef(before[:, 40:520].ravel(), after[:, 100:580].ravel())[0, 1]
    still = np.corrcoef(before[:, 40:520].ravel(), after[:, 40:520].ravel())[0, 1]
    assert moved > 0.6
    assert moved > still + 0.2


def test_degraded_pictures_lose_what_they_should(renderer: SceneRenderer) -> None:
    image, _ = _draw(renderer, FaultKind.GOOD, 0)
    kinds: tuple[Literal["blur", "dark", "overexposed"], ...] = ("blur", "dark", "overexposed")
    blurred, dark, glaring = (degrade(image, kind, np.random.default_rng(1)) for kind in kinds)
    for result in (blurred, dark, glaring):
        assert result.shape == image.shape
        assert result.dtype == np.uint8
    assert _sharpness(blurred) < 0.25 * _sharpness(image)
    assert abs(blurred.mean() - image.mean()) < 3
    assert dark.mean() < 0.3 * image.mean()
    assert glaring.mean() > 1.5 * image.mean()
    assert (glaring == 255).mean() > 0.15
    with pytest.raises(ValueError, match="sepia"):
        degrade(image, "sepia", np.random.default_rng(1))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("parts", "share"),
    [(30, 1 / 3), (100, 0.5), (7, 0.0), (5, 1.0), (0, 0.5)],
)
def test_the_plan_counts(parts: int, share: float) -> None:
    plan = draw_plan(parts, 3, share)
    counts = Counter(plan)
    assert len(plan) == parts
    assert parts - counts[FaultKind.GOOD] == round(parts * share)
    faulty = [counts[kind] for kind in FAULTS]
    assert max(faulty) - min(faulty) <= 1
    assert plan == draw_plan(parts, 3, share)


def test_plans_differ_by_seed_and_are_shuffled() -> None:
    plan = draw_plan(60, 0)
    assert plan != draw_plan(60, 1)
    assert FaultKind.GOOD in plan[:20]
    assert any(kind is not FaultKind.GOOD for kind in plan[-20:])
