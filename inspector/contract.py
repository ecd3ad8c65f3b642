"""What crosses the wire to the PLC and the plant: one pydantic model a payload.

UTF-8 JSON, flat, camel case, unknown fields ignored, ``v`` names the schema version. The JSON Schemas
in ``deploy/schemas/`` are generated from these classes (``python -m inspector.contract``) and a test
keeps them equal. Each class knows its topic below the station's base topic, its QoS and whether it is
retained, so that publishing is the same call for all of them.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator
from pydantic.alias_generators import to_camel

from inspector.domain import Finding, Inspection, Score, Verdict
from inspector.outline import polygons

VERSION = 1
RESULT_LIMIT = 1024
"""Most bytes of a message on ``evt/result``; PLC buffers are small."""
COMMAND_LIMIT = 8192
"""More bytes than any command needs; what is larger is refused unread."""
FINDINGS_LIMIT = 3

UInt32 = Annotated[int, Field(ge=0, le=0xFFFFFFFF)]
Text32 = Annotated[str, StringConstraints(max_length=32, pattern=r"^[\x20-\x7e]*$")]
Id32 = Annotated[str, StringConstraints(min_length=1, max_length=32, pattern=r"^[\x20-\x7e]+$")]
Hash16 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$")]
Millis = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Number = Annotated[float, Field(allow_inf_nan=False)]
PixelBox = tuple[Number, Number, Number, Number]


class Reason(StrEnum):
    """Why a trigger or command was accepted or refused."""

    ACCEPTED = "Accepted"
    NOT_READY = "NotReady"
    RECIPE_MISMATCH = "RecipeMismatch"
    DUPLICATE = "Duplicate"
    CONFLICT = "Conflict"
    MALFORMED = "Malformed"
    UNKNOWN_RECIPE = "UnknownRecipe"
    LOAD_FAILED = "LoadFailed"


class StateName(StrEnum):
    """The states of a station, as the PLC sees them."""

    PREOPERATIONAL = "Preoperational"
    INITIALIZED = "Initialized"
    READY = "Ready"
    CONTINUOUS_EXECUTION = "ContinuousExecution"
    HALTED = "Halted"
    ERROR = "Error"


class Payload(BaseModel):
    """Base of all payloads."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="ignore", frozen=True, strict=True
    )
    topic: ClassVar[str]
    qos: ClassVar[int] = 1
    retain: ClassVar[bool] = False

    v: int = Field(default=VERSION, ge=1)

    def encode(self) -> bytes:
        """The message as it is published; absent optional fields are omitted."""
        return self.model_dump_json(by_alias=True, exclude_none=True).encode()

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Parse a message; pydantic's ``ValidationError`` when it breaks the contract."""
        return cls.model_validate_json(data)


class TriggerPayload(Payload):
    """PLC to station: inspect this part."""

    topic = "cmd/trigger"

    plc_boot_id: UInt32 = Field(gt=0)
    trigger_id: UInt32
    part_id: Id32
    recipe_id: Id32
    deadline_ms: float = Field(gt=0, allow_inf_nan=False)
    batch_id: Text32 | None = None
    meas_id: Text32 | None = None
    product_id: Text32 | None = None


class AckPayload(Payload):
    """Station to PLC: a trigger or command accepted, or refused with a reason."""

    topic = "evt/ack"

    plc_boot_id: UInt32 | None = None
    trigger_id: UInt32 | None = None
    command_id: Text32 | None = None
    accepted: bool
    reason: Reason


class CommandPayload(Payload):
    """PLC or MES to station; ``reset`` and ``halt`` need no more than this."""

    topic = "cmd/reset"

    command_id: Id32


class PrepareRecipePayload(CommandPayload):
    """PLC or MES to station: change over to another product."""

    topic = "cmd/prepareRecipe"

    recipe_id: Id32
    recipe_version: UInt32 | None = None
    batch_id: Text32 | None = None


