"""The journal: accepted triggers and verdicts, appended before they are answered.

A plain ``write()`` reaches the kernel, so a killed process loses nothing. A power cut can lose what
the kernel had not yet written out, about the last 30 s, unless ``records.journal_fsync`` is set, which
costs a disk flush for each trigger, each verdict and each batch that goes to the database.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Container, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from threading import Lock
from typing import Any

from inspector.domain import RecipeRef, Trigger
from inspector.errors import StorageError
from inspector.records.disk import flush

SEGMENT_BYTES = 256 * 1024
"""What is recorded goes with its segment: the start after a kill reads little more than one."""
Key = tuple[int, int]
"""``plcBootId, triggerId``."""


@dataclass(slots=True)
class _Segment:
    path: Path
    fd: int
    size: int = 0
    torn: bool = False
    """The last line was cut off by a full disk."""
    open: set[Key | str] = field(default_factory=set)
    """Triggers without a verdict, and ids of what is not yet in the database."""


class Journal:
    """The journal of one run of one station. Safe to call from several threads."""

    def __init__(self, folder: Path, boot_id: int, fsync: bool = False) -> None:
        """Start a new segment. Raises :class:`StorageError` when the folder cannot be written."""
        self._folder = folder
        self._boot_id = boot_id
        self._fsync = fsync
        self._lock = Lock()
        self._number = 0
        self._home: dict[Key | str, _Segment] = {}
        self._segments = [self._new_segment()]

    def accept(self, trigger: Trigger, recipe: RecipeRef) -> None:
        """Note an accepted trigger, and by what it would be judged; before it is acknowledged."""
        key = (trigger.plc_boot_id, trigger.trigger_id)
        with self._lock:
            segment = self._current()
            if segment.size >= SEGMENT_BYTES:
                segment = self._new_segment()
                self._segments.append(segment)
            recipe_fields = {"recipe": asdict(recipe)}
            self._append(segment, {"event": "accepted", **_trigger_fields(trigger), **recipe_fields})
            segment.open.add(key)
            self._home[key] = segment

    def verdict(self, key: Key, fields: Mapping[str, Any], boot: int | None = None) -> None:
        """Note a verdict (``contract.record_fields``) before its result is published.

        ``boot``: ``stationBootId`` of the earlier run that accepted the part, where one did.
        """
        result_id = str(fields["resultId"])
        entry = {"event": "verdict", "record": fields} | ({} if boot is None else {"boot": boot})
        with self._lock:
            # beside its acceptance, so that the two are deleted together; a recovered verdict has none
            segment = self._home.get(result_id) or self._home.get(key) or self._current()
            self._append(segment, entry)
            segment.open.discard(key)
            segment.open.add(result_id)
            self._home.pop(key, None)
            self._home[result_id] = segment

    def note(self, fields: Mapping[str, Any]) -> None:
        """Note the PLC's acknowledgement of a result (``contract.ack_event``), for the archive."""
        event_id = str(fields["eventId"])
        with self._lock:
            segment = self._home.get(event_id) or self._current()
            self._append(segment, {"event": "ack", "record": fields})
            segment.open.add(event_id)
            self._home[event_id] = segment

    def check(self) -> None:
        """Raise :class:`StorageError` while nothing can be written; an empty line is the proof."""
        with self._lock:
            segment = self._current()
            try:
                os.write(segment.fd, b"\n")
            except OSError as error:
                raise _storage(segment.path, error) from error

    def sync(self) -> None:
        """Wait until the disk has all of it. Raises :class:`StorageError`."""
        with self._lock:
            try:
                for segment in self._segments:
                    os.fsync(segment.fd)
                flush(self._folder)
            except OSError as error:
                raise _storage(self._folder, error) from error

    def recorded(self, ids: Iterable[str]) -> None:
        """These results and acknowledgements are in the database; segments of no others are deleted."""
        with self._lock:
            for recorded in ids:
                segment = self._home.pop(recorded, None)
                if segment is not None:
                    segment.open.discard(recorded)
            for segment in self._segments[:-1]:
                if not segment.open:
                    os.close(segment.fd)
                    segment.path.unlink(missing_ok=True)
            self._segments = [s for s in self._segments[:-1] if s.open] + self._segments[-1:]

    def close(self) -> None:
        """Close the files; what the database lacks is found at the next start.

        A part that ends later is not noted any more: :class:`StorageError`.
        """
        with self._lock:
            for segment in self._segments:
                os.close(segment.fd)
                if not segment.open:
                    segment.path.unlink(missing_ok=True)
            self._segments = []
            self._home.clear()

    def _current(self) -> _Segment:
        if not self._segments:
            raise StorageError(f"the journal in {self._folder} is closed", "Start the station again")
        return self._segments[-1]

    def _new_segment(self) -> _Segment:
        path = self._folder / f"journal-{self._boot_id:08x}-{self._number:04d}.jsonl"
        self._number += 1
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
            if self._fsync:
                flush(self._folder)
        except OSError as error:
            raise _storage(path, error) from error
        return _Segment(path, fd)

    def _append(self, segment: _Segment, entry: Mapping[str, Any]) -> None:
        data = json.dumps(entry, separators=(",", ":"), allow_nan=False).encode() + b"\n"
        if segment.torn:
            data = b"\n" + data
        try:
            written = os.write(segment.fd, data)
            # a disk that fills up in the middle of a line; the reader skips the torn rest
            segment.torn = written != len(data)
            if segment.torn:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            if self._fsync:
                os.fsync(segment.fd)
        except OSError as error:
            raise _storage(segment.path, error) from error
        segment.size += len(data)


