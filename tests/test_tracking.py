"""Parts along a belt, and the line that they cross."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from inspector.domain import Box, Detection
from inspector.tracking import PATIENCE, CrossingLine, Tracker

WIDTH = 640


def bottle(x: float, confidence: float = 0.9, width: float = 100, y: float = 200) -> Detection:
    return Detection("bottle", confidence, Box(x - width / 2, y - 100, x + width / 2, y + 100))


def crossings(frames: list[list[Detection]], line_x: float = 0.5) -> list[int]:
    """The frame of each crossing."""
    line = CrossingLine(line_x, "bottle")
    return [index for index, seen in enumerate(frames) for _ in line.update(seen, WIDTH)]


@pytest.mark.parametrize(
    ("clip", "line_x", "truth"),
    [
        ("clip-e", 0.425, [88, 117, 136, 155, 174]),
        ("clip-d", 0.50, [86, 118, 145, 168, 196]),
    ],
)
@pytest.mark.parametrize("jitter_px", [0.0, 2.0])
def test_annotated_bottles_cross_within_three_frames_of_the_truth(
    data_dir: Path, clip: str, line_x: float, truth: list[int], jitter_px: float
) -> None:
    rng = random.Random(0)
    clip_data = json.loads((data_dir / "bottles" / f"{clip}.json").read_text())

    def seen(entry: dict[str, object]) -> Detection:
        box = Box(*(value + rng.uniform(-jitter_px, jitter_px) for value in entry["xyxy"]))  # type: ignore[attr-defined]
        return Detection(str(entry["label"]), 0.9, box)

    line = CrossingLine(line_x, "bottle")
    found = [
        record["frame"]
        for record in clip_data["frames"]
        for _ in line.update([seen(entry) for entry in record["boxes"]], clip_data["size"][0])
    ]
    assert len(found) == len(truth)
    assert all(abs(a - b) <= 3 for a, b in zip(found, truth, strict=True)), found


@pytest.mark.parametrize("clip", ["clip-a", "clip-b", "clip-c", "clip-d", "clip-e", "clip-f"])
def test_a_bottle_of_real_footage_crosses_at_most_once(data_dir: Path, clip: str) -> None:
    clip_data = json.loads((data_dir / "bottles" / f"{clip}.json").read_text())
    line = CrossingLine(0.5, "bottle")
    numbers = [
        track.number
        for record in clip_data["frames"]
        for track in line.update(
            [Detection(e["label"], 0.9, Box(*e["xyxy"])) for e in record["boxes"]], clip_data["size"][0]
        )
    ]
    assert len(numbers) == len(set(numbers))
    assert numbers


@pytest.mark.parametrize("step", [8, -8])
def test_a_part_triggers_once_in_either_direction_on_the_frame_past_the_line(step: int) -> None:
    start = 100 if step > 0 else 540
    frames = [[bottle(start + step * n)] for n in range(50)]
    first_past = next(n for n in range(50) if (start + step * n - 320) * step >= 0)
    assert crossings(frames) == [first_past]


def test_parts_in_a_row_trigger_one_after_another() -> None:
    frames = [[bottle(600 + 150 * k - 10 * n) for k in range(4)] for n in range(100)]
    assert crossings(frames) == [28, 43, 58, 73]


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("rest", [317, 320, 322, 323])
def test_a_belt_at_rest_that_trembles_on_the_line_triggers_at_most_once(rest: int, seed: int) -> None:
    rng = random.Random(seed)
    arriving = [[bottle(x), bottle(x + 150)] for x in range(400, rest, -10)]
    resting = [
        [bottle(rest + rng.uniform(-1, 1)), bottle(rest + 150 + rng.uniform(-1, 1))] for _ in range(300)
    ]
    assert len(crossings(arriving + resting)) <= 1
    assert len(crossings(resting)) <= 1


def test_a_part_that_rests_short_of_the_line_triggers_when_the_belt_goes_on() -> None:
    frames = [[bottle(330)] for _ in range(80)] + [[bottle(330 - 4 * n)] for n in range(1, 30)]
    assert crossings(frames) == [82]


@pytest.mark.parametrize("x", [200, 310])
def test_a_part_first_seen_beyond_the_line_triggers_nothing(x: int) -> None:
    assert crossings([[bottle(x - 8 * n)] for n in range(20)]) == []


def test_a_jump_of_the_footage_does_not_confuse_neighbours() -> None:
    # 60 px at once, half the distance of the bottles, forwards along a running belt
    positions = [n * 6 + (60 if n >= 20 else 0) for n in range(100)]
    frames = [[bottle(500 + 130 * k - moved) for k in range(4)] for moved in positions]
    truth = [
        next(n for n, moved in enumerate(positions) if 500 + 130 * k - moved <= 320) for k in range(4)
    ]
    assert crossings(frames) == truth


@pytest.mark.parametrize("gap", [1, 3, PATIENCE])
def test_detections_missed_for_some_frames_cost_no_trigger_and_make_no_second(gap: int) -> None:
    frames = [[bottle(460 - 8 * n)] for n in range(40)]
    for hidden in range(5, 5 + gap):
        frames[hidden] = []
    assert crossings(frames) == [18]


def test_a_part_hidden_while_it_crosses_triggers_when_it_is_seen_again() -> None:
    frames = [[bottle(420 - 8 * n)] for n in range(40)]
    for hidden in range(11, 17):
        frames[hidden] = []
    assert crossings(frames) == [17]


def test_a_track_is_given_up_after_patience_and_not_taken_for_a_new_crossing() -> None:
    frames = [[bottle(420 - 8 * n)] for n in range(16)]  # crosses at 13
    frames += [[] for _ in range(PATIENCE + 1)]
    frames += [[bottle(250 - 8 * n)] for n in range(10)]
    assert crossings(frames) == [13]


def test_weak_detections_continue_a_track_but_begin_none() -> None:
    tracker = Tracker()
    assert tracker.update([bottle(400, 0.4)]) == []
    (track,) = tracker.update([bottle(400, 0.6)])
    (again,) = tracker.update([bottle(395, 0.25)])
    assert again.number == track.number
    assert tracker.update([bottle(390, 0.1)]) == []


def test_two_detections_of_one_part_are_one_track() -> None:
    line = CrossingLine(0.5, "bottle")
    found = [
        track
        for n in range(40)
        for track in line.update([bottle(420 - 8 * n), bottle(423 - 8 * n, 0.8)], WIDTH)
    ]
    assert len(found) == 1


def test_other_labels_do_not_trigger() -> None:
    frames = [[Detection("cap", 0.9, bottle(420 - 8 * n).box)] for n in range(40)]
    assert crossings(frames) == []


def test_two_parts_in_one_frame_are_reported_from_left_to_right() -> None:
    line = CrossingLine(0.5, "bottle")
    lanes = [[bottle(350 - 12 * n, y=100), bottle(346 - 12 * n, y=400)] for n in range(5)]
    crossed = [[track.box.centre for track in line.update(seen, WIDTH)] for seen in lanes]
    assert crossed == [[], [], [], [(310.0, 400.0), (314.0, 100.0)], []]