class ChallengePayload(CommandPayload):
    """PLC or MES to station: the next triggers are challenge parts."""

    topic = "cmd/challenge"

    expected: tuple[Literal["good", "faulty"], ...] = Field(min_length=1, max_length=100)


class FindingPayload(BaseModel):
    """One finding inside a result."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="ignore", frozen=True, strict=True
    )

    check: Text32
    kind: Literal["defect", "anomaly", "missing", "extra", "misplaced", "wrong", "quality"]
    label: Text32
    score: Number
    threshold: Number
    box: PixelBox
    expected_box: PixelBox | None = None

    @classmethod
    def of(cls, finding: Finding) -> FindingPayload:
        """The wire form of a finding, coordinates to a tenth of a pixel."""
        return cls(
            check=finding.check,
            kind=finding.kind.value,
            label=finding.label,
            score=round(finding.score, 5),
            threshold=round(finding.threshold, 5),
            box=finding.box.rounded(),
            expected_box=finding.expected_box.rounded() if finding.expected_box else None,
        )


class FindingRecord(FindingPayload):
    """A finding in archive, records and JSONL: what a PLC has no room for comes beside it."""

    polygons: tuple[tuple[Number, ...], ...] | None = None
    """Outlines of the finding's mask, ``x1, y1, x2, y2, …`` in pixels of the picture, largest first."""

    @classmethod
    def of(cls, finding: Finding) -> FindingRecord:
        """The finding's wire form with the outlines of its mask, if it has one."""
        outlines = None if finding.mask is None else polygons(finding.mask)
        return cls(**FindingPayload.of(finding).model_dump(), polygons=outlines)


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
            score=round(score.score, 5),
            threshold=round(score.threshold, 5),
            review_threshold=round(score.review_threshold, 5),
        )


class ResultPayload(Payload):
    """Station to PLC: the verdict."""

    topic = "evt/result"

    plc_boot_id: UInt32
    trigger_id: UInt32
    part_id: Text32
    result_id: Text32
    result_state: int = Field(ge=1, le=4)
    """How the processing went: 1 completed, 2 processing, 3 aborted, 4 failed."""
    result_evaluation: int = Field(ge=0, le=3)
    """The judgement: 0 undefined, 1 OK, 2 not OK, 3 not decidable."""
    result_evaluation_code: int
    verdict: Literal["PASS", "FAIL", "REVIEW"]
    cause: str
    is_partial: bool
    is_simulated: bool
    is_challenge: bool
    recipe_id: Text32
    recipe_version: UInt32
    recipe_hash: Hash16
    model_hash: Hash16
    station_boot_id: UInt32
    seq: UInt32
    age_ms: Millis
    creation_time: str
    acquisition_ms: Millis
    processing_ms: Millis
    findings_total: int = Field(ge=0)
    findings: tuple[FindingPayload, ...]
    meas_id: Text32 | None = None
    product_id: Text32 | None = None
    batch_id: Text32 | None = None

    @field_validator("creation_time")
    @classmethod
    def _is_utc(cls, value: str) -> str:
        if datetime.fromisoformat(value).utcoffset() is None:
            raise ValueError("creationTime must name its offset")
        return value

    @property
    def opens_gate(self) -> bool:
        """The only combination that may ever open a gate, matching apart."""
        return (
            self.result_state == 1
            and self.result_evaluation == 1
            and not (self.is_partial or self.is_simulated or self.is_challenge)
        )

    @classmethod
    def of(cls, inspection: Inspection) -> ResultPayload:
        """The verdict with all its findings; :meth:`encode` trims them to what a PLC can hold."""
        judgement, trigger = inspection.judgement, inspection.trigger
        return cls(
            plc_boot_id=trigger.plc_boot_id,
            trigger_id=trigger.trigger_id,
            part_id=trigger.part_id,
            result_id=inspection.result_id,
            result_state=inspection.result_state,
            result_evaluation=_EVALUATION[judgement.verdict],
            result_evaluation_code=judgement.cause.code,
            verdict=judgement.verdict.value,
            cause=judgement.cause.word,
            is_partial=inspection.partial,
            is_simulated=inspection.simulated,
            is_challenge=trigger.challenge is not None,
            recipe_id=inspection.recipe.recipe_id,
            recipe_version=inspection.recipe.version,
            recipe_hash=inspection.recipe.recipe_hash[:16],
            model_hash=inspection.recipe.model_hash[:16],
            station_boot_id=inspection.station_boot_id,
            seq=inspection.seq,
            age_ms=round(max(0.0, inspection.age_s) * 1000, 3),
            creation_time=utc_text(inspection.created),
            acquisition_ms=round(inspection.timings.acquisition_ms, 3),
            processing_ms=round(inspection.timings.processing_ms, 3),
            findings_total=len(inspection.findings),
            findings=tuple(FindingPayload.of(finding) for finding in inspection.findings),
            meas_id=trigger.meas_id,
            product_id=trigger.product_id,
            batch_id=trigger.batch_id,
        )

    def encode(self) -> bytes:
        """At most 1,024 bytes: three findings, then fewer, from the last, until it fits."""
        for count in range(min(len(self.findings), FINDINGS_LIMIT), -1, -1):
            trimmed = self.model_copy(update={"findings": self.findings[:count]})
            data = trimmed.model_dump_json(by_alias=True, exclude_none=True).encode()
            if len(data) <= RESULT_LIMIT:
                return data
        raise ValueError(f"result {self.result_id} does not fit {RESULT_LIMIT} bytes")


