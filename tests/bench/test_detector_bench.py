"""The detector's benchmark compares like with like."""

from __future__ import annotations

from pathlib import Path

import pytest
from figures import figures_of

from inspector.bench.detector import bench_detector
from inspector.bench.pipeline import render_frames
from inspector.bundle import Bundle
from inspector.errors import InputError

RECIPES = Path(__file__).resolve().parents[2] / "configs" / "recipes"
LINE_SEED = 7


def test_both_sides_find_the_same_on_the_same_frames() -> None:
    figures = figures_of(
        *("detector", "--frames", "10", "--rounds", "1", "--threads", "2"),
        *("--bundle", str(RECIPES / "pump-cover" / "detector")),
    )
    # housings and screws: were it another network or another input size, the boxes would differ
    assert figures["same_boxes"] == 1.0
    assert figures["detections"] >= 30
    assert (figures["threads"], figures["imgsz"], figures["frames"]) == (2, 320, 10)
    assert (
        min(
            figures[name]
            for name in ("ratio", "throughput_ratio", "int8_ratio", "ours_ms", "peer_ms", "int8_ms")
        )
        > 0
    )
    assert figures["int8_shipped"] in (0, 1)


def test_only_a_detector_of_whole_pictures_is_measured() -> None:
    bundle = Bundle.load(RECIPES / "pump-cover" / "surface")
    with pytest.raises(InputError, match="no detector of whole pictures"):
        bench_detector(bundle, render_frames(2, LINE_SEED), rounds=1)
