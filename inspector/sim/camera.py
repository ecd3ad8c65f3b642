"""Simulated cameras: one that films rendered parts by itself, one that a photo-eye fires."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable

import numpy as np

from inspector.cameraspecs import SimulatedCamera
from inspector.domain import Frame, Image
from inspector.sim.scene import FaultKind, SceneRenderer, draw_plan

PLAN_LENGTH = 300


class SimulatedSource:
    """Implements :class:`inspector.ports.Camera`: a new part in every frame, a third of them faulty."""

    continuous = True

    def __init__(self, config: SimulatedCamera, clock: Callable[[], float] = time.monotonic) -> None:
        self._config, self._clock = config, clock
        self._renderer = SceneRenderer(config.seed, (config.width, config.height))
        self._plan = draw_plan(PLAN_LENGTH, config.seed)
        self._closed = threading.Event()
        self._index = 0

    def read(self) -> Frame | None:
        """The next part, a frame interval later; None after :meth:`close`."""
        if self._closed.wait(1.0 / self._config.fps):
            return None
        index, self._index = self._index, self._index + 1
        rng = np.random.default_rng((self._config.seed, index))
        fault: FaultKind = self._plan[index % PLAN_LENGTH]
        image, _ = self._renderer.render(fault, rng, belt_px=37.0 * index)
        return Frame(image, self._config.name, index, self._clock())

    def close(self) -> None:
        """End a waiting :meth:`read`."""
        self._closed.set()


class FiredCamera:
    """Implements :class:`inspector.ports.Camera`: delivers what :meth:`fire` exposes."""

    continuous = False

    def __init__(self, name: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._name, self._clock = name, clock
        self._frames: queue.SimpleQueue[Frame | None] = queue.SimpleQueue()
        self._index = 0

    def fire(self, image: Image) -> None:
        """Expose now, as a photo-eye does by wire."""
        frame = Frame(image, self._name, self._index, self._clock())
        self._index += 1
        self._frames.put(frame)

    def read(self) -> Frame | None:
        """The next exposure; None after :meth:`close`."""
        return self._frames.get()

    def close(self) -> None:
        """End a waiting :meth:`read`."""
        self._frames.put(None)
