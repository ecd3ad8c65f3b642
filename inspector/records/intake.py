"""The bounded way into the recorder thread, for records and for the pictures that wait with them."""

from __future__ import annotations

import queue
import threading
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeAlias

from inspector.contract import record_fields
from inspector.domain import Inspection
from inspector.errors import StorageError
from inspector.records.evidence import EvidenceStore
from inspector.records.ledger import Ledger
from inspector.records.outbox import is_ack
from inspector.records.rows import Fields

PICTURES_LIMIT_BYTES = 256_000_000
"""Most bytes of pictures that wait in memory."""


@dataclass(frozen=True, slots=True)
class _Live:
    """An inspection; its frames are there only if its pictures are wanted."""

    inspection: Inspection
    fields: Fields | None
    size: tuple[int, int] | None
    picture_bytes: int


@dataclass(frozen=True, slots=True)
class _Journaled:
    """A record from the journal of an earlier run."""

    fields: Fields


class _Stop:
    """The sentinel: nothing comes after it."""


_Item: TypeAlias = _Live | _Journaled | _Stop


class Intake:
    """Filled by any thread, emptied by one, which also writes the pictures."""

    def __init__(
        self,
        station: str,
        limit: int,
        evidence: EvidenceStore | None,
        ledger: Ledger,
        picture_limit: int = PICTURES_LIMIT_BYTES,
    ) -> None:
        self.closed = threading.Event()
        self._station = station
        self._limit = limit
        self._evidence = evidence
        self._ledger = ledger
        self._picture_limit = picture_limit
        self._lock = threading.Lock()
        self._queue: queue.SimpleQueue[_Item] = queue.SimpleQueue()
        self._waiting = 0
        self._picture_bytes = 0

    def put(self, inspection: Inspection, fields: Fields | None = None) -> bool:
        """Take it; False without room. Frames that are not wanted are let go of at once.

        ``fields`` are its ``record_fields``, where somebody needed them before.
        """
        size = inspection.frames[0].size if inspection.frames else None
        wanted = self._evidence is not None and self._evidence.wants(inspection)
        weight = sum(frame.image.nbytes for frame in inspection.frames) if wanted else 0
        with self._lock:
            room = self._has_room()
            dropped = wanted and (not room or self._picture_bytes + weight > self._picture_limit)
            if room:
                if dropped or not wanted:
                    inspection, weight = replace(inspection, frames=(), overlay=None), 0
                self._waiting += 1
                self._picture_bytes += weight
                self._queue.put(_Live(inspection, fields, size, weight))
        if dropped:
            self._ledger.count(pictures_dropped=1)
        return room

    def put_record(self, fields: Fields) -> bool:
        """Take a record of an earlier run, or an acknowledgement; False without room."""
        with self._lock:
            room = self._has_room()
            if room:
                self._waiting += 1
                self._queue.put(_Journaled(fields))
        return room

    def close(self) -> None:
        """Refuse whatever comes from now on, and wake the thread."""
        with self._lock:
            self.closed.set()
            self._queue.put(_Stop())

    @property
    def empty(self) -> bool:
        """Whether nothing waits."""
        return self._queue.empty()

    def take(self, timeout_s: float) -> Fields | None:
        """The next record, its pictures written; None when none came in time or the intake closed."""
        try:
            item = self._queue.get(timeout=max(0.0, timeout_s))
        except queue.Empty:
            # The ordinary end of waiting.
            return None
        if isinstance(item, _Stop):
            return None
        fields = self.adopted(item.fields) if isinstance(item, _Journaled) else self._fields(item)
        with self._lock:
            self._waiting -= 1
            self._picture_bytes -= item.picture_bytes if isinstance(item, _Live) else 0
        return fields

    def adopted(self, fields: Fields) -> Fields:
        """A record of an earlier run, with the pictures that run may have written of it."""
        if self._evidence is None or "evidence" in fields or is_ack(fields):
            return fields
        station = fields.get("station", self._station)
        created = datetime.fromisoformat(fields["creationTime"])
        return {**fields, "evidence": self._evidence.adopt(station, created, fields["resultId"])}

    def _fields(self, item: _Live) -> Fields:
        record = item.fields or record_fields(item.inspection)
        fields = {**record, "imageSize": item.size, "evidence": []}
        if item.picture_bytes and self._evidence is not None:
            try:
                fields["evidence"] = self._evidence.keep(item.inspection)
                self._ledger.picture_fault = ""
            except StorageError as error:
                # The record matters more than its picture.
                self._ledger.picture_fault = str(error)
                self._ledger.count(pictures_dropped=1)
        return fields

    def _has_room(self) -> bool:
        return not self.closed.is_set() and self._waiting < self._limit
