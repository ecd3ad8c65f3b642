"""The anomaly check's benchmark compares like with like."""

from __future__ import annotations

from pathlib import Path

import pytest
from figures import figures_of

from inspector.bench.anomaly import bench_anomaly
from inspector.bundle import Bundle
from inspector.errors import InputError

RECIPES = Path(__file__).resolve().parents[2] / "configs" / "recipes"


def test_all_sides_score_the_same_pictures_alike() -> None:
    figures = figures_of("anomaly", "--frames", "10", "--rounds", "1", "--threads", "1")
    # were it another network or another preprocessing, the scores would differ
    assert figures["score_difference"] < 1e-3
    assert (figures["threads"], figures["pictures"], figures["rounds"]) == (1, 10, 1)
    measured = ("ratio", "throughput_ratio", "check_over_bare", "check_ms", "bare_ms", "peer_ms")
    assert min(figures[name] for name in measured) > 0


def test_a_detector_is_refused() -> None:
    with pytest.raises(InputError, match="no anomaly model"):
        bench_anomaly(Bundle.load(RECIPES / "pump-cover" / "detector"), [], rounds=1, threads=1)
