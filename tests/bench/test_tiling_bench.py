"""The measurement of tiling: what it counts, and that its last line is for a program."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from inspector.bench.tiling import bench_tiling
from inspector.cli.bench import app
from inspector.errors import BundleError, InputError

SHIPPED = Path(__file__).resolve().parents[2] / "configs" / "recipes" / "pump-cover" / "detector"


def test_calls_grow_with_the_area_and_the_last_line_is_json() -> None:
    result = CliRunner().invoke(app, ["tiling", "--rounds", "1", "--side", "600", "--side", "1200"])
    assert result.exit_code == 0, result.output
    figures = json.loads(result.stdout.splitlines()[-1])
    assert all(isinstance(value, int | float) for value in figures.values())
    side, overlap = figures["tile_px"], figures["overlap_px"]
    for length in (600, 1200):
        a_row = -(-(length - overlap) // (side - overlap))
        assert figures[f"calls_{length}"] == a_row**2
    assert figures["calls_1200"] / figures["calls_600"] == 25 / 9
    assert figures["ms_1200"] > figures["ms_600"] > 0


def test_one_size_and_no_detector_are_refused() -> None:
    with pytest.raises(InputError, match="nothing of growth"):
        bench_tiling(SHIPPED, sides=(600,))
    with pytest.raises(BundleError, match="cannot detect"):
        bench_tiling(SHIPPED.parent / "surface", sides=(600, 900))
