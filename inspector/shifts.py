"""The plant's shifts, in local time, and when the running one began."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from inspector.config import Shift


@dataclass(frozen=True, slots=True)
class ShiftTime:
    """The running shift."""

    name: str
    start: datetime
    """UTC."""


def current_shift(shifts: Sequence[Shift], zone: ZoneInfo, now: datetime) -> ShiftTime:
    """The shift that began last before ``now``."""
    local = now.astimezone(zone)
    starts = []
    for shift in shifts:
        hour, minute = (int(piece) for piece in shift.start.split(":"))
        for day in (local.date(), local.date() - timedelta(days=1)):
            begin = datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone)
            starts.append(ShiftTime(shift.name, begin.astimezone(UTC)))
    return max((start for start in starts if start.start <= now), key=lambda start: start.start)
