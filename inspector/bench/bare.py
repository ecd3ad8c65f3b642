"""The bare two-model loop: what a short script would do with the same networks, and nothing else."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import openvino as ov

from inspector.domain import Image


class BareLoop:
    """Detector, crop of its best box, anomaly model; ``requests`` parts in flight."""

    def __init__(self, detector: Path, surface: Path, side: int, requests: int, threads: int) -> None:
        self.requests = requests
        hint = "LATENCY" if requests == 1 else "THROUGHPUT"
        options = {
            "PERFORMANCE_HINT": hint,
            "NUM_STREAMS": requests,
            "INFERENCE_NUM_THREADS": threads,
            "INFERENCE_PRECISION_HINT": "f32",
        }
        core = ov.Core()
        self._side = side
        self._first = ov.AsyncInferQueue(core.compile_model(detector, "CPU", options), requests)
        self._second = ov.AsyncInferQueue(core.compile_model(surface, "CPU", options), requests)
        self._first.set_callback(self._crop)
        self._second.set_callback(self._score)
        self.latencies_ms: list[float] = []
        self.scores: list[float] = []

    def run(self, frames: Sequence[Image], interval_s: float = 0.0) -> float:
        """Seconds for all frames; with an interval, one frame is due each so many seconds."""
        started = due = time.perf_counter()
        for image in frames:
            due += interval_s
            time.sleep(max(0.0, due - time.perf_counter()) if interval_s else 0.0)
            begun = time.perf_counter()
            height, width = image.shape[:2]
            scale = self._side / max(height, width)
            small = cv2.resize(image, (round(width * scale), round(height * scale)))
            fitted = np.full((1, self._side, self._side, 3), 114, np.uint8)
            top, left = (self._side - small.shape[0]) // 2, (self._side - small.shape[1]) // 2
            fitted[0, top : top + small.shape[0], left : left + small.shape[1]] = small
            self._first.start_async({0: fitted}, (image, scale, left, top, begun))
        self._first.wait_all()
        self._second.wait_all()
        return time.perf_counter() - started

    def _crop(self, request: ov.InferRequest, context: tuple[Image, float, int, int, float]) -> None:
        image, scale, left, top, begun = context
        output = request.get_output_tensor(0).data[0]
        x, y, width, height = output[:4, output[4].argmax()].tolist()
        x1, x2 = (max(0, round((x + side - left) / scale)) for side in (-width / 2, width / 2))
        y1, y2 = (max(0, round((y + side - top) / scale)) for side in (-height / 2, height / 2))
        self._second.start_async({0: np.ascontiguousarray(image[y1:y2, x1:x2])[None]}, begun)

    def _score(self, request: ov.InferRequest, begun: float) -> None:
        self.scores.append(float(request.get_tensor("score").data.reshape(-1)[0]))
        self.latencies_ms.append((time.perf_counter() - begun) * 1000)
