"""The shipped recipes on real footage: which bottles, which verdicts, and why."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inspector.build import build_station
from inspector.cameras.footage import open_footage
from inspector.config import StationConfig, load_config
from inspector.contract import record_fields
from inspector.domain import Box, Detection, Frame, Image, Inspection, Verdict
from inspector.issue import Issuer, reference
from inspector.recipe import load_recipe
from inspector.replay import Replay, compare
from inspector.station import Station
from inspector.tracking import Tracker

ROOT = Path(__file__).resolve().parents[2]
DRAWN_OR_TIMED = {
    *("resultId", "stationBootId", "creationTime"),
    *("ageMs", "acquisitionMs", "processingMs", "stagesMs"),
}
"""What two runs of one recording may differ in."""


def station_of(product: str, runtime: str = "openvino") -> tuple[Station, StationConfig]:
    config = load_config(ROOT / "configs" / f"{product}.yaml").stations[0]
    config = config.model_copy(update={"runtime": runtime})
    return build_station(load_recipe(config.recipe), config, live=False), config


class Retouched:
    """A recording whose frames are changed on the way."""

    ends_on_error = True

    def __init__(self, frames: Iterator[Frame]) -> None:
        self._frames = frames

    def read(self) -> Frame | None:
        return next(self._frames, None)


def inspect(station: Station, config: StationConfig, recording: Any) -> list[Inspection]:
    found: list[Inspection] = []
    issuer = Issuer(config.name, 1, reference(station.recipe), simulated=True)
    Replay(station, issuer, config.deadline_ms / 1000, (found.append,)).run(recording)
    return found


def frames_of(path: Path, change: Callable[[Frame], Image] | None = None) -> Iterator[Frame]:
    recording = open_footage(path)
    while (frame := recording.read()) is not None:
        image = frame.image if change is None else change(frame)
        yield Frame(image, frame.source, frame.index, frame.exposed_s, recorded=True)
    recording.close()


@pytest.fixture(scope="module")
def shower_gel() -> tuple[Station, StationConfig]:
    return station_of("shower-gel")


@pytest.fixture(scope="module")
def hand_wash() -> tuple[Station, StationConfig]:
    return station_of("hand-wash")


@pytest.fixture(scope="module")
def clip_e(shower_gel: tuple[Station, StationConfig], data_dir: Path) -> list[Inspection]:
    return inspect(*shower_gel, open_footage(data_dir / "bottles" / "clip-e.mp4"))


@pytest.fixture(scope="module")
def clip_d(hand_wash: tuple[Station, StationConfig], data_dir: Path) -> list[Inspection]:
    return inspect(*hand_wash, open_footage(data_dir / "bottles" / "clip-d.mp4"))


def test_clip_e_gives_five_inspections_and_fails_bottles_without_label(
    clip_e: list[Inspection],
) -> None:
    assert [str(one.verdict) for one in clip_e] == ["PASS", "FAIL", "FAIL", "PASS", "FAIL"]
    for one in clip_e:
        expected = "None" if one.verdict is Verdict.PASS else "Anomaly"
        assert one.judgement.cause.word == expected
        assert {finding.check for finding in one.findings} <= {"label-face"}


def test_clip_e_triggers_where_the_bottles_cross(clip_e: list[Inspection]) -> None:
    assert [one.frame for one in clip_e] == [
        pytest.approx(at, abs=3) for at in (88, 117, 136, 155, 174)
    ]


def test_clip_d_passes_five_bottles_on_their_caps(clip_d: list[Inspection]) -> None:
    assert [str(one.verdict) for one in clip_d] == ["PASS"] * 5
    assert [one.frame for one in clip_d] == [
        pytest.approx(at, abs=3) for at in (86, 118, 145, 168, 196)
    ]


@pytest.mark.parametrize("painted", [1, 3])
def test_a_cap_painted_out_fails_exactly_that_bottle(
    hand_wash: tuple[Station, StationConfig], data_dir: Path, clip_d: list[Inspection], painted: int
) -> None:
    clip = data_dir / "bottles" / "clip-d.mp4"
    caps = caps_of_bottle(clip.with_suffix(".json"), painted)
    found = inspect(*hand_wash, Retouched(frames_of(clip, lambda frame: without(frame, caps))))
    assert [str(one.verdict) for one in found] == [
        "FAIL" if number == painted else "PASS" for number in range(5)
    ]
    finding = found[painted].findings[0]
    assert (finding.kind, finding.label) == ("missing", "cap")
    assert found[painted].judgement.cause.word == "Missing"
    place, cap = finding.expected_box, caps[found[painted].frame]
    assert place is not None
    assert place.contains(*cap.centre)


def test_a_belt_at_rest_raises_no_second_trigger(
    shower_gel: tuple[Station, StationConfig], data_dir: Path
) -> None:
    """The belt stops with a bottle on the line, the picture trembles with the sensor's noise."""
    rng = np.random.default_rng(0)

    def stopped() -> Iterator[Frame]:
        for frame in frames_of(data_dir / "bottles" / "clip-e.mp4"):
            if frame.index > 89:
                return
            yield frame
        for index in range(90, 150):
            noise = rng.normal(0, 4, frame.image.shape)
            image = np.clip(frame.image + noise, 0, 255).astype(np.uint8)
            yield Frame(image, frame.source, index, index / 25, recorded=True)

    assert len(inspect(*shower_gel, Retouched(stopped()))) == 1


