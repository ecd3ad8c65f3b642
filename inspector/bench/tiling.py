"""What a picture larger than the network's input costs: it should be as its area, and no more."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from inspector.bundle import Bundle, Tile
from inspector.domain import Detection, Image
from inspector.errors import InputError
from inspector.ports import Detector
from inspector.runtimes.load import load_detector
from inspector.runtimes.tiled import TiledDetector

SIDES = (1000, 2000, 4000, 8000)
"""Square pictures, in pixels."""
_SHARE = 5
"""Of a bundle whose card names no tile: one so large as the input, a fifth of it shared."""


class _Counting:
    """Counts how often the network is asked."""

    def __init__(self, detector: Detector) -> None:
        self.calls = 0
        self._detector = detector

    def detect(self, image: Image) -> tuple[Detection, ...]:
        self.calls += 1
        return self._detector.detect(image)


def bench_tiling(
    path: Path, *, sides: Sequence[int] = SIDES, rounds: int = 3, threads: int | None = None
) -> dict[str, float]:
    """Milliseconds and calls of the network by the side of the picture, sizes interleaved in one run.

    ``time_exponent`` and ``calls_exponent`` are the slopes of their logarithms over that of the area: 1
    is linear. Raises :class:`~inspector.errors.BundleError` for a bundle that is no detector,
    :class:`InputError` for fewer than two sides.
    """
    if len(set(sides)) < 2:
        raise InputError("One size tells nothing of growth", "Give two sides or more")
    bundle = Bundle.load(path)
    spec = bundle.card.input
    side = max(spec.width, spec.height)
    tile = spec.tile or Tile(side=side, overlap=side // _SHARE)
    plain = bundle.card.model_copy(update={"input": spec.model_copy(update={"tile": None})})
    counting = _Counting(load_detector(Bundle(bundle.path, plain), threads=threads))
    detector = TiledDetector(counting, tile)
    pictures = {side: _texture(side) for side in sorted(set(sides))}
    detector.detect(pictures[min(pictures)])
    calls: dict[int, int] = {}
    times: dict[int, list[float]] = {side: [] for side in pictures}
    for _ in range(rounds):
        for side, picture in pictures.items():
            counting.calls = 0
            started = time.perf_counter()
            detector.detect(picture)
            times[side].append((time.perf_counter() - started) * 1000)
            calls[side] = counting.calls
    typical = {side: statistics.median(values) for side, values in times.items()}
    figures: dict[str, float] = {"tile_px": tile.side, "overlap_px": tile.overlap}
    for side in pictures:
        figures[f"calls_{side}"] = calls[side]
        figures[f"ms_{side}"] = typical[side]
        figures[f"ms_per_megapixel_{side}"] = typical[side] / (side * side / 1e6)
    figures["calls_exponent"] = _slope(calls)
    figures["time_exponent"] = _slope(typical)
    return figures


def _slope(values: dict[int, float] | dict[int, int]) -> float:
    area = np.log([float(side) ** 2 for side in values])
    return float(np.polyfit(area, np.log(list(values.values())), 1)[0])


def _texture(side: int) -> Image:
    """Blurred noise: what a board looks like to a network that has never seen one."""
    noise = np.random.default_rng(side).integers(0, 256, (side // 4, side // 4, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(noise, (side, side), interpolation=cv2.INTER_LINEAR), np.uint8)
