"""The whole station against the bare two-model loop, interleaved in one process.

Both work on the same decoded frames from memory and the same networks. The station takes its triggers
over MQTT from a local mosquitto, journals, publishes, records, and keeps evidence of the faulty parts
and of 5 % of the rest.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from inspector.bench.bare import BareLoop
from inspector.bench.broker import local_mosquitto
from inspector.build import build_live_station
from inspector.cameraspecs import Acquisition, SimulatedCamera
from inspector.config import Broker, Evidence, LineConfig, StationConfig
from inspector.domain import Image
from inspector.errors import InputError, OutsideError
from inspector.recipe import load_recipe
from inspector.records.ledger import RecorderCounts
from inspector.sim.camera import FiredCamera
from inspector.sim.gate import PartOutcome
from inspector.sim.plc import SimPlc
from inspector.sim.scene import FaultKind, SceneRenderer

FAULTY_EVERY = 20
IN_FLIGHT = 4
PASS_SHARE = 0.05
"""Of the good parts whose picture is kept."""
LOAD = 0.7
"""Share of the full speed at which latencies are compared."""
DEADLINE_MS = 5000.0


@dataclass(frozen=True, slots=True)
class PipelineFigures:
    """What the benchmark found; ratios are the station's over the bare loop's."""

    throughput_ratio: float
    p50_ratio: float
    p99_ratio: float
    bare_parts_per_s: float
    station_parts_per_s: float
    bare_p50_ms: float
    station_p50_ms: float
    bare_p99_ms: float
    station_p99_ms: float
    bare_requests: int
    parts: int
    review: int
    """Parts that the station could not judge; they would flatter it."""


def render_frames(count: int, line_seed: int, seed: int = 11) -> list[Image]:
    """``count`` pictures of the simulated product, one in twenty faulty.

    ``line_seed`` is that of the filmed line, as a camera of the kind ``sim`` has it.
    """
    renderer = SceneRenderer(line_seed)
    rng = np.random.default_rng(seed)
    faults = [fault for fault in FaultKind if fault is not FaultKind.GOOD]
    return [
        renderer.render(
            FaultKind.GOOD if index % FAULTY_EVERY else faults[(index // FAULTY_EVERY) % len(faults)],
            rng,
            31.0 * index,
        )[0]
        for index in range(count)
    ]


class StationUnderTest:
    """The full pipeline, driven over MQTT by a simulated PLC."""

    def __init__(
        self,
        camera: FiredCamera,
        broker: Broker,
        topic: str,
        folder: Path,
        counts: Callable[[], RecorderCounts],
    ) -> None:
        """``counts``: of the station's recorder."""
        self._camera = camera
        self.folder = folder
        """The station's state."""
        self.counts = counts
        self._plc = SimPlc(
            broker, topic, accept_simulated=True, deadline_ms=DEADLINE_MS, on_outcome=self._take
        )
        self._free = threading.Semaphore(IN_FLIGHT)
        self._throttled = True
        self._count = 0
        self.latencies_ms: list[float] = []
        self.review = 0

    def wait_ready(self) -> None:
        """Raises :class:`OutsideError` when the station does not get ready."""
        if not self._plc.wait_ready(30.0):
            raise OutsideError("the station did not get ready", "See the log above")

    def run(self, frames: Sequence[Image], interval_s: float = 0.0) -> float:
        """Seconds from the first trigger to the last verdict.

        Without an interval the next part comes when fewer than four are in flight and the last trigger
        has been accepted: exposures nearer than that could not be told apart.
        """
        started = due = time.perf_counter()
        for image in frames:
            due += interval_s
            self._free.acquire()
            time.sleep(max(0.0, due - time.perf_counter()) if interval_s else 0.0)
            if not self._plc.wait_answered(DEADLINE_MS / 1000):
                raise OutsideError("the station does not answer", "See the log above")
            self._count += 1
            self._camera.fire(image)
            self._plc.trigger(f"B{self._count:07d}")
        if not self._plc.wait_idle(DEADLINE_MS / 1000 + 1):
            raise OutsideError("the station lost a part", "See the log above")
        return time.perf_counter() - started

    def paced(self, frames: Sequence[Image], interval_s: float) -> list[float]:
        """One part each so many seconds, whatever becomes of them.

        Returns milliseconds from when each was due to its verdict, 5000 where it was not inspected.
        """
        late_ms: dict[str, float] = {}
        due = time.perf_counter()
        self._throttled = False
        for image in frames:
            due += interval_s
            time.sleep(max(0.0, due - time.perf_counter()))
            if not self._plc.wait_answered(DEADLINE_MS / 1000):
                raise OutsideError("the station does not answer", "See the log above")
            self._count += 1
            part_id = f"B{self._count:07d}"
            late_ms[part_id] = 1000 * (time.perf_counter() - due)
            self._camera.fire(image)
            self._plc.trigger(part_id)
        if not self._plc.wait_idle(DEADLINE_MS / 1000 + 1):
            raise OutsideError("the station lost a part", "See the log above")
        self._throttled = True
        return [
            late_ms[one.part_id] + one.latency_ms
            if one.result is not None and one.result.result_state == 1 and one.latency_ms is not None
            else DEADLINE_MS
            for one in self._plc.outcomes()
            if one.part_id in late_ms
        ]

    def close(self) -> None:
        """Leave the broker."""
        self._plc.close()

    def _take(self, outcome: PartOutcome) -> None:
        self.latencies_ms.append(outcome.latency_ms or DEADLINE_MS)
        self.review += outcome.verdict not in ("PASS", "FAIL")
        if self._throttled:
            self._free.release()


