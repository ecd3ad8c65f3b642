"""A file that takes records in while the database cannot.

JSON lines, appended by a plain ``write()``: a killed process loses nothing, a power cut what the system
had not yet written. Reading begins by putting the file aside, so that appending never waits for it; a
file put aside is removed once all of it is in the database, and read again from its start if the
process ends before that (records are inserted once by their id).
"""

from __future__ import annotations

import errno
import itertools
import json
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from inspector.errors import StorageError


class SpillError(StorageError):
    """The spill file itself is at fault."""


class Spill:
    """Appended to by any thread, drained by one."""

    def __init__(self, path: Path) -> None:
        """Beside ``path`` lie ``….draining`` and, of lines that are no record, ``….bad``.

        Its folder must exist. Raises StorageError when a file of an earlier run cannot be read.
        """
        self._path = path
        self._aside = _aside(path)
        self._bad = path.with_name(path.name + ".bad")
        self._lock = threading.Lock()
        self._offset = 0
        self._next = 0
        self._taken = 0
        self._torn: list[bytes] = []
        self._rejected = 0
        with self._disk("read"):
            _end_line(self._path)
            self._waiting = sum(_lines(file) for file in (self._aside, self._path))

    @property
    def waiting(self) -> int:
        """Records in the file."""
        return self._waiting

    def append(self, fields: Mapping[str, Any]) -> None:
        """Add one record. Raises StorageError, leaving no half line, if the disk does not take it."""
        data = json.dumps(fields, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"
        with self._lock, self._disk("written"):
            _append(self._path, data)
            self._waiting += 1

    @property
    def rejected(self) -> int:
        """Lines that were no record; they are kept in ``….bad``."""
        return self._rejected

    def read(self, most: int) -> list[dict[str, Any]]:
        """The next records, at most ``most``; they stay until :meth:`done`. Raises StorageError."""
        with self._disk("read"):
            if not self._aside.exists():
                with self._lock:
                    if not self._path.exists():
                        # Somebody removed it: there is nothing to wait for any more.
                        self._waiting = 0
                        return []
                    self._path.replace(self._aside)
                self._offset = 0
            with self._aside.open("rb") as file:
                file.seek(self._offset)
                lines = list(itertools.islice(file, most))
            self._next = self._offset + sum(map(len, lines))
            self._taken, self._torn = len(lines), []
            return [fields for line in lines if (fields := self._parse(line)) is not None]

    def done(self) -> None:
        """What :meth:`read` last gave is in the database. Raises StorageError."""
        with self._disk("removed"):
            if self._torn:
                _append(self._bad, b"".join(self._torn))
                self._rejected += len(self._torn)
                self._torn = []
            self._offset = self._next
            if self._aside.exists() and self._aside.stat().st_size <= self._offset:
                self._aside.unlink()
        with self._lock:
            self._waiting -= self._taken
        self._taken = 0

    def _parse(self, line: bytes) -> dict[str, Any] | None:
        try:
            fields = json.loads(line)
        except ValueError:
            # A line cut off by a power cut, or bytes that a dying disk made up.
            fields = None
        if isinstance(fields, dict) and "resultId" in fields:
            return fields
        self._torn.append(line)
        return None

    @contextmanager
    def _disk(self, verb: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            # Whatever the disk says is for the user to repair; the caller tries again later.
            raise SpillError(
                f"the spill file {self._path} cannot be {verb} ({error.strerror})",
                "Free space, or make the disk writable again",
            ) from error


def spilled_parts(path: Path) -> set[tuple[int, int, int]]:
    """``stationBootId, plcBootId, triggerId`` of the records in the spill file ``path``.

    Raises StorageError when it cannot be read.
    """
    found: set[tuple[int, int, int]] = set()
    for file in (path, _aside(path)):
        try:
            lines = file.read_bytes().splitlines() if file.exists() else []
        except OSError as error:
            raise StorageError(
                f"the spill file {file} cannot be read ({error.strerror})",
                "Make it readable for the station's user",
            ) from error
        for line in lines:
            try:
                fields = json.loads(line)
                found.add((fields["stationBootId"], fields["plcBootId"], fields["triggerId"]))
            except (ValueError, TypeError, KeyError):
                continue  # an acknowledgement, or a line that the reader will put aside
    return found


def _aside(path: Path) -> Path:
    return path.with_name(path.name + ".draining")


def _append(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
    try:
        before = os.fstat(descriptor).st_size
        if os.write(descriptor, data) < len(data):
            os.ftruncate(descriptor, before)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    finally:
        os.close(descriptor)


def _end_line(path: Path) -> None:
    # After a power cut the next record must not continue a half line.
    if path.exists() and path.stat().st_size:
        with path.open("rb") as file:
            file.seek(-1, os.SEEK_END)
            complete = file.read() == b"\n"
        if not complete:
            _append(path, b"\n")


def _lines(path: Path) -> int:
    if not path.exists():
        return 0
    with path.open("rb") as file:
        return sum(1 for _ in file)
