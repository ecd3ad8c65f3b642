"""From an inspection to its rows: one way for the live path, the spill file and the journal.

A record travels as a plain dictionary under the contract's field names, as ``record_fields`` makes it;
the recorder adds ``evidence``: ``name, kind, path, bytes`` of each file. What a journal of an older
version lacks has a default.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeAlias

from sqlalchemy import Connection, Table, func, insert, select, update

from inspector.domain import Level, StationStatus
from inspector.records.aggregates import add_to_tally
from inspector.records.tables import EVENT, EVIDENCE, FINDING, INSPECTION, SCORE, STATION_STATE

Fields: TypeAlias = Mapping[str, Any]
"""One record, JSON-compatible, under the contract's field names."""


def insert_records(connection: Connection, station: str, records: Sequence[Fields]) -> dict[str, int]:
    """Insert those records that the database lacks; the attempts of the new ones by ``resultId``.

    ``station`` is that of records which do not name theirs. To be called in a transaction.
    """
    fresh = _fresh(connection, records)
    if not fresh:
        return {}
    rows = [_inspection_row(fields, station) for fields in fresh]
    _number_attempts(connection, rows)
    connection.execute(insert(INSPECTION), rows)
    add_to_tally(connection, rows)
    _insert(connection, FINDING, (row for fields in fresh for row in _finding_rows(fields)))
    _insert(connection, SCORE, (row for fields in fresh for row in _score_rows(fields)))
    _insert(
        connection,
        EVIDENCE,
        (
            {
                **file,
                "result_id": row["result_id"],
                "station": row["station"],
                "verdict": row["verdict"],
                "created_at": row["created_at"],
            }
            for row, fields in zip(rows, fresh, strict=True)
            for file in fields.get("evidence", ())
        ),
    )
    return {row["result_id"]: row["attempt"] for row in rows}


def event_row(
    station: str, level: Level, event: str, text: str, fields: Mapping[str, Any]
) -> dict[str, Any]:
    """A row of the ``event`` table, of now."""
    return {
        "station": station,
        "at": datetime.now(UTC),
        "level": level,
        "event": event,
        "text": text,
        "fields": dict(fields),
    }


def insert_events(connection: Connection, events: Sequence[Mapping[str, Any]]) -> None:
    """Append rows of the ``event`` table."""
    _insert(connection, EVENT, events)


def put_status(connection: Connection, status: StationStatus, now: datetime) -> None:
    """Write the station's one row; its recorder is the only writer, so that no race can be lost."""
    values = {
        "state": status.state,
        "mode": status.mode,
        "online": status.online,
        "health": status.health,
        "error_code": status.error_code,
        "error_text": status.error_text,
        "clock_synced": status.clock_synced,
        "recipe_id": status.recipe_id,
        "recipe_version": status.recipe_version,
        "boot_id": status.boot_id,
        "deadline_ms": status.deadline_ms,
        "counters": dict(status.counters),
        "cameras": dict(status.cameras),
        "updated_at": now,
    }
    table = STATION_STATE
    done = connection.execute(update(table).where(table.c.station == status.station).values(values))
    if done.rowcount == 0:
        connection.execute(insert(table).values(station=status.station, **values))


def _fresh(connection: Connection, records: Sequence[Fields]) -> list[Fields]:
    by_id = {fields["resultId"]: fields for fields in reversed(records)}
    query = select(INSPECTION.c.result_id).where(INSPECTION.c.result_id.in_(list(by_id)))
    known = set(connection.execute(query).scalars())
    return [fields for result_id, fields in reversed(by_id.items()) if result_id not in known]


def _number_attempts(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    table = INSPECTION.c
    keys = (table.station, table.part_id)
    query = (
        select(*keys, func.max(table.attempt))
        .where(
            table.part_id.in_({row["part_id"] for row in rows}),
            table.station.in_({row["station"] for row in rows}),
        )
        .group_by(*keys)
    )
    last = {(station, part_id): int(n) for station, part_id, n in connection.execute(query)}
    for row in rows:
        if row["plc_boot_id"] == 0:
            # numbered by the station itself, anew after each start: the id names no physical part
            row["attempt"] = 1
            continue
        key = (row["station"], row["part_id"])
        last[key] = last.get(key, 0) + 1
        row["attempt"] = last[key]


def _inspection_row(fields: Fields, station: str) -> dict[str, Any]:
    width, height = fields.get("imageSize") or (None, None)
    return {
        "result_id": fields["resultId"],
        "station": fields.get("station", station),
        "station_boot_id": fields["stationBootId"],
        "seq": fields["seq"],
        "plc_boot_id": fields["plcBootId"],
        "trigger_id": fields["triggerId"],
        "part_id": fields["partId"],
        "batch_id": fields.get("batchId"),
        "product_id": fields.get("productId"),
        "meas_id": fields.get("measId"),
        "verdict": fields["verdict"],
        "cause": fields["cause"],
        "cause_code": fields["resultEvaluationCode"],
        "causes": fields.get("causes", []),
        "result_state": fields["resultState"],
        "is_partial": fields["isPartial"],
        "is_simulated": fields["isSimulated"],
        "is_challenge": fields["isChallenge"],
        "challenge": fields.get("challenge"),
        "recipe_id": fields["recipeId"],
        "recipe_version": fields["recipeVersion"],
        "recipe_hash": fields["recipeHash"],
        "model_hash": fields["modelHash"],
        "created_at": datetime.fromisoformat(fields["creationTime"]).astimezone(UTC),
        "age_ms": fields["ageMs"],
        "deadline_ms": fields.get("deadlineMs"),
        "acquisition_ms": fields["acquisitionMs"],
        "processing_ms": fields["processingMs"],
        "stages": fields.get("stagesMs", {}),
        "source": fields.get("source", "")[:255],
        "frame": fields.get("frame", -1),
        "image_width": width,
        "image_height": height,
        "part_box": fields.get("partBox"),
        "findings_total": fields["findingsTotal"],
    }


def _finding_rows(fields: Fields) -> Iterable[dict[str, Any]]:
    for position, finding in enumerate(fields["findings"]):
        x1, y1, x2, y2 = finding["box"]
        yield {
            "result_id": fields["resultId"],
            "position": position,
            "check_name": finding["check"],
            "kind": finding["kind"],
            "label": finding["label"],
            "score": finding["score"],
            "threshold": finding["threshold"],
            "x1": x1,
            "y1": y1,
            "x2": x2,
            "y2": y2,
            "expected_box": finding.get("expectedBox"),
        }


def _score_rows(fields: Fields) -> Iterable[dict[str, Any]]:
    for position, score in enumerate(fields.get("scores", ())):
        yield {
            "result_id": fields["resultId"],
            "position": position,
            "check_name": score["check"],
            "score": score["score"],
            "threshold": score["threshold"],
            "review_threshold": score["reviewThreshold"],
        }


def _insert(connection: Connection, table: Table, rows: Iterable[Mapping[str, Any]]) -> None:
    values = list(rows)
    if values:
        connection.execute(insert(table), values)
