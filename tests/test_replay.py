"""Recorded footage through a station, twice the same; and the comparison of two runs."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from fakes import CROSSING, RECIPE, FakeDetector, make_recipe, make_station, mark_of

from inspector.cameras.footage import Video, open_footage
from inspector.checks.detect import DetectCheck
from inspector.domain import Box, Detection, Image
from inspector.errors import InputError, StorageError
from inspector.issue import Issuer, reference
from inspector.replay import Change, JsonLines, Replay, ReplaySummary, compare, read_jsonl

BELT = (640, 96)
SCRATCHES = DetectCheck("detect", "detector", frozenset({"scratch"}), 0.5, 0.5)


def see(image: Image) -> Sequence[Detection]:
    """Bright blocks are bottles; those that are very bright are scratched."""
    mask = (image[:, :, 1] > 100).astype(np.uint8)
    _, _, stats, _ = cv2.connectedComponentsWithStats(mask)
    found = []
    for x, y, width, height, area in stats[1:]:
        if area < 400:
            continue
        box = Box(float(x), float(y), float(x + width), float(y + height))
        found.append(Detection("bottle", 0.9, box))
        if image[y + height // 2, min(x + width // 2, 639), 1] > 200:
            found.append(Detection("scratch", 0.8, box))
    return found


def belt(index: int) -> Image:
    """Three bottles from right to left, 8 px a frame; the second one is scratched."""
    image = np.full((BELT[1], BELT[0], 3), 40, np.uint8)
    for number in range(3):
        x = 500 + 200 * number - 8 * index
        if -60 < x < 640:
            image[20:80, max(0, x) : x + 60] = 250 if number == 1 else 150
    return image


def write_belt(path: Path, frames: int = 110) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25.0, BELT)
    for index in range(frames):
        writer.write(belt(index))
    writer.release()
    return path


def run(
    tmp_path: Path, footage: Sequence[Path], text: str = CROSSING, see: Callable[[Image], Any] = see
) -> tuple[ReplaySummary, list[dict[str, Any]]]:
    recipe = make_recipe(tmp_path, text)
    station = make_station(recipe, FakeDetector(see), SCRATCHES, notice_frozen=False)
    lines = JsonLines(tmp_path / "out.jsonl")
    replay = Replay(station, Issuer("s", 9, reference(recipe), simulated=True), 0.5, (lines,))
    for path in footage:
        replay.run(open_footage(path))
    lines.close()
    return replay.summary, read_jsonl(tmp_path / "out.jsonl")


def lasting(row: dict[str, Any]) -> dict[str, Any]:
    """What is neither a time nor drawn at the start."""
    drawn = {"creationTime", "resultId", "stationBootId"}
    return {key: value for key, value in row.items() if key not in drawn and not key.endswith("Ms")}


def test_parts_are_judged_on_the_frame_in_which_they_cross(tmp_path: Path) -> None:
    summary, rows = run(tmp_path, [write_belt(tmp_path / "belt.avi")])
    assert [row["verdict"] for row in rows] == ["PASS", "FAIL", "PASS"]
    assert [row["cause"] for row in rows] == ["None", "Defect", "None"]
    for row, exact in zip(rows, (26, 51, 76), strict=True):
        assert abs(row["frame"] - exact) <= 1
    assert [row["partId"] for row in rows] == ["belt#1", "belt#2", "belt#3"]
    assert [(row["plcBootId"], row["triggerId"], row["isSimulated"]) for row in rows] == [
        (0, 1, True),
        (0, 2, True),
        (0, 3, True),
    ]
    assert (summary.parts, summary.frames) == (3, 110)
    assert summary.verdicts == {"PASS": 2, "FAIL": 1, "REVIEW": 0}


def test_two_replays_are_equal_apart_from_timings_and_ids(tmp_path: Path) -> None:
    path = write_belt(tmp_path / "belt.avi")
    _, first = run(tmp_path, [path])
    _, second = run(tmp_path, [path])
    assert list(map(lasting, first)) == list(map(lasting, second))
    assert len(first) == 3
    assert compare(first, second) == []


def test_trigger_ids_run_on_over_several_recordings(tmp_path: Path) -> None:
    paths = [write_belt(tmp_path / name) for name in ("a.avi", "b.avi")]
    _, rows = run(tmp_path, paths)
    assert [row["triggerId"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert [row["partId"] for row in rows] == ["a#1", "a#2", "a#3", "b#1", "b#2", "b#3"]


def test_a_long_name_is_cut_so_that_the_part_id_fits_the_contract(tmp_path: Path) -> None:
    _, rows = run(tmp_path, [write_belt(tmp_path / f"{'very-' * 8}long.avi")])
    assert rows[0]["partId"] == "very-very-very-very-#1"
    assert rows[0]["source"] == f"{'very-' * 8}long"


def test_a_name_that_no_plc_can_read_is_written_in_ascii(tmp_path: Path) -> None:
    _, rows = run(tmp_path, [write_belt(tmp_path / "Prüfung.avi")])
    assert [row["partId"] for row in rows] == ["Pr_fung#1", "Pr_fung#2", "Pr_fung#3"]
    assert {row["source"] for row in rows} == {"Prüfung"}


def test_a_truncated_video_keeps_what_came_before(tmp_path: Path) -> None:
    path = write_belt(tmp_path / "belt.avi")
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 6 // 10])
    summary, rows = run(tmp_path, [path])
    assert [row["verdict"] for row in rows] == ["PASS", "FAIL"]
    (problem,) = summary.problems
    assert "is truncated" in problem


def write_parts(folder: Path, marks: Sequence[int]) -> Path:
    folder.mkdir()
    for index, mark in enumerate(marks):
        cv2.imwrite(str(folder / f"{index}.png"), np.full((40, 40, 3), mark, np.uint8))
    return folder


def scratched_if_bright(image: Image) -> Sequence[Detection]:
    return (Detection("scratch", mark_of(image) / 100, Box(1, 1, 5, 5)),)


def test_for_a_recipe_that_a_plc_triggers_each_picture_is_a_part(tmp_path: Path) -> None:
    _, rows = run(
        tmp_path, [write_parts(tmp_path / "parts", [10, 90, 20])], RECIPE, scratched_if_bright
    )
    assert [row["verdict"] for row in rows] == ["PASS", "FAIL", "PASS"]
    assert [row["frame"] for row in rows] == [0, 1, 2]


def test_broken_pictures_do_not_cost_the_others(tmp_path: Path) -> None:
    folder = write_parts(tmp_path / "parts", [10, 90, 20, 30])
    (folder / "1.png").write_bytes(b"no picture")
    (folder / "2.png").write_bytes(b"")
    summary, rows = run(tmp_path, [folder], RECIPE, scratched_if_bright)
    assert [(row["frame"], row["verdict"]) for row in rows] == [(0, "PASS"), (3, "PASS")]
    assert len(summary.problems) == 2
    assert "1.png is no picture" in summary.problems[0]


def test_in_real_time_a_recording_takes_as_long_as_it_did(tmp_path: Path) -> None:
    slept: list[float] = []
    recipe = make_recipe(tmp_path, CROSSING)
    station = make_station(recipe, FakeDetector(), SCRATCHES)
    replay = Replay(station, Issuer("s", 9, reference(recipe), simulated=True), 0.5, (), realtime=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("inspector.replay.time.sleep", slept.append)
        replay.run(Video(write_belt(tmp_path / "belt.avi", 25)))
    assert slept[-1] == pytest.approx(24 / 25, abs=0.5)


def test_jsonl_replaces_an_older_file(tmp_path: Path) -> None:
    (tmp_path / "out.jsonl").write_text("older\n")
    _, rows = run(tmp_path, [write_belt(tmp_path / "belt.avi")])
    assert len(rows) == 3


@pytest.mark.parametrize("name", ["missing/out.jsonl", "."])
def test_jsonl_that_cannot_be_written_is_told_before_the_work(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="cannot be written") as caught:
        JsonLines(tmp_path / name)
    assert "--jsonl" in caught.value.remedy


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_disk_that_fills_up_under_the_jsonl_is_a_sentence(tmp_path: Path) -> None:
    recipe = make_recipe(tmp_path, RECIPE)
    lines = JsonLines(Path("/dev/full"))
    station = make_station(recipe, FakeDetector(), SCRATCHES)
    replay = Replay(station, Issuer("s", 9, reference(recipe), simulated=True), 0.5, (lines,))
    source = open_footage(write_parts(tmp_path / "parts", [10]))
    with pytest.raises(StorageError, match="cannot be written: No space left"):
        replay.run(source)
    lines.close()


# --- comparison ----------------------------------------------------------------------------------


def row(frame: int, verdict: str = "PASS", source: str = "belt") -> dict[str, Any]:
    cause = {"PASS": "None", "FAIL": "Defect", "REVIEW": "Blur"}[verdict]
    return {"source": source, "frame": frame, "verdict": verdict, "cause": cause}


@pytest.mark.parametrize(
    ("before", "after", "changes"),
    [
        ([], [], []),
        ([row(10)], [row(10)], []),
        ([row(10)], [row(15)], []),
        (
            [row(10)],
            [row(16)],
            ["belt frame 10: PASS (None) -> not there", "belt frame 16: not there -> PASS (None)"],
        ),
        ([row(10)], [row(12, "FAIL")], ["belt frame 12: PASS (None) -> FAIL (Defect)"]),
        ([row(10)], [row(10, source="other")], [
            "belt frame 10: PASS (None) -> not there",
            "other frame 10: not there -> PASS (None)",
        ]),
        ([row(10, "FAIL"), row(30)], [row(30)], ["belt frame 10: FAIL (Defect) -> not there"]),
        ([row(10), row(14, "FAIL")], [row(11), row(13, "FAIL")], []),
        # the nearest counts, not the first
        ([row(10, "FAIL"), row(13)], [row(12)], ["belt frame 10: FAIL (Defect) -> not there"]),
        # two parts that cross in one frame
        ([row(10), row(10, "FAIL")], [row(10), row(10, "REVIEW")], [
            "belt frame 10: FAIL (Defect) -> REVIEW (Blur)"
        ]),
    ],
)  # fmt: skip
def test_parts_are_joined_on_source_and_nearest_frame(
    before: list[dict[str, Any]], after: list[dict[str, Any]], changes: list[str]
) -> None:
    assert [str(change) for change in compare(before, after)] == changes


def test_one_picture_more_does_not_shift_all_that_follow() -> None:
    verdicts = ["PASS", "FAIL", "REVIEW", "PASS", "FAIL", "PASS"]
    after = [row(index, verdict) for index, verdict in enumerate(verdicts)]
    before = [one for one in after if one["frame"] != 2]
    assert compare(before, after) == [Change("belt", 2, "not there", "REVIEW (Blur)")]
    assert compare(after, before) == [Change("belt", 2, "REVIEW (Blur)", "not there")]


@pytest.mark.parametrize(
    "text",
    [
        "no json\n",
        "[1]\n",
        "3\n",
        '{"source": "a"}\n',
        '"text"\n',
        "\xff\n",
        '{"source": "a", "frame": "3", "verdict": "PASS", "cause": "None"}\n',
        '{"source": ["a"], "frame": 3, "verdict": "PASS", "cause": "None"}\n',
    ],
)
def test_a_baseline_that_is_none_is_told(tmp_path: Path, text: str) -> None:
    path = tmp_path / "base.jsonl"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match="is no JSONL of a replay"):
        read_jsonl(path)


def test_a_baseline_that_is_missing_is_told_and_empty_lines_are_ignored(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot be read.*Check --against"):
        read_jsonl(tmp_path / "nothing.jsonl")
    path = tmp_path / "base.jsonl"
    path.write_text(json.dumps(row(1)) + "\n\n")
    assert read_jsonl(path) == [row(1)]
