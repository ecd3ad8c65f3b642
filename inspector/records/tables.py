"""The tables of a line's database, one class each.

All instants are UTC. Lengths are the contract's, rounded up, so that databases which insist on a
length are served too. The contract's unsigned 32-bit numbers need 64-bit columns.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Text,
    TypeDecorator,
)
from sqlmodel import Field, SQLModel

_CONVENTION = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class Utc(TypeDecorator[datetime]):
    """An aware UTC instant, also in databases whose timestamps know no zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        moment = value.astimezone(UTC)
        return moment if dialect.name == "postgresql" else moment.replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class RecordTable(SQLModel):
    """Base of all tables here, with names for constraints so that later migrations can change them."""

    metadata = MetaData(naming_convention=_CONVENTION)


def big_key() -> Column[int]:
    """A key that the database numbers by itself."""
    # SQLite numbers rows by itself in INTEGER keys alone.
    return Column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True)


def _box() -> Column[list[float]]:
    return Column(JSON(none_as_null=True), nullable=True)


class InspectionRow(RecordTable, table=True):
    """One judged part."""

    __tablename__ = "inspection"
    __table_args__ = (
        Index(None, "station", "id"),
        Index(None, "station", "created_at"),
        Index(None, "part_id", "station"),
        Index(None, "created_at"),
        Index(None, "station", "verdict", "created_at"),
        Index(None, "station", "cause", "created_at"),
        Index(None, "station", "batch_id", "created_at"),
        Index(None, "recipe_id", "recipe_version", "created_at"),
    )

    id: int | None = Field(default=None, sa_column=big_key())
    """Order of recording."""
    result_id: str = Field(max_length=32, unique=True)
    station: str = Field(max_length=32)
    station_boot_id: int = Field(sa_type=BigInteger)
    seq: int = Field(sa_type=BigInteger)
    plc_boot_id: int = Field(sa_type=BigInteger)
    trigger_id: int = Field(sa_type=BigInteger)
    part_id: str = Field(max_length=64)
    attempt: int
    """From 1; a part id that comes again in a station is the next attempt."""
    batch_id: str | None = Field(default=None, max_length=32)
    product_id: str | None = Field(default=None, max_length=32)
    meas_id: str | None = Field(default=None, max_length=32)
    verdict: str = Field(max_length=8)
    cause: str = Field(max_length=32)
    cause_code: int
    causes: list[str] = Field(sa_type=JSON)
    """All that applied, lowest number first."""
    result_state: int
    is_partial: bool
    is_simulated: bool
    is_challenge: bool
    challenge: str | None = Field(default=None, max_length=8)
    """``good`` or ``faulty`` as expected of a challenge part."""
    recipe_id: str = Field(max_length=32)
    recipe_version: int = Field(sa_type=BigInteger)
    recipe_hash: str = Field(max_length=16)
    model_hash: str = Field(max_length=16)
    created_at: datetime = Field(sa_type=Utc)
    age_ms: float
    deadline_ms: float | None = None
    acquisition_ms: float
    processing_ms: float
    stages: dict[str, float] = Field(sa_type=JSON)
    """Milliseconds by check."""
    source: str = Field(max_length=255)
    frame: int = Field(sa_type=BigInteger)
    """Index of the trigger frame in ``source``; -1 without a picture."""
    image_width: int | None = None
    image_height: int | None = None
    part_box: list[float] | None = Field(default=None, sa_column=_box())
    findings_total: int


class FindingRow(RecordTable, table=True):
    """One thing that a check found; boxes in pixels of the picture."""

    __tablename__ = "finding"
    __table_args__ = (Index(None, "check_name", "label"),)

    result_id: str = Field(primary_key=True, foreign_key="inspection.result_id", max_length=32)
    position: int = Field(primary_key=True)
    """0-based, in the order of the result."""
    check_name: str = Field(max_length=32)
    kind: str = Field(max_length=16)
    label: str = Field(max_length=32)
    score: float
    threshold: float
    x1: float
    y1: float
    x2: float
    y2: float
    expected_box: list[float] | None = Field(default=None, sa_column=_box())


class ScoreRow(RecordTable, table=True):
    """What a check measured, of every part."""

    __tablename__ = "score"
    __table_args__ = (Index(None, "check_name", "score"),)

    result_id: str = Field(primary_key=True, foreign_key="inspection.result_id", max_length=32)
    position: int = Field(primary_key=True)
    check_name: str = Field(max_length=32)
    score: float
    threshold: float
    review_threshold: float


class EvidenceRow(RecordTable, table=True):
    """A file of the image archive; what retention has removed keeps its row and the date."""

    __tablename__ = "evidence"
    __table_args__ = (Index(None, "station", "removed_at", "verdict", "created_at"),)

    result_id: str = Field(
        sa_column=Column(ForeignKey("inspection.result_id"), primary_key=True, nullable=False)
    )
    name: str = Field(primary_key=True, max_length=64)
    """File name: ``frame-0.jpg``, ``overlay.json``, ``heat.png``."""
    kind: str = Field(max_length=16)
    """``picture``, ``overlay`` or ``heat``."""
    path: str = Field(max_length=255)
    """Relative to the evidence folder, with forward slashes."""
    bytes: int = Field(sa_type=BigInteger)
    station: str = Field(max_length=32)
    verdict: str = Field(max_length=8)
    created_at: datetime = Field(sa_type=Utc)
    removed_at: datetime | None = Field(default=None, sa_type=Utc)


class StationStateRow(RecordTable, table=True):
    """What a station last said of itself; one row a station."""

    __tablename__ = "station_state"

    station: str = Field(primary_key=True, max_length=32)
    state: str = Field(max_length=32)
    mode: str = Field(max_length=16)
    online: bool
    health: str = Field(max_length=8)
    error_code: int
    error_text: str = Field(sa_type=Text)
    clock_synced: bool
    recipe_id: str = Field(max_length=32)
    recipe_version: int = Field(sa_type=BigInteger)
    boot_id: int = Field(sa_type=BigInteger)
    deadline_ms: float
    counters: dict[str, int] = Field(sa_type=JSON)
    cameras: dict[str, str] = Field(sa_type=JSON)
    updated_at: datetime = Field(sa_type=Utc)


class EventRow(RecordTable, table=True):
    """Something that happened to a station; append-only."""

    __tablename__ = "event"
    __table_args__ = (Index(None, "station", "at"), Index(None, "at"))

    id: int | None = Field(default=None, sa_column=big_key())
    station: str = Field(max_length=32)
    at: datetime = Field(sa_type=Utc)
    level: str = Field(max_length=8)
    """``info``, ``warning`` or ``error``."""
    event: str = Field(max_length=64)
    text: str = Field(sa_type=Text)
    fields: dict[str, Any] = Field(sa_type=JSON)


METADATA = RecordTable.metadata
INSPECTION = METADATA.tables["inspection"]
FINDING = METADATA.tables["finding"]
SCORE = METADATA.tables["score"]
EVIDENCE = METADATA.tables["evidence"]
STATION_STATE = METADATA.tables["station_state"]
EVENT = METADATA.tables["event"]
