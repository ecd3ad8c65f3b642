"""The one end of every accepted part: decide for good, journal, report, book, record, in this order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import structlog

from inspector.contract import ResultPayload, record_fields
from inspector.control import Control
from inspector.desk import Desk
from inspector.domain import Cause, Frame, Inspection, Trigger
from inspector.errors import StorageError
from inspector.issue import Issuer
from inspector.judge import judge
from inspector.ports import Journal, Plc, Recorder
from inspector.station import ABORTED, Judged

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Reporter:
    """Safe to call from several threads."""

    issuer: Issuer
    journal: Journal
    desk: Desk
    recorder: Recorder
    plc: Plc | None
    control: Control
    clock: Callable[[], float]
    note: Callable[[Inspection], None] = lambda _: None
    """Takes note of each part that is recorded, in no time."""
    unpublished: int = 0
    """Verdicts in time for which there was no link."""
    last: Mapping[str, Any] = field(default_factory=dict)
    """The record of the part that was finished last; empty before the first."""

    def age_s(self, trigger: Trigger, frames: tuple[Frame, ...]) -> float:
        """Seconds since the receipt of the trigger, or since the exposure if that was earlier."""
        begun = min([trigger.received_s, *(frame.exposed_s for frame in frames)])
        return self.clock() - begun

    def finish(
        self,
        trigger: Trigger,
        judged: Judged,
        frames: tuple[Frame, ...] = (),
        timings_ms: tuple[float, float] = (0.0, 0.0),
    ) -> None:
        """End one part; ``timings_ms`` are acquisition and processing in milliseconds."""
        inspection, fields, result = self._report(trigger, judged, frames, timings_ms)
        self.desk.book(inspection, result)
        self.recorder.record(inspection, fields)
        self.last = fields
        self.note(inspection)
        log.info(
            "inspected",
            part=trigger.part_id,
            trigger_id=trigger.trigger_id,
            verdict=inspection.verdict.value,
            cause=inspection.judgement.cause.word,
            age_ms=round(inspection.age_s * 1000, 1),
        )

    def _report(
        self,
        trigger: Trigger,
        judged: Judged,
        frames: tuple[Frame, ...],
        timings_ms: tuple[float, float],
    ) -> tuple[Inspection, Mapping[str, Any], ResultPayload | None]:
        """Journal the verdict and publish it if it is still in time; a halt until then counts.

        Returns the inspection, its record and what went out.
        """
        number = self.issuer.number()
        key = (trigger.plc_boot_id, trigger.trigger_id)
        while True:
            age = self.age_s(trigger, frames)
            late, halted = age >= trigger.deadline_s, self.control.halts(trigger.received_s)
            if halted:
                judged = replace(judged, judgement=judge((), (Cause.HALTED,)), result_state=ABORTED)
            inspection = self.issuer.issue(
                number, trigger, _late(judged) if late else judged, frames, age, timings_ms
            )
            result = ResultPayload.of(inspection)
            fields = record_fields(inspection, result)
            try:
                self.journal.verdict(key, fields)
            except StorageError as error:
                # unjournaled verdicts must not reach the gate; the PLC's timer rejects the part
                self.control.journal_failed(error)
                return inspection, fields, None
            if late or self.plc is None:
                return inspection, fields, None
            with self.control.publishing:
                # it became late or was halted while it was written down: what counts is written last
                if self.age_s(trigger, frames) >= trigger.deadline_s:
                    continue
                if not halted and self.control.halts(trigger.received_s):
                    continue
                self.desk.send(result)
                published = self.plc.publish(result)
            if published:
                return inspection, fields, result
            self.unpublished += 1
            return inspection, fields, None


def _late(judged: Judged) -> Judged:
    """The same part, whose verdict nobody may act on any more."""
    verdict = judge((), (Cause.DEADLINE_MISSED,))
    causes = {*verdict.causes, *judged.judgement.causes}
    return replace(
        judged,
        judgement=replace(verdict, causes=tuple(sorted(causes, key=lambda cause: cause.code))),
        result_state=ABORTED,
    )