def test_two_replays_of_one_recording_are_equal(
    shower_gel: tuple[Station, StationConfig], data_dir: Path, clip_e: list[Inspection]
) -> None:
    again = inspect(*shower_gel, open_footage(data_dir / "bottles" / "clip-e.mp4"))
    assert [lasting(one) for one in again] == [lasting(one) for one in clip_e]
    assert compare([record_fields(one) for one in clip_e], [record_fields(one) for one in again]) == []


def test_torch_and_openvino_give_the_same_findings(
    data_dir: Path, shower_gel: tuple[Station, StationConfig], clip_e: list[Inspection]
) -> None:
    """Boxes within 1.5 px, confidences within 0.02, anomaly scores within 1 %: weights are FP16."""
    torch_station, config = station_of("shower-gel", "torch")
    found = inspect(torch_station, config, open_footage(data_dir / "bottles" / "clip-e.mp4"))
    assert [one.verdict for one in found] == [one.verdict for one in clip_e]
    assert [one.frame for one in found] == [one.frame for one in clip_e]
    for ours, theirs in zip(clip_e, found, strict=True):
        assert [finding.label for finding in ours.findings] == [f.label for f in theirs.findings]
        for one, other in zip(ours.scores, theirs.scores, strict=True):
            assert one.score == pytest.approx(other.score, rel=0.01, abs=0.02)
        strong = [d for d in ours.detections if d.confidence > 0.3]
        for detection in strong:
            twin = max(
                theirs.detections, key=lambda d: d.box.iou(detection.box) * (d.label == detection.label)
            )
            assert detection.box.rounded() == pytest.approx(twin.box.rounded(), abs=1.5)
            assert detection.confidence == pytest.approx(twin.confidence, abs=0.02)


@pytest.mark.parametrize("product", ["shower-gel", "hand-wash", "pump-cover"])
def test_shipped_recipes_are_small(product: str) -> None:
    files = [path for path in (ROOT / "configs" / "recipes" / product).rglob("*") if path.is_file()]
    assert max(path.stat().st_size for path in files) <= 6_000_000
    assert sum(path.stat().st_size for path in files) <= 14_000_000


def lasting(inspection: Inspection) -> dict[str, Any]:
    fields = record_fields(inspection)
    return {key: value for key, value in fields.items() if key not in DRAWN_OR_TIMED}


def caps_of_bottle(annotation: Path, number: int) -> dict[int, Box]:
    """The annotated cap of the ``number``-th bottle (from 0) that crosses, by frame."""
    tracker, caps = Tracker(), {}
    for frame in json.loads(annotation.read_text())["frames"]:
        boxes = [(box["label"], Box(*box["xyxy"])) for box in frame["boxes"]]
        bottles = [Detection(label, 0.9, box) for label, box in boxes if label == "bottle"]
        for track in tracker.update(bottles):
            for label, box in boxes:
                if track.number == number + 1 and label == "cap" and track.box.contains(*box.centre):
                    caps[frame["frame"]] = box
    return caps


def without(frame: Frame, caps: dict[int, Box]) -> Image:
    """The frame with that cap painted over in the colour of the wall above it."""
    cap = caps.get(frame.index)
    if cap is None:
        return frame.image
    image = frame.image.copy()
    x1, y1, x2, y2 = (int(v) for v in (cap.x1 - 4, cap.y1 - 4, cap.x2 + 4, cap.y2 + 2))
    wall = image[max(0, y1 - 12) : y1 - 2, max(0, x1) : x2].reshape(-1, 3)
    rng = np.random.default_rng(frame.index)
    patch = image[y1:y2, max(0, x1) : x2]
    patch[:] = np.clip(wall.mean(0) + rng.normal(0, 2, patch.shape), 0, 255).astype(np.uint8)
    return image
