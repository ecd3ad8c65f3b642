"""``inspector audit`` as a user or a script sees it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from audit.planting import write
from system.cli import Outcome, run_here

MONKEY = pytest.MonkeyPatch
CAPTURE = pytest.CaptureFixture[str]


def test_a_clean_set_exits_with_0(tmp_path: Path, monkeypatch: MONKEY, capsys: CAPTURE) -> None:
    outcome = run_here(monkeypatch, capsys, "audit", write(tmp_path / "set"))
    assert outcome.code == 0, outcome.err
    assert "detect, 2 classes, 30 train, 12 val pictures" in outcome.out
    assert "0 of them blocking" in outcome.out


def told(outcome: Outcome, *words: str) -> None:
    assert outcome.code == 2
    (line,) = [text for text in outcome.err.splitlines() if text.startswith("inspector: ")]
    assert "Traceback" not in outcome.err
    for word in words:
        assert word in line


def test_leakage_exits_with_2_and_json_names_all_files(
    tmp_path: Path, monkeypatch: MONKEY, capsys: CAPTURE
) -> None:
    data = write(tmp_path / "set")
    images = data.parent / "images"
    for number in range(8):
        shutil.copy(images / "train" / f"train-{number:03d}.png", images / "val" / f"copy-{number}.png")
    out = tmp_path / "report.json"
    outcome = run_here(monkeypatch, capsys, "audit", data, "--json", out)
    told(outcome, "1 finding blocks a training", "--allow-findings")
    assert "[blocking] leakage: equal files in train and val: 8 pictures" in outcome.out
    assert "… and 10 more" in outcome.out
    report = json.loads(out.read_text())
    assert report["blocking"] == 1
    assert report["pictures"] == {"train": 30, "val": 20}
    assert report["findings"][0]["kind"] == "leakage"
    assert len(report["findings"][0]["files"]) == 16


def test_the_group_option_wins(tmp_path: Path, monkeypatch: MONKEY, capsys: CAPTURE) -> None:
    data = write(tmp_path / "set", group="(-)")
    assert run_here(monkeypatch, capsys, "audit", data).code == 2
    assert run_here(monkeypatch, capsys, "audit", data, "--group", "^([a-z]+)").code == 0
    told(run_here(monkeypatch, capsys, "audit", data, "--group", "[a-z]+"), "has no group")
    told(run_here(monkeypatch, capsys, "audit", data, "--group", "(a"), "no regular expression")


def test_a_missing_data_set(tmp_path: Path, monkeypatch: MONKEY, capsys: CAPTURE) -> None:
    told(run_here(monkeypatch, capsys, "audit", tmp_path / "no.yaml"), "does not exist")
    told(run_here(monkeypatch, capsys, "audit", tmp_path), "is no data set")


def test_paths_that_point_outside(tmp_path: Path, monkeypatch: MONKEY, capsys: CAPTURE) -> None:
    write(tmp_path / "other")
    data = write(tmp_path / "set")
    data.write_text("names: [disc, square]\ntrain: images/train\nval: ../other/images/val\n")
    told(
        run_here(monkeypatch, capsys, "audit", data), f"{data}:3: ", "outside of the data set", "'path'"
    )
