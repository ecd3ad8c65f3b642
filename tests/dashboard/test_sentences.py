"""Findings in words, shifts, and text from outside that stays text."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from shift import Shift

from dashboard import markup, texts
from dashboard.reasons import describe, place, reason
from inspector.config import Shift as ShiftStart
from inspector.domain import Cause, FindingKind
from inspector.records import queries
from inspector.records.database import open_engine
from inspector.records.views import FindingView, PartRecord
from inspector.shifts import current_shift
from inspector.sim.scene import FaultKind

PART = (100.0, 0.0, 200.0, 300.0)


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        ("missing", "Cap missing at the top of the bottle"),
        ("misplaced", "Cap not in its place at the top of the bottle"),
        ("defect", "Cap found at the bottom right of the bottle"),
        ("extra", "One cap too many at the bottom right of the bottle"),
        ("wrong", "Wrong cap at the bottom right of the bottle"),
        ("anomaly", "Unlike a good part at the bottom right of the bottle"),
    ],
)
def test_finding_in_words(kind: str, sentence: str) -> None:
    expected = (140.0, 0.0, 160.0, 30.0) if kind in ("missing", "misplaced") else None
    finding = FindingView("c", kind, "cap", 1.0, 0.5, (180.0, 250.0, 200.0, 300.0), expected)
    assert describe(finding, PART, (640, 480), "bottle") == sentence


def test_place_without_a_part_is_that_in_the_picture() -> None:
    assert place((0, 0, 10, 10), None, (640, 480)) == "at the top left of the picture"
    assert place((0, 0, 10, 10), None, None) == ""


def test_every_kind_and_cause_has_its_words() -> None:
    assert set(texts.CAUSE) == set(texts.REASON) == {cause.word for cause in Cause}
    assert set(texts.TAG) == {kind.value for kind in FindingKind}


def _record(shift: Shift, result_id: str) -> PartRecord:
    engine = open_engine(shift.url, readonly=True)
    record = queries.part(engine, result_id)
    engine.dispose()
    assert record is not None
    return record


def test_reasons_of_real_records(empty: Shift) -> None:
    faults = (FaultKind.GOOD, FaultKind.MISSING_SCREW)
    made = [empty.inspect(n, fault=fault) for n, fault in enumerate(faults, 1)]
    made.append(empty.inspect(11))
    empty.add(made)
    good, missing, blurred = (_record(empty, part.result_id) for part in made)
    assert reason(good) == "All checks passed."
    assert reason(missing, "cover").startswith("Screw missing at the ")
    assert reason(missing, "cover").endswith(" of the cover.")
    assert reason(blurred) == "The picture is too blurred to judge. Check focus and light."


@pytest.mark.parametrize(
    ("hour", "name", "start"), [(5, "night", (23, 22)), (6, "early", (24, 6)), (23, "night", (24, 22))]
)
def test_the_shift_that_runs(hour: int, name: str, start: tuple[int, int]) -> None:
    zone = ZoneInfo("Europe/Berlin")
    shifts = (ShiftStart(name="early", start="06:00"), ShiftStart(name="night", start="22:00"))
    shift = current_shift(shifts, zone, datetime(2026, 3, 24, hour, 30, tzinfo=zone))
    day, begin = start
    assert shift.name == name
    assert shift.start == datetime(2026, 3, day, begin, tzinfo=zone).astimezone(UTC)


def test_text_from_outside_stays_text(filled: Shift) -> None:
    hostile = "<script>alert(1)</script>"
    assert hostile not in markup.verdict_band(hostile, hostile)
    assert hostile not in markup.panel(hostile, hostile)
    assert hostile not in markup.facts([(hostile, hostile)])
    assert hostile not in markup.station_bar(hostile, hostile, None, silent=False, simulated=False)
