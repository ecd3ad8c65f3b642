"""The recorder thread: the sole owner of the daemon's database connection.

``record`` hands an inspection over and returns; the thread writes pictures, then rows, in batches. What
the database does not take now is kept: first in memory, up to the configured queue, then in the spill
file, and it is stored once the database is back. Only when the spill file fails as well is a record
lost; it is counted, named in :attr:`DatabaseRecorder.health`, and the journal still has it. Pictures
wait in memory, up to a limit in bytes; beyond it the record goes on without them, counted as well.

Records are stored in the order in which they came, also after an outage of the database, unless that
outlasts the queue: what then finds it full goes to the spill file, which is emptied first. Attempts are
numbered in the order of storing.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sqlalchemy import Connection

from inspector.challenge import ChallengeRun
from inspector.config import Records
from inspector.contract import record_fields
from inspector.domain import (
    GRAVITY,
    DriftReading,
    Health,
    Inspection,
    Level,
    RecipeRef,
    ShadowVerdict,
    StationStatus,
)
from inspector.errors import StorageError
from inspector.records.challenges import insert_run
from inspector.records.database import open_engine, storage_failures, upgrade
from inspector.records.drift import drift_rows, insert_drift
from inspector.records.evidence import RETAIN_STEP, EvidenceStore
from inspector.records.intake import Intake
from inspector.records.ledger import Ledger, RecorderCounts
from inspector.records.outbox import Outbox, is_ack, record_id
from inspector.records.requests import Requests
from inspector.records.rows import (
    Fields,
    event_row,
    insert_events,
    insert_records,
    put_status,
)
from inspector.records.shadow import insert_shadow, shadow_row
from inspector.records.spill import Spill, SpillError

EVENTS_LIMIT = 1000
"""Events that wait in memory; beyond them the oldest go, counted. Readings of drift and verdicts of a
shadow run likewise, uncounted."""
REQUESTS_S = 0.5
"""How often the table of requests is looked at."""
RETRY_S = (0.1, 5.0)
"""First and longest pause before a failed database is tried again."""
SPILL_NAME = "spill.jsonl"
TOOLS_SPILL_NAME = "spill-tools.jsonl"
"""Of commands beside the station: what the station has spilled is also to be archived, by itself."""


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
        requests: Requests | None = None,
        outbox: Outbox | None = None,
        spill: str = SPILL_NAME,
    ) -> None:
        """``folder`` takes the file ``spill``, which no other process may have. ``on_recorded`` is
        called on the recorder thread with the ids of each batch that is safe in the database. Without
        an ``outbox`` nothing is archived. Nothing is touched before :meth:`start`, which comes first.
        """
        self._url = url
        self._station = station
        self._folder, self._spill_name = folder, spill
        self._config = config or Records()
        self._evidence = evidence
        self._on_recorded = on_recorded
        self._retain_every_s = retain_every_s
        self._ledger = Ledger()
        self._changed = self._ledger.changed
        self._intake = Intake(station, self._config.queue, evidence, self._ledger)
        self._requests, self._outbox = requests, outbox
        self._next_exchange_s = 0.0
        self._challenges: list[ChallengeRun] = []
        self._events: list[dict[str, Any]] = []
        self._drift: list[dict[str, Any]] = []
        self._shadow: list[dict[str, Any]] = []
        self._status: StationStatus | None = None
        self._writing = False
        self._failure: BaseException | None = None
        self._pending: list[Fields] = []
        self._spill_fails = False
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
        self._spill = Spill(self._folder / self._spill_name)
        self._ledger.count(accepted=self._spill.waiting)
        upgrade(self._url)
        self._engine = open_engine(self._url, durable=self._config.journal_fsync)
        try:
            with storage_failures(self._engine.url), self._engine.begin() as connection:
                insert_events(
                    connection, [event_row(self._station, "info", "recording", "recording starts", {})]
                )
                if self._requests is not None:
                    self._requests.expire(connection)
        finally:
            # Whatever happened, the connection must not stay with this thread.
            self._engine.dispose()
        self._thread.start()
        return self

    def record(self, inspection: Inspection, fields: Fields | None = None) -> None:
        """Take an inspection over without waiting; the frames are let go of as soon as possible.

        ``fields`` are its ``record_fields``, where somebody needed them before.
        """
        self._ledger.count(accepted=1)
        if not self._intake.put(inspection, fields):
            self._shelve(fields or record_fields(inspection))
        if self._outbox is not None:
            self.recover(self._outbox.recorded(inspection.result_id))

    def acknowledge(self, result_id: str, taken: bool, reason: str) -> None:
        """Hand the PLC's acknowledgement of a result to the archive."""
        if self._outbox is not None:
            self.recover(self._outbox.acknowledge(result_id, taken, reason, datetime.now(UTC)))

    def recover(self, records: Iterable[Fields]) -> int:
        """Take over what a journal holds; how many. The database keeps those that it has already.

        A record is a dictionary of :func:`inspector.contract.record_fields` or of
        :func:`inspector.contract.ack_event`.
        """
        number = 0
        for fields in records:
            number += 1
            self._ledger.count(accepted=1)
            if not self._intake.put_record(fields):
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

    def drift(self, recipe: RecipeRef, readings: Sequence[DriftReading]) -> None:
        """Append what the watch for drift has seen, as of now."""
        rows = drift_rows(self._station, recipe, readings, datetime.now(UTC))
        with self._changed:
            self._drift = [*self._drift, *rows][-EVENTS_LIMIT:]

    def shadow(self, seen: ShadowVerdict) -> None:
        """Append what a candidate recipe would have made of a part."""
        with self._changed:
            self._shadow = [*self._shadow, shadow_row(self._station, seen)][-EVENTS_LIMIT:]

    def challenge(self, run: ChallengeRun) -> None:
        """Remember a challenge run; it is kept until the database has taken it."""
        with self._changed:
            self._challenges.append(run)

    @property
    def counts(self) -> RecorderCounts:
        """What became of everything so far."""
        return self._ledger.counts

    @property
    def health(self) -> Health:
        """How recording goes, in words for an operator; the gravest alone."""
        recording = self._ledger.health(self._spill)
        archiving = self._outbox.health if self._outbox is not None else recording
        return max(recording, archiving, key=lambda health: GRAVITY[health.level])

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
                waiting = (
                    self._events or self._drift or self._shadow or self._challenges or self._status
                )
                idle = not waiting and not self._writing
                # lines of the spill file that turned out to be no records are accepted no more
                done = counts.stored + counts.lost >= min(due, counts.accepted)
                return self._failure is not None or (idle and done)

            return self._changed.wait_for(settled, timeout_s) and self._failure is None

    def close(self, timeout_s: float = 30.0) -> None:
        """Store what is waiting, or put it in the spill file, and end the thread."""
        if self._outbox is not None:
            self.recover(self._outbox.held())
        self._intake.close()
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
        while True:
            # While a batch is stuck no other is begun: _wait_out moves what comes to the spill file,
            # and what lies there is older than what waits here.
            if not self._pending and (self._spill_fails or not self._spill.waiting):
                self._take()
            stopping = self._intake.closed.is_set()
            if self._store(stopping) and self._drain():
                pause_s = RETRY_S[0]
                if stopping:
                    if self._intake.empty and not self._spill.waiting:
                        return
                elif time.monotonic() - last_retained >= self._retain_every_s and not self._retain():
                    last_retained = time.monotonic()
            elif stopping:
                self._give_up()
                return
            else:
                self._wait_out(pause_s)
                pause_s = min(2 * pause_s, RETRY_S[1])

    def _take(self) -> None:
        """Fill the batch, for as long as it may wait."""
        until = time.monotonic() + (0.0 if self._spill.waiting else self._config.flush_ms / 1000)
        while len(self._pending) < self._config.batch:
            fields = self._intake.take(until - time.monotonic())
            if fields is None:
                return
            self._pending.append(fields)

    def _store(self, stopping: bool) -> bool:
        """Write the batch, the events and the state in one transaction; False: all of it is kept."""
        with self._changed:
            events, self._events = self._events, []
            drift, self._drift = self._drift, []
            shadow, self._shadow = self._shadow, []
            status, self._status = self._status, None
            self._writing = True
        done = True
        asked = self._requests if time.monotonic() >= self._next_exchange_s or stopping else None
        runs: list[ChallengeRun] = []
        archiving = self._outbox is not None and self._outbox.is_due()
        noted = events or drift or shadow or status or self._challenges
        if self._pending or noted or asked or archiving:
            began = time.monotonic()
            try:
                with storage_failures(self._engine.url), self._engine.begin() as connection:
                    archived = self._insert(connection, self._pending)
                    insert_events(connection, events)
                    insert_drift(connection, drift)
                    insert_shadow(connection, shadow)
                    if status is not None:
                        put_status(connection, status, datetime.now(UTC))
                    hand_over = asked.exchange(connection, take=not stopping) if asked else None
                    # after the answers: who is told that a challenge is done will find it
                    with self._changed:
                        runs, self._challenges = self._challenges, []
                    for run in runs:
                        insert_run(connection, run)
            except StorageError as error:
                # A full disk, a locked or absent database: nothing is given up, it is tried again.
                self._ledger.storage_fault = str(error)
                done = False
            else:
                self._ledger.wrote(time.monotonic() - began)
                self._ledger.storage_fault = ""
                stored, self._pending = self._pending, []
                archived()
                self._report(stored)
                if hand_over is not None:
                    self._next_exchange_s = time.monotonic() + REQUESTS_S
                    hand_over()
        with self._changed:
            self._writing = False
            if not done:
                self._events[:0] = events
                self._drift = [*drift, *self._drift][-EVENTS_LIMIT:]
                self._shadow = [*shadow, *self._shadow][-EVENTS_LIMIT:]
                self._challenges[:0] = runs
                self._trim_events()
                self._status = self._status or status
            self._changed.notify_all()
        return done

    def _drain(self) -> bool:
        """Move one batch from the spill file to the database; False: it stays."""
        if not self._spill.waiting:
            return True
        rejected = self._spill.rejected
        try:
            records = [self._intake.adopted(fields) for fields in self._spill.read(self._config.batch)]
            with storage_failures(self._engine.url), self._engine.begin() as connection:
                archived = self._insert(connection, records)
            archived()
            self._spill.done()
        except StorageError as error:
            # As in _store; records that were inserted before are recognised by their ids.
            self._ledger.storage_fault = str(error)
            # what comes now must not wait for a file that cannot be read, or not be removed
            self._spill_fails = isinstance(error, SpillError)
            return False
        self._spill_fails = False
        self._ledger.storage_fault = ""
        self._ledger.count(accepted=rejected - self._spill.rejected)
        self._report(records)
        return True

    def _insert(self, connection: Connection, records: Sequence[Fields]) -> Callable[[], None]:
        """Insert what the database lacks; what is returned is to be called after the commit."""
        inspections = [fields for fields in records if not is_ack(fields)]
        attempts = insert_records(connection, self._station, inspections)
        if self._outbox is None:
            return lambda: None
        return self._outbox.exchange(connection, records, attempts)

    def _report(self, stored: Sequence[Fields]) -> None:
        if self._outbox is not None:
            for level, event, text in self._outbox.news():
                self.event(level, event, text)
        if stored:
            self._on_recorded([record_id(fields) for fields in stored])
            self._ledger.count(stored=len(stored))

    def _wait_out(self, pause_s: float) -> None:
        """Let the time pass until the next attempt, and keep the queue empty meanwhile."""
        until = time.monotonic() + pause_s
        while time.monotonic() < until and len(self._pending) < self._config.queue:
            fields = self._intake.take(until - time.monotonic())
            if fields is None:
                return
            try:
                self._spill.append(fields)
            except StorageError:
                # The spill file is on the same full disk, as a rule: memory holds it, within limits.
                self._pending.append(fields)
                break
        self._intake.closed.wait(max(0.0, until - time.monotonic()))

    def _give_up(self) -> None:
        """At the end, without a database: all that waits goes to the spill file."""
        for fields in self._pending:
            self._shelve(fields)
        while not self._intake.empty:
            waiting = self._intake.take(0.0)
            if waiting is not None:
                self._shelve(waiting)

    def _retain(self) -> bool:
        """Remove old pictures; whether there are likely more of them."""
        if self._evidence is None:
            return False
        try:
            removed = self._evidence.retain(self._engine, self._station, datetime.now(UTC))
        except StorageError as error:
            # It is due again soon; until then the operator knows.
            self._ledger.retain_fault = str(error)
            return False
        self._ledger.retain_fault = ""
        return removed.inspections >= RETAIN_STEP

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
