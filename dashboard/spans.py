"""Times of the plant as spans of UTC: shifts, days, hours, right when the clocks change. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import Literal, TypeAlias, get_args
from zoneinfo import ZoneInfo

from inspector.config import Shift
from inspector.records.aggregates import SLOT, slot
from inspector.records.statistics import Span

Step: TypeAlias = Literal["hour", "shift", "day", "week"]
STEPS: tuple[Step, ...] = get_args(Step)
_HOUR, _DAY, _WEEK = timedelta(hours=1), timedelta(days=1), timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Named:
    """A piece of time that people have a name for."""

    name: str
    """Of a shift; empty of the others."""
    since: datetime
    until: datetime

    @property
    def span(self) -> Span:
        return Span(self.since, self.until)


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """When a day of the plant begins, UTC."""
    return datetime.combine(day, time(), zone).astimezone(UTC)


def shifts(
    defined: Sequence[Shift], zone: ZoneInfo, since: datetime, until: datetime
) -> tuple[Named, ...]:
    """All shifts that lie in the time, the first and the last one cut to it; oldest first."""
    begins: list[tuple[datetime, str]] = []
    day = since.astimezone(zone).date() - _DAY
    last = until.astimezone(zone).date() + _DAY
    while day <= last:
        for shift in defined:
            start = datetime.combine(day, time.fromisoformat(shift.start), zone)
            begins.append((start.astimezone(UTC), shift.name))
        day += _DAY
    begins.sort()
    found = (Named(name, begin, end) for (begin, name), (end, _) in pairwise(begins))
    return tuple(_clip(found, since, until))


def pieces(
    step: Step, defined: Sequence[Shift], zone: ZoneInfo, since: datetime, until: datetime
) -> tuple[Named, ...]:
    """The time in steps, oldest first; the first and the last one cut to it."""
    if step == "shift":
        return shifts(defined, zone, since, until)
    return tuple(_clip(_even(step, zone, since, until), since, until))


def step_for(since: datetime, until: datetime) -> Step:
    """Steps so long that a chart of them can be read."""
    length = until - since
    if length <= 2 * _DAY:
        return "hour"
    if length <= 31 * _DAY:
        return "shift"
    return "day" if length <= 200 * _DAY else "week"


def soon(now: datetime) -> datetime:
    """The end of the running half hour: an open end that stays the same for a while."""
    return slot(now) + SLOT


def _even(step: Step, zone: ZoneInfo, since: datetime, until: datetime) -> Iterator[Named]:
    local = since.astimezone(zone)
    if step == "hour":
        # Hours are counted in UTC: the one that the clock repeats in autumn is there twice.
        start = local.replace(minute=0, second=0, microsecond=0).astimezone(UTC)
        while start < until:
            yield Named("", start, start + _HOUR)
            start += _HOUR
        return
    day = local.date()
    if step == "week":
        day -= timedelta(days=day.weekday())
    length = _DAY if step == "day" else _WEEK
    while midnight(day, zone) < until:
        yield Named("", midnight(day, zone), midnight(day + length, zone))
        day += length


def _clip(found: Iterator[Named], since: datetime, until: datetime) -> Iterator[Named]:
    for piece in found:
        begin, end = max(piece.since, since), min(piece.until, until)
        if begin < end:
            yield Named(piece.name, begin, end)
