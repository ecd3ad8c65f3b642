"""Which frame belongs to which trigger.

A trigger opens a slot when it is accepted, not when a thread gets round to it: a part that has to wait
its turn must not be judged by the picture of a later one.

A camera that a photo-eye fires exposes once a part, and the PLC counts its triggers once a part: the
difference of the two numbers stays. A message that comes later than the next part is exposed would fit
that part's picture by its time alone, so the time says only whether a frame is fresh enough; which one
it is, the numbers say. The difference is learnt after a pause, when nothing else can be meant since no
exposure before it still waits for its message, or on a running line from three parts that agree, which
go to review; it is learnt anew after a pause, or when an exposure is missing. A camera that starts anew
looks like a pause and is none. Parts must be farther apart than the window is long; where they are not,
only a pause teaches.

An exposure that lies farther before its message than usual may be a stray, whose number is just the one
that is asked for, while the picture of the part is still on its way: it is waited for.

What is not found out: an exposure that is lost while messages are later than the next part; where
nothing is known, three messages in a row that are each late by a part; a stray that lies hardly farther
before the message than the exposure of its part.

A light barrier that fires once too often looks like messages that are late by a part from then on: all
parts go to review, and after five seconds of that, whatever the reason, the station stops and asks for
a pause (:meth:`FrameBuffer.astray`).
"""

from __future__ import annotations

import math
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median
from threading import Condition

from inspector.cameraspecs import Acquisition
from inspector.domain import Frame, Trigger

