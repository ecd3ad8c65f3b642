"""The payloads: what is accepted, what is refused, and what the published schemas say."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from pydantic import ValidationError
from records.factory import inspection
from support import result_payload, state_payload

from inspector import contract
from inspector.contract import (
    PAYLOADS,
    RESULT_LIMIT,
    AckPayload,
    ArchivedAckPayload,
    ArchivedDispositionPayload,
    ArchivedResultPayload,
    ArchiveEventPayload,
    ChallengePayload,
    CommandPayload,
    FindingPayload,
    HeartbeatPayload,
    Payload,
    PrepareRecipePayload,
    Reason,
    ResultAckPayload,
    ResultPayload,
    ScorePayload,
    TriggerPayload,
    ack_event,
    disposition_event,
    record_fields,
    result_event,
    schemas,
    utc_text,
)
from inspector.domain import Box, Cause, Finding, FindingKind, Score, Verdict
from inspector.mask import Mask

NOW = datetime(2026, 3, 1, 6, 15, tzinfo=UTC)
SCHEMAS = Path(__file__).resolve().parents[1] / "deploy" / "schemas"

TRIGGER: dict[str, Any] = {
    "v": 1,
    "plcBootId": 1,
    "triggerId": 0,
    "partId": "part-1",
    "recipeId": "shower-gel",
    "deadlineMs": 500,
}
FINDING = FindingPayload(
    check="x" * 32,
    kind="misplaced",
    label="y" * 32,
    score=123456.12345,
    threshold=123456.12345,
    box=(11111.1, 22222.2, 33333.3, 44444.4),
    expected_box=(11111.1, 22222.2, 33333.3, 44444.4),
)
EXAMPLES: dict[str, Payload] = {
    "trigger": TriggerPayload(
        plc_boot_id=0xFFFFFFFF,
        trigger_id=0xFFFFFFFF,
        part_id="part-1",
        recipe_id="shower-gel",
        deadline_ms=500.0,
        batch_id="b",
        meas_id="m",
        product_id="p",
    ),
    "ack": AckPayload(plc_boot_id=1, trigger_id=2, accepted=False, reason=Reason.NOT_READY),
    "command": CommandPayload(command_id="c"),
    "prepareRecipe": PrepareRecipePayload(
        command_id="c", recipe_id="r", recipe_version=3, batch_id="b"
    ),
    "challenge": ChallengePayload(command_id="c", expected=("good", "faulty")),
    "result": result_payload(Cause.MISPLACED, findings_total=1, findings=(FINDING,), batch_id="b"),
    "resultAck": ResultAckPayload(result_id="00000007-1", taken=False, reason="Late"),
    "heartbeat": HeartbeatPayload(boot_id=7, n=1),
    "state": state_payload(),
    "archiveEvent": ArchiveEventPayload.model_validate(
        {"eventId": "e", "kind": "result", "stationBootId": 7, "attempt": 1, "scores": []}
    ),
    "archiveResult": ArchivedResultPayload.decode(
        json.dumps(
            result_event(
                result_payload(Cause.MISPLACED, findings_total=1, findings=(FINDING,)).model_dump(
                    mode="json", by_alias=True, exclude_none=True
                ),
                attempt=2,
            )
        ).encode()
    ),
    "archiveAck": ArchivedAckPayload.model_validate(ack_event("00000007-1", 7, False, "Late", NOW)),
    "archiveDisposition": ArchivedDispositionPayload.model_validate(
        disposition_event("00000007-1", 7, "reject", "Missing", "anna", NOW)
    ),
}


@pytest.mark.parametrize("name", PAYLOADS)
def test_round_trip(name: str) -> None:
    example = EXAMPLES[name]
    assert type(example) is PAYLOADS[name]
    data = example.encode()
    assert type(example).decode(data) == example
    assert type(example).decode(data).encode() == data
    fields = json.loads(data)
    assert fields["v"] == 1
    assert None not in fields.values(), "absent fields are omitted"


@pytest.mark.parametrize("name", PAYLOADS)
def test_published_schema(name: str) -> None:
    schema = json.loads((SCHEMAS / f"{name}.schema.json").read_text(encoding="utf-8"))
    assert schema == schemas()[name], "run: python -m inspector.contract"
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    fields = json.loads(EXAMPLES[name].encode())
    validator.validate(fields)
    first = next(key for key in schema["required"] if key != "v")
    del fields[first]
    assert not validator.is_valid(fields)


def test_every_schema_is_published_and_no_other(tmp_path: Path) -> None:
    contract.write_schemas(tmp_path)
    written = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert {path.name: path.read_bytes() for path in SCHEMAS.iterdir()} == written


def test_topics_and_delivery() -> None:
    assert {name: payload.topic for name, payload in PAYLOADS.items()} == {
        "trigger": "cmd/trigger",
        "ack": "evt/ack",
        "command": "cmd/reset",
        "prepareRecipe": "cmd/prepareRecipe",
        "challenge": "cmd/challenge",
        "result": "evt/result",
        "resultAck": "cmd/resultAck",
        "heartbeat": "hb",
        "state": "state",
        "archiveEvent": "archive/event",
        "archiveResult": "archive/event",
        "archiveAck": "archive/event",
        "archiveDisposition": "archive/event",
    }
    assert [name for name, payload in PAYLOADS.items() if payload.retain] == ["state"]
    assert [name for name, payload in PAYLOADS.items() if payload.qos != 1] == ["heartbeat"]


def test_unknown_fields_are_ignored() -> None:
    assert TriggerPayload.decode(json.dumps(TRIGGER | {"new": [1]}).encode()).part_id == "part-1"


@pytest.mark.parametrize(
    "change",
    [
        {"triggerId": "5"},
        {"triggerId": True},
        {"triggerId": 5.5},
        {"triggerId": -1},
        {"triggerId": 1 << 32},
        {"triggerId": None},
        {"plcBootId": 0},
        {"partId": 5},
        {"partId": ""},
        {"partId": "x" * 33},
        {"partId": "tab\there"},
        {"partId": "line\n"},
        {"partId": "größe"},
        {"deadlineMs": 0},
        {"deadlineMs": 1e-322},
        {"deadlineMs": 1e-310},
        {"deadlineMs": 0.0009},
        {"deadlineMs": 86_400_001},
        {"deadlineMs": "500"},
        {"deadlineMs": True},
        {"deadlineMs": float("nan")},
        {"deadlineMs": float("inf")},
        {"v": "1"},
        {"v": 0},
    ],
    ids=str,
)
def test_trigger_that_breaks_the_contract(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        TriggerPayload.decode(json.dumps(TRIGGER | change).encode())


@pytest.mark.parametrize("deadline_ms", [0.001, 86_400_000])
def test_the_shortest_and_the_longest_deadline(deadline_ms: float) -> None:
    data = json.dumps(TRIGGER | {"deadlineMs": deadline_ms}).encode()
    assert TriggerPayload.decode(data).deadline_ms == deadline_ms


@pytest.mark.parametrize("field", [field for field in TRIGGER if field != "v"])
def test_trigger_needs_every_field(field: str) -> None:
    with pytest.raises(ValidationError):
        TriggerPayload.decode(
            json.dumps({name: value for name, value in TRIGGER.items() if name != field}).encode()
        )


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"5", b'"x"', b"null", b"\xff\xfe", b"{}" * 2])
def test_rubbish(data: bytes) -> None:
    with pytest.raises(ValidationError):
        TriggerPayload.decode(data)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_no_number_that_json_lacks(value: float) -> None:
    box = Box(0, 0, 1, 1)
    with pytest.raises(ValidationError):
        FindingPayload.of(Finding("check", FindingKind.ANOMALY, "label", value, 0.5, box))
    with pytest.raises(ValidationError):
        FindingPayload.of(Finding("check", FindingKind.ANOMALY, "label", 0.5, 0.5, Box(value, 0, 1, 1)))
    with pytest.raises(ValidationError):
        result_payload(age_ms=value)


@pytest.mark.parametrize(
    ("score", "threshold", "written"),
    [
        (0.123456789, 0.61, 0.123457),
        (53.4567891, 53.5, 53.4568),
        (0.61, 0.61, 0.61),
        (0.609997, 0.61, 0.609997),
        (0.60999997, 0.61, 0.60999997),
        (0.6100000004, 0.6100000003, 0.6100000004),
    ],
)
def test_a_score_is_written_short_but_on_its_side_of_the_threshold(
    score: float, threshold: float, written: float
) -> None:
    found = Finding("check", FindingKind.ANOMALY, "label", score, threshold, Box(0, 0, 1, 1))
    below = replace(found, threshold=1000.0, review_threshold=threshold)
    for payload in (
        FindingPayload.of(found),
        FindingPayload.of(below),
        ScorePayload.of(Score("check", score, threshold, threshold)),
        ScorePayload.of(Score("check", score, 1000.0, threshold)),
    ):
        assert payload.score == written
        assert payload.threshold in (threshold, 1000.0)
        assert (payload.score >= threshold) == (score >= threshold)


@pytest.mark.parametrize("total", [0, 1, 2, 3, 4, 50])
def test_a_result_fits_a_plc_buffer(total: int) -> None:
    result = result_payload(
        Cause.STATION_RESTARTED,
        plc_boot_id=0xFFFFFFFF,
        trigger_id=0xFFFFFFFF,
        part_id="p" * 32,
        result_id="r" * 32,
        recipe_id="c" * 32,
        recipe_version=0xFFFFFFFF,
        station_boot_id=0xFFFFFFFF,
        seq=0xFFFFFFFF,
        age_ms=123456789.123,
        acquisition_ms=123456789.123,
        processing_ms=123456789.123,
        meas_id="m" * 32,
        product_id="d" * 32,
        batch_id="b" * 32,
        findings_total=total,
        findings=(FINDING,) * total,
    )
    data = result.encode()
    assert len(data) <= RESULT_LIMIT
    assert len(result.findings) == total, "only the message is trimmed"
    back = ResultPayload.decode(data)
    assert back.findings_total == total
    assert back.findings == result.findings[: len(back.findings)]


def test_outlines_are_for_the_records_and_never_cross_the_wire() -> None:
    """However finely a mask is lobed, a PLC receives what it always did."""
    lobed = np.random.default_rng(0).random((200, 200)) < 0.5
    found = Finding(
        "check", FindingKind.DEFECT, "label", 0.9, 0.5, Box(0, 0, 200, 200), mask=Mask.of(lobed, 5, 6)
    )
    plain = replace(found, mask=None)
    masked = replace(inspection(1, cause=Cause.DEFECT), findings=(found, plain))
    unmasked = replace(masked, findings=(plain, plain))
    sent = ResultPayload.of(masked).encode()
    assert sent == ResultPayload.of(unmasked).encode()
    assert b"polygons" not in sent
    first, second = record_fields(masked)["findings"]
    outlines = first.pop("polygons")
    assert len(outlines) > 1
    assert all(len(outline) % 2 == 0 and len(outline) >= 6 for outline in outlines)
    assert first == second == record_fields(unmasked)["findings"][1]
    json.dumps(outlines, allow_nan=False)


def test_findings_go_from_the_last() -> None:
    short = [
        FINDING.model_copy(update={"check": f"c{number}", "label": "l", "expected_box": None})
        for number in range(4)
    ]
    data = result_payload(Cause.DEFECT, findings_total=4, findings=tuple(short)).encode()
    assert [finding.check for finding in ResultPayload.decode(data).findings] == ["c0", "c1", "c2"]
    assert b"expectedBox" not in data
    long = [FINDING.model_copy(update={"check": name * 32}) for name in "ab"]
    mixed = result_payload(Cause.DEFECT, findings_total=3, findings=(short[0], *long))
    kept = ResultPayload.decode(mixed.encode()).findings
    assert [finding.check for finding in kept] == ["c0", "a" * 32]


def test_causes_have_the_contracts_numbers() -> None:
    table = {
        "None": 0,
        "Defect": 100,
        "Anomaly": 101,
        "Missing": 102,
        "Extra": 103,
        "Misplaced": 104,
        "Wrong": 105,
        "Uncertain": 200,
        "Blur": 210,
        "Exposure": 211,
        "LowResolution": 212,
        "Covered": 213,
        "PartialPart": 214,
        "UnusualPose": 215,
        "Tampered": 216,
        "FrozenFrame": 217,
        "CameraFault": 230,
        "MissedAcquisition": 231,
        "NoPart": 232,
        "ModelFault": 240,
        "Overrun": 250,
        "DeadlineMissed": 251,
        "Halted": 252,
        "StationRestarted": 253,
    }
    assert {cause.word: cause.code for cause in Cause} == table
    for cause in Cause:
        expected = Verdict.PASS if cause.code == 0 else Verdict.FAIL
        assert cause.verdict is (Verdict.REVIEW if cause.code >= 200 else expected)
        assert Cause.named(cause.word) is cause


def test_only_one_combination_opens_a_gate() -> None:
    assert result_payload().opens_gate
    for change in (
        {"result_state": 2},
        {"result_state": 3},
        {"result_state": 4},
        {"result_evaluation": 0},
        {"result_evaluation": 2},
        {"result_evaluation": 3},
        {"is_partial": True},
        {"is_simulated": True},
        {"is_challenge": True},
    ):
        assert not result_payload(**change).opens_gate, change


def test_times_are_utc() -> None:
    moment = datetime(2026, 3, 1, 7, 15, 0, 123_400, timezone(timedelta(hours=1)))
    assert utc_text(moment) == "2026-03-01T06:15:00.123Z"
    assert utc_text(datetime(2026, 3, 1, tzinfo=UTC)) == "2026-03-01T00:00:00.000Z"
    with pytest.raises(ValidationError):
        result_payload(creation_time="2026-03-01T06:15:00.123")
