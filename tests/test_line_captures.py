"""A part that several cameras see, or one camera several times: one verdict."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from fakes import RECIPE, FakeDetector, Gate, make_recipe, make_station, picture, scratch_if_marked
from line_rig import BAD, DOUBTFUL, GOOD, SCRATCHES, Rig, Start, free_running, run_belt
from support import wait_for

from inspector.cameraspecs import Acquisition, OpenCvCamera
from inspector.checks.detect import DetectCheck
from inspector.config import StationConfig
from inspector.domain import Frame, Part, Trigger
from inspector.errors import CameraError, ConfigError, InputError
from inspector.views import prove_cameras

THREE = RECIPE + "captures: 3\n"
SIDE = RECIPE.replace("labels", "camera: side, labels")
SHORT = Acquisition(after_ms=300)
BOTH = """\
product: soap
version: 3
checks:
  - {kind: detect, name: above, model: detector, labels: [scratch], threshold: 0.5, camera: top}
  - {kind: detect, name: beside, model: detector, labels: [scratch], threshold: 0.5, camera: side}
"""
ABOVE, BESIDE = (
    DetectCheck(name, "detector", frozenset({"scratch"}), 0.5, 0.3) for name in ("above", "beside")
)


def part(station: Rig, number: int, *marks: int, **cameras: int) -> None:
    """A part of which the camera above sees ``marks`` one after the other, others one picture each."""
    station.trigger(number)
    for mark in marks:
        station.show(mark)
    for camera, mark in cameras.items():
        station.show(mark, camera=camera)


@pytest.mark.parametrize(
    ("marks", "verdict", "pictures"),
    [
        ((GOOD, GOOD, GOOD), "PASS", []),
        ((BAD, GOOD, GOOD), "FAIL", [0]),
        ((GOOD, GOOD, BAD), "FAIL", [2]),
        ((GOOD, DOUBTFUL, GOOD), "REVIEW", [1]),
        ((DOUBTFUL, BAD, GOOD), "FAIL", [1, 0]),
    ],
)
def test_a_finding_in_any_picture_of_a_part_counts(
    rig: Start, marks: Sequence[int], verdict: str, pictures: list[int]
) -> None:
    station = rig(text=THREE).start()
    part(station, 1, *marks)
    result = station.result(1)
    assert result.verdict == verdict
    (inspection,) = station.recorded()
    assert [found.picture for found in inspection.findings] == pictures
    assert [score.score for score in inspection.scores] == [max(marks) / 100]
    assert len(inspection.frames) == 3
    assert len({frame.index for frame in inspection.frames}) == 3
    assert (result.findings_total, inspection.trigger.trigger_id) == (len(pictures), 1)


def test_a_part_with_a_picture_too_few_is_review_and_takes_none_of_the_next(rig: Start) -> None:
    station = rig(text=THREE, acquisition=SHORT).start()
    part(station, 1, GOOD, GOOD)
    assert (station.result(1).verdict, station.result(1).cause) == ("REVIEW", "MissedAcquisition")
    part(station, 2, GOOD, GOOD, GOOD)
    assert station.result(2).verdict == "PASS"


def test_both_cameras_give_one_verdict_each_with_its_own_check(rig: Start) -> None:
    station = rig(text=BOTH, others=["side"], checks=(ABOVE, BESIDE)).start()
    seen = []
    for number, (top, side) in enumerate([(GOOD, GOOD), (BAD, GOOD), (GOOD, BAD)], 1):
        part(station, number, top, side=side)
        found = station.result(number).findings
        seen.append((station.result(number).verdict, [one.check for one in found]))
    assert seen == [("PASS", []), ("FAIL", ["above"]), ("FAIL", ["beside"])]
    last = station.recorded(3)[-1]
    assert [frame.source for frame in last.frames] == ["top", "side"]
    assert [found.picture for found in last.findings] == [1]
    assert {score.check: score.score for score in last.scores} == {"above": 0.1, "beside": 0.9}


def test_a_check_without_a_camera_looks_through_the_first(rig: Start) -> None:
    station = rig(others=["side"]).start()
    part(station, 1, GOOD, side=BAD)
    assert station.result(1).verdict == "PASS"
    part(station, 2, BAD, side=GOOD)
    assert station.result(2).verdict == "FAIL"


def test_a_picture_that_cannot_be_trusted_is_review_whichever_camera_made_it(rig: Start) -> None:
    station = rig(others=["side"]).start()
    frozen = picture(GOOD)
    for number in (1, 2):
        station.trigger(number)
        station.show(GOOD)
        station.show(GOOD, frozen, camera="side")
        station.result(number)
    assert (station.result(2).verdict, station.result(2).cause) == ("REVIEW", "FrozenFrame")
    assert [found.picture for found in station.recorded(2)[1].findings] == [1]


@pytest.mark.parametrize("missing", ["top", "side"])
def test_a_camera_without_its_picture_is_review_and_the_other_picture_is_kept(
    rig: Start, missing: str
) -> None:
    station = rig(others=["side"], acquisition=SHORT).start()
    station.trigger(1)
    station.show(GOOD, camera="side" if missing == "top" else "top")
    assert (station.result(1).verdict, station.result(1).cause) == ("REVIEW", "MissedAcquisition")
    (inspection,) = station.recorded()
    assert [frame.source for frame in inspection.frames] == ["side" if missing == "top" else "top"]


def test_a_camera_that_is_lost_in_mid_flight_is_review_camera_fault(rig: Start) -> None:
    station = rig(others=["side"], acquisition=SHORT).start()
    station.trigger(1)
    wait_for(lambda: station.plc.acks)
    station.show(GOOD)
    station.cameras["side"].put(CameraError("gone"))
    assert (station.result(1).verdict, station.result(1).cause) == ("REVIEW", "CameraFault")


def test_parts_in_flight_are_each_judged_by_their_own_pictures(rig: Start) -> None:
    station = rig(text=BOTH, others=["side"], checks=(ABOVE, BESIDE), workers=1).start()
    gate = Gate()
    station.detector.answer = gate
    part(station, 1, GOOD, side=GOOD)
    assert gate.entered.wait(5)
    part(station, 2, GOOD, side=BAD)
    part(station, 3, GOOD, side=GOOD)
    station.detector.answer = scratch_if_marked
    gate.opened.set()
    assert [station.result(number).verdict for number in (1, 2, 3)] == ["PASS", "FAIL", "PASS"]


def test_of_a_part_that_crosses_the_line_the_other_cameras_give_a_picture_too(rig: Start) -> None:
    station = free_running(rig, others=["side"], acquisition=Acquisition(after_ms=3000))
    run_belt(station, range(52, 8, -3))
    wait_for(lambda: station.journal.accepted)
    station.show(GOOD, camera="side")
    assert station.result(1).verdict == "PASS"
    (inspection,) = station.recorded()
    assert [frame.source for frame in inspection.frames] == ["top", "side"]
    assert inspection.part_box is not None


def test_of_a_part_that_crosses_the_line_a_missing_camera_is_review(rig: Start) -> None:
    station = free_running(rig, others=["side"], acquisition=SHORT)
    run_belt(station, range(52, 8, -3))
    assert (station.result(1).verdict, station.result(1).cause) == ("REVIEW", "MissedAcquisition")
    (inspection,) = station.recorded()
    assert [frame.source for frame in inspection.frames] == ["top"]


def judged(tmp_path: Path, text: str, *sources: str) -> str:
    """Cause of a part whose pictures are all scratched."""
    station = make_station(make_recipe(tmp_path, text), FakeDetector(scratch_if_marked), SCRATCHES)
    frames = tuple(Frame(picture(BAD), source, 0, 0.0, recorded=True) for source in sources)
    return station.inspect(Part(Trigger(0, 1, "p", 0.0, 1.0), frames)).judgement.cause.word


def test_a_check_whose_camera_gave_no_picture_is_review_never_pass(tmp_path: Path) -> None:
    assert judged(tmp_path, BOTH.replace("name: beside", "name: detect"), "top") == "MissedAcquisition"


def test_in_a_recording_every_check_looks_at_the_picture(tmp_path: Path) -> None:
    assert judged(tmp_path, SIDE, "clip-7") == "Defect"


def station_config(*cameras: str, mode: str = "stream") -> StationConfig:
    return StationConfig(
        name="s",
        topic="a/b/c/d/e/vision",
        recipe=Path("soap"),
        cameras=tuple(OpenCvCamera(kind="opencv", name=name, device=0) for name in cameras),
        acquisition=Acquisition.model_validate({"mode": mode}),
    )


def test_a_recipe_that_names_a_camera_too_many_is_refused(tmp_path: Path) -> None:
    recipe = make_recipe(tmp_path, SIDE)
    prove_cameras(recipe, station_config("top", "side"))
    with pytest.raises(InputError, match="camera 'side', which station 's' does not have") as caught:
        prove_cameras(recipe, station_config("top", "left"))
    assert "top, left" in caught.value.remedy


def test_several_pictures_a_part_need_a_camera_that_runs_freely(tmp_path: Path) -> None:
    recipe = make_recipe(tmp_path, THREE)
    prove_cameras(recipe, station_config("top"))
    with pytest.raises(InputError, match="'captures' needs cameras that run freely"):
        prove_cameras(recipe, station_config("top", mode="wire"))


@pytest.mark.parametrize(
    "text",
    [
        RECIPE + "captures: 0\n",
        RECIPE + "captures: 17\n",
        THREE + "trigger: {kind: crossing, label: bottle, line_x: 0.5}\n",
    ],
)
def test_captures_that_make_no_sense_are_refused_with_their_line(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match=r"recipe\.yaml:5: .*captures"):
        make_recipe(tmp_path, text)
