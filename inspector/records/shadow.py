"""What a candidate recipe would have made of live parts, beside what the station said of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Connection, Engine, Index, func, insert, select
from sqlmodel import Field

from inspector.domain import ShadowVerdict
from inspector.records.database import reading
from inspector.records.tables import INSPECTION, METADATA, RecordTable, Utc, big_key


class ShadowRow(RecordTable, table=True):
    """One part as a recipe version judged it that does not act."""

    __tablename__ = "shadow"
    __table_args__ = (Index(None, "station", "recipe_id", "recipe_version", "id"),)

    id: int | None = Field(default=None, sa_column=big_key())
    result_id: str = Field(max_length=32)
    """Of the inspection, which the database may take later: no foreign key."""
    station: str = Field(max_length=32)
    at: datetime = Field(sa_type=Utc)
    recipe_id: str = Field(max_length=32)
    recipe_version: int = Field(sa_type=BigInteger)
    verdict: str = Field(max_length=8)
    """Of the candidate."""
    cause: str = Field(max_length=32)
    station_version: int = Field(sa_type=BigInteger)
    """Version of the recipe that the station acted by."""
    station_verdict: str = Field(max_length=8)
    station_cause: str = Field(max_length=32)
    scores: dict[str, float] = Field(sa_type=JSON)
    """The candidate's, by check."""


SHADOW = METADATA.tables["shadow"]


@dataclass(frozen=True, slots=True)
class ShadowTally:
    """How many parts the station and the candidate judged so."""

    station_verdict: str
    verdict: str
    parts: int


@dataclass(frozen=True, slots=True)
class ShadowDifference:
    """A part that the candidate would have judged otherwise."""

    result_id: str
    part_id: str | None
    """None while its inspection is not recorded yet."""
    at: datetime
    """UTC."""
    station_verdict: str
    station_cause: str
    verdict: str
    cause: str
    scores: Mapping[str, float]


def shadow_row(station: str, seen: ShadowVerdict) -> dict[str, Any]:
    """A row of the ``shadow`` table."""
    return {
        "result_id": seen.result_id,
        "station": station,
        "at": seen.at,
        "recipe_id": seen.recipe.recipe_id,
        "recipe_version": seen.recipe.version,
        "verdict": seen.judgement.verdict.value,
        "cause": seen.judgement.cause.word,
        "station_version": seen.station_version,
        "station_verdict": seen.station.verdict.value,
        "station_cause": seen.station.cause.word,
        "scores": {score.check: round(score.score, 6) for score in seen.scores},
    }


def insert_shadow(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Append rows of the ``shadow`` table."""
    if rows:
        connection.execute(insert(SHADOW), rows)


def shadow_tally(engine: Engine, station: str, recipe_id: str, version: int) -> tuple[ShadowTally, ...]:
    """All parts that this version has judged beside the station, by both verdicts.

    This and :func:`shadow_differences` raise :class:`~inspector.errors.StorageError` when the database
    does not answer.
    """
    verdicts = (SHADOW.c.station_verdict, SHADOW.c.verdict)
    query = (
        select(*verdicts, func.count())
        .where(*_of(station, recipe_id, version))
        .group_by(*verdicts)
        .order_by(*verdicts)
    )
    with reading(engine) as connection:
        return tuple(ShadowTally(*row) for row in connection.execute(query))


def shadow_differences(
    engine: Engine, station: str, recipe_id: str, version: int, limit: int = 100
) -> tuple[ShadowDifference, ...]:
    """The parts on which the two do not agree, newest first."""
    query = (
        select(
            SHADOW.c.result_id,
            INSPECTION.c.part_id,
            SHADOW.c.at,
            SHADOW.c.station_verdict,
            SHADOW.c.station_cause,
            SHADOW.c.verdict,
            SHADOW.c.cause,
            SHADOW.c.scores,
        )
        .join(INSPECTION, INSPECTION.c.result_id == SHADOW.c.result_id, isouter=True)
        .where(*_of(station, recipe_id, version), SHADOW.c.verdict != SHADOW.c.station_verdict)
        .order_by(SHADOW.c.id.desc())
        .limit(limit)
    )
    with reading(engine) as connection:
        return tuple(ShadowDifference(*row) for row in connection.execute(query))


def _of(station: str, recipe_id: str, version: int) -> tuple[Any, ...]:
    table = SHADOW.c
    return (
        table.station == station,
        table.recipe_id == recipe_id,
        table.recipe_version == version,
    )
