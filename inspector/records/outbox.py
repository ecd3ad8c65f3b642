"""What waits for the archive: a row an event, written with what it tells of, deleted on delivery.

The rows are inserted in the transaction that records the inspection, so that neither can be there
without the other; a decision of a person is inserted by whoever writes it. The recorder thread, which
alone owns the daemon's connection, hands a few rows at a time to the publisher and deletes those whose
delivery the broker has confirmed. What was handed over and not confirmed when the process ends is
handed over again: at least once, in the order of recording.

While the rows take more than the budget, further events are left out of the archive. That is counted,
said in the station's health and events, and the inspections themselves are recorded all the same.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Column, Connection, Index, Text, delete, func, insert, select
from sqlmodel import Field

from inspector.contract import ack_event, disposition_event, encode_event, result_event
from inspector.domain import Health, Level
from inspector.errors import StorageError
from inspector.ports import ArchiveEvent
from inspector.records.rows import Fields
from inspector.records.tables import METADATA, RecordTable, big_key

WINDOW = 200
"""Most events that are with the publisher at a time."""
POLL_S = 2.0
"""How often rows are looked for that others have written."""
BEHIND_S = 30.0
"""Events that wait while none was delivered for so long are told."""
FULL_SHARE = 0.5
"""From this share of the budget on, somebody must act."""
HELD_LIMIT = 16
"""Acknowledgements that wait for the record which they overtook."""


class OutboxRow(RecordTable, table=True):
    """One archive event that the broker has not yet confirmed."""

    __tablename__ = "outbox"
    __table_args__ = (Index(None, "station", "id", "bytes"),)

    id: int | None = Field(default=None, sa_column=big_key())
    """Order of the archive."""
    event_id: str = Field(max_length=64, unique=True)
    station: str = Field(max_length=32)
    bytes: int
    event: str = Field(sa_column=Column(Text, nullable=False))
    """The message, JSON."""


OUTBOX = METADATA.tables["outbox"]


def put_disposition(
    connection: Connection,
    station: str,
    result_id: str,
    station_boot_id: int,
    decision: str,
    cause: str | None,
    user: str,
    at: datetime,
) -> None:
    """Queue a person's decision for the archive, in the caller's transaction.

    ``station`` and ``station_boot_id`` are those of the inspection. The station's daemon publishes it.
    """
    event = disposition_event(result_id, station_boot_id, decision, cause, user, at)
    connection.execute(insert(OUTBOX).values(_row(station, event)))


def is_ack(fields: Fields) -> bool:
    """Whether a record is an acknowledgement's rather than an inspection's."""
    return fields.get("kind") == "ack"


def record_id(fields: Fields) -> str:
    """What the journal knows a record by."""
    return str(fields["eventId"] if is_ack(fields) else fields["resultId"])


class Outbox:
    """Between the recorder thread, which calls :meth:`exchange`, and the publisher's thread."""

    def __init__(
        self,
        station: str,
        boot_id: int,
        budget_bytes: int,
        note: Callable[[Mapping[str, Any]], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``note`` journals an acknowledgement, so that a killed process loses none."""
        self._station, self._boot_id, self._budget = station, boot_id, budget_bytes
        self._note, self._clock = note, clock
        self._lock = threading.Lock()
        self._ready: queue.SimpleQueue[ArchiveEvent] = queue.SimpleQueue()
        self._handed: dict[int, int] = {}
        self._delivered: set[int] = set()
        self._waiting = self._bytes = 0
        self._next_poll_s = 0.0
        self._progress_s = clock()
        self._complaint = ""
        self._left_out, self._is_full = 0, False
        self._news: list[tuple[Level, str, str]] = []
        self._recorded: dict[str, None] = {}
        self._held: dict[str, list[Fields]] = {}

    # -- any thread -----------------------------------------------------------------------------

    def acknowledge(self, result_id: str, taken: bool, reason: str, at: datetime) -> list[Fields]:
        """Journal an acknowledgement of the PLC; the records to store now.

        One that overtook the record of its result is held back until :meth:`recorded`.
        """
        event = ack_event(result_id, self._boot_id, taken, reason, at)
        with contextlib.suppress(StorageError):
            # A full disk: the next trigger says so; this one is lost only if the process is killed now.
            self._note(event)
        with self._lock:
            own = result_id.startswith(f"{self._boot_id:08x}-")
            if not own or result_id in self._recorded:
                return [event]
            self._held.setdefault(result_id, []).append(event)
            # whoever acknowledges what was never said must not fill the memory
            return self._held.pop(next(iter(self._held))) if len(self._held) > HELD_LIMIT else []

    def recorded(self, result_id: str) -> list[Fields]:
        """The record of this result is on its way; the acknowledgements that waited for it."""
        with self._lock:
            self._recorded[result_id] = None
            if len(self._recorded) > 10_000:
                del self._recorded[next(iter(self._recorded))]
            return self._held.pop(result_id, [])

    def held(self) -> list[Fields]:
        """Give up waiting for records; the acknowledgements that did."""
        with self._lock:
            events = [event for held in self._held.values() for event in held]
            self._held.clear()
            return events

    @property
    def waiting(self) -> int:
        """Events that the broker has not yet confirmed."""
        return self._waiting

    @property
    def left_out(self) -> int:
        """Events that were left out of the archive since the start because its budget was used up."""
        return self._left_out

    @property
    def health(self) -> Health:
        """How archiving goes, in words for an operator."""
        why = f": {self._complaint}" if self._complaint else ""
        if self._is_full:
            return Health(
                "act", f"the archive's budget is used up{why}; later events are left out of it"
            )
        if self._bytes > FULL_SHARE * self._budget:
            share = 100 * self._bytes / self._budget
            return Health("act", f"events for the archive take {share:.0f} % of their budget{why}")
        if self._waiting and self._clock() - self._progress_s > BEHIND_S:
            return Health("watch", f"events wait for the archive ({self._waiting}){why}")
        if self._left_out:
            return Health("watch", f"{self._left_out} events were left out of the archive")
        return Health()

    def news(self) -> list[tuple[Level, str, str]]:
        """What is to be noted among the station's events, once."""
        with self._lock:
            news, self._news = self._news, []
            return news

    # -- the publisher's thread: an inspector.ports.ArchiveSource --------------------------------

    def take(self, timeout_s: float) -> ArchiveEvent | None:
        """The next event to publish; None when there is none in time."""
        try:
            return self._ready.get(timeout=max(0.0, timeout_s))
        except queue.Empty:
            # The ordinary end of waiting.
            return None

    def delivered(self, event: ArchiveEvent) -> None:
        """The broker has it."""
        with self._lock:
            self._delivered.add(event.number)

    def complain(self, text: str) -> None:
        """Why events are not delivered; empty when they are."""
        with self._lock:
            if text and text != self._complaint:
                self._news.append(("warning", "archive", text))
            self._complaint = text

    # -- the recorder thread --------------------------------------------------------------------

    def is_due(self) -> bool:
        """Whether :meth:`exchange` has something to do though nothing is recorded."""
        with self._lock:
            backlog = self._waiting > len(self._handed) < WINDOW
            return bool(self._delivered) or backlog or self._clock() >= self._next_poll_s

    def exchange(
        self, connection: Connection, records: Sequence[Fields], attempts: Mapping[str, int]
    ) -> Callable[[], None]:
        """Queue the events of ``records``, delete what is delivered, read what is to go out next.

        ``attempts`` are those of the newly inserted inspections by result id. What is returned is to be
        called after the commit; until then nothing has happened.
        """
        now = self._clock()
        with self._lock:
            done = set(self._delivered)
            handed = {number: size for number, size in self._handed.items() if number not in done}
        waiting, used = self._waiting, self._bytes
        if done:
            connection.execute(delete(OUTBOX).where(OUTBOX.c.id.in_(done)))
            waiting -= len(done)
            used -= sum(self._handed[number] for number in done)
        rows, left_out = self._affordable(self._fresh(connection, records, attempts), used)
        if rows:
            connection.execute(insert(OUTBOX), rows)
        if now >= self._next_poll_s:
            query = select(func.count(), func.coalesce(func.sum(OUTBOX.c.bytes), 0))
            waiting, used = connection.execute(query.where(OUTBOX.c.station == self._station)).one()
        else:
            waiting, used = waiting + len(rows), used + sum(row["bytes"] for row in rows)
        fresh = self._next(connection, handed) if waiting > len(handed) else []

        def committed() -> None:
            with self._lock:
                if now >= self._next_poll_s:
                    self._next_poll_s = now + POLL_S
                if done or not self._waiting:
                    self._progress_s = now
                self._delivered -= done
                self._handed = handed | {event.number: len(event.data) for event in fresh}
                self._waiting, self._bytes = int(waiting), int(used)
                self._book(left_out)
            for event in fresh:
                self._ready.put(event)

        return committed

    def _fresh(
        self, connection: Connection, records: Sequence[Fields], attempts: Mapping[str, int]
    ) -> list[dict[str, Any]]:
        """Rows of the events that are not there yet, in the order of ``records``."""
        rows: dict[str, dict[str, Any]] = {}
        for fields in records:
            if is_ack(fields):
                event = dict(fields)
            elif fields["resultId"] in attempts:
                event = result_event(fields, attempts[fields["resultId"]])
            else:
                continue  # recorded before, and archived with it
            rows.setdefault(event["eventId"], _row(self._station, event))
        acks = [event_id for event_id in rows if event_id not in attempts]
        if acks:
            query = select(OUTBOX.c.event_id).where(OUTBOX.c.event_id.in_(acks))
            for event_id in connection.execute(query).scalars():
                del rows[event_id]
        return list(rows.values())

    def _affordable(self, rows: list[dict[str, Any]], used: int) -> tuple[list[dict[str, Any]], int]:
        """The rows that the budget allows, and how many it does not."""
        for number, row in enumerate(rows):
            used += row["bytes"]
            if used > self._budget:
                return rows[:number], len(rows) - number
        return rows, 0

    def _next(self, connection: Connection, handed: Mapping[int, int]) -> list[ArchiveEvent]:
        table = OUTBOX.c
        query = (
            select(table.id, table.event_id, table.event)
            .where(table.station == self._station, table.id.not_in(handed))
            .order_by(table.id)
            .limit(WINDOW - len(handed))
        )
        rows = connection.execute(query)
        return [ArchiveEvent(number, event_id, event.encode()) for number, event_id, event in rows]

    def _book(self, left_out: int) -> None:
        self._left_out += left_out
        if left_out and not self._is_full:
            self._is_full = True
            text = "The archive's budget is used up: events are left out of it from now on."
            self._news.append(("error", "archive-full", text))
        elif self._is_full and not left_out and self._bytes < FULL_SHARE * self._budget:
            self._is_full = False
            text = f"The archive has room again; {self._left_out} events were left out of it."
            self._news.append(("warning", "archive-room", text))


def _row(station: str, event: Mapping[str, Any]) -> dict[str, Any]:
    data = encode_event(event)
    return {
        "event_id": event["eventId"],
        "station": station,
        "bytes": len(data),
        "event": data.decode(),
    }
