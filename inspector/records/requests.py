"""What the dashboard or the command line asks of a running station: rows that its recorder executes.

Whoever asks writes a row and looks at it until it is done. The recorder thread, which alone in the
daemon has a connection, takes new rows at a bounded rate, in order, and writes back what came of them.
A row is taken once: what an earlier run of the station left open is closed as ``expired``, so that
nobody's wish of yesterday takes effect today.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from sqlalchemy import JSON, Connection, Engine, Index, RowMapping, Text, insert, select, update
from sqlmodel import Field

from inspector.ports import Asked
from inspector.records.database import reading, storage_failures
from inspector.records.tables import METADATA, RecordTable, Utc, big_key

RequestKind = Literal["challenge", "prepareRecipe", "reset", "shadow"]
AT_ONCE = 10
"""Most rows that are taken in one look."""


class RequestRow(RecordTable, table=True):
    """Something that a person asks of a running station."""

    __tablename__ = "request"
    __table_args__ = (Index(None, "station", "taken_at"),)

    id: int | None = Field(default=None, sa_column=big_key())
    station: str = Field(max_length=32)
    kind: str = Field(max_length=16)
    """``challenge``, ``prepareRecipe``, ``reset`` or ``shadow``."""
    arguments: dict[str, Any] = Field(sa_type=JSON)
    """Of ``challenge``: ``parts``, a folder, and ``origin: cli``, both optional. Of ``prepareRecipe``:
    ``recipeId, recipeVersion?, batchId?`` as in the contract. Of ``shadow``: ``on`` and, to begin,
    ``recipeId, recipeVersion``."""
    user: str = Field(max_length=64)
    requested_at: datetime = Field(sa_type=Utc)
    taken_at: datetime | None = Field(default=None, sa_type=Utc)
    done_at: datetime | None = Field(default=None, sa_type=Utc)
    outcome: str | None = Field(default=None, max_length=16)
    """``done``, ``refused``, ``failed``, ``expired`` or ``withdrawn``; None until then."""
    text: str = Field(default="", sa_type=Text)
    """The outcome in words for a person."""


REQUEST = METADATA.tables["request"]


@dataclass(frozen=True, slots=True)
class RequestView:
    """A request and what has become of it."""

    id: int
    station: str
    kind: str
    arguments: Mapping[str, Any]
    user: str
    requested_at: datetime
    taken_at: datetime | None
    done_at: datetime | None
    outcome: str | None
    text: str


def ask(
    engine: Engine,
    station: str,
    kind: RequestKind,
    user: str,
    arguments: Mapping[str, Any] | None = None,
) -> int:
    """Write a request; its id, for :func:`request`. Raises :class:`~inspector.errors.StorageError`."""
    with storage_failures(engine.url), engine.begin() as connection:
        return put(connection, station, kind, user, arguments)


def put(
    connection: Connection,
    station: str,
    kind: RequestKind,
    user: str,
    arguments: Mapping[str, Any] | None = None,
) -> int:
    """As :func:`ask`, in the caller's transaction."""
    row = {
        "station": station,
        "kind": kind,
        "arguments": dict(arguments or {}),
        "user": user[:64],
        "requested_at": datetime.now(UTC),
        "text": "",
    }
    return int(connection.execute(insert(REQUEST).values(row).returning(REQUEST.c.id)).scalar_one())


def withdraw(engine: Engine, request_id: int, text: str) -> bool:
    """Take a request back; False when the station already has it."""
    with storage_failures(engine.url), engine.begin() as connection:
        now = datetime.now(UTC)
        query = update(REQUEST).where(REQUEST.c.id == request_id, REQUEST.c.taken_at.is_(None))
        values = {"taken_at": now, "done_at": now, "outcome": "withdrawn", "text": text}
        return connection.execute(query.values(values)).rowcount > 0


def request(engine: Engine, request_id: int) -> RequestView | None:
    """A request as it stands; None when there is none of that id."""
    with reading(engine) as connection:
        row = connection.execute(select(REQUEST).where(REQUEST.c.id == request_id)).mappings().first()
    return None if row is None else _view(row)


def requests(engine: Engine, station: str, n: int = 20) -> tuple[RequestView, ...]:
    """The station's last ``n`` requests, newest first."""
    query = select(REQUEST).where(REQUEST.c.station == station).order_by(REQUEST.c.id.desc()).limit(n)
    with reading(engine) as connection:
        return tuple(map(_view, connection.execute(query).mappings()))


def _view(row: RowMapping) -> RequestView:
    return RequestView(**row)


class Requests:
    """The station's side: used by the recorder thread, answered by any other."""

    def __init__(self, station: str, deliver: Callable[[Asked], None]) -> None:
        """``deliver`` is called on the recorder thread with what is to be executed, in order."""
        self._station = station
        self._deliver = deliver
        self._lock = threading.Lock()
        self._answers: list[tuple[int, str, str]] = []

    def answer(self, request_id: int, outcome: str, text: str) -> None:
        """What came of a request; written with the next look at the table."""
        with self._lock:
            self._answers.append((request_id, outcome, text))

    def expire(self, connection: Connection) -> None:
        """Close what an earlier run of the station left open."""
        now = datetime.now(UTC)
        query = update(REQUEST).where(REQUEST.c.station == self._station, REQUEST.c.done_at.is_(None))
        text = "the station has been started anew since"
        connection.execute(query.values(done_at=now, outcome="expired", text=text))

    def exchange(self, connection: Connection, *, take: bool = True) -> Callable[[], None]:
        """Write the answers and take new requests; call what is returned after the commit."""
        with self._lock:
            answers = list(self._answers)
        now = datetime.now(UTC)
        for request_id, outcome, text in answers:
            query = update(REQUEST).where(REQUEST.c.id == request_id)
            connection.execute(query.values(done_at=now, outcome=outcome, text=text))
        fresh = self._take(connection, now) if take else []

        def committed() -> None:
            with self._lock:
                del self._answers[: len(answers)]
            for one in fresh:
                self._deliver(one)

        return committed

    def _take(self, connection: Connection, now: datetime) -> list[Asked]:
        table = REQUEST.c
        waiting = (table.station == self._station, table.taken_at.is_(None), table.done_at.is_(None))
        query = select(REQUEST).where(*waiting).order_by(table.id).limit(AT_ONCE)
        rows = connection.execute(query).mappings().all()
        if rows:
            ids = [row["id"] for row in rows]
            connection.execute(update(REQUEST).where(table.id.in_(ids)).values(taken_at=now))
        return [Asked(row["id"], row["kind"], row["arguments"], row["user"]) for row in rows]