@dataclass(frozen=True, slots=True)
class OpenPart:
    """A part that an earlier run accepted and did not judge."""

    trigger: Trigger
    boot: int
    """``stationBootId`` of that run."""
    recipe: RecipeRef | None = None
    """By what it would have been judged; journals of older versions do not tell."""


@dataclass(frozen=True, slots=True)
class Leftover:
    """What earlier runs of the station left in their journals."""

    unanswered: tuple[OpenPart, ...]
    """Accepted, without a verdict: they become REVIEW, ``StationRestarted``."""
    verdicts: tuple[dict[str, Any], ...]
    """Records that the database may lack."""
    files: tuple[Path, ...]
    """To be deleted once all of this is recorded."""
    acks: tuple[dict[str, Any], ...] = ()
    """Acknowledgements of the PLC that the archive may lack."""
    boots: Mapping[str, int] = field(default_factory=dict)
    """By ``resultId`` the run that had accepted the part, where that is not the one that judged it."""

    def without(self, recorded: Container[tuple[int, int, int]]) -> Leftover:
        """The same, less the triggers whose part is recorded: a full disk can keep a verdict from the
        journal that reaches the database later. By ``stationBootId, plcBootId, triggerId``."""
        left = tuple(
            one
            for one in self.unanswered
            if (one.boot, one.trigger.plc_boot_id, one.trigger.trigger_id) not in recorded
        )
        return replace(self, unanswered=left)


def read_leftover(folder: Path) -> Leftover:
    """Read the journals of earlier runs, oldest first. A torn last line is what a crash leaves."""
    files = _oldest_first(folder)
    accepted: dict[tuple[int, Key], OpenPart] = {}
    restarted: dict[str, tuple[int, Key]] = {}
    verdicts: dict[str, dict[str, Any]] = {}
    acks: dict[str, dict[str, Any]] = {}
    for path in files:
        boot = _boot(path)
        for line in path.read_bytes().splitlines():
            try:
                entry = json.loads(line)
            except ValueError:
                # half a line, cut off by the crash: its event was never answered
                continue
            if not isinstance(entry, dict):
                continue  # half a line can still be a number
            if entry["event"] == "accepted":
                trigger = _trigger(entry)
                key = (trigger.plc_boot_id, trigger.trigger_id)
                recipe = RecipeRef(**entry["recipe"]) if "recipe" in entry else None
                accepted[boot, key] = OpenPart(trigger, boot, recipe)
            elif entry["event"] == "ack":
                acks[entry["record"]["eventId"]] = entry["record"]
            else:
                record = entry["record"]
                # one that became late while it was written down stands twice: the last counts
                verdicts[record["resultId"]] = record
                key = (record["plcBootId"], record["triggerId"])
                if "boot" in entry:
                    restarted[record["resultId"]] = entry["boot"], key
                else:
                    accepted.pop((boot, key), None)
    # at the end, for the order of runs is that of a clock which may have been set
    for part in restarted.values():
        accepted.pop(part, None)
    found = tuple(accepted.values()), tuple(verdicts.values()), files, tuple(acks.values())
    return Leftover(*found, boots={result: boot for result, (boot, _) in restarted.items()})


def _oldest_first(folder: Path) -> tuple[Path, ...]:
    """Runs by their time; the segments of a run by number, for verdicts still go to old ones."""
    paths = list(folder.glob("journal-*.jsonl"))
    begun: dict[int, float] = {}
    for path in paths:
        boot, written = _boot(path), path.stat().st_mtime
        begun[boot] = min(written, begun.get(boot, written))
    return tuple(sorted(paths, key=lambda path: (begun[_boot(path)], path.name)))


def _boot(path: Path) -> int:
    return int(path.name.split("-")[1], 16)


def _trigger_fields(trigger: Trigger) -> dict[str, Any]:
    return {
        "plcBootId": trigger.plc_boot_id,
        "triggerId": trigger.trigger_id,
        "partId": trigger.part_id,
        "recipeId": trigger.recipe_id,
        "deadlineMs": trigger.deadline_s * 1000,
        "batchId": trigger.batch_id,
        "measId": trigger.meas_id,
        "productId": trigger.product_id,
        "challenge": trigger.challenge,
    }


def _trigger(entry: Mapping[str, Any]) -> Trigger:
    return Trigger(
        entry["plcBootId"],
        entry["triggerId"],
        entry["partId"],
        received_s=0.0,
        deadline_s=entry["deadlineMs"] / 1000,
        recipe_id=entry["recipeId"],
        batch_id=entry["batchId"],
        meas_id=entry["measId"],
        product_id=entry["productId"],
        challenge=entry["challenge"],
    )


def _storage(path: Path, error: OSError) -> StorageError:
    return StorageError(
        f"journal {path} cannot be written: {error.strerror}",
        "Free space, or make the folder writable; without a journal no part is accepted",
    )
