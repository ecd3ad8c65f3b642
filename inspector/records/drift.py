"""How far pictures and scores have moved from what they were at calibration, as it was seen then."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Connection, Engine, Index, func, insert, select
from sqlmodel import Field

from inspector.domain import DriftReading, RecipeRef
from inspector.records.database import reading
from inspector.records.tables import METADATA, RecordTable, Utc, big_key


class DriftRow(RecordTable, table=True):
    """One measure of the last parts against its reference."""

    __tablename__ = "drift"
    __table_args__ = (Index(None, "station", "measure", "at"), Index(None, "station", "at"))

    id: int | None = Field(default=None, sa_column=big_key())
    station: str = Field(max_length=32)
    at: datetime = Field(sa_type=Utc)
    recipe_id: str = Field(max_length=32)
    recipe_version: int = Field(sa_type=BigInteger)
    measure: str = Field(max_length=48)
    """Of the picture, such as ``exposure``; of a check's scores ``score:<check>``."""
    health: str = Field(max_length=8)
    """``good``, ``watch`` or ``act``."""
    psi: float
    """Population stability index, without what chance gives."""
    p_value: float
    """Two-sample Kolmogorov-Smirnov test."""
    reference: str = Field(max_length=32)
    """``calibration``, or the first parts that were seen."""
    reference_n: int
    reference_median: float
    median: float
    """Of the last parts."""
    n: int
    """How many these are."""


DRIFT = METADATA.tables["drift"]


@dataclass(frozen=True, slots=True)
class DriftView:
    """One reading, with when and of which recipe."""

    at: datetime
    """UTC."""
    recipe_id: str
    recipe_version: int
    reading: DriftReading


def drift_rows(
    station: str, recipe: RecipeRef, readings: Sequence[DriftReading], now: datetime
) -> list[dict[str, Any]]:
    """Rows of the ``drift`` table."""
    where = {
        "station": station,
        "at": now,
        "recipe_id": recipe.recipe_id,
        "recipe_version": recipe.version,
    }
    return [where | asdict(one) for one in readings]


def insert_drift(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Append rows of the ``drift`` table."""
    if rows:
        connection.execute(insert(DRIFT), rows)


def drift_history(
    engine: Engine, station: str, measure: str, since: datetime, limit: int = 1000
) -> tuple[DriftView, ...]:
    """The readings of one measure, oldest first; beyond ``limit`` the newest.

    Raises :class:`~inspector.errors.StorageError` when the database does not answer.
    """
    query = (
        select(DRIFT)
        .where(DRIFT.c.station == station, DRIFT.c.measure == measure, DRIFT.c.at >= since)
        .order_by(DRIFT.c.at.desc(), DRIFT.c.id.desc())
        .limit(limit)
    )
    with reading(engine) as connection:
        rows = connection.execute(query).mappings().all()
    return tuple(_view(row) for row in reversed(rows))


def latest_drift(engine: Engine, station: str) -> tuple[DriftView, ...]:
    """The last reading of each measure, of the recipe that was followed last; by name."""
    newest = (
        select(DRIFT.c.recipe_id, DRIFT.c.recipe_version)
        .where(DRIFT.c.station == station)
        .order_by(DRIFT.c.at.desc(), DRIFT.c.id.desc())
        .limit(1)
    )
    with reading(engine) as connection:
        recipe = connection.execute(newest).one_or_none()
        if recipe is None:
            return ()
        ids = (
            select(func.max(DRIFT.c.id))
            .where(
                DRIFT.c.station == station,
                DRIFT.c.recipe_id == recipe.recipe_id,
                DRIFT.c.recipe_version == recipe.recipe_version,
            )
            .group_by(DRIFT.c.measure)
        )
        query = select(DRIFT).where(DRIFT.c.id.in_(ids)).order_by(DRIFT.c.measure)
        rows = connection.execute(query).mappings().all()
    return tuple(_view(row) for row in rows)


def _view(row: Mapping[Any, Any]) -> DriftView:
    names = DriftReading.__dataclass_fields__
    return DriftView(
        row["at"],
        row["recipe_id"],
        row["recipe_version"],
        DriftReading(**{name: row[name] for name in names}),
    )
