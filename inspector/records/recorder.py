"""The recorder thread: the sole owner of the daemon's database connection.

``record`` hands an inspection over and returns; the thread writes pictures, then rows, in batches. What
the database does not take now is kept: first in memory, up to the configured queue, then in the spill
file, and it is stored once the database is back. Only when the spill file fails as well is a record
lost; it is counted, named in :attr:`DatabaseRecorder.health`, and the journal still has it. Pictures
wait in memory, up to a limit in bytes; beyond it the record goes on without them, counted as well.

Attempts are numbered in the order of storing; a part that comes again while its first record lies in
the spill file may be numbered before it.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeAlias

from inspector.config import Records
from inspector.domain import Health, Inspection, Level, StationStatus
from inspector.errors import StorageError
from inspector.records.database import open_engine, storage_failures, upgrade
from inspector.records.evidence import EvidenceStore
from inspector.records.ledger import Ledger, RecorderCounts
from inspector.records.rows import (
    Fields,
    event_row,
    full_fields,
    insert_events,
    insert_records,
    put_status,
)
from inspector.records.spill import Spill

PICTURES_LIMIT_BYTES = 256_000_000
"""Most bytes of pictures that wait in memory."""
EVENTS_LIMIT = 1000
"""Events that wait in memory; beyond them the oldest go, counted."""
RETRY_S = (0.1, 5.0)
"""First and longest pause before a failed database is tried again."""
SPILL_NAME = "spill.jsonl"


@dataclass(frozen=True, slots=True)
class _Live:
    """An inspection; its frames are there only if its pictures are wanted."""

    inspection: Inspection
    size: tuple[int, int] | None
    picture_bytes: int


@dataclass(frozen=True, slots=True)
class _Journaled:
    """A record from the journal of an earlier run."""

    fields: Fields


class _Stop:
    """The sentinel that ends the thread."""


_Item: TypeAlias = _Live | _Journaled | _Stop


class DatabaseRecorder:
    """Remembers the inspections of one station. ``record``, ``show`` and ``event`` never block.

    A context manager: leaving it stores what is waiting and re-raises what broke the thread.
    """

    def __init__(
        self,
        url: str,
        station: str,
        folder: Path,
        *,
        config: Records | None = None,
        evidence: EvidenceStore | None = None,
        on_recorded: Callable[[Sequence[str]], None] = lambda _: None,
        retain_every_s: float = 60.0,
    ) -> None:
        """``folder`` takes the spill file. ``on_recorded`` is called on the recorder thread with the
        result ids of each batch that is safe in the database. Nothing is touched before :meth:`start`.
        """
        self._url = url
        self._station = station
        self._folder = folder
        self._config = config or Records()
        self._evidence = evidence
        self._on_recorded = on_recorded
        self._retain_every_s = retain_every_s
        self._queue: queue.SimpleQueue[_Item] = queue.SimpleQueue()
        self._ledger = Ledger()
        self._changed = self._ledger.changed
        self._waiting = 0
        self._picture_bytes = 0
        self._events: list[dict[str, Any]] = []
        self._status: StationStatus | None = None
        self._writing = False
        self._failure: BaseException | None = None
        self._closed = False
        self._stopping = threading.Event()
        self._pending: list[Fields] = []
        self._thread = threading.Thread(target=self._run, name=f"recorder-{station}", daemon=True)

    def start(self) -> Self:
        """Bring the schema up to date, prove that the database takes rows, and begin.

        Raises :class:`~inspector.errors.StorageError` or :class:`~inspector.errors.SchemaError`.
        """
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            # A file in the way, no permission, a full or read-only disk: all for the user to repair.
            raise StorageError(
                f"the folder {self._folder} of the station cannot be made ({error.strerror})",
                "Name another folder as state_dir, or make this one writable",
            ) from error
        self._spill = Spill(self._folder / SPILL_NAME)
        upgrade(self._url)
        self._engine = open_engine(self._url)
        try:
            with storage_failures(self._engine.url), self._engine.begin() as connection:
                insert_events(
                    connection, [event_row(self._station, "info", "recording", "recording starts", {})]
                )
        finally:
            # Whatever happened, the connection must not stay with this thread.
            self._engine.dispose()
        self._thread.start()
        return self

    def record(self, inspection: Inspection) -> None:
        """Take an inspection over without waiting; the frames are let go of as soon as possible."""
        size = inspection.frames[0].size if inspection.frames else None
        wanted = self._evidence is not None and self._evidence.wants(inspection)
        weight = sum(frame.image.nbytes for frame in inspection.frames) if wanted else 0
        with self._changed:
            room = not self._closed and self._waiting < self._config.queue
            dropped = wanted and (not room or self._picture_bytes + weight > PICTURES_LIMIT_BYTES)
            self._ledger.count(accepted=1, pictures_dropped=int(dropped))
            if room:
                if dropped or not wanted:
                    inspection, weight = replace(inspection, frames=(), overlay=None), 0
                self._waiting += 1
                self._picture_bytes += weight
                self._queue.put(_Live(inspection, size, weight))
                return
        self._shelve(full_fields(inspection))

    def recover(self, records: Iterable[Fields]) -> int:
        """Take over what a journal holds; how many. The database keeps those that it has already.

        A record is a dictionary of ``record_fields`` or :func:`~inspector.records.rows.full_fields`.
        """
        number = 0
        for fields in records:
            number += 1
            with self._changed:
                room = not self._closed and self._waiting < self._config.queue
                self._ledger.count(accepted=1)
                if room:
                    self._waiting += 1
                    self._queue.put(_Journaled(fields))
            if not room:
                self._shelve(fields)
        return number

    def show(self, status: StationStatus) -> None:
        """Make this the station's row in ``station_state``; of several in a hurry the last counts."""
        with self._changed:
            self._status = status

    def event(self, level: Level, event: str, text: str, **fields: Any) -> None:
        """Append to the station's events; ``fields`` must be fit for JSON."""
        with self._changed:
            self._events.append(event_row(self._station, level, event, text, fields))
            self._trim_events()

    @property
    def counts(self) -> RecorderCounts:
        """What became of everything so far."""
        return self._ledger.counts

    @property
    def health(self) -> Health:
        """How recording goes, in words for an operator; the gravest alone."""
        return self._ledger.health(self._spill)

    def check(self) -> None:
        """Re-raise what broke the thread, if anything did."""
        if self._failure is not None:
            raise self._failure

    def flush(self, timeout_s: float) -> bool:
        """Wait until all that was handed over so far is stored or lost; whether it was in time."""
        with self._changed:
            due = self._ledger.counts.accepted

            def settled() -> bool:
                counts = self._ledger.counts
                idle = not self._events and self._status is None and not self._writing
                return self._failure is not None or (idle and counts.stored + counts.lost >= due)

            return self._changed.wait_for(settled, timeout_s) and self._failure is None

    def close(self, timeout_s: float = 30.0) -> None:
        """Store what is waiting, or put it in the spill file, and end the thread."""
        with self._changed:
            if self._closed:
                return
            self._closed = True
            self._queue.put(_Stop())
        self._stopping.set()
        if self._thread.ident is None:
            return
        self._thread.join(timeout_s)
        if self._thread.is_alive() and self._failure is None:
            self._failure = StorageError(
                f"the database did not take the last records within {timeout_s:g} s",
                "They are in the journal; look at the disk or the database server",
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        if error is None:
            self.check()

    def _run(self) -> None:
        try:
            self._work()
        except BaseException as error:  # noqa: BLE001
            # Whatever broke the thread belongs to the caller, who asks for it by check().
            self._failure = error
        finally:
            self._engine.dispose()
            with self._changed:
                self._changed.notify_all()

    def _work(self) -> None:
        pause_s, last_retained = RETRY_S[0], 0.0
        stopping = False
        while True:
            # While a batch is stuck no other is begun: _wait_out moves what comes to the spill file.
            if not self._pending and not stopping:
                stopping = self._take()
            if self._store() and self._drain():
                pause_s = RETRY_S[0]
                if stopping and not self._pending and not self._spill.waiting:
                    return
                if not stopping and time.monotonic() - last_retained >= self._retain_every_s:
                    last_retained = time.monotonic()
                    self._retain()
            elif stopping:
                self._give_up()
                return
            else:
                stopping = self._wait_out(pause_s)
                pause_s = min(2 * pause_s, RETRY_S[1])

    def _take(self) -> bool:
        """Fill the batch, for as long as it may wait; whether the sentinel came."""
        flush_s = self._config.flush_ms / 1000
        until = time.monotonic() + (0.0 if self._spill.waiting else flush_s)
        while len(self._pending) < self._config.batch:
            try:
                item = self._queue.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty:
                # Nothing came in time: what there is goes now.
                return False
            if isinstance(item, _Stop):
                return True
            self._pending.append(self._fields(item))
        return False

    def _store(self) -> bool:
        """Write the batch, the events and the state in one transaction; False: all of it is kept."""
        with self._changed:
            events, self._events = self._events, []
            status, self._status = self._status, None
            self._writing = True
        done = True
        if self._pending or events or status:
            try:
                with storage_failures(self._engine.url), self._engine.begin() as connection:
                    insert_records(connection, self._station, self._pending)
                    insert_events(connection, events)
                    if status is not None:
                        put_status(connection, status, datetime.now(UTC))
            except StorageError as error:
                # A full disk, a locked or absent database: nothing is given up, it is tried again.
                self._ledger.storage_fault = str(error)
                done = False
            else:
                self._ledger.storage_fault = ""
                stored, self._pending = self._pending, []
                self._report(stored)
        with self._changed:
            self._writing = False
            if not done:
                self._events[:0] = events
                self._trim_events()
                self._status = self._status or status
            self._changed.notify_all()
        return done

    def _drain(self) -> bool:
        """Move one batch from the spill file to the database; False: it stays."""
        if not self._spill.waiting:
            return True
        try:
            records = [self._adopted(fields) for fields in self._spill.read(self._config.batch)]
            with storage_failures(self._engine.url), self._engine.begin() as connection:
                insert_records(connection, self._station, records)
            self._spill.done()
        except StorageError as error:
            # As in _store; records that were inserted before are recognised by their ids.
            self._ledger.storage_fault = str(error)
            return False
        self._report(records)
        return True

    def _report(self, stored: Sequence[Fields]) -> None:
        if stored:
            self._ledger.count(stored=len(stored))
            self._on_recorded([fields["resultId"] for fields in stored])

    def _wait_out(self, pause_s: float) -> bool:
        """Let the time pass until the next attempt and keep the queue empty; whether to stop."""
        until = time.monotonic() + pause_s
        while (left_s := until - time.monotonic()) > 0:
            if len(self._pending) >= self._config.queue:
                return self._stopping.wait(left_s)
            try:
                item = self._queue.get(timeout=left_s)
            except queue.Empty:
                # Nothing came: time for the next attempt.
                return False
            if isinstance(item, _Stop):
                return True
            fields = self._fields(item)
            try:
                self._spill.append(fields)
            except StorageError:
                # The spill file is on the same full disk, as a rule: memory holds it, within limits.
                self._pending.append(fields)
                return self._stopping.wait(max(0.0, until - time.monotonic()))
        return False

    def _give_up(self) -> None:
        """At the end, without a database: all that waits goes to the spill file."""
        for fields in self._pending:
            self._shelve(fields)
        while not self._queue.empty():
            item = self._queue.get()
            if not isinstance(item, _Stop):
                self._shelve(self._fields(item))

    def _retain(self) -> None:
        if self._evidence is None:
            return
        try:
            self._evidence.retain(self._engine, self._station, datetime.now(UTC))
        except StorageError as error:
            # It is due again soon; until then the operator knows.
            self._ledger.picture_fault = str(error)

    def _fields(self, item: _Live | _Journaled) -> Fields:
        """What is stored of an item, its pictures written."""
        if isinstance(item, _Journaled):
            with self._changed:
                self._waiting -= 1
            return self._adopted(item.fields)
        fields = full_fields(item.inspection)
        fields["imageSize"] = item.size
        fields["evidence"] = []
        if item.picture_bytes and self._evidence is not None:
            try:
                fields["evidence"] = self._evidence.keep(item.inspection)
                self._ledger.picture_fault = ""
            except StorageError as error:
                # The record matters more than its picture.
                self._ledger.picture_fault = str(error)
                self._ledger.count(pictures_dropped=1)
        with self._changed:
            self._waiting -= 1
            self._picture_bytes -= item.picture_bytes
        return fields

    def _adopted(self, fields: Fields) -> Fields:
        """A record of an earlier run, with the pictures that run may have written of it."""
        if self._evidence is None or "evidence" in fields:
            return fields
        station = fields.get("station", self._station)
        created = datetime.fromisoformat(fields["creationTime"])
        return {**fields, "evidence": self._evidence.adopt(station, created, fields["resultId"])}

    def _shelve(self, fields: Fields) -> None:
        try:
            self._spill.append(fields)
        except StorageError as error:
            # Nowhere left to put it; the count says so, and the journal has it.
            self._ledger.storage_fault = str(error)
            self._ledger.count(lost=1)

    def _trim_events(self) -> None:
        excess = len(self._events) - EVENTS_LIMIT
        if excess > 0:
            del self._events[:excess]
            self._ledger.count(events_dropped=excess)
