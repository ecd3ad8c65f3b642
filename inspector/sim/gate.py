"""The gate logic that the contract asks of a PLC; pure: the caller brings messages and the time.

The gate rests on reject. It opens only for a result that matches a pending (``plcBootId``,
``triggerId``, ``partId``) whose timer still runs, and that may open a gate at all. All times are
seconds on one monotonic clock.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, replace
from typing import Literal

from inspector.contract import AckPayload, Reason, ResultAckPayload, ResultPayload, TriggerPayload

HISTORY = 20_000
"""Parts remembered; the counters go on beyond it."""


@dataclass(frozen=True, slots=True)
class PartOutcome:
    """What became of one triggered part."""

    trigger_id: int
    part_id: str
    ack: str | None
    """Reason in the station's answer to the trigger; None: no answer."""
    verdict: str | None
    """None: no result was acted on."""
    cause: str | None
    gate: Literal["open", "reject"]
    latency_ms: float | None
    """From the sending of the trigger to the receipt of the result that was acted on."""
    result: ResultPayload | None


@dataclass(frozen=True, slots=True)
class PlcCounters:
    """Totals since the start.

    ``triggers = opened + rejected_by_result + rejected_by_timer + rejected_by_refusal`` when idle.
    """

    triggers: int
    """Parts; a trigger repeated on purpose does not count again."""
    accepted: int
    refused: dict[str, int]
    """By reason, the ``Duplicate`` of a repeated trigger included."""
    verdicts: dict[str, int]
    """Results acted on, by verdict."""
    opened: int
    rejected_by_result: int
    rejected_by_timer: int
    rejected_by_refusal: int
    late: int
    """Results that came after the timer; their part is in ``rejected_by_timer``."""
    duplicate: int
    unmatched: int
    """Results and acknowledgements of nothing that is pending here."""
    informed: int
    """Results without a PLC trigger (``plcBootId`` 0), on which this PLC does not act."""
    malformed: int


@dataclass(slots=True)
class _Part:
    outcome: PartOutcome
    trigger: TriggerPayload
    sent_s: float
    due_s: float
    refused: bool = False


_Key = tuple[int, int]


