"""Turns of several runners over the same pictures, interleaved, so that noise meets all of them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from inspector.domain import Image

WARM_UP = 10
IN_FLIGHT = 2
TURN = 10
"""Frames after which the next one has its turn: so short, because other work comes and goes."""


@dataclass(slots=True)
class Runner:
    """Something to be measured, and the times that it took."""

    run: Callable[[Image], object]
    turn_s: list[float] = field(default_factory=list)
    frame_s: list[float] = field(default_factory=list)

    def turn(self, frames: Sequence[Image]) -> None:
        """Run on all frames."""
        started = time.perf_counter()
        for frame in frames:
            begun = time.perf_counter()
            self.run(frame)
            self.frame_s.append(time.perf_counter() - begun)
        self.turn_s.append(time.perf_counter() - started)

    @property
    def median_ms(self) -> float:
        return 1000 * statistics.median(self.frame_s)


@dataclass(slots=True)
class Several(Runner):
    """So many frames in flight, as the inspecting threads of a line have them."""

    pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(IN_FLIGHT))

    def turn(self, frames: Sequence[Image]) -> None:
        """Run on all frames; the time of a single one says nothing here."""
        started = time.perf_counter()
        for _ in self.pool.map(self.run, frames):
            pass
        self.turn_s.append(time.perf_counter() - started)


def interleave(runners: Sequence[Runner], frames: Sequence[Image], rounds: int) -> None:
    """Let each runner have its turns, ``rounds`` times over ``frames``, none always the first."""
    for runner in runners:
        for frame in frames[:WARM_UP]:
            runner.run(frame)
    turns = [
        frames[start : start + TURN] for _ in range(rounds) for start in range(0, len(frames), TURN)
    ]
    for number, turn in enumerate(turns):
        first = number % len(runners)
        for runner in (*runners[first:], *runners[:first]):
            runner.turn(turn)


def ratio_of(slow: Runner, fast: Runner) -> float:
    """How many times as fast ``fast`` is: the median over the turns."""
    pairs = zip(slow.turn_s, fast.turn_s, strict=True)
    return statistics.median(a / b for a, b in pairs)
