"""What waits for the archive: written with what it tells of, in order, gone on delivery, never silent."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from factory import BOOT, STATION, Pragma, Recording, inspection
from sqlalchemy import Engine, func, select
from support import wait_for

from inspector.config import Evidence, Records
from inspector.contract import (
    ARCHIVE_LIMIT,
    ArchivedAckPayload,
    ArchivedDispositionPayload,
    ArchivedResultPayload,
    ack_event,
    encode_event,
    record_fields,
    result_event,
)
from inspector.domain import Cause
from inspector.ports import ArchiveEvent
from inspector.records import outbox as outbox_module
from inspector.records import queries
from inspector.records.database import open_engine
from inspector.records.evidence import EvidenceStore
from inspector.records.journal import Journal, read_leftover
from inspector.records.outbox import OUTBOX, Outbox, put_disposition

NOW = datetime(2026, 3, 1, 6, 15, tzinfo=UTC)


@pytest.fixture
def box() -> Outbox:
    return Outbox(STATION, BOOT, 10_000_000)


def result_id(number: int) -> str:
    return f"{BOOT:08x}-{number}"


def kinds(events: list[ArchiveEvent]) -> list[str]:
    """``result 1``, ``ack 1`` and so on."""
    decoded = [json.loads(event.data) for event in events]
    return [f"{one['kind']} {one['resultId'].split('-')[1]}" for one in decoded]


def take(box: Outbox, number: int) -> list[ArchiveEvent]:
    """The next events, all of them there within the time that the recorder needs."""
    found = [box.take(5) for _ in range(number)]
    assert None not in found
    return [event for event in found if event is not None]


def rows(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.execute(select(func.count()).select_from(OUTBOX)).scalar_one())


def test_an_inspection_waits_in_full_until_it_is_delivered(
    engine: Engine, start: Recording, box: Outbox, tmp_path: Path
) -> None:
    made = inspection(7, cause=Cause.MISSING, batch_id="b1", challenge="faulty")
    recorder = start(outbox=box, evidence=EvidenceStore(tmp_path / "evidence", Evidence()))
    recorder.record(made)
    (event,) = take(box, 1)
    payload = ArchivedResultPayload.decode(event.data)
    assert (payload.event_id, payload.kind, payload.attempt) == (made.result_id, "result", 1)
    fields = json.loads(event.data)
    expected = record_fields(made)
    assert {name: fields[name] for name in expected if name != "imageSize"} == {
        name: value for name, value in expected.items() if name != "imageSize"
    }
    assert fields["findings"]
    assert fields["scores"]
    assert "evidence" not in fields
    assert rows(engine) == 1
    box.delivered(event)
    wait_for(lambda: rows(engine) == 0)
    wait_for(lambda: box.waiting == 0)
    assert box.take(0.1) is None


def test_order_and_attempts_are_those_of_recording(start: Recording, box: Outbox) -> None:
    recorder = start(outbox=box)
    for number in range(5):
        recorder.record(inspection(number, part_id="again", pictures=0))
        recorder.acknowledge(result_id(number), True, "")
    events = take(box, 10)
    assert kinds(events) == [f"{kind} {n}" for n in range(5) for kind in ("result", "ack")]
    attempts = [json.loads(event.data).get("attempt") for event in events]
    assert attempts == [1, None, 2, None, 3, None, 4, None, 5, None]
    ack = ArchivedAckPayload.decode(events[1].data)
    assert (ack.result_id, ack.taken, ack.reason, ack.station_boot_id) == (result_id(0), True, "", BOOT)


def test_an_acknowledgement_that_overtakes_its_record_waits_for_it(
    start: Recording, box: Outbox
) -> None:
    recorder = start(outbox=box)
    recorder.acknowledge(result_id(1), False, "Late")
    recorder.record(inspection(0, pictures=0))
    assert kinds(take(box, 1)) == ["result 0"]
    recorder.record(inspection(1, pictures=0))
    assert kinds(take(box, 2)) == ["result 1", "ack 1"]


def test_acknowledgements_of_what_was_never_said_are_kept_and_fill_no_memory(
    start: Recording, box: Outbox
) -> None:
    recorder = start(outbox=box)
    for number in range(100, 100 + outbox_module.HELD_LIMIT + 2):
        recorder.acknowledge(result_id(number), True, "")
    recorder.acknowledge("00000001-1", True, "")
    assert kinds(take(box, 3)) == ["ack 100", "ack 101", "ack 1"]
    recorder.close()
    assert box.waiting == outbox_module.HELD_LIMIT + 3


def test_the_same_acknowledgement_twice_is_one_event(start: Recording, box: Outbox) -> None:
    recorder = start(outbox=box)
    recorder.record(inspection(1, pictures=0))
    for _ in range(3):
        recorder.acknowledge(result_id(1), True, "")
    recorder.acknowledge(result_id(1), False, "Late")
    events = take(box, 3)
    assert kinds(events) == ["result 1", "ack 1", "ack 1"]
    assert len({event.event_id for event in events}) == 3
    assert box.take(0.3) is None


def test_a_backlog_is_handed_over_by_and_by(
    engine: Engine, start: Recording, box: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = 30
    monkeypatch.setattr(outbox_module, "WINDOW", window)
    recorder = start(outbox=box)
    number = 3 * window
    for n in range(number):
        recorder.record(inspection(n, pictures=0))
    events = take(box, window)
    assert recorder.flush(10)
    assert box.take(0.3) is None, "no more than the window, whatever waits"
    for event in events:
        box.delivered(event)
    while len(events) < number:
        (event,) = take(box, 1)
        box.delivered(event)
        events.append(event)
    assert [event.event_id for event in events] == [result_id(n) for n in range(number)]
    wait_for(lambda: rows(engine) == 0)


def test_what_was_not_confirmed_comes_again_after_a_restart(start: Recording, box: Outbox) -> None:
    first = start(outbox=box)
    for n in range(4):
        first.record(inspection(n, pictures=0))
    events = take(box, 4)
    box.delivered(events[0])
    wait_for(lambda: box.waiting == 3)
    first.close()
    again = Outbox(STATION, 7, 10_000_000)
    second = start(outbox=again)
    second.recover([record_fields(inspection(n)) for n in range(4)])
    assert [event.event_id for event in take(again, 3)] == [result_id(n) for n in (1, 2, 3)]
    assert second.flush(10)
    assert again.take(0.3) is None, "a record that the journal had as well is archived once"


def test_stations_of_one_database_do_not_publish_for_each_other(
    engine: Engine, url: str, start: Recording, box: Outbox
) -> None:
    writer = open_engine(url)
    with writer.begin() as connection:
        put_disposition(connection, "another", "x-1", 7, "accept", None, "anna", NOW)
        put_disposition(connection, STATION, "x-2", 7, "reject", "Missing", "anna", NOW)
    writer.dispose()
    start(outbox=box)
    (event,) = take(box, 1)
    payload = ArchivedDispositionPayload.decode(event.data)
    assert (payload.result_id, payload.decision, payload.cause) == ("x-2", "reject", "Missing")
    assert (payload.user, payload.station_boot_id) == ("anna", 7)
    assert payload.creation_time == "2026-03-01T06:15:00.000Z"
    box.delivered(event)
    wait_for(lambda: rows(engine) == 1)


def test_a_decision_is_found_while_the_station_stands_still(
    url: str, start: Recording, box: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox_module, "POLL_S", 0.1)
    start(outbox=box).record(inspection(1, pictures=0))
    box.delivered(take(box, 1)[0])
    writer = open_engine(url)
    for decision, cause in (("reject", "Missing"), ("undone", None)):
        with writer.begin() as connection:
            put_disposition(connection, STATION, result_id(1), BOOT, decision, cause, "anna", NOW)
    writer.dispose()
    assert kinds(take(box, 2)) == ["disposition 1", "disposition 1"]


def test_a_full_disk_loses_and_doubles_no_event(
    engine: Engine, start: Recording, pragma: Pragma, box: Outbox
) -> None:
    recorder = start(Records(batch=20, flush_ms=5, queue=1000), outbox=box)
    with engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
    with pragma(f"max_page_count = {pages}"):
        for n in range(40):
            recorder.record(inspection(n, pictures=0))
            recorder.acknowledge(result_id(n), True, "")
        wait_for(lambda: recorder.health.level == "act", what="the fault")
        assert box.take(0.2) is None
    with pragma("max_page_count = 1000000"):
        assert recorder.flush(20)
    assert queries.count(engine) == 40
    events = []
    for _ in range(80):
        (event,) = take(box, 1)
        box.delivered(event)
        events.append(event)
    assert len({event.event_id for event in events}) == 80
    assert box.take(0.3) is None


def small(size: int) -> Outbox:
    return Outbox(STATION, BOOT, size)


def test_beyond_its_budget_events_are_left_out_aloud(engine: Engine, start: Recording) -> None:
    one = len(encode_event(result_event(record_fields(inspection(10)), 1)))
    box = small(3 * one + one // 2)
    recorder = start(outbox=box)
    for n in range(10, 15):
        recorder.record(inspection(n, pictures=0))
        assert recorder.flush(10)
    assert (rows(engine), queries.count(engine), box.left_out) == (3, 5, 2)
    assert recorder.health.level == "act"
    assert "the archive's budget is used up" in recorder.health.text
    wait_for(lambda: queries.events(engine, event="archive-full"))
    events = take(box, 3)
    assert [event.event_id for event in events] == [result_id(n) for n in (10, 11, 12)]
    for event in events:
        box.delivered(event)
    recorder.record(inspection(15, pictures=0))
    assert [event.event_id for event in take(box, 1)] == [result_id(15)]
    (told,) = wait_for(lambda: queries.events(engine, event="archive-room"))
    assert "2 events were left out" in told.text
    assert recorder.health.level == "watch", "a gap in the archive stays told"
    assert "2 events were left out" in recorder.health.text


def test_a_broker_that_stays_away_is_told_before_the_budget_is_used_up(start: Recording) -> None:
    now = [1000.0]
    box = Outbox(STATION, BOOT, 10_000_000, clock=lambda: now[0])
    recorder = start(outbox=box)
    recorder.record(inspection(1, pictures=0))
    (event,) = take(box, 1)
    box.complain("the broker is away")
    assert recorder.health.level == "good"
    now[0] += outbox_module.BEHIND_S + 1
    assert (recorder.health.level, recorder.health.text) == (
        "watch",
        "events wait for the archive (1): the broker is away",
    )
    box.delivered(event)
    wait_for(lambda: recorder.health.level == "good")


def test_complaints_are_noted_once(engine: Engine, start: Recording, box: Outbox) -> None:
    recorder = start(outbox=box)
    for text in ("denied", "denied", "", "denied"):
        box.complain(text)
    recorder.record(inspection(1, pictures=0))
    wait_for(lambda: len(queries.events(engine, event="archive")) == 2)


def test_without_an_outbox_nothing_waits(engine: Engine, start: Recording) -> None:
    recorder = start()
    recorder.record(inspection(1, pictures=0))
    recorder.acknowledge(result_id(1), True, "")
    recorder.recover([ack_event(result_id(1), BOOT, True, "", NOW)])
    assert recorder.flush(10)
    assert (rows(engine), queries.count(engine)) == (0, 1)


def test_an_acknowledgement_survives_a_kill(
    engine: Engine, start: Callable[..., Any], tmp_path: Path
) -> None:
    folder = tmp_path / "st"
    killed = Journal(folder, BOOT)
    box = Outbox(STATION, BOOT, 10_000_000, killed.note)
    assert box.acknowledge("00000001-1", False, "Jam", NOW), "journaled, and then the process is gone"
    leftover = read_leftover(folder)
    assert [ack["reason"] for ack in leftover.acks] == ["Jam"]
    journal = Journal(folder, 7)
    for ack in leftover.acks:
        journal.note(ack)
    for path in leftover.files:
        path.unlink()
    later = Outbox(STATION, 7, 10_000_000)
    recorder = start(outbox=later, on_recorded=journal.recorded)
    recorder.recover(leftover.acks)
    (event,) = take(later, 1)
    assert event.data == encode_event(leftover.acks[0])
    assert recorder.flush(10)
    journal.close()
    assert read_leftover(folder).files == (), "what is in the database needs no journal"


def test_an_event_too_large_for_the_broker_loses_outlines_first() -> None:
    outline = [1.5] * 4000
    findings = [{"check": "a", "n": n, "polygons": [outline]} for n in range(100)]
    event = {"eventId": "e", "findings": findings, "findingsTotal": 100}
    cut = json.loads(encode_event(event))
    assert [one["n"] for one in cut["findings"]] == list(range(100))
    assert "polygons" not in cut["findings"][0]
    wordy = [{"n": n, "label": "x" * 30_000} for n in range(100)]
    data = encode_event({**event, "findings": wordy})
    assert len(data) <= ARCHIVE_LIMIT
    assert [one["n"] for one in json.loads(data)["findings"]] == list(range(25))
    assert json.loads(data)["findingsTotal"] == 100
