"""What open dashboards do to a station that records: the same paced parts with and without them.

A dashboard here is a process that runs the Live page as often as a browser's window makes it, script
and queries, on the database that the station writes. Rounds with and without alternate.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from inspector.bench.pipeline import (
    DEADLINE_MS,
    StationUnderTest,
    fastest_loop,
    render_frames,
    simulated_camera,
    station_under_test,
)
from inspector.config import LineConfig, StationConfig
from inspector.domain import Image
from inspector.errors import OutsideError

SHARE = 0.5
"""Of the bare loop's speed: a line with room for a dashboard on the same computer."""
_APP = Path(__file__).resolve().parents[2] / "dashboard" / "app.py"
_WINDOW = """\
import sys, time
from streamlit.testing.v1 import AppTest
app, every_s = sys.argv[1], float(sys.argv[3])
sys.argv = [app, sys.argv[2]]
page = AppTest.from_file(app, default_timeout=120)
while True:
    began = time.monotonic()
    page.run()
    if page.exception:
        sys.exit(page.exception[0].value)
    print("ran", flush=True)
    time.sleep(max(0.0, began + every_s - time.monotonic()))
"""
_REFRESH_S = 0.5


@dataclass(frozen=True, slots=True)
class ReaderFigures:
    """Ratios are with the dashboards over without; times in milliseconds."""

    write_ratio: float
    p50_ratio: float
    p99_ratio: float
    write_ms: float
    write_open_ms: float
    p50_ms: float
    p50_open_ms: float
    p99_ms: float
    p99_open_ms: float
    misses: int
    """Parts that were not inspected within 5 s, with and without."""
    dashboards: int
    parts_per_s: float
    parts: int


@dataclass(slots=True)
class _Side:
    latencies_ms: list[float] = field(default_factory=list)
    writes: int = 0
    write_s: float = 0.0

    def measure(self, driver: StationUnderTest, frames: Sequence[Image], interval_s: float) -> None:
        before = driver.counts()
        self.latencies_ms += driver.paced(frames, interval_s)
        after = driver.counts()
        self.writes += after.writes - before.writes
        self.write_s += after.write_s - before.write_s

    @property
    def write_ms(self) -> float:
        return 1000 * self.write_s / max(1, self.writes)


def bench_readers(
    config: LineConfig, station: StationConfig, *, parts: int, rounds: int, dashboards: int
) -> ReaderFigures:
    """Measure ``rounds`` pairs of ``parts`` parts, alone and with so many open dashboards.

    Raises :class:`~inspector.errors.OutsideError` when a dashboard does not come up.
    """
    frames = render_frames(parts, simulated_camera(station).seed)
    _, speed = fastest_loop(station, frames)
    interval_s = 1 / (SHARE * speed)
    alone, watched = _Side(), _Side()
    with station_under_test(config, station) as driver:
        driver.run(frames[:20])
        shown = _configuration(config, station, driver.folder)
        for _ in range(rounds):
            alone.measure(driver, frames, interval_s)
            with ExitStack() as windows:
                for _ in range(dashboards):
                    windows.enter_context(_window(shown))
                watched.measure(driver, frames, interval_s)
    p50 = [float(np.percentile(side.latencies_ms, 50)) for side in (alone, watched)]
    p99 = [float(np.percentile(side.latencies_ms, 99)) for side in (alone, watched)]
    both = [*alone.latencies_ms, *watched.latencies_ms]
    return ReaderFigures(
        write_ratio=watched.write_ms / alone.write_ms,
        p50_ratio=p50[1] / p50[0],
        p99_ratio=p99[1] / p99[0],
        write_ms=alone.write_ms,
        write_open_ms=watched.write_ms,
        p50_ms=p50[0],
        p50_open_ms=p50[1],
        p99_ms=p99[0],
        p99_open_ms=p99[1],
        misses=sum(one >= DEADLINE_MS for one in both),
        dashboards=dashboards,
        parts_per_s=1 / interval_s,
        parts=len(both),
    )


def _configuration(config: LineConfig, station: StationConfig, folder: Path) -> Path:
    path = folder / "line.yaml"
    path.write_text(
        f"line: {config.line}\nstate_dir: .\nstations:\n"
        f"  - {{name: {station.name}, topic: {station.topic}, recipe: {station.recipe}}}\n",
        encoding="utf-8",
    )
    return path


@contextmanager
def _window(config: Path) -> Iterator[None]:
    command = [sys.executable, "-c", _WINDOW, str(_APP), str(config), str(_REFRESH_S)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        if process.stdout is None or process.stdout.readline() != b"ran\n":
            raise OutsideError("the dashboard does not run", "pip install '.[dashboard]'")
        yield
        if process.poll() is not None:
            raise OutsideError("a dashboard has ended", "Look at it with 'streamlit run'")
    finally:
        process.kill()
        process.wait()