RECENT = 8
"""Frames kept for triggers that come after their exposure, whatever their age and size."""
RECENT_BYTES = 128 << 20
"""More of them are kept only within so much memory."""
HANDLING_S = 0.3
"""A frame is kept no longer than this beyond the window: its trigger has been handled by then."""
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
USUAL = 31
"""Parts from which it is known when messages and pictures come as a rule."""
JITTER_S = 0.01
"""So much later than usual a message may come without a doubt which exposure it means."""
ASTRAY_REMEDY = f"Keep parts from the photo-eye for {DELAY_LIMIT_S:g} s; then it goes on by itself"
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
    passed_over: bool = False
    """Frames inside its window have others' numbers."""
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

    def __init__(self, before_s: float, after_s: float) -> None:
        self._before_s, self._after_s = before_s, after_s
        self._known: tuple[int, int] | None = None
        """``plcBootId`` and the difference."""
        self._exposed_s: OrderedDict[int, float] = OrderedDict()
        """When the last exposures were made, by number."""
        self._waiting_s: deque[float] = deque(maxlen=REMEMBERED)
        """When those exposures were made that no part has taken and whose messages are to come."""
        self._triggered_s: deque[float] = deque(maxlen=REMEMBERED)
        self._heard: deque[Key] = deque(maxlen=REMEMBERED)
        """The triggers of those times."""
        self._fresh: deque[int] = deque(maxlen=REMEMBERED)
        """Exposures that followed a pause."""
        self._lone: deque[Key] = deque(maxlen=REMEMBERED)
        """Triggers that followed a pause."""
        self._votes: deque[tuple[int, int]] = deque(maxlen=AGREEING)
        self._beside: list[tuple[float, int]] = []
        """When, and by which PLC, the last parts came, if none found a picture certainly its own."""
        self.astray = False
        """They did so for longer than any message is late."""

    def exposed(self, frame: Frame) -> None:
        """Note an exposure; numbers that do not grow are those of a camera that has started anew."""
        anew = bool(self._exposed_s) and frame.index % _WRAP <= next(reversed(self._exposed_s))
        if anew:
            self._known = None
            self._exposed_s.clear()
            self._fresh.clear()
        # its own trigger may have come already, so only those before it count
        before = [at for at in self._triggered_s if at < frame.exposed_s - self._after_s]
        last = max([*self._exposed_s.values(), *before], default=-math.inf)
        # parts that passed while the camera was away may still have messages to come
        if not anew and frame.exposed_s - last >= PAUSE_S:
            self._fresh.append(frame.index)
        if self._known is None or _trigger_of(frame, *self._known) not in self._heard:
            self._waiting_s.append(frame.exposed_s)
        self._exposed_s[frame.index % _WRAP] = frame.exposed_s
        if len(self._exposed_s) > REMEMBERED:
            self._exposed_s.popitem(last=False)

    def met(self, exposed_s: float) -> None:
        """Note that an exposure of that time waits for no message any more."""
        if exposed_s in self._waiting_s:
            self._waiting_s.remove(exposed_s)

    def triggered(self, trigger: Trigger) -> None:
        """Note a trigger."""
        last = max(self._triggered_s, default=-math.inf)
        if trigger.received_s - last >= PAUSE_S:
            self._lone.append(_key(trigger))
            self._votes.clear()
        self._triggered_s.append(trigger.received_s)
        self._heard.append(_key(trigger))
        number = self._asked_for(trigger)
        if number is not None and number in self._exposed_s:
            self.met(self._exposed_s[number])

    def fits(self, trigger: Trigger, frame: Frame) -> bool | None:
        """Whether a frame in a trigger's window is the one that is meant; None: that is not known."""
        pair = trigger.plc_boot_id, (frame.index - trigger.trigger_id) % _WRAP
        if pair == self._known:
            return True
        paused = frame.index in self._fresh and _key(trigger) in self._lone
        number = self._asked_for(trigger)
        if number is not None:
            missing = number not in self._exposed_s and 0 < (number - frame.index) % _WRAP < REMEMBERED
            if missing and self._is_alone(frame):
                # no delay explains an earlier frame: an exposure was lost, and the numbers are off
                self._known = None
                self._votes.clear()
                return None
            if not paused or self._may_be_late(trigger, number):
                return False
            self._known = None  # no message is so late: the numbers are off
        if not paused or self._is_preceded(trigger, frame):
            return None
        self._known = pair
        return True

    def vote(self, trigger: Trigger, frame: Frame) -> bool:
        """Whether this is one more part of several that agree, where nothing is known."""
        if not self._is_alone(frame):
            return False
        pair = trigger.plc_boot_id, (frame.index - trigger.trigger_id) % _WRAP
        self._votes.append(pair)
        if self._votes.count(pair) < AGREEING:
            return False
        self._known = pair
        self._votes.clear()
        return True

    def agreed(self) -> None:
        """Note a part that is certain."""
        self._beside.clear()

    def disagreed(self, trigger: Trigger) -> None:
        """Note a part in whose window there were pictures, but none that is certainly its own."""
        at, boot = trigger.received_s, trigger.plc_boot_id
        if self._beside and (boot != self._beside[-1][1] or at - self._beside[-1][0] > DELAY_LIMIT_S):
            self._beside.clear()  # another PLC, or a pause that has ended whatever it was
        self._beside.append((at, boot))
        lasts_s = at - self._beside[0][0]
        self.astray = self.astray or (len(self._beside) >= AGREEING and lasts_s >= DELAY_LIMIT_S)

    def rest(self, now_s: float) -> None:
        """Forget what leads astray once the line has stood still longer than any message is late."""
        if self.astray and now_s - max(self._exposed_s.values(), default=-math.inf) >= DELAY_LIMIT_S:
            self.astray, self._known = False, None
            self._votes.clear()
            self._beside.clear()

    def _asked_for(self, trigger: Trigger) -> int | None:
        """The number of the exposure that a trigger means; None where that is not known."""
        if self._known is None or self._known[0] != trigger.plc_boot_id:
            return None
        return (trigger.trigger_id + self._known[1]) % _WRAP

    def _is_alone(self, frame: Frame) -> bool:
        """Whether it lies in the window of one trigger only."""
        at = frame.exposed_s
        before_s, after_s = self._before_s, self._after_s
        return sum(came - before_s <= at <= came + after_s for came in self._triggered_s) <= 1

    def _is_preceded(self, trigger: Trigger, frame: Frame) -> bool:
        """Whether the trigger may mean an earlier exposure than that one, which no part has taken."""
        earlier = (at for at in self._waiting_s if at < frame.exposed_s)
        return any(trigger.received_s - at < DELAY_LIMIT_S for at in earlier)

    def _may_be_late(self, trigger: Trigger, number: int) -> bool:
        """Whether the trigger may mean an earlier exposure than the one that has just been made."""
        at = self._exposed_s.get(number)
        return at is not None and trigger.received_s - at < DELAY_LIMIT_S


class _Pace:
    """How long after an exposure its message and its picture come."""

    def __init__(self) -> None:
        self._messages_s: deque[float] = deque(maxlen=USUAL)
        self._pictures_s: deque[float] = deque(maxlen=USUAL)

    def came(self, frame: Frame, now_s: float) -> None:
        """Note a picture."""
        self._pictures_s.append(now_s - frame.exposed_s)

    def belonged(self, trigger: Trigger, frame: Frame) -> None:
        """Note a part that is certain."""
        self._messages_s.append(trigger.received_s - frame.exposed_s)

    def doubted_until_s(self, trigger: Trigger, frame: Frame) -> float:
        """Until when the picture of a later exposure may come that the message means as well.

        Always past where the exposure lies no farther before its message than usual.
        """
        behind_s = trigger.received_s - frame.exposed_s
        leads_s = self._messages_s or (0.0,)
        if behind_s <= max(0.0, median(leads_s)) + JITTER_S:
            return -math.inf
        return trigger.received_s - min(0.0, *leads_s) + max(self._pictures_s) + JITTER_S


