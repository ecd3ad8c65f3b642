"""What is kept of every inspection: the fields of records and JSONL, and the historian's events."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

from inspector.contract.base import (
    VERSION,
    Id32,
    Number,
    Payload,
    Text32,
    UInt32,
    shortened,
    utc_text,
)
from inspector.contract.messages import FindingPayload, ResultPayload
from inspector.domain import Finding, Inspection, Score
from inspector.outline import polygons

ARCHIVE_LIMIT = 1_000_000
"""Most bytes of an archive event; the shipped broker takes a little more."""

EventId = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[\x20-\x7e]+$")]


class FindingRecord(FindingPayload):
    """A finding in archive, records and JSONL: what a PLC has no room for comes beside it."""

    polygons: tuple[tuple[Number, ...], ...] | None = None
    """Outlines of the finding's mask, ``x1, y1, x2, y2, …`` in pixels of the picture, largest first."""
    picture: int | None = None
    """In which of the part's pictures its box lies, from 0; left out for the first."""

    @classmethod
    def of(cls, finding: Finding) -> FindingRecord:
        """The finding's wire form with the outlines of its mask, if it has one."""
        outlines = None if finding.mask is None else polygons(finding.mask)
        fields = FindingPayload.of(finding).model_dump()
        return cls(**fields, polygons=outlines, picture=finding.picture or None)


class ScorePayload(BaseModel):
    """What a check measured, in archive, records and JSONL."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="ignore", frozen=True, strict=True
    )

    check: Text32
    score: Number
    threshold: Number
    review_threshold: Number

    @classmethod
    def of(cls, score: Score) -> ScorePayload:
        """The wire form of a score."""
        return cls(
            check=score.check,
            score=shortened(score.score, score.threshold, score.review_threshold),
            threshold=score.threshold,
            review_threshold=score.review_threshold,
        )


def record_fields(inspection: Inspection, result: ResultPayload | None = None) -> dict[str, Any]:
    """The whole inspection under the contract's field names, as journal, JSONL and archive hold it.

    All findings, ``scores``, the causes that also applied, where the picture came from, and what
    only the records want beside it. ``result`` is the inspection's payload where it is there already.
    """
    result = result or ResultPayload.of(inspection)
    fields: dict[str, Any] = result.model_dump(mode="json", by_alias=True, exclude_none=True)
    fields["findings"] = [
        FindingRecord.of(found).model_dump(mode="json", by_alias=True, exclude_none=True)
        for found in inspection.findings
    ]
    fields["causes"] = [cause.word for cause in inspection.judgement.causes]
    fields["scores"] = [
        ScorePayload.of(score).model_dump(mode="json", by_alias=True) for score in inspection.scores
    ]
    fields["source"] = inspection.source
    fields["frame"] = inspection.frame
    fields["imageSize"] = list(inspection.frames[0].size) if inspection.frames else None
    fields["partBox"] = list(inspection.part_box.rounded()) if inspection.part_box else None
    fields["station"] = inspection.station
    fields["challenge"] = inspection.trigger.challenge
    fields["deadlineMs"] = round(inspection.trigger.deadline_s * 1000, 3)
    fields["stagesMs"] = dict(inspection.timings.stages_ms)
    return fields


class ArchiveEventPayload(Payload):
    """Station to historian: everything, at least once; drop duplicates by ``eventId``.

    What the three kinds have in common; ``kind`` says which of the classes below has the rest.
    """

    topic = "archive/event"
    model_config = ConfigDict(extra="allow")

    event_id: str
    kind: Literal["result", "ack", "disposition"]
    station_boot_id: UInt32


class ArchivedResultPayload(ResultPayload):
    """An archive event of kind ``result``: the whole inspection, whether its result went out or not."""

    topic = "archive/event"
    model_config = ConfigDict(extra="allow")

    event_id: EventId
    kind: Literal["result"]
    attempt: int = Field(ge=1)
    """A part id that comes again in a station is the next attempt."""
    findings: tuple[FindingRecord, ...]
    scores: tuple[ScorePayload, ...] = ()

    def encode(self) -> bytes:
        """The whole of it, however large."""
        return Payload.encode(self)


class ArchivedAckPayload(ArchiveEventPayload):
    """An archive event of kind ``ack``: the PLC took a result, or did not."""

    event_id: EventId
    kind: Literal["ack"]
    result_id: Id32
    taken: bool
    reason: str = Field(default="", max_length=64)
    creation_time: str


class ArchivedDispositionPayload(ArchiveEventPayload):
    """An archive event of kind ``disposition``: what a person decided later about a result."""

    event_id: EventId
    kind: Literal["disposition"]
    result_id: Id32
    decision: str
    """``accept``, ``reject``, or ``undone`` for one that was taken back."""
    cause: str | None = None
    user: str
    creation_time: str


def result_event(fields: Mapping[str, Any], attempt: int) -> dict[str, Any]:
    """The archive event of an inspection, given its :func:`record_fields`.

    Where its files lie on this computer is nothing for the historian.
    """
    return {
        "v": VERSION,
        "eventId": fields["resultId"],
        "kind": "result",
        "attempt": attempt,
        **{name: value for name, value in fields.items() if name not in ("v", "evidence")},
    }


def ack_event(
    result_id: str, station_boot_id: int, taken: bool, reason: str, at: datetime
) -> dict[str, Any]:
    """The archive event of an acknowledgement. The same one, delivered twice, has one id."""
    said = {"taken": taken, "reason": reason}
    return _said_of("ack", result_id, station_boot_id, said, at, _digest(said))


def disposition_event(
    result_id: str, station_boot_id: int, decision: str, cause: str | None, user: str, at: datetime
) -> dict[str, Any]:
    """The archive event of a person's decision; ``station_boot_id`` is that of the judging run."""
    said = {"decision": decision, "cause": cause, "user": user}
    digest = _digest({**said, "at": at.isoformat()})
    return _said_of("disposition", result_id, station_boot_id, said, at, digest)


def _said_of(
    kind: str, result_id: str, boot_id: int, said: Mapping[str, Any], at: datetime, digest: str
) -> dict[str, Any]:
    return {
        "v": VERSION,
        "eventId": f"{result_id}.{kind}.{digest}",
        "kind": kind,
        "stationBootId": boot_id,
        "resultId": result_id,
        **{name: value for name, value in said.items() if value is not None},
        "creationTime": utc_text(at),
    }


def _digest(said: Mapping[str, Any]) -> str:
    return hashlib.sha256(_json(said)).hexdigest()[:8]


def encode_event(event: Mapping[str, Any]) -> bytes:
    """The message of an archive event, at most :data:`ARCHIVE_LIMIT` bytes.

    What would be larger loses the outlines of its findings, then findings from the last, as the
    result for the PLC does: ``findingsTotal`` tells.
    """
    data = _json(event)
    if len(data) > ARCHIVE_LIMIT:
        plain = [
            {name: value for name, value in one.items() if name != "polygons"}
            for one in event.get("findings", ())
        ]
        data = _json({**event, "findings": plain})
        while len(data) > ARCHIVE_LIMIT and plain:
            plain = plain[: len(plain) // 2]
            data = _json({**event, "findings": plain})
    return data


def _json(event: Mapping[str, Any]) -> bytes:
    return json.dumps(event, separators=(",", ":"), allow_nan=False, ensure_ascii=False).encode()
