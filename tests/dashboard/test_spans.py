"""Times of the plant, across changes of the clock too."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from dashboard import spans
from dashboard.spans import Named
from inspector.config import Shift

BERLIN = ZoneInfo("Europe/Berlin")
SHIFTS = (
    Shift(name="early", start="06:00"),
    Shift(name="late", start="14:00"),
    Shift(name="night", start="22:00"),
)
HOUR = timedelta(hours=1)


def _local(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN).astimezone(UTC)


@pytest.mark.parametrize(
    ("evening", "hours"),
    [("2026-03-28", 7), ("2026-10-24", 9), ("2026-06-01", 8)],
    ids=["clocks go forward", "clocks go back", "summer"],
)
def test_a_night_shift_is_as_long_as_the_night(evening: str, hours: int) -> None:
    begin = _local(f"{evening}T12:00")
    found = spans.shifts(SHIFTS, BERLIN, begin, begin + 36 * HOUR)
    night = next(piece for piece in found if piece.name == "night")
    assert night.until - night.since == hours * HOUR
    assert night.since.astimezone(BERLIN).hour == 22
    assert night.until.astimezone(BERLIN).hour == 6


@pytest.mark.parametrize("step", spans.STEPS)
@pytest.mark.parametrize("day", ["2026-03-27", "2026-10-23"])
def test_steps_leave_no_gap_and_do_not_overlap(step: spans.Step, day: str) -> None:
    since, until = _local(f"{day}T03:17"), _local(f"{day}T19:41") + timedelta(days=5)
    found = spans.pieces(step, SHIFTS, BERLIN, since, until)
    assert found[0].since == since
    assert found[-1].until == until
    assert all(a.until == b.since for a, b in pairwise(found))
    assert len(found) > 1


def test_a_day_of_25_hours_has_25_hours() -> None:
    since, until = _local("2026-10-25T00:00"), _local("2026-10-26T00:00")
    assert len(spans.pieces("hour", SHIFTS, BERLIN, since, until)) == 25
    assert spans.pieces("day", SHIFTS, BERLIN, since, until) == (Named("", since, until),)


def test_weeks_begin_on_mondays() -> None:
    since, until = _local("2026-06-04T10:00"), _local("2026-06-20T10:00")
    found = spans.pieces("week", SHIFTS, BERLIN, since, until)
    assert [piece.since for piece in found] == [
        since,
        _local("2026-06-08T00:00"),
        _local("2026-06-15T00:00"),
    ]


def test_hours_of_a_zone_between_hours() -> None:
    zone = ZoneInfo("Asia/Kolkata")
    since = datetime(2026, 6, 1, 8, 10, tzinfo=zone)
    found = spans.pieces("hour", SHIFTS, zone, since, since + 2 * HOUR)
    assert [piece.since.astimezone(zone).strftime("%H:%M") for piece in found] == [
        "08:10",
        "09:00",
        "10:00",
    ]


def test_one_shift_of_a_whole_day() -> None:
    since = _local("2026-06-01T00:00")
    found = spans.shifts((Shift(name="day", start="00:00"),), BERLIN, since, since + 48 * HOUR)
    assert [piece.until - piece.since for piece in found] == [24 * HOUR, 24 * HOUR]


@pytest.mark.parametrize(
    ("days", "step"), [(0.1, "hour"), (2, "hour"), (3, "shift"), (40, "day"), (400, "week")]
)
def test_longer_times_have_longer_steps(days: float, step: str) -> None:
    begin = _local("2026-01-01T00:00")
    assert spans.step_for(begin, begin + timedelta(days=days)) == step
