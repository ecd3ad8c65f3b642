"""Which frame belongs to which trigger."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from threading import Condition

from inspector.config import Acquisition
from inspector.domain import Frame, Trigger

KEPT = 8
"""Frames that wait for their trigger; an older one is dropped and counted."""


class FrameBuffer:
    """The newest frames of one camera, between its thread and the inspecting threads."""

    def __init__(self, acquisition: Acquisition, clock: Callable[[], float]) -> None:
        self._acquisition = acquisition
        self._clock = clock
        self._ready = Condition()
        self._frames: deque[Frame] = deque()
        self._closed = False
        self.dropped = 0
        """Frames of a wire-triggered camera that no trigger claimed."""

    def put(self, frame: Frame) -> None:
        """Add the newest frame; the oldest goes when there are too many."""
        with self._ready:
            if len(self._frames) >= KEPT:
                self._frames.popleft()
                self.dropped += self._acquisition.mode == "wire"
            self._frames.append(frame)
            self._ready.notify_all()

    def close(self) -> None:
        """Let everybody who waits go without a frame."""
        with self._ready:
            self._closed = True
            self._ready.notify_all()

    def claim(self, trigger: Trigger) -> Frame | None:
        """Wait for the frame of that trigger.

        None when there is none inside the acquisition window, or, for a camera that a photo-eye
        fires, when there are two: both are REVIEW, ``MissedAcquisition``.
        """
        wire = self._acquisition.mode == "wire"
        before = self._acquisition.before_ms / 1000 if wire else 0.0
        first, last = (
            trigger.received_s - before,
            (trigger.received_s + self._acquisition.after_ms / 1000),
        )
        with self._ready:
            while not self._closed:
                inside = [frame for frame in self._frames if first <= frame.exposed_s <= last]
                if wire and len(inside) > 1:
                    for frame in inside:
                        self._frames.remove(frame)
                    return None
                if inside:
                    if wire:
                        self._frames.remove(inside[0])
                    return inside[0]
                # a frame may be handed over a little after its exposure
                remaining = last + 0.05 - self._clock()
                if remaining <= 0 or not self._ready.wait(remaining):
                    return None
            return None
