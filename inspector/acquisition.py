"""Which frame belongs to which trigger.

A trigger opens a slot when it is accepted, not when a thread gets round to it: a part that has to wait
its turn must not be judged by the picture of a later one.

A camera that a photo-eye fires exposes once a part, and the PLC counts its triggers once a part: the
difference of the two numbers stays. A message that comes later than the next part is exposed would fit
that part's picture by its time alone, so the time says only whether a frame is fresh enough; which one
it is, the numbers say. The difference is learnt after a pause, when nothing else can be meant, or on a
running line from three parts that agree, which go to review; it is learnt anew after a pause, or when
an exposure is missing. Parts must be farther apart than the window is long. What is not found out: an
exposure that is lost while messages are later than the next part.
"""

from __future__ import annotations

import math
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Condition

from inspector.cameraspecs import Acquisition
from inspector.domain import Frame, Trigger

RECENT = 8
"""Frames kept for triggers that come after their exposure."""
HAND_OVER_S = 0.05
"""How long after its exposure a frame may still be on its way from the camera."""

PAUSE_S = 1.0
"""Without an exposure or a trigger for so long, the next of both belong together."""
DELAY_LIMIT_S = 5.0
"""No message of a live link comes later: an older exposure cannot be the one that is meant."""
REMEMBERED = 64
"""Exposures and triggers whose times are kept."""
AGREEING = 3
"""Parts whose numbers must agree where there was no pause."""
_WRAP = 1 << 32

Key = tuple[int, int]


@dataclass(slots=True)
class _Slot:
    trigger: Trigger
    first_s: float
    last_s: float
    wanted: int = 1
    """How many frames belong to the part."""
    frames: list[Frame] = field(default_factory=list)
    crowded: bool = False
    """When the trigger came, two frames lay in its window that no other had taken."""

    def spans(self, frame: Frame) -> bool:
        """Whether that frame was exposed inside the window."""
        return self.first_s <= frame.exposed_s <= self.last_s

    @property
    def lacks(self) -> bool:
        """Whether frames are still to come."""
        return len(self.frames) < self.wanted


class _Numbers:
    """By how much the numbers of exposures and of triggers differ."""

    def __init__(self, after_s: float) -> None:
        self._after_s = after_s
        self._known: tuple[int, int] | None = None
        """``plcBootId`` and the difference."""
        self._exposed_s: OrderedDict[int, float] = OrderedDict()
        """When the last exposures were made, by number."""
        self._triggered_s: deque[float] = deque(maxlen=REMEMBERED)
        self._fresh: deque[int] = deque(maxlen=REMEMBERED)
        """Exposures that followed a pause."""
        self._lone: deque[Key] = deque(maxlen=REMEMBERED)
        """Triggers that followed a pause."""
        self._votes: deque[tuple[int, int]] = deque(maxlen=AGREEING)

    def exposed(self, frame: Frame) -> None:
        """Note an exposure; numbers that do not grow are those of a camera that has started anew."""
        if self._exposed_s and frame.index % _WRAP <= next(reversed(self._exposed_s)):
            self._known = None
            self._exposed_s.clear()
        # its own trigger may have come already, so only those before it count
        before = [at for at in self._triggered_s if at < frame.exposed_s - self._after_s]
        last = max([*self._exposed_s.values(), *before], default=-math.inf)
        if frame.exposed_s - last >= PAUSE_S:
            self._fresh.append(frame.index)
        self._exposed_s[frame.index % _WRAP] = frame.exposed_s
        if len(self._exposed_s) > REMEMBERED:
            self._exposed_s.popitem(last=False)

    def triggered(self, trigger: Trigger) -> None:
        """Note a trigger."""
        last = max(self._triggered_s, default=-math.inf)
        if trigger.received_s - last >= PAUSE_S:
            self._lone.append(_key(trigger))
        self._triggered_s.append(trigger.received_s)

    def fits(self, trigger: Trigger, frame: Frame) -> bool | None:
        """Whether a frame in a trigger's window is the one that is meant; None: that is not known."""
        pair = trigger.plc_boot_id, (frame.index - trigger.trigger_id) % _WRAP
        if pair == self._known:
            return True
        paused = frame.index in self._fresh and _key(trigger) in self._lone
        if self._known is not None and self._known[0] == trigger.plc_boot_id:
            number = (trigger.trigger_id + self._known[1]) % _WRAP
            if number not in self._exposed_s and 0 < (number - frame.index) % _WRAP < REMEMBERED:
                # no delay explains an earlier frame: an exposure was lost, and the numbers are off
                self._known = None
                self._votes.clear()
                return None
            if not paused or self._may_be_late(trigger, number):
                return False
        elif not paused:
            return None
        self._known = pair
        return True

    def vote(self, trigger: Trigger, frame: Frame) -> bool:
        """Whether this is one more part of several that agree, where nothing is known."""
        pair = trigger.plc_boot_id, (frame.index - trigger.trigger_id) % _WRAP
        self._votes.append(pair)
        if self._votes.count(pair) < AGREEING:
            return False
        self._known = pair
        self._votes.clear()
        return True

    def _may_be_late(self, trigger: Trigger, number: int) -> bool:
        """Whether the trigger may mean an earlier exposure than the one that has just been made."""
        at = self._exposed_s.get(number)
        return at is not None and trigger.received_s - at < DELAY_LIMIT_S


