"""Challenge runs as they are recorded: a row a run, a row a part."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Engine,
    ForeignKey,
    Index,
    Integer,
    RowMapping,
    Select,
    Text,
    insert,
    select,
)
from sqlmodel import Field

from inspector.challenge import ChallengePart, ChallengeRun
from inspector.domain import RecipeRef
from inspector.records.database import reading
from inspector.records.tables import METADATA, RecordTable, Utc, big_key


class ChallengeRow(RecordTable, table=True):
    """One challenge run."""

    __tablename__ = "challenge"
    __table_args__ = (Index(None, "station", "id"), Index(None, "request_id"))

    id: int | None = Field(default=None, sa_column=big_key())
    """Order of recording."""
    station: str = Field(max_length=32)
    at: datetime = Field(sa_type=Utc)
    operator: str = Field(max_length=64)
    origin: str = Field(max_length=16)
    """``cli``, ``dashboard`` or ``plc``."""
    request_id: int | None = Field(default=None, sa_type=BigInteger)
    recipe_id: str = Field(max_length=32)
    recipe_version: int = Field(sa_type=BigInteger)
    recipe_hash: str = Field(max_length=16)
    model_hash: str = Field(max_length=16)
    good_in_review: int
    """How many good parts were allowed to go to REVIEW."""
    passed: bool
    text: str = Field(sa_type=Text)
    """The outcome in one sentence."""


class ChallengePartRow(RecordTable, table=True):
    """One part of a challenge run."""

    __tablename__ = "challenge_part"

    challenge_id: int = Field(
        sa_column=Column(
            BigInteger().with_variant(Integer, "sqlite"),
            ForeignKey("challenge.id"),
            primary_key=True,
            nullable=False,
        )
    )
    position: int = Field(primary_key=True)
    name: str = Field(max_length=255)
    expected: str = Field(max_length=8)
    """``good`` or ``faulty``."""
    verdict: str = Field(max_length=8)
    cause: str = Field(max_length=32)
    as_expected: bool


CHALLENGE = METADATA.tables["challenge"]
CHALLENGE_PART = METADATA.tables["challenge_part"]


def insert_run(connection: Connection, run: ChallengeRun) -> None:
    """Append a run. To be called in a transaction."""
    recipe = run.recipe
    row = connection.execute(
        insert(CHALLENGE)
        .values(
            station=run.station,
            at=run.at,
            operator=run.operator,
            origin=run.origin,
            request_id=run.request_id,
            recipe_id=recipe.recipe_id,
            recipe_version=recipe.version,
            recipe_hash=recipe.recipe_hash[:16],
            model_hash=recipe.model_hash[:16],
            good_in_review=run.good_in_review,
            passed=run.passed,
            text=run.text,
        )
        .returning(CHALLENGE.c.id)
    ).scalar_one()
    parts = [
        {
            "challenge_id": row,
            "position": position,
            "name": part.name,
            "expected": part.expected,
            "verdict": part.verdict,
            "cause": part.cause,
            "as_expected": part.as_expected,
        }
        for position, part in enumerate(run.parts)
    ]
    if parts:
        connection.execute(insert(CHALLENGE_PART), parts)


def challenge_runs(engine: Engine, station: str, n: int = 20) -> tuple[ChallengeRun, ...]:
    """The station's last ``n`` runs, newest first; the recipe's hashes as far as records keep them."""
    query = select(CHALLENGE).where(CHALLENGE.c.station == station)
    return _runs(engine, query.order_by(CHALLENGE.c.id.desc()).limit(n))


def run_of_request(engine: Engine, request_id: int) -> ChallengeRun | None:
    """What came of a request for a challenge; None when there was no run."""
    found = _runs(engine, select(CHALLENGE).where(CHALLENGE.c.request_id == request_id))
    return found[0] if found else None


def _runs(engine: Engine, query: Select[Any]) -> tuple[ChallengeRun, ...]:
    with reading(engine) as connection:
        rows = connection.execute(query).mappings().all()
        return tuple(_run(connection, row) for row in rows)


def _run(connection: Connection, row: RowMapping) -> ChallengeRun:
    table = CHALLENGE_PART
    query = select(table).where(table.c.challenge_id == row["id"]).order_by(table.c.position)
    return ChallengeRun(
        row["station"],
        row["at"],
        row["operator"],
        row["origin"],
        RecipeRef(row["recipe_id"], row["recipe_version"], row["recipe_hash"], row["model_hash"]),
        tuple(
            ChallengePart(part["name"], part["expected"], part["verdict"], part["cause"])
            for part in connection.execute(query).mappings()
        ),
        row["good_in_review"],
        row["request_id"],
    )
