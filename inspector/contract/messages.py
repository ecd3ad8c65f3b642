"""The messages between the PLC, the plant and the station."""

from __future__ import annotations

import json
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic.alias_generators import to_camel

from inspector.contract.base import (
    COMMAND_LIMIT,
    FINDINGS_LIMIT,
    RESULT_LIMIT,
    Hash16,
    Id32,
    Millis,
    Number,
    Payload,
    PixelBox,
    Text32,
    UInt32,
    shortened,
    utc_text,
)
from inspector.domain import Finding, Inspection, Verdict


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


class TriggerPayload(Payload):
    """PLC to station: inspect this part."""

    topic = "cmd/trigger"

    plc_boot_id: UInt32 = Field(gt=0)
    trigger_id: UInt32
    part_id: Id32
    recipe_id: Id32
    deadline_ms: float = Field(ge=0.001, le=86_400_000, allow_inf_nan=False)
    """A microsecond to a day: beyond them lies what a PLC writes as another type."""
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


def readable_ids(data: bytes, *names: str) -> dict[str, Any]:
    """Those fields of an :class:`AckPayload` in a malformed message, so that its sender can match it.

    Empty where one of them is of the wrong type, or the message is no JSON object of bearable size.
    """
    if len(data) > COMMAND_LIMIT:
        return {}
    try:
        fields = json.loads(data)
        ids = {name: fields.get(to_camel(name)) for name in names}
        AckPayload(accepted=False, reason=Reason.MALFORMED, **ids)
    except (ValueError, AttributeError, RecursionError):
        # anybody whom the broker lets may send anything
        return {}
    return ids


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
        review = finding.threshold if finding.review_threshold is None else finding.review_threshold
        return cls(
            check=finding.check,
            kind=finding.kind.value,
            label=finding.label,
            score=shortened(finding.score, finding.threshold, review),
            threshold=finding.threshold,
            box=finding.box.rounded(),
            expected_box=finding.expected_box.rounded() if finding.expected_box else None,
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

    @field_validator("reason")
    @classmethod
    def _is_printable(cls, value: str) -> str:
        # it goes into records and logs, and no database takes every character
        return "".join(one if one.isprintable() else "?" for one in value)


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
