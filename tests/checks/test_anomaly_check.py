"""The part must look like the good ones."""

from __future__ import annotations

import numpy as np
import pytest
from fakes import FakeAnomalyModel, part, picture

from inspector.checks.anomaly import AnomalyCheck, crop, hot_box, hot_mask, region_box
from inspector.criteria import PartRegion
from inspector.domain import AnomalyMap, Box, Detection, Verdict
from inspector.judge import judge

PARTS = (Detection("bottle", 0.9, Box(10, 5, 30, 45)), Detection("bottle", 0.8, Box(40, 5, 60, 45)))


def check(model: FakeAnomalyModel, region: PartRegion | None = None) -> AnomalyCheck:
    return AnomalyCheck("face", model, 0.6, 0.4, region, "detector")


@pytest.mark.parametrize(
    ("score", "verdict", "findings"),
    [(0.39, Verdict.PASS, 0), (0.4, Verdict.REVIEW, 1), (0.6, Verdict.FAIL, 1)],
)
def test_score_is_raw_and_reported_of_a_pass_too(score: float, verdict: Verdict, findings: int) -> None:
    result = check(FakeAnomalyModel(score)).inspect(part())
    assert judge(result.findings).verdict is verdict
    assert len(result.findings) == findings
    (measured,) = result.scores
    assert (measured.score, measured.threshold, measured.review_threshold) == (score, 0.6, 0.4)


def test_box_encloses_the_connected_hot_area_in_pixels_of_the_picture() -> None:
    heat = np.zeros((4, 8), np.float32)
    heat[1, 2:4] = 0.9, 0.8
    heat[3, 7] = 0.85  # as hot, but elsewhere
    box = hot_box(AnomalyMap(0.9, heat), Box(100, 50, 180, 90))
    assert box == Box(120, 60, 140, 70)


def test_region_is_cut_out_of_the_tracked_part_only() -> None:
    model = FakeAnomalyModel()
    image = picture()
    region = PartRegion(of="bottle", inner=(0.25, 0.5, 0.75, 1))
    check(model, region).inspect(part(*PARTS, box=PARTS[1].box, image=image))
    (seen,) = model.seen
    assert np.array_equal(seen, image[25:45, 45:55])


def test_without_tracking_the_strangest_of_all_parts_counts() -> None:
    model = FakeAnomalyModel(0.7)
    result = check(model, PartRegion(of="bottle")).inspect(part(*PARTS))
    assert [seen.shape for seen in model.seen] == [(40, 20, 3), (40, 20, 3)]
    assert [finding.box for finding in result.findings] == [found.box for found in PARTS]


def test_without_a_region_the_whole_picture_is_scored() -> None:
    model = FakeAnomalyModel()
    result = check(model).inspect(part())
    assert model.seen[0].shape == (48, 64, 3)
    assert result.heat_box == Box(0, 0, 64, 48)


def test_a_region_without_its_part_is_review_no_part() -> None:
    model = FakeAnomalyModel()
    result = check(model, PartRegion(of="bottle")).inspect(part())
    assert judge(result.findings).cause.word == "NoPart"
    assert model.seen == []


def test_region_is_clipped_to_the_picture_in_whole_pixels() -> None:
    box = region_box(Box(-10.4, 20.6, 70.2, 60), PartRegion(of="bottle"), 64, 48)
    assert box == Box(0, 21, 64, 48)


def test_a_crop_outside_of_everything_still_has_a_pixel() -> None:
    assert crop(picture(), Box(10, 10, 10, 10)).shape == (1, 1, 3)


def test_mask_covers_what_is_as_hot_as_the_review_threshold() -> None:
    heat = np.zeros((4, 8), np.float32)
    heat[1, 2:4] = 0.9, 0.5
    heat[3, 7] = 0.45
    heat[0, 0] = 0.39  # below the review threshold
    mask = hot_mask(AnomalyMap(0.9, heat), Box(100, 50, 180, 90), 0.4)
    assert mask is not None
    assert (mask.x, mask.y, mask.width, mask.height) == (120, 60, 60, 30)
    assert mask.area == 3 * 10 * 10
    assert mask.pixels[0, 0]
    assert mask.pixels[29, 59]


def test_a_cold_map_has_no_mask_and_one_below_the_threshold_its_hottest_spot() -> None:
    assert hot_mask(AnomalyMap(0.9, np.zeros((4, 8), np.float32)), Box(0, 0, 8, 4), 0.4) is None
    heat = np.full((4, 8), 0.01, np.float32)
    heat[2, 5] = 0.1
    mask = hot_mask(AnomalyMap(0.9, heat), Box(0, 0, 8, 4), 0.4)
    assert mask is not None
    assert (mask.x, mask.y, mask.area) == (5, 2, 1)


def test_every_finding_has_its_mask() -> None:
    (finding,) = (
        check(FakeAnomalyModel(0.7), PartRegion(of="bottle")).inspect(part(*PARTS[:1])).findings
    )
    assert finding.mask is not None
    assert finding.mask.area > 0