_EVALUATION = {Verdict.PASS: 1, Verdict.FAIL: 2, Verdict.REVIEW: 3}


class ResultAckPayload(Payload):
    """PLC to station: the verdict was taken, or why not."""

    topic = "cmd/resultAck"

    result_id: Id32
    taken: bool
    reason: str = Field(default="", max_length=64)


class HeartbeatPayload(Payload):
    """Each side, every 500 ms; dead after 1.5 s."""

    topic = "hb"
    qos = 0

    boot_id: UInt32
    n: UInt32


class StatePayload(Payload):
    """The station's state, retained, and its last will."""

    topic = "state"
    retain = True

    state: StateName
    mode: Literal["production", "commissioning"]
    online: bool
    health: Literal["good", "watch", "act"]
    station_boot_id: UInt32
    recipe_id: Text32
    recipe_version: UInt32
    error_code: int = 0
    error_text: str = ""
    clock_synced: bool = True


class ArchiveEventPayload(Payload):
    """Station to historian: everything, at least once; drop duplicates by ``eventId``."""

    topic = "archive/event"
    model_config = ConfigDict(extra="allow")

    event_id: str
    kind: Literal["result", "ack", "disposition"]
    station_boot_id: UInt32


PAYLOADS: dict[str, type[Payload]] = {
    "trigger": TriggerPayload,
    "ack": AckPayload,
    "command": CommandPayload,
    "prepareRecipe": PrepareRecipePayload,
    "challenge": ChallengePayload,
    "result": ResultPayload,
    "resultAck": ResultAckPayload,
    "heartbeat": HeartbeatPayload,
    "state": StatePayload,
    "archiveEvent": ArchiveEventPayload,
}


def utc_text(moment: datetime) -> str:
    """ISO 8601, UTC, milliseconds: ``2026-03-01T06:15:00.123Z``."""
    text = moment.astimezone(UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


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


def schemas() -> dict[str, dict[str, Any]]:
    """JSON Schema of each payload, by the name it has in ``deploy/schemas/``."""
    return {
        name: payload.model_json_schema(by_alias=True, mode="serialization")
        for name, payload in PAYLOADS.items()
    }


def write_schemas(folder: Path) -> None:
    """Write ``<name>.schema.json`` for each payload."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, schema in schemas().items():
        text = json.dumps(schema, indent=2, sort_keys=True)
        (folder / f"{name}.schema.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    write_schemas(Path("deploy/schemas"))
