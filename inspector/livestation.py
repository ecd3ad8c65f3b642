"""A live station with everything that it holds open: started, stopped, and changed while it runs."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TextIO

from pydantic import BaseModel

from inspector.config import StationConfig
from inspector.duty import Duty
from inspector.errors import BusyError, StorageError
from inspector.knownparts import known_parts
from inspector.line import StationLine
from inspector.metrics import Sample
from inspector.plc.mqtt import MqttPlc
from inspector.records.evidence import EvidenceStore
from inspector.records.journal import Journal
from inspector.records.recorder import DatabaseRecorder
from inspector.uplink import Uplink

RELOADED = frozenset(
    {
        *("evidence.pass_share", "evidence.quality", "evidence.budget_mb"),
        *("evidence.keep_days", "evidence.keep_days_notable"),
        *("drift.watch_psi", "drift.act_psi", "drift.act_leaves_ready"),
        *("challenge.parts", "challenge.every_h", "challenge.shift_start", "challenge.recipe_change"),
        *("challenge.grace_min", "challenge.required", "challenge.good_in_review"),
        *("alarms.fail_run", "alarms.review_run", "alarms.fail_rate", "alarms.review_rate"),
        *("alarms.window", "alarms.leaves_ready"),
    }
)
"""Keys of a station that may change while it runs. Everything else judges or answers parts, or holds
something open, and must not change between two of them unseen: it needs a restart."""
OTHERS = frozenset({"review"})
"""Keys that the dashboard alone reads."""


class StationLock:
    """At most one instance a station: held for as long as the process lives."""

    FILE = "lock"

    def __init__(self, folder: Path, station: str) -> None:
        """Take the lock. Raises :class:`BusyError` when another process has it."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file: TextIO = (folder / self.FILE).open("w")
        except OSError as error:
            raise StorageError(
                f"{folder} cannot be written: {error.strerror}",
                "Free space, or set 'state_dir' to a writable folder",
            ) from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.close()
            raise BusyError(
                f"station '{station}' is already run by another process",
                "Stop that one first, or name another station",
            ) from None

    def release(self) -> None:
        """Let another process have it."""
        self._file.close()


@dataclass(slots=True)
class LiveStation:
    """A station with everything that it holds open."""

    config: StationConfig
    line: StationLine
    recorder: DatabaseRecorder
    journal: Journal
    lock: StationLock
    uplink: Uplink | None
    evidence: EvidenceStore
    duty: Duty

    def start(self) -> None:
        """Connect and start all threads."""
        if self.uplink is not None:
            self.uplink.start()
        if isinstance(self.line.plc, MqttPlc):
            self.line.plc.start()
        self.line.start()

    def check(self) -> None:
        """Raise what ended a thread, if something did."""
        self.line.check()

    def stop(self) -> None:
        """Finish the parts in flight, say goodbye, store what is waiting.

        Raises, once everything is closed, what ended a thread, also of the last moments.
        """
        self.line.stop()
        self.recorder.show(self.line.status(online=False))
        if isinstance(self.line.plc, MqttPlc):
            self.line.plc.close(self.line.control.state_payload(online=False))
        if self.uplink is not None:
            self.uplink.stop(self.recorder.flush)
        self.recorder.close()
        self.journal.close()
        self.lock.release()
        self.line.check()

    def abandon(self) -> None:
        """Let go of everything before :meth:`start`; what was open stays in the journal."""
        self.recorder.close()
        self.journal.close()
        self.lock.release()

    def reload(self, station: StationConfig) -> tuple[list[str], list[str]]:
        """Take over what may change while the station runs.

        Returns the keys that have changed, and those that differ and need a restart. Raises
        :class:`~inspector.errors.InputError` for known parts that cannot be used; nothing has changed
        then.
        """
        differing = [
            key for key in differences(self.config, station) if key.partition(".")[0] not in OTHERS
        ]
        changed = [key for key in differing if key in RELOADED]
        if "challenge.parts" in changed and station.challenge.parts is not None:
            known_parts(station.challenge.parts, self.line.control.active.recipe.recipe_id)
        taken = {}
        for name in ("evidence", "drift", "challenge", "alarms"):
            old, new = getattr(self.config, name), getattr(station, name)
            keys = [key for key in type(old).model_fields if f"{name}.{key}" in changed]
            taken[name] = old.model_copy(update={key: getattr(new, key) for key in keys})
        self.config = self.config.model_copy(update=taken)
        self.evidence.adjust(self.config.evidence)
        self.line.watching.adjust(self.config.drift)
        self.line.alarms.adjust(self.config.alarms)
        self.duty.config = self.config.challenge
        return changed, [key for key in differing if key not in RELOADED]

    def sample(self) -> Sample:
        """What the metrics page shows of the station now."""
        counts = self.recorder.counts
        queues = self.line.queues | {"records": counts.accepted - counts.stored - counts.lost}
        if self.uplink is not None:
            queues["archive"] = self.uplink.outbox.waiting
        plc = self.line.plc
        return Sample(
            self.line.status(),
            self.line.tally.copy(),
            queues,
            self.line.reporter.unpublished,
            counts.lost,
            self.line.progressing,
            asdict(plc.counters()) if isinstance(plc, MqttPlc) else {},
        )


def differences(old: BaseModel, new: BaseModel, prefix: str = "") -> Iterator[str]:
    """The keys, dotted, in which two configurations of one kind differ."""
    for name in type(old).model_fields:
        before, after = getattr(old, name), getattr(new, name)
        if before == after:
            continue
        if isinstance(before, BaseModel) and type(before) is type(after):
            yield from differences(before, after, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


def is_running(folder: Path) -> bool:
    """Whether a process has the station whose journal and lock lie there; makes and takes nothing."""
    try:
        with (folder / StationLock.FILE).open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        # it never ran, or its folder is closed to us: then its lock is as well
        return False
    return False
