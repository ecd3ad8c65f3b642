"""Which frame belongs to which trigger.

A trigger opens a slot when it is accepted, not when a thread gets round to it: a part that has to wait
its turn must not be judged by the picture of a later one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Condition

from inspector.config import Acquisition
from inspector.domain import Frame, Trigger

RECENT = 8
"""Frames kept for triggers that come after their exposure."""
HAND_OVER_S = 0.05
"""How long after its exposure a frame may still be on its way from the camera."""

Key = tuple[int, int]


@dataclass(slots=True)
class _Slot:
    first_s: float
    last_s: float
    frames: list[Frame] = field(default_factory=list)


class FrameBuffer:
    """The frames of one camera, between its thread and the inspecting threads."""

    def __init__(self, acquisition: Acquisition, clock: Callable[[], float]) -> None:
        self._acquisition = acquisition
        self._clock = clock
        self._changed = Condition()
        self._recent: deque[Frame] = deque()
        self._slots: dict[Key, _Slot] = {}
        self._closed = False
        self.unclaimed = 0
        """Exposures of a wire-triggered camera that belonged to no trigger."""

    def put(self, frame: Frame) -> None:
        """Take the newest frame and give it to the trigger that waits for it, if one does."""
        with self._changed:
            slot = self._waiting(frame)
            if slot is not None:
                slot.frames.append(frame)
                self._changed.notify_all()
                if self._is_wired:
                    return
            self._recent.append(frame)
            if len(self._recent) > RECENT:
                self._recent.popleft()
                self.unclaimed += self._is_wired

    def expect(self, trigger: Trigger) -> None:
        """Open the slot of an accepted trigger."""
        window = self._acquisition
        before = window.before_ms / 1000 if self._is_wired else 0.0
        slot = _Slot(trigger.received_s - before, trigger.received_s + window.after_ms / 1000)
        with self._changed:
            inside = [f for f in self._recent if slot.first_s <= f.exposed_s <= slot.last_s]
            if self._is_wired:
                for frame in inside:
                    self._recent.remove(frame)
            slot.frames = inside if self._is_wired else inside[:1]
            self._slots[_key(trigger)] = slot

    def claim(self, trigger: Trigger) -> Frame | None:
        """Wait for the frame of a trigger that is expected.

        None when none came inside the acquisition window, or, from a camera that a photo-eye fires,
        two: both are REVIEW, ``MissedAcquisition``.
        """
        with self._changed:
            slot = self._slots[_key(trigger)]
            while not slot.frames and not self._closed:
                remaining = slot.last_s + HAND_OVER_S - self._clock()
                if remaining <= 0:
                    break
                self._changed.wait(remaining)
            del self._slots[_key(trigger)]
            return slot.frames[0] if len(slot.frames) == 1 else None

    def forget(self, trigger: Trigger) -> None:
        """Close the slot of a trigger that will not be inspected."""
        with self._changed:
            self._slots.pop(_key(trigger), None)

    def close(self) -> None:
        """Let everybody who waits go without a frame."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    @property
    def _is_wired(self) -> bool:
        return self._acquisition.mode == "wire"

    def _waiting(self, frame: Frame) -> _Slot | None:
        """The slot that this frame belongs to: the first without one, else one it makes ambiguous."""
        inside = [s for s in self._slots.values() if s.first_s <= frame.exposed_s <= s.last_s]
        empty = [slot for slot in inside if not slot.frames]
        if empty:
            return empty[0]
        return inside[0] if inside and self._is_wired else None


def _key(trigger: Trigger) -> Key:
    return trigger.plc_boot_id, trigger.trigger_id