class Gate:
    """Timers and decisions of all parts of one PLC; not thread-safe."""

    def __init__(self, boot_id: int, accept_simulated: bool) -> None:
        self.boot_id = boot_id
        self._accept_simulated = accept_simulated
        self._parts: dict[_Key, _Part] = {}
        self._pending: dict[_Key, _Part] = {}
        self._done: deque[_Key] = deque()
        self._counts: Counter[str] = Counter()
        self._refused: Counter[str] = Counter()
        self._verdicts: Counter[str] = Counter()

    @property
    def idle(self) -> bool:
        """Whether the gate has acted on every part."""
        return not self._pending

    @property
    def answered(self) -> bool:
        """Whether the station has answered the trigger of every part that is pending."""
        return all(part.outcome.ack is not None for part in self._pending.values())

    @property
    def next_due_s(self) -> float:
        """When the next timer runs out; infinity when none runs."""
        return min((part.due_s for part in self._pending.values()), default=float("inf"))

    def arm(self, trigger: TriggerPayload, now_s: float) -> None:
        """Start the timer of a part whose trigger is about to be sent."""
        outcome = PartOutcome(
            trigger.trigger_id, trigger.part_id, None, None, None, "reject", None, None
        )
        part = _Part(outcome, trigger, now_s, now_s + trigger.deadline_ms / 1000)
        key = (trigger.plc_boot_id, trigger.trigger_id)
        self._parts[key] = self._pending[key] = part
        self._counts["triggers"] += 1

    def expire(self, now_s: float) -> list[PartOutcome]:
        """Reject the parts whose timer has run out."""
        due = [key for key, part in self._pending.items() if part.due_s <= now_s]
        return [self._close(key, "rejected_by_timer") for key in due]

    def power_cycle(self, boot_id: int) -> list[PartOutcome]:
        """Reject all that is pending; what is still to come for the old boot id matches nothing."""
        closed = self.expire(float("inf"))
        self.boot_id = boot_id
        return closed

    def on_ack(self, ack: AckPayload) -> list[PartOutcome]:
        """Take the station's answer to a trigger; a refusal rejects the part at once."""
        key = (ack.plc_boot_id or 0, ack.trigger_id or 0)
        part = self._parts.get(key)
        if part is None or ack.plc_boot_id != self.boot_id:
            self._counts["unmatched"] += 1
            return []
        if ack.accepted:
            self._counts["accepted"] += 1
        else:
            self._refused[ack.reason.value] += 1
        # Duplicate and Conflict answer a message that came on top; the first answer stands.
        if part.outcome.ack is None and ack.reason is not Reason.DUPLICATE:
            part.outcome = replace(part.outcome, ack=ack.reason.value)
            if key in self._pending and not ack.accepted:
                part.refused = True
                return [self._close(key, "rejected_by_refusal")]
        return []

    def on_result(
        self, result: ResultPayload, now_s: float
    ) -> tuple[ResultAckPayload | None, list[PartOutcome]]:
        """Take a result; returns what to answer, and the part on which the gate has acted."""
        if result.plc_boot_id == 0:
            self._counts["informed"] += 1
            return None, []
        if result.plc_boot_id != self.boot_id:
            # Of another PLC, or of this one before its restart: not ours to acknowledge.
            self._counts["unmatched"] += 1
            return None, []
        key = (result.plc_boot_id, result.trigger_id)
        part = self._parts.get(key)
        if part is None or part.refused or part.trigger.part_id != result.part_id:
            self._counts["unmatched"] += 1
            return _answer(result, False, "Unmatched"), []
        if part.outcome.result is not None:
            self._counts["duplicate"] += 1
            same = part.outcome.result.result_id == result.result_id
            return _answer(result, same, "Duplicate"), []
        if key not in self._pending or now_s >= part.due_s:
            self._counts["late"] += 1
            return _answer(result, False, "Late"), self.expire(now_s)
        return _answer(result, True, ""), [self._act(key, part, result, now_s)]

    def count_malformed(self) -> None:
        """A message that breaks the contract; it opens nothing."""
        self._counts["malformed"] += 1

    def count_unmatched(self) -> None:
        """A message that belongs to nothing."""
        self._counts["unmatched"] += 1

    def trigger(self, trigger_id: int) -> TriggerPayload:
        """A trigger of this boot, as it was sent. ``KeyError`` when there is none."""
        return self._parts[self.boot_id, trigger_id].trigger

    def outcomes(self) -> tuple[PartOutcome, ...]:
        """The parts on which the gate has acted, in the order of their triggers."""
        return tuple(part.outcome for key, part in self._parts.items() if key not in self._pending)

    def counters(self) -> PlcCounters:
        """Totals since the start."""
        count = self._counts
        return PlcCounters(
            triggers=count["triggers"],
            accepted=count["accepted"],
            refused=dict(self._refused),
            verdicts=dict(self._verdicts),
            opened=count["opened"],
            rejected_by_result=count["rejected_by_result"],
            rejected_by_timer=count["rejected_by_timer"],
            rejected_by_refusal=count["rejected_by_refusal"],
            late=count["late"],
            duplicate=count["duplicate"],
            unmatched=count["unmatched"],
            informed=count["informed"],
            malformed=count["malformed"],
        )

    def _act(self, key: _Key, part: _Part, result: ResultPayload, now_s: float) -> PartOutcome:
        judged = result
        if self._accept_simulated:
            judged = result.model_copy(update={"is_simulated": False})
        opens = judged.opens_gate
        part.outcome = replace(
            part.outcome,
            verdict=result.verdict,
            cause=result.cause,
            gate="open" if opens else "reject",
            latency_ms=(now_s - part.sent_s) * 1000,
            result=result,
        )
        self._verdicts[result.verdict] += 1
        return self._close(key, "opened" if opens else "rejected_by_result")

    def _close(self, key: _Key, counter: str) -> PartOutcome:
        part = self._pending.pop(key)
        self._counts[counter] += 1
        self._done.append(key)
        if len(self._done) > HISTORY:
            self._parts.pop(self._done.popleft(), None)
        return part.outcome


def _answer(result: ResultPayload, taken: bool, reason: str) -> ResultAckPayload:
    return ResultAckPayload(result_id=result.result_id, taken=taken, reason=reason)
