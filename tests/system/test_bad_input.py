"""Bad input gets one clear sentence with the remedy and the right exit code; nothing is lost."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from system.cli import ROOT, Outcome, run_here

Cli = Callable[..., Outcome]


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    return lambda *args: run_here(monkeypatch, capsys, *args)


@pytest.fixture
def line(tmp_path: Path) -> Path:
    """A configuration of its own, with the shipped recipe of the simulated product."""
    path = tmp_path / "line.yaml"
    path.write_text(
        "line: bad-input\nstate_dir: state\nstations:\n  - name: cell\n    topic: a/b/c/d/e/vision\n"
        f"    recipe: {ROOT}/configs/recipes/pump-cover\n"
    )
    return path


def pictures(folder: Path, count: int) -> Path:
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(count):
        image = rng.integers(0, 255, (480, 640, 3), dtype=np.uint8)
        cv2.imwrite(str(folder / f"{number}.png"), image)
    return folder


def assert_told(outcome: Outcome, code: int, *words: str) -> None:
    assert outcome.code == code, outcome.err
    lines = [text for text in outcome.err.splitlines() if text.startswith("inspector: ")]
    assert len(lines) == 1, outcome.err
    assert "Traceback" not in outcome.err
    for word in words:
        assert word in lines[0]


def test_a_missing_video(cli: Cli, line: Path) -> None:
    assert_told(cli("replay", "nowhere.mp4", "--config", line), 2, "nowhere.mp4", "Check the path")


def test_a_file_that_is_no_video(cli: Cli, line: Path, tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(b"\x00" * 5000)
    assert_told(cli("replay", clip, "--config", line), 2, "clip.mp4", "copy it again")


def test_a_truncated_video_keeps_what_came_before(cli: Cli, line: Path, tmp_path: Path) -> None:
    clip = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(clip), cv2.VideoWriter.fourcc(*"MJPG"), 25, (640, 480))
    rng = np.random.default_rng(0)
    for _ in range(12):
        writer.write(rng.integers(0, 255, (480, 640, 3), dtype=np.uint8))
    writer.release()
    data = clip.read_bytes()
    clip.write_bytes(data[: len(data) // 2])
    out = tmp_path / "out.jsonl"
    outcome = cli("replay", clip, "--config", line, "--jsonl", out)
    assert_told(outcome, 2, "truncated", "of 12 frames")
    written = [json.loads(text) for text in out.read_text().splitlines()]
    assert 1 <= len(written) < 12
    database = sqlite3.connect(tmp_path / "state" / "records.db")
    assert database.execute("select count(*) from inspection").fetchone()[0] == len(written)
    database.close()


def test_an_image_that_is_none_does_not_cost_the_others(cli: Cli, line: Path, tmp_path: Path) -> None:
    folder = pictures(tmp_path / "pictures", 3)
    (folder / "1.png").write_text("no picture")
    out = tmp_path / "out.jsonl"
    assert_told(cli("replay", folder, "--config", line, "--jsonl", out), 2, "1.png", "no picture")
    assert len(out.read_text().splitlines()) == 2


def test_an_empty_folder(cli: Cli, line: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert_told(cli("replay", tmp_path / "empty", "--config", line), 2, "no pictures", ".jpg")


def test_a_corrupt_model_file(cli: Cli, line: Path, tmp_path: Path) -> None:
    recipe = shutil.copytree(ROOT / "configs/recipes/pump-cover", tmp_path / "pump-cover")
    line.write_text(line.read_text().replace(f"{ROOT}/configs/recipes/pump-cover", str(recipe)))
    network = next((recipe / "detector").glob("*.bin"))
    network.write_bytes(network.read_bytes()[:1000])
    outcome = cli("check", line)
    assert_told(outcome, 2, "corrupt", "recipe.yaml:", "Restore the bundle")


def test_a_missing_model(cli: Cli, line: Path, tmp_path: Path) -> None:
    recipe = shutil.copytree(ROOT / "configs/recipes/pump-cover", tmp_path / "pump-cover")
    line.write_text(line.read_text().replace(f"{ROOT}/configs/recipes/pump-cover", str(recipe)))
    shutil.rmtree(recipe / "surface")
    assert_told(cli("check", line), 2, "surface", "recipe.yaml:", "inspector train")


def test_an_unknown_key_is_refused_by_line(cli: Cli, line: Path) -> None:
    line.write_text(line.read_text() + "    dead_line_ms: 5\n")
    assert_told(cli("check", line), 2, f"{line}:7", "dead_line_ms", "deadline_ms")


def test_a_wrong_unit(cli: Cli, line: Path) -> None:
    line.write_text(line.read_text() + "    deadline_ms: 5 s\n")
    assert_told(cli("check", line), 2, f"{line}:7", "deadline_ms")


def test_a_label_that_the_model_lacks(cli: Cli, line: Path, tmp_path: Path) -> None:
    recipe = shutil.copytree(ROOT / "configs/recipes/pump-cover", tmp_path / "pump-cover")
    line.write_text(line.read_text().replace(f"{ROOT}/configs/recipes/pump-cover", str(recipe)))
    text = (recipe / "recipe.yaml").read_text().replace("{of: housing}", "{of: bottle}")
    (recipe / "recipe.yaml").write_text(text)
    assert_told(cli("check", line), 2, "recipe.yaml:", "bottle", "housing, screw")


def test_a_database_of_a_newer_schema(cli: Cli, line: Path, tmp_path: Path) -> None:
    folder = pictures(tmp_path / "pictures", 1)
    assert cli("replay", folder, "--config", line).code == 0
    database = sqlite3.connect(tmp_path / "state" / "records.db")
    database.execute("update alembic_version set version_num = '9999'")
    database.commit()
    database.close()
    assert_told(cli("replay", folder, "--config", line), 3, "newer")


def test_a_state_folder_that_cannot_be_written(cli: Cli, line: Path, tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file where a folder should be")
    folder = pictures(tmp_path / "pictures", 1)
    assert_told(cli("replay", folder, "--config", line), 3, "state")
    camera = "    cameras: [{kind: sim, name: top}]\n"
    line.write_text(line.read_text() + camera)
    assert_told(cli("run", line), 3, "state", "state_dir")


def test_a_database_on_a_full_disk(cli: Cli, line: Path, tmp_path: Path) -> None:
    line.write_text(line.read_text() + "    records: {url: 'sqlite:////dev/full/records.db'}\n")
    folder = pictures(tmp_path / "pictures", 1)
    assert_told(cli("replay", folder, "--config", line), 3, "/dev/full")


def test_starts_that_fail_leave_nothing_behind(cli: Cli, line: Path, tmp_path: Path) -> None:
    """A supervisor tries again and again."""
    line.write_text(line.read_text() + "    cameras: [{kind: folder, name: top, path: drop}]\n")
    (tmp_path / "drop").mkdir()
    (tmp_path / "state" / "records.db").mkdir(parents=True)
    for _ in range(3):
        assert_told(cli("run", line), 3, "records.db")
    assert not list((tmp_path / "state").rglob("journal-*"))


def test_jsonl_on_a_path_that_cannot_be_written(cli: Cli, line: Path, tmp_path: Path) -> None:
    folder = pictures(tmp_path / "pictures", 1)
    outcome = cli("replay", folder, "--config", line, "--jsonl", tmp_path / "no" / "out.jsonl")
    assert_told(outcome, 2, "out.jsonl")


def test_a_broker_that_is_down_stops_publishing_a_replay(cli: Cli, line: Path, tmp_path: Path) -> None:
    line.write_text(line.read_text() + "    broker: {port: 9}\n")
    folder = pictures(tmp_path / "pictures", 1)
    assert_told(cli("replay", folder, "--config", line, "--publish"), 3, "broker", "--publish")


def test_against_a_file_that_is_no_jsonl(cli: Cli, line: Path, tmp_path: Path) -> None:
    folder = pictures(tmp_path / "pictures", 1)
    (tmp_path / "old.jsonl").write_text("{}\n")
    outcome = cli("replay", folder, "--config", line, "--against", tmp_path / "old.jsonl")
    assert_told(outcome, 2, "old.jsonl", "--jsonl")


def test_against_prints_what_changed_and_exits_0(cli: Cli, line: Path, tmp_path: Path) -> None:
    folder = pictures(tmp_path / "pictures", 2)
    out = tmp_path / "out.jsonl"
    assert cli("replay", folder, "--config", line, "--jsonl", out).code == 0
    same = cli("replay", folder, "--config", line, "--against", out)
    assert (same.code, same.out.splitlines()[-1]) == (0, "0 parts changed their verdict")
    rows = [json.loads(text) for text in out.read_text().splitlines()]
    rows[1] |= {"verdict": "PASS", "cause": "None"}
    out.write_text("".join(json.dumps(row) + "\n" for row in rows))
    other = cli("replay", folder, "--config", line, "--against", out)
    assert other.code == 0
    assert "pictures frame 1: PASS (None) -> " in other.out
    assert other.out.splitlines()[-1] == "1 parts changed their verdict"


def test_a_detector_that_has_hardly_learnt_is_named(cli: Cli, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe"
    shutil.copytree(ROOT / "configs/recipes/hand-wash", recipe)
    card = recipe / "detector" / "model.json"
    text = json.loads(card.read_text())
    line = tmp_path / "line.yaml"
    line.write_text(
        "line: weak\nstate_dir: state\nstations:\n"
        "  - {name: cell, topic: a/b/c/d/e/vision, recipe: recipe}\n"
    )
    assert "which is little" not in cli("check", line).err
    text["metrics"]["map50"] = 0.01
    card.write_text(json.dumps(text))
    outcome = cli("check", line)
    assert outcome.code == 0
    assert "model 'detector' reached a mAP50 of 0.01" in outcome.err


def test_footage_without_a_part_is_told(cli: Cli, tmp_path: Path) -> None:
    clip = tmp_path / "empty.avi"
    writer = cv2.VideoWriter(str(clip), cv2.VideoWriter.fourcc(*"MJPG"), 25, (640, 640))
    for _ in range(5):
        writer.write(np.full((640, 640, 3), 90, np.uint8))
    writer.release()
    outcome = cli("replay", clip, "--config", ROOT / "configs/hand-wash.yaml")
    assert outcome.code == 0
    assert outcome.out.startswith("0 parts in 5 frames")
    assert "no part was seen" in outcome.err
