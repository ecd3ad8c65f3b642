"""Who did what, and when: an append-only table.

The database itself refuses to change or delete a row (triggers, made by the migration), so that neither
a defect here nor a hand at the SQL prompt alters the trail without dropping a trigger first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias

from sqlalchemy import JSON, Connection, Engine, Index, Text, insert, select
from sqlmodel import Field

from inspector.records.database import reading
from inspector.records.tables import METADATA, RecordTable, Utc, big_key

Action: TypeAlias = Literal[
    "login",
    "loginFailed",
    "logout",
    "decision",
    "undo",
    "label",
    "unlabel",
    "threshold",
    "training",
    "shadow",
    "promotion",
    "rollback",
    "challenge",
    "users",
]
"""What a person can do that must be traceable."""


class AuditRow(RecordTable, table=True):
    """One act of a person; append-only."""

    __tablename__ = "audit"
    __table_args__ = (Index(None, "at"), Index(None, "action", "at"))

    id: int | None = Field(default=None, sa_column=big_key())
    at: datetime = Field(sa_type=Utc)
    user: str = Field(max_length=32)
    role: str = Field(max_length=16)
    """That the user had at that moment; empty of one who did not get in."""
    action: str = Field(max_length=32)
    subject: str = Field(max_length=255)
    """What it was done to: a result id, a recipe and its version, a user."""
    text: str = Field(sa_type=Text)
    """In words."""
    fields: dict[str, Any] = Field(sa_type=JSON)


AUDIT = METADATA.tables["audit"]


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts."""

    name: str
    role: str


@dataclass(frozen=True, slots=True)
class AuditView:
    """One row of the trail."""

    id: int
    at: datetime
    """UTC."""
    user: str
    role: str
    action: str
    subject: str
    text: str
    fields: Mapping[str, Any]


def append(
    connection: Connection,
    actor: Actor,
    action: Action,
    subject: str,
    now: datetime,
    *,
    text: str = "",
    fields: Mapping[str, Any] | None = None,
) -> None:
    """Add a row in the caller's transaction: act and trace are stored together or not at all."""
    connection.execute(
        insert(AUDIT).values(
            at=now,
            user=actor.name,
            role=actor.role,
            action=action,
            subject=subject[:255],
            text=text,
            fields=dict(fields or {}),
        )
    )


def trail(
    engine: Engine,
    *,
    actions: Sequence[str] | None = None,
    user: str | None = None,
    since: datetime | None = None,
    limit: int = 200,
) -> tuple[AuditView, ...]:
    """The newest acts first."""
    query = select(AUDIT).order_by(AUDIT.c.id.desc()).limit(limit)
    if actions is not None:
        query = query.where(AUDIT.c.action.in_(actions))
    if user is not None:
        query = query.where(AUDIT.c.user == user)
    if since is not None:
        query = query.where(AUDIT.c.at >= since)
    with reading(engine) as connection:
        return tuple(AuditView(**row) for row in connection.execute(query).mappings())
