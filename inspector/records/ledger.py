"""What became of everything that was handed to the recorder, and how recording goes."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace

from inspector.domain import Health, HealthLevel
from inspector.records.spill import Spill


@dataclass(frozen=True, slots=True)
class RecorderCounts:
    """``accepted`` = ``stored + lost +`` what is still on its way."""

    accepted: int = 0
    stored: int = 0
    """In the database, those included that it already had."""
    lost: int = 0
    """Neither the database nor the spill file took them; only the journal has them."""
    pictures_dropped: int = 0
    """Inspections recorded without the pictures they should have."""
    events_dropped: int = 0
    writes: int = 0
    """Transactions that the database has taken."""
    write_s: float = 0.0
    """Seconds that these took in all."""


class Ledger:
    """Counts and faults, shared by the recorder's callers and its thread."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        """Notified with every count; its lock is re-entrant."""
        self.counts = RecorderCounts()
        """One consistent set, to be read without the lock."""
        self.storage_fault = ""
        self.picture_fault = ""
        self.retain_fault = ""
        """Old pictures cannot be removed."""

    def count(self, **more: int) -> None:
        """Add to :attr:`counts`."""
        with self.changed:
            grown = {name: getattr(self.counts, name) + number for name, number in more.items()}
            self.counts = replace(self.counts, **grown)
            self.changed.notify_all()

    def wrote(self, seconds: float) -> None:
        """Count a transaction that the database has taken."""
        with self.changed:
            writes, spent = self.counts.writes + 1, self.counts.write_s + seconds
            self.counts = replace(self.counts, writes=writes, write_s=spent)

    def health(self, spill: Spill) -> Health:
        """The gravest that is to be said, in words for an operator."""
        counts = self.counts
        level: HealthLevel = "act"
        if counts.lost:
            text = f"{counts.lost} records are in the journal alone, the disk took them nowhere else"
        elif fault := self.storage_fault or self.picture_fault or self.retain_fault:
            text = fault
        else:
            level = "watch"
            if spill.waiting:
                text = f"the recorder is behind: {spill.waiting} records wait in the spill file"
            elif counts.pictures_dropped:
                text = f"{counts.pictures_dropped} parts were recorded without their pictures"
            elif spill.rejected:
                text = f"{spill.rejected} lines of the spill file were no records"
            elif counts.events_dropped:
                text = f"{counts.events_dropped} events were not recorded"
            else:
                return Health()
        return Health(level, text)
