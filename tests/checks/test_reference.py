"""What differs from the golden image: registration, candidates, the judge, and golden images that lie."""

from __future__ import annotations

import boards
import cv2
import numpy as np
import pytest
from fakes import trigger

from inspector.checks.differences import GROUPINGS, compare, crop_of
from inspector.checks.reference import ReferenceCheck, judged
from inspector.domain import Cause, FindingKind, Frame, Image, Opinion, Part, Verdict
from inspector.errors import DefectError
from inspector.judge import judge


def part(image: Image, golden: Image | None = None) -> Part:
    return Part(trigger(1), (Frame(image, "top", 0, 0.0, golden=golden),))


def untrained(**changes: object) -> ReferenceCheck:
    settings: dict[str, object] = {"level": 100, "min_area_px": 20} | changes
    return ReferenceCheck("reference", 0.5, 0.5, **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("shift", [(0, 0), (3, -2), (-7, 5)])
def test_defects_are_found_where_they_are_on_a_shifted_board(shift: tuple[int, int]) -> None:
    image = boards.golden(1)
    places = [("spot", 48, 100), ("gap", 120, 200)]
    seen = compare(boards.with_defects(image, places, shift), image)
    assert seen.shift == shift
    for grouping in range(len(GROUPINGS)):
        large = [one for one in seen.candidates if one.area >= 20 and one.grouping == grouping]
        assert len(large) == 2
        for label, x, y in places:
            truth = boards.box_of(label, x + shift[0], y + shift[1])
            assert max(truth.iou(one.box) for one in large) > 0.5


@pytest.mark.parametrize("width", [1, 2])
def test_an_edge_that_jitters_hides_no_defect_and_is_none(width: int) -> None:
    """The tracks are etched too wide everywhere, and on one of them something is bitten away."""
    image = boards.golden(1)
    etched = cv2.erode(image, np.ones((2 * width + 1, 2 * width + 1), np.uint8))
    bitten = boards.with_defects(etched, [("spot", 48, 100)])
    (only,) = untrained().inspect(part(bitten, image)).findings
    assert only.box.contains(48, 100)
    assert untrained().inspect(part(etched, image)).findings == ()


def test_a_good_board_has_no_finding_and_a_faulty_one_fails() -> None:
    image = boards.golden(2)
    check = untrained()
    good = check.inspect(part(boards.with_defects(image, [], (2, 1)), image))
    assert good.findings == ()
    bad = check.inspect(part(boards.with_defects(image, [("spot", 48, 90)], (2, 1)), image))
    assert [found.kind for found in bad.findings] == [FindingKind.DEFECT]
    assert judge(bad.findings).verdict is Verdict.FAIL
    assert bad.scores[0].score >= 0.5
    assert bad.detections[0].box.iou(boards.box_of("spot", 50, 91)) > 0.5


def test_a_difference_below_the_smallest_area_does_not_count() -> None:
    image = boards.golden(2)
    faulty = boards.with_defects(image, [("spot", 48, 90)])
    area = max(one.area for one in compare(faulty, image).candidates)
    assert untrained(min_area_px=area).inspect(part(faulty, image)).findings
    assert not untrained(min_area_px=area + 1).inspect(part(faulty, image)).findings


def test_one_golden_image_serves_all_parts() -> None:
    image = boards.golden(3)
    check = untrained(golden=image)
    assert check.inspect(part(boards.with_defects(image, [("gap", 72, 40)]))).findings


def test_a_blank_golden_image_is_noticed() -> None:
    image = boards.golden(4)
    result = untrained().inspect(part(image, np.full_like(image, 255)))
    assert [(one.kind, one.label) for one in result.findings] == [
        (FindingKind.QUALITY, Cause.MODEL_FAULT.word)
    ]
    assert judge(result.findings).verdict is Verdict.REVIEW


def test_the_golden_image_of_something_else_is_noticed() -> None:
    image = boards.golden(5)
    other = cv2.rotate(boards.golden(11), cv2.ROTATE_90_CLOCKWISE)
    other = np.asarray(cv2.GaussianBlur(other, (0, 0), 3), np.uint8)
    result = untrained().inspect(part(image, other))
    assert [one.label for one in result.findings] == [Cause.UNUSUAL_POSE.word]
    assert judge(result.findings).verdict is Verdict.REVIEW


def test_without_a_golden_image_nothing_is_said() -> None:
    with pytest.raises(DefectError, match="no golden image"):
        untrained().inspect(part(boards.golden(1)))


class Namer:
    """A judge that calls everything a spot, a little to the right of where it differs."""

    side = 96

    def __init__(self, score: float = 0.9) -> None:
        self.score = score
        self.crops: list[Image] = []

    def judge(self, crop: Image) -> Opinion:
        self.crops.append(crop)
        return Opinion({"spot": self.score, "gap": 0.05}, (2.0, 0.0, 2.0, 0.0))


def test_the_judge_names_and_moves_candidates() -> None:
    image = boards.golden(6)
    faulty = boards.with_defects(image, [("spot", 48, 120)])
    namer = Namer()
    both = [one.box.x1 for one in compare(faulty, image).candidates]
    result = ReferenceCheck("reference", 0.5, 0.5, judge=namer, level=100).inspect(part(faulty, image))
    (found,) = result.findings
    assert (found.label, found.score) == ("spot", 0.9)
    assert len(both) == 2
    assert found.box.x1 == pytest.approx(np.mean(both) + 2), "their mean, as both are as sure"
    # weak opinions are for the report, not for the verdict
    assert {one.label for one in result.detections} == {"spot", "gap"}
    crop = namer.crops[0]
    assert crop.shape == (96, 96, 3)
    assert crop.dtype == np.uint8
    assert crop[48, 48, 2] == 255, "the candidate's own differences lie in the middle"


def test_a_judge_whose_score_is_no_number_never_passes() -> None:
    image = boards.golden(6)
    faulty = boards.with_defects(image, [("spot", 48, 120)])
    check = ReferenceCheck("reference", 0.5, 0.5, judge=Namer(float("nan")), level=100)
    assert judge(check.inspect(part(faulty, image)).findings).verdict is Verdict.REVIEW


def test_the_crop_of_a_large_candidate_shows_all_of_it() -> None:
    image = np.full((256, 256, 3), 230, np.uint8)
    image[:40] = 20
    faulty = image.copy()
    cv2.rectangle(faulty, (30, 60), (190, 72), (20, 20, 20), -1)
    seen = compare(faulty, image)
    largest = max(seen.candidates, key=lambda one: one.box.width)
    crop = crop_of(seen, largest)
    assert crop.scale < 1
    assert crop.image.shape == (96, 96, 3)
    assert crop.image[:, :, 2].any(axis=0).sum() > 50


def test_a_box_that_the_judge_moves_out_of_the_picture_stays_where_it_was() -> None:
    image = boards.golden(1)
    seen = compare(boards.with_defects(image, [("spot", 48, 100)]), image)
    away = Opinion({"spot": 0.9}, (-5000.0, 0.0, -5000.0, 0.0))
    (found,) = judged(seen, lambda _: away, 96)
    assert found.box.area > 0
    assert found.box.contains(48, 100)
