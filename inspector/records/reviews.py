"""What people decided about parts.

A person decides only what he or she has claimed (:mod:`inspector.records.claims`). A decision, its line
in the audit trail and its way to the archive are one transaction. Which decisions a second person makes
once more, blind, is drawn by a hash, so that nobody chooses. An undone decision stays in the table.

Every function raises :class:`~inspector.errors.StorageError` when the database does not answer.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, TypeAlias, get_args

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Engine,
    ForeignKey,
    Index,
    and_,
    delete,
    exists,
    insert,
    select,
    update,
)
from sqlmodel import Field

from inspector.config import Reviewing
from inspector.domain import Cause, Verdict
from inspector.errors import InputError
from inspector.records import audit
from inspector.records.audit import Actor
from inspector.records.database import reading, storage_failures
from inspector.records.outbox import put_disposition
from inspector.records.tables import INSPECTION, METADATA, RecordTable, Utc, big_key

Decision: TypeAlias = Literal["accept", "reject"]

REJECT_CAUSES = tuple(cause.word for cause in Cause if cause.verdict is Verdict.FAIL)
"""Words that a person may give a rejected part."""


class ReviewRow(RecordTable, table=True):
    """One decision of one person; undone ones stay."""

    __tablename__ = "review"
    __table_args__ = (Index(None, "result_id"), Index(None, "station", "created_at"))

    id: int | None = Field(default=None, sa_column=big_key())
    result_id: str = Field(sa_column=Column(ForeignKey("inspection.result_id"), nullable=False))
    station: str = Field(max_length=32)
    user: str = Field(max_length=32)
    decision: str = Field(max_length=8)
    """``accept`` or ``reject``."""
    cause: str | None = Field(default=None, max_length=32)
    """Of a rejected part, such as ``Defect``."""
    is_blind: bool
    """A second reviewer's, who has not seen the first decision; the first alone counts for the part."""
    wants_second: bool
    """Drawn to be decided once more, blind."""
    created_at: datetime = Field(sa_type=Utc)
    undone_at: datetime | None = Field(default=None, sa_type=Utc)


class ClaimRow(RecordTable, table=True):
    """The part that a reviewer has before the eyes."""

    __tablename__ = "claim"

    result_id: str = Field(
        sa_column=Column(ForeignKey("inspection.result_id"), primary_key=True, nullable=False)
    )
    station: str = Field(max_length=32)
    user: str = Field(max_length=32)
    expires_at: datetime = Field(sa_type=Utc)


REVIEW = METADATA.tables["review"]
CLAIM = METADATA.tables["claim"]


@dataclass(frozen=True, slots=True)
class ReviewView:
    """A decision that holds."""

    id: int
    result_id: str
    station: str
    user: str
    decision: str
    cause: str | None
    is_blind: bool
    wants_second: bool
    created_at: datetime
    """UTC."""


def decide(
    engine: Engine,
    result_id: str,
    actor: Actor,
    decision: Decision,
    cause: str | None,
    rules: Reviewing,
    now: datetime,
) -> None:
    """Record what the person who has claimed the part decided.

    Raises :class:`~inspector.errors.InputError` when the part is not claimed by this person any more,
    or when the decision is none.
    """
    if decision not in get_args(Decision) or (decision == "accept") != (cause is None):
        raise InputError(f"'{decision}' with cause '{cause}' is no decision")
    if cause is not None and cause not in REJECT_CAUSES:
        raise InputError(
            f"'{cause}' is no cause of a rejection", f"Known are {', '.join(REJECT_CAUSES)}"
        )
    with storage_failures(engine.url), engine.begin() as connection:
        mine = and_(CLAIM.c.result_id == result_id, CLAIM.c.user == actor.name)
        if connection.execute(delete(CLAIM).where(mine)).rowcount == 0:
            raise InputError(
                "this part is not yours to decide any more: your time for it ran out, or it is decided",
                "Go on with the next one",
            )
        part = connection.execute(select(INSPECTION).where(INSPECTION.c.result_id == result_id)).one()
        is_blind = _is_decided(connection, result_id)
        values: dict[str, Any] = {
            "result_id": result_id,
            "station": part.station,
            "user": actor.name,
            "decision": decision,
            "cause": cause,
            "is_blind": is_blind,
            "wants_second": not is_blind and drawn(result_id, rules.blind_share),
            "created_at": now,
        }
        connection.execute(insert(REVIEW).values(**values))
        fields = {"decision": decision, "cause": cause, "verdict": part.verdict, "blind": is_blind}
        audit.append(connection, actor, "decision", result_id, now, text=part.part_id, fields=fields)
        if not is_blind:
            _archive(connection, part, decision, cause, actor, now)


