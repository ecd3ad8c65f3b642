"""The command on recorded and on simulated pictures, with shipped recipes."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from system.cli import ROOT, run_here

from inspector.cameras.footage import open_footage
from inspector.sim.faults import FaultKind
from inspector.sim.scene import SceneRenderer


def test_the_detector_of_the_bottles_on_a_clip_it_has_not_learnt(
    tmp_path: Path,
    data_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    notes = json.loads((data_dir / "bottles" / "clip-d.json").read_text())
    boxes = {row["frame"]: row["boxes"] for row in notes["frames"]}
    recording = open_footage(data_dir / "bottles" / "clip-d.mp4")
    for part in ("images", "labels"):
        (tmp_path / "set" / part / "test").mkdir(parents=True)
    while (frame := recording.read()) is not None:
        if frame.index % 12 or frame.index not in boxes:
            continue
        width, height = frame.size
        lines = []
        for box in boxes[frame.index]:
            x1, y1, x2, y2 = box["xyxy"]
            number = ("bottle", "cap").index(box["label"])
            numbers = (
                (x1 + x2) / 2 / width,
                (y1 + y2) / 2 / height,
                (x2 - x1) / width,
                (y2 - y1) / height,
            )
            lines.append(" ".join(map(str, (number, *numbers))))
        name = f"clip-d-{frame.index:04d}"
        cv2.imwrite(str(tmp_path / "set" / "images" / "test" / f"{name}.jpg"), frame.image)
        (tmp_path / "set" / "labels" / "test" / f"{name}.txt").write_text("\n".join(lines))
    yaml = tmp_path / "set" / "data.yaml"
    yaml.write_text(
        "path: .\ntrain: images/test\nval: images/test\ntest: images/test\nnames: [bottle, cap]\n"
    )
    out = tmp_path / "report.json"
    recipe = ROOT / "configs" / "recipes" / "hand-wash"
    ran = run_here(monkeypatch, capsys, "evaluate", recipe, yaml, "--report", out)
    assert ran.code == 0, ran.err
    metrics = json.loads(out.read_text())["metrics"]
    # clips d and e together have 0.9835 and 0.7865 on the card
    assert metrics["map50"] >= 0.97
    assert metrics["map50_95"] >= 0.75
    assert metrics["recall"] >= 0.97
    assert out.with_suffix(".html").stat().st_size > 10_000


def test_simulated_parts_good_and_faulty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # the line that the shipped model has learnt, with parts that it has not seen
    renderer, rng = SceneRenderer(1), np.random.default_rng(41)
    for kind, count in ((FaultKind.GOOD, 8), (FaultKind.STAIN, 5), (FaultKind.MISSING_SCREW, 5)):
        folder = tmp_path / "set" / "test" / kind.value
        folder.mkdir(parents=True)
        for number in range(count):
            image, _ = renderer.render(kind, rng, float(rng.uniform(0, 5000)), 320.0)
            cv2.imwrite(str(folder / f"{number:03d}.png"), image)
    (tmp_path / "set" / "test" / "stain" / "broken.png").write_bytes(b"\x89PNG no more")
    report, predictions = tmp_path / "r.json", tmp_path / "p.jsonl"
    recipe = ROOT / "configs" / "recipes" / "pump-cover"
    args = ("evaluate", recipe, tmp_path / "set", "--report", report, "--predictions", predictions)
    ran = run_here(monkeypatch, capsys, *args)
    assert ran.code == 0, ran.err
    assert "note: " in ran.out
    assert "broken.png" in ran.out
    written = json.loads(report.read_text())
    assert written["metrics"]["escapes"] == 0
    assert written["metrics"]["false_rejects"] == 0
    assert written["metrics"]["image_auroc"] >= 0.95
    rows = [json.loads(line) for line in predictions.read_text().splitlines()]
    assert len(rows) == 19
    assert all(isinstance(row["score"], float) for row in rows)
    holes = [f for row in rows for f in row["findings"] if f["check"] == "assembly"]
    assert holes
    assert all("expectedBox" in finding for finding in holes)