class FrameBuffer:
    """The frames of one camera, between its thread and the inspecting threads."""

    def __init__(self, acquisition: Acquisition, clock: Callable[[], float]) -> None:
        self._acquisition = acquisition
        self._clock = clock
        self._changed = Condition()
        self._recent: deque[Frame] = deque()
        self._slots: dict[Key, _Slot] = {}
        self._closed = False
        self._numbers = _Numbers(acquisition.after_ms / 1000)
        self.unclaimed = 0
        """Exposures of a wire-triggered camera that belonged to no trigger."""

    def put(self, frame: Frame) -> None:
        """Take the newest frame and give it to the trigger that waits for it, if one does."""
        with self._changed:
            self._numbers.exposed(frame)
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

    def expect(self, trigger: Trigger, captures: int = 1) -> None:
        """Open the slot of an accepted trigger to whose part so many frames belong.

        More than one of a camera that runs freely only: see :func:`inspector.build.build_station`.
        """
        window = self._acquisition
        before = window.before_ms / 1000 if self._is_wired else 0.0
        received = trigger.received_s
        slot = _Slot(trigger, received - before, received + window.after_ms / 1000, captures)
        with self._changed:
            inside = [frame for frame in self._recent if slot.spans(frame)]
            if self._is_wired:
                self._numbers.triggered(trigger)
                slot.crowded = len(inside) > 1
                inside = [frame for frame in inside if self._numbers.fits(trigger, frame) is not False]
                for frame in inside:
                    self._recent.remove(frame)
            slot.frames = inside if self._is_wired else inside[:captures]
            self._slots[_key(trigger)] = slot

    def claim(self, trigger: Trigger) -> tuple[Frame, ...]:
        """Wait for the frames of a trigger that is expected, in the order of their exposure.

        Empty when too few came inside the acquisition window, or, from a camera that a photo-eye fires,
        when it is not certain which one is meant: both are REVIEW, ``MissedAcquisition``.
        """
        with self._changed:
            slot = self._slots[_key(trigger)]
            while slot.lacks and not self._closed:
                remaining = slot.last_s + HAND_OVER_S - self._clock()
                if remaining <= 0:
                    break
                self._changed.wait(remaining)
            del self._slots[_key(trigger)]
            if len(slot.frames) != slot.wanted or slot.crowded:
                return ()
            if not self._is_wired:
                return tuple(slot.frames)
            (frame,) = slot.frames
            certain = self._numbers.fits(trigger, frame)
            if certain is None:
                certain = self._numbers.vote(trigger, frame)
            return (frame,) if certain else ()

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
        """The slot that it belongs to: the first that lacks a frame, else one made ambiguous."""
        inside = [slot for slot in self._slots.values() if slot.spans(frame)]
        if self._is_wired:
            return self._meant(frame, inside)
        return next((slot for slot in inside if slot.lacks), None)

    def _meant(self, frame: Frame, inside: Sequence[_Slot]) -> _Slot | None:
        """The slot of those that a fired camera's frame is meant for."""
        possible: list[_Slot] = []
        for slot in inside:
            fits = self._numbers.fits(slot.trigger, frame)
            if fits:
                return slot
            if fits is None:
                possible.append(slot)
        # not known: the first without a frame, else one that it makes ambiguous
        for slot in inside:
            slot.crowded = slot.crowded or bool(slot.frames)
        return next((slot for slot in possible if not slot.frames), possible[0] if possible else None)


def _key(trigger: Trigger) -> Key:
    return trigger.plc_boot_id, trigger.trigger_id