def undo(engine: Engine, station: str, actor: Actor, rules: Reviewing, now: datetime) -> str | None:
    """Take back the person's last decision; the result id, claimed again, or None without one.

    Raises :class:`~inspector.errors.InputError` while somebody else has that part before the eyes.
    """
    with storage_failures(engine.url), engine.begin() as connection:
        last = connection.execute(
            select(REVIEW)
            .where(
                REVIEW.c.station == station,
                REVIEW.c.user == actor.name,
                REVIEW.c.undone_at.is_(None),
            )
            .order_by(REVIEW.c.id.desc())
            .limit(1)
        ).first()
        if last is None:
            return None
        others = exists().where(
            CLAIM.c.result_id == last.result_id,
            CLAIM.c.expires_at > now,
            CLAIM.c.user != actor.name,
        )
        if connection.execute(select(others)).scalar_one():
            raise InputError(
                "somebody else looks at that part now: the decision stands", "Try again in a while"
            )
        connection.execute(update(REVIEW).where(REVIEW.c.id == last.id).values(undone_at=now))
        fields = {"decision": last.decision, "cause": last.cause, "blind": last.is_blind}
        audit.append(connection, actor, "undo", last.result_id, now, fields=fields)
        if not last.is_blind:
            part = connection.execute(
                select(INSPECTION).where(INSPECTION.c.result_id == last.result_id)
            ).one()
            _archive(connection, part, "undone", None, actor, now)
        let_go(connection, station, actor)
        connection.execute(delete(CLAIM).where(CLAIM.c.result_id == last.result_id))
        until = now + timedelta(minutes=rules.claim_min)
        hold(connection, last.result_id, station, actor, until)
        return str(last.result_id)


def reviews(
    engine: Engine,
    *,
    station: str | None = None,
    result_id: str | None = None,
    since: datetime | None = None,
) -> tuple[ReviewView, ...]:
    """The decisions that hold, oldest first."""
    columns = [column for column in REVIEW.c if column.name != "undone_at"]
    query = select(*columns).where(REVIEW.c.undone_at.is_(None)).order_by(REVIEW.c.id)
    query = query.where(*narrowed(REVIEW, station, result_id, since))
    with reading(engine) as connection:
        return tuple(ReviewView(**row) for row in connection.execute(query).mappings())


def drawn(key: str, share: float) -> bool:
    """Whether the hash of ``key`` falls into ``share``: the same answer each time."""
    digest = hashlib.blake2b(f"review:{key}".encode(), digest_size=8).digest()
    return int.from_bytes(digest) < share * 2**64


def hold(connection: Connection, result_id: str, station: str, actor: Actor, until: datetime) -> None:
    """Claim a part that nobody has, in the caller's transaction."""
    values = {"result_id": result_id, "station": station, "user": actor.name}
    connection.execute(insert(CLAIM).values(expires_at=until, **values))


def let_go(connection: Connection, station: str, actor: Actor) -> None:
    """Give back what the person has claimed, in the caller's transaction."""
    mine = and_(CLAIM.c.station == station, CLAIM.c.user == actor.name)
    connection.execute(delete(CLAIM).where(mine))


def narrowed(
    table: Any, station: str | None, result_id: str | None, since: datetime | None
) -> list[ColumnElement[bool]]:
    """Conditions for what is given, on any table of this sort."""
    conditions: list[ColumnElement[bool]] = []
    if station is not None:
        conditions.append(table.c.station == station)
    if result_id is not None:
        conditions.append(table.c.result_id == result_id)
    if since is not None:
        conditions.append(table.c.created_at >= since)
    return conditions


def _is_decided(connection: Connection, result_id: str) -> bool:
    first = exists().where(
        REVIEW.c.result_id == result_id,
        REVIEW.c.undone_at.is_(None),
        REVIEW.c.is_blind.is_(False),
    )
    return bool(connection.execute(select(first)).scalar_one())


def _archive(
    connection: Connection, part: Any, decision: str, cause: str | None, actor: Actor, now: datetime
) -> None:
    """Hand the part's disposition to the outbox, in the caller's transaction."""
    put_disposition(
        connection,
        part.station,
        part.result_id,
        part.station_boot_id,
        decision,
        cause,
        actor.name,
        now,
    )
