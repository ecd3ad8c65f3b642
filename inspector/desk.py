"""The desk: which trigger is accepted, which refused and why, and that every one is accounted for.

It owns the counters whose sums must hold at any moment:
received = accepted + refused; accepted = PASS + FAIL + REVIEW + challenge + in flight.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

from inspector.contract import (
    COMMAND_LIMIT,
    AckPayload,
    Reason,
    ResultAckPayload,
    ResultPayload,
    StateName,
    TriggerPayload,
    readable_ids,
)
from inspector.domain import Inspection, Trigger, Verdict
from inspector.ports import Received

REMEMBERED = 10_000
"""Triggers kept for recognising duplicates."""

Key = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Counters:
    """A consistent snapshot."""

    received: int
    accepted: int
    refused: dict[str, int]
    verdicts: dict[str, int]
    """PASS, FAIL, REVIEW of production parts."""
    challenge: int
    in_flight: int
    gaps: int
    """Trigger ids that never came."""
    late: int
    """Verdicts that missed their deadline; they are among REVIEW."""
    overrun: int
    not_taken: int
    """PASS verdicts that the PLC said it did not take."""

    def flat(self) -> dict[str, int]:
        """By the names under which the records hold them."""
        flat = {
            "received": self.received,
            "accepted": self.accepted,
            "challenge": self.challenge,
            "in_flight": self.in_flight,
            "gaps": self.gaps,
            "late": self.late,
            "overrun": self.overrun,
            "not_taken": self.not_taken,
        }
        flat |= {f"refused_{reason}": count for reason, count in self.refused.items()}
        return flat | self.verdicts

    @property
    def reconciled(self) -> bool:
        """Whether nothing is unaccounted for."""
        finished = sum(self.verdicts.values()) + self.challenge
        return (
            self.received == self.accepted + sum(self.refused.values())
            and self.accepted == finished + self.in_flight
        )


@dataclass(frozen=True, slots=True)
class Admission:
    """What the desk decided on one message."""

    ack: AckPayload
    trigger: Trigger | None = None
    """To be inspected; None when refused."""
    again: ResultPayload | None = None
    """The result to send once more, for a duplicate whose deadline has not passed."""


@dataclass(slots=True)
class _Entry:
    trigger: Trigger
    result: ResultPayload | None = None
    begun_s: float = 0.0
    """When its age began, as far as there is a result."""


@dataclass(slots=True)
class Desk:
    """Admits triggers and books verdicts. Safe to call from several threads."""

    recipe_id: str
    batch_id: str | None = None
    """Of triggers that name none: the one that ``prepareRecipe`` named."""
    _lock: Lock = field(default_factory=Lock)
    _known: OrderedDict[Key, _Entry] = field(default_factory=OrderedDict)
    _sent: OrderedDict[str, Verdict] = field(default_factory=OrderedDict)
    _in_flight: dict[Key, Trigger] = field(default_factory=dict)
    _expected: deque[str] = field(default_factory=deque)
    _counts: Counter[str] = field(default_factory=Counter)
    _last: Key = (0, 0)

    def admit(self, message: Received, state: StateName, now_s: float) -> Admission:
        """Decide on a message on ``cmd/trigger``; the caller journals before it answers.

        ``now_s``, on the monotonic clock: a message may have waited, and what goes out again goes out
        now.
        """
        with self._lock:
            self._counts["received"] += 1
            try:
                payload = _parse(message.data)
            except ValueError:
                # whatever the bytes are: it is refused with a reason and the station stays up
                return self._refuse(
                    Reason.MALFORMED, readable_ids(message.data, "plc_boot_id", "trigger_id")
                )
            ids: dict[str, Any] = {"plc_boot_id": payload.plc_boot_id, "trigger_id": payload.trigger_id}
            key = (payload.plc_boot_id, payload.trigger_id)
            known = self._known.get(key)
            if known is not None:
                if known.trigger.part_id != payload.part_id:
                    return self._refuse(Reason.CONFLICT, ids)
                again = None if state is StateName.HALTED else self._in_time(known, now_s)
                return self._refuse(Reason.DUPLICATE, ids, again)
            self._count_gap(key)
            if state is not StateName.READY:
                return self._refuse(Reason.NOT_READY, ids)
            if payload.recipe_id != self.recipe_id:
                return self._refuse(Reason.RECIPE_MISMATCH, ids)
            trigger = self._accept(payload, message.at_s)
            return Admission(AckPayload(accepted=True, reason=Reason.ACCEPTED, **ids), trigger)

    def open_own(self, trigger: Trigger) -> None:
        """Book a part that the picture itself triggered."""
        with self._lock:
            self._counts["received"] += 1
            self._counts["accepted"] += 1
            self._in_flight[trigger.plc_boot_id, trigger.trigger_id] = trigger

    def refuse_own(self, expected: str | None = None) -> None:
        """Book a part that the picture triggered while the station was not at work.

        ``expected`` is what was armed for it, to be armed for the next one instead.
        """
        with self._lock:
            if expected is not None:
                self._expected.appendleft(expected)
            self._counts["received"] += 1
            self._counts[Reason.NOT_READY.value] += 1

    def arm(self, expected: Iterable[str]) -> None:
        """Make the next triggers challenge parts."""
        with self._lock:
            self._expected.extend(expected)

    @property
    def armed(self) -> int:
        """How many of the next triggers are challenge parts."""
        return len(self._expected)

    def next_expected(self) -> str | None:
        """What is armed for the part that comes now, ``good`` or ``faulty``; it is armed no more."""
        with self._lock:
            return self._expected.popleft() if self._expected else None

    def disarm(self) -> int:
        """Take back what is armed and has not come; how many parts."""
        with self._lock:
            left = len(self._expected)
            self._expected.clear()
            return left

    def send(self, result: ResultPayload) -> None:
        """Remember a result before it is published: its acknowledgement may overtake :meth:`book`."""
        with self._lock:
            self._sent[result.result_id] = Verdict(result.verdict)
            while len(self._sent) > REMEMBERED:
                self._sent.popitem(last=False)

    def book(self, inspection: Inspection, result: ResultPayload | None) -> None:
        """Book a verdict; ``result`` is what was published, None when nothing was."""
        trigger = inspection.trigger
        key = (trigger.plc_boot_id, trigger.trigger_id)
        with self._lock:
            self._in_flight.pop(key, None)
            kind = "challenge" if trigger.challenge else inspection.verdict.value
            self._counts[kind] += 1
            self._counts[inspection.judgement.cause.word] += 1
            if key in self._known:
                exposed = (frame.exposed_s for frame in inspection.frames)
                self._known[key].begun_s = min([trigger.received_s, *exposed])
                self._known[key].result = result

    def retract(self, trigger: Trigger) -> AckPayload:
        """Refuse after all a trigger that could not be journaled, as if it had never been accepted."""
        key = (trigger.plc_boot_id, trigger.trigger_id)
        with self._lock:
            self._counts["accepted"] -= 1
            self._in_flight.pop(key, None)
            self._known.pop(key, None)
            if trigger.challenge is not None:
                self._expected.appendleft(trigger.challenge)
            ids = {"plc_boot_id": trigger.plc_boot_id, "trigger_id": trigger.trigger_id}
            return self._refuse(Reason.NOT_READY, ids).ack

    def acknowledge(self, ack: ResultAckPayload) -> None:
        """The PLC took a result, or did not; a PASS that was not taken is counted."""
        with self._lock:
            verdict = self._sent.get(ack.result_id)
            if not ack.taken and verdict == Verdict.PASS:
                self._counts["not_taken"] += 1

    def due_s(self) -> float:
        """When the last part in flight must have its verdict, on the monotonic clock; 0 without one."""
        with self._lock:
            parts = self._in_flight.values()
            return max((part.received_s + part.deadline_s for part in parts), default=0.0)

    def counters(self) -> Counters:
        """All counters at one moment."""
        with self._lock:
            counts = self._counts
            return Counters(
                counts["received"],
                counts["accepted"],
                {reason.value: counts[reason.value] for reason in Reason if counts[reason.value]},
                {verdict: counts[verdict] for verdict in ("PASS", "FAIL", "REVIEW")},
                counts["challenge"],
                len(self._in_flight),
                counts["gaps"],
                counts["DeadlineMissed"],
                counts["Overrun"],
                counts["not_taken"],
            )

    def _count_gap(self, key: Key) -> None:
        if self._last[0] == key[0]:
            step = (key[1] - self._last[1]) & 0xFFFFFFFF
            if not 0 < step < 0x80000000:
                return  # an earlier one, sent again after it was refused
            self._counts["gaps"] += step - 1
        self._last = key

    def _accept(self, payload: TriggerPayload, at_s: float) -> Trigger:
        key = (payload.plc_boot_id, payload.trigger_id)
        trigger = Trigger(
            *key,
            payload.part_id,
            at_s,
            payload.deadline_ms / 1000,
            payload.recipe_id,
            payload.batch_id if payload.batch_id is not None else self.batch_id,
            payload.meas_id,
            payload.product_id,
            self._expected.popleft() if self._expected else None,
        )
        self._counts["accepted"] += 1
        self._in_flight[key] = trigger
        self._known[key] = _Entry(trigger)
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return trigger

    def _refuse(
        self, reason: Reason, ids: dict[str, Any], again: ResultPayload | None = None
    ) -> Admission:
        self._counts[reason.value] += 1
        return Admission(AckPayload(accepted=False, reason=reason, **ids), again=again)

    def _in_time(self, known: _Entry, now_s: float) -> ResultPayload | None:
        """Its result, unless the part is too old by now; an exposure before the trigger counts."""
        return known.result if now_s - known.begun_s < known.trigger.deadline_s else None


def _parse(data: bytes) -> TriggerPayload:
    if len(data) > COMMAND_LIMIT:
        raise ValueError("larger than any trigger")
    try:
        return TriggerPayload.decode(data)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