@contextmanager
def station_under_test(config: LineConfig, station: StationConfig) -> Iterator[StationUnderTest]:
    """The station of ``config`` with a broker and a state folder of its own."""
    with tempfile.TemporaryDirectory() as folder, local_mosquitto() as broker:
        # exposed, then ordered: a later exposure is the next part's
        window = Acquisition(mode="wire", before_ms=100, after_ms=0.01)
        station = station.model_copy(
            update={
                "broker": broker,
                "acquisition": window,
                "deadline_ms": DEADLINE_MS,
                "evidence": Evidence(pass_share=PASS_SHARE),
            }
        )
        config = config.model_copy(update={"state_dir": Path(folder)})
        camera = FiredCamera("top")
        live = build_live_station(config, station, cameras={"top": camera}, simulated=True)
        driver = StationUnderTest(
            camera, broker, station.topic, Path(folder), lambda: live.recorder.counts
        )
        try:
            live.start()
            driver.wait_ready()
            yield driver
            live.check()
        finally:
            driver.close()
            live.stop()


def simulated_camera(station: StationConfig) -> SimulatedCamera:
    """The station's camera. Raises :class:`InputError` when it films no simulated line."""
    camera = station.cameras[0] if station.cameras else None
    if not isinstance(camera, SimulatedCamera):
        raise InputError(
            f"station '{station.name}' does not film the simulated line", "Use configs/demo.yaml"
        )
    return camera


def fastest_loop(station: StationConfig, frames: Sequence[Image]) -> tuple[BareLoop, float]:
    """The bare loop with the better number of requests in flight, and its parts a second."""
    recipe = load_recipe(station.recipe)
    detector, surface = recipe.bundles["detector"], recipe.bundles["surface"]
    files = detector.file("openvino"), surface.file("openvino")
    threads = station.threads or os.cpu_count() or 1
    loops = [BareLoop(*files, detector.card.input.width, n, threads) for n in (1, station.workers)]
    for loop in loops:
        loop.run(frames[:20])
    speeds = [len(frames) / min(loop.run(frames) for _ in range(2)) for loop in loops]
    speed = max(speeds)
    return loops[speeds.index(speed)], speed


@dataclass(slots=True)
class _Samples:
    speeds: list[float] = field(default_factory=list)
    latencies_ms: list[float] = field(default_factory=list)


def bench_pipeline(
    config: LineConfig, station: StationConfig, *, parts: int, rounds: int
) -> PipelineFigures:
    """Measure ``rounds`` pairs of ``parts`` parts at full speed, then at 70 % of the bare loop's."""
    frames = render_frames(parts, simulated_camera(station).seed)
    bare_loop, _ = fastest_loop(station, frames)
    bare, full = _Samples(), _Samples()
    with station_under_test(config, station) as driver:
        driver.run(frames[:20])
        for _ in range(rounds):
            bare.speeds.append(parts / bare_loop.run(frames))
            full.speeds.append(parts / driver.run(frames))
        interval_s = 1 / (LOAD * statistics.median(full.speeds))
        bare_loop.latencies_ms.clear()
        driver.latencies_ms.clear()
        for _ in range(rounds):
            bare_loop.run(frames, interval_s)
            driver.run(frames, interval_s)
        bare.latencies_ms, full.latencies_ms = bare_loop.latencies_ms, driver.latencies_ms
        review = driver.review
    ratios = [b / a for a, b in zip(bare.speeds, full.speeds, strict=True)]
    p50 = [float(np.percentile(sample.latencies_ms, 50)) for sample in (bare, full)]
    p99 = [float(np.percentile(sample.latencies_ms, 99)) for sample in (bare, full)]
    return PipelineFigures(
        throughput_ratio=statistics.median(ratios),
        p50_ratio=p50[1] / p50[0],
        p99_ratio=p99[1] / p99[0],
        bare_parts_per_s=statistics.median(bare.speeds),
        station_parts_per_s=statistics.median(full.speeds),
        bare_p50_ms=p50[0],
        station_p50_ms=p50[1],
        bare_p99_ms=p99[0],
        station_p99_ms=p99[1],
        bare_requests=bare_loop.requests,
        parts=parts * rounds * 2,
        review=review,
    )
