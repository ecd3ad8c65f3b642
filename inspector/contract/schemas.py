"""The JSON Schemas in ``deploy/schemas/``, generated from the payloads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from inspector.contract.archive import (
    ArchivedAckPayload,
    ArchivedDispositionPayload,
    ArchivedResultPayload,
    ArchiveEventPayload,
)
from inspector.contract.base import Payload
from inspector.contract.messages import (
    AckPayload,
    ChallengePayload,
    CommandPayload,
    HeartbeatPayload,
    PrepareRecipePayload,
    ResultAckPayload,
    ResultPayload,
    StatePayload,
    TriggerPayload,
)

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
    "archiveResult": ArchivedResultPayload,
    "archiveAck": ArchivedAckPayload,
    "archiveDisposition": ArchivedDispositionPayload,
}


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