class FrameBuffer:
    """The frames of one camera, between its thread and the inspecting threads."""

    def __init__(self, acquisition: Acquisition, clock: Callable[[], float]) -> None:
        self._acquisition = acquisition
        self._clock = clock
        self._changed = Condition()
        before_s, after_s = acquisition.before_ms / 1000, acquisition.after_ms / 1000
        self._recent: deque[Frame] = deque()
        self._kept_s = before_s + after_s + HANDLING_S
        self._dropped_s = -math.inf
        """When the last of those was exposed that are no longer kept."""
        self._slots: dict[Key, _Slot] = {}
        self._closed = False
        self._numbers, self._pace = _Numbers(before_s, after_s), _Pace()

    def put(self, frame: Frame) -> None:
        """Take the newest frame and give it to the trigger that waits for it, if one does."""
        with self._changed:
            self._numbers.exposed(frame)
            self._pace.came(frame, self._clock())
            slot = self._waiting(frame)
            if slot is not None:
                slot.frames.append(frame)
                self._changed.notify_all()
                if self._is_wired:
                    self._numbers.met(frame.exposed_s)
                    return
            self._keep(frame)

    def expect(self, trigger: Trigger, captures: int = 1) -> None:
        """Open the slot of an accepted trigger to whose part so many frames belong.

        More than one of a camera that runs freely only: see :func:`inspector.build.build_station`.
        """
        window = self._acquisition
        before = window.before_ms / 1000 if self._is_wired else 0.0
        received = trigger.received_s
        slot = _Slot(trigger, received - before, received + window.after_ms / 1000, captures)
        with self._changed:
            if not self._is_wired and slot.first_s <= self._dropped_s:
                # the first of its frames may be gone, and none of the others is meant
                slot.last_s = -math.inf
            inside = [frame for frame in self._recent if slot.spans(frame)]
            if self._is_wired:
                self._numbers.triggered(trigger)
                slot.crowded = len(inside) > 1
                near = len(inside)
                inside = [frame for frame in inside if self._numbers.fits(trigger, frame) is not False]
                slot.passed_over = len(inside) < near
                for frame in inside:
                    self._recent.remove(frame)
                    self._numbers.met(frame.exposed_s)
            slot.frames = inside if self._is_wired else inside[:captures]
            self._slots[_key(trigger)] = slot

    def claim(self, trigger: Trigger) -> tuple[Frame, ...]:
        """Wait for the frames of a trigger that is expected, in the order of their exposure.

        Empty when too few came inside the acquisition window, or, from a camera that a photo-eye fires,
        when it is not certain which one is meant: both are REVIEW, ``MissedAcquisition``.
        """
        with self._changed:
            slot = self._slots[_key(trigger)]
            while (remaining := self._open_until_s(slot) - self._clock()) > 0 and not self._closed:
                self._changed.wait(remaining)
            del self._slots[_key(trigger)]
            if remaining > 0:
                return ()  # closed before it was decided
            if not self._is_wired:
                return () if slot.lacks else tuple(slot.frames)
            if self._is_certain(slot):
                self._numbers.agreed()
                self._pace.belonged(trigger, slot.frames[0])
                return tuple(slot.frames)
            if slot.frames or slot.passed_over:
                self._numbers.disagreed(trigger)
            return ()

    def astray(self) -> bool:
        """Whether the numbers of pictures and triggers no longer fit, until the line stands still."""
        with self._changed:
            self._numbers.rest(self._clock())
            return self._numbers.astray

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

    def _keep(self, frame: Frame) -> None:
        """Keep a frame for triggers that are still to come, and drop what is too old for them."""
        self._recent.append(frame)
        while len(self._recent) > RECENT and (
            frame.exposed_s - self._recent[0].exposed_s > self._kept_s
            or sum(one.image.nbytes for one in self._recent) > RECENT_BYTES
        ):
            self._dropped_s = self._recent.popleft().exposed_s

    def _open_until_s(self, slot: _Slot) -> float:
        """Until when frames may come that decide what belongs to a part."""
        end_s = slot.last_s + HAND_OVER_S
        if slot.lacks:
            return end_s
        if not self._is_wired:
            return -math.inf
        return min(end_s, self._pace.doubted_until_s(slot.trigger, slot.frames[0]))

    def _is_certain(self, slot: _Slot) -> bool:
        """Whether a part has one picture, and that is its own."""
        if len(slot.frames) != 1 or slot.crowded:
            return False
        (frame,) = slot.frames
        fits = self._numbers.fits(slot.trigger, frame)
        return self._numbers.vote(slot.trigger, frame) if fits is None else fits

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
            else:
                slot.passed_over = True
        # not known: the first without a frame, else one that it makes ambiguous
        for slot in inside:
            slot.crowded = slot.crowded or bool(slot.frames)
        return next((slot for slot in possible if not slot.frames), possible[0] if possible else None)


def _key(trigger: Trigger) -> Key:
    return trigger.plc_boot_id, trigger.trigger_id


def _trigger_of(frame: Frame, boot_id: int, difference: int) -> Key:
    return boot_id, (frame.index - difference) % _WRAP
