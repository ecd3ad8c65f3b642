"""The recorder thread: what it stores, and what it does when the disk or the database will not."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from factory import BOOT, STATION, Pragma, Recording, inspection
from sqlalchemy import Engine
from support import wait_for

from inspector.build import build_recorder
from inspector.config import Evidence, LineConfig, Records, StationConfig
from inspector.contract import record_fields
from inspector.domain import Cause, StationStatus
from inspector.errors import StorageError
from inspector.records import intake, queries
from inspector.records.evidence import EvidenceStore
from inspector.records.recorder import SPILL_NAME, DatabaseRecorder


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Another program writes, and does not end."""
    other = sqlite3.connect(folder / "records.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()


def test_everything_of_an_inspection_comes_back(engine: Engine, start: Recording) -> None:
    made = inspection(7, cause=Cause.MISSING, batch_id="b1", score=0.3, challenge="faulty")
    recorder = start()
    recorder.record(made)
    assert recorder.flush(10)
    record = queries.part(engine, made.result_id)
    assert record is not None
    part = record.summary
    assert (part.result_id, part.station, part.station_boot_id) == (f"{BOOT:08x}-7", STATION, BOOT)
    assert (part.seq, part.plc_boot_id, part.trigger_id) == (7, 0xFFFFFFFF, 7)
    assert (part.part_id, part.attempt, part.batch_id) == ("part-00007", 1, "b1")
    assert (part.product_id, part.meas_id) == ("product", "meas")
    assert (part.verdict, part.cause, part.cause_code, part.causes) == (
        "FAIL",
        "Missing",
        102,
        ("Missing",),
    )
    assert (part.result_state, part.is_partial, part.is_simulated) == (1, False, False)
    assert (part.is_challenge, part.challenge) == (True, "faulty")
    assert (part.recipe_id, part.recipe_version) == ("soap", 1)
    assert (part.recipe_hash, part.model_hash) == ("0123456789abcdef", "fedcba9876543210")
    assert part.created_at == made.created
    assert (part.age_ms, part.deadline_ms, part.acquisition_ms, part.processing_ms) == (40, 500, 5, 30)
    assert part.stages == {"quality": 1.5, "caps": 20.25}
    assert (part.source, part.frame, part.image_width, part.image_height) == ("cam", 7, 64, 48)
    assert (part.part_box, part.findings_total, part.picture) == ((1, 2, 60, 40), 1, None)
    (found,) = record.findings
    assert (found.check, found.kind, found.label, found.score) == ("caps", "missing", "cap", 0.9)
    assert (found.threshold, found.box, found.expected_box) == (0.5, (10, 12, 20, 30), (8, 10, 22, 28))
    assert [(s.check, s.score, s.threshold, s.review_threshold) for s in record.scores] == [
        ("caps", 0.3, 0.5, 0.4),
        ("label", 0.2, 0.6, 0.6),
    ]
    assert [attempt.result_id for attempt in record.attempts] == [made.result_id]


def test_what_comes_together_is_stored_in_batches(start: Recording) -> None:
    batches: list[int] = []
    recorder = start(Records(batch=50, flush_ms=200), on_recorded=lambda ids: batches.append(len(ids)))
    for n in range(120):
        recorder.record(inspection(n, pictures=0))
    assert recorder.flush(10)
    assert sum(batches) == 120
    assert max(batches) == 50
    assert len(batches) <= 4
    assert recorder.health.level == "good"


def test_a_command_beside_the_station_leaves_what_the_station_has_spilled(tmp_path: Path) -> None:
    """The station brings it to the archive as well, which a command cannot."""
    station = StationConfig.model_validate(
        {"name": "st", "topic": "a/b/c/d/e/vision", "recipe": tmp_path, "cameras": []}
    )
    line = LineConfig(line="l", state_dir=tmp_path, stations=(station,))
    spilled = line.station_dir(station) / SPILL_NAME
    spilled.parent.mkdir(parents=True)
    spilled.write_text("no record\n")
    with build_recorder(line, station).start() as recorder:
        assert recorder.flush(5)
    assert spilled.read_text() == "no record\n"


def test_a_part_that_comes_again_is_a_new_attempt(engine: Engine, start: Recording) -> None:
    first = start()
    for n in range(3):
        first.record(inspection(n, part_id="again"))
    first.record(inspection(3, part_id="other"))
    first.close()
    second = start()
    second.record(inspection(4, part_id="again"))
    second.record(inspection(5, part_id="again", station="station-2"))
    second.close()
    found = {part.result_id[-1]: part.attempt for part in queries.latest(engine)}
    assert found == {"0": 1, "1": 2, "2": 3, "3": 1, "4": 4, "5": 1}


def test_recovery_inserts_what_is_missing_and_confirms_all(engine: Engine, start: Recording) -> None:
    confirmed: list[str] = []
    recorder = start(on_recorded=confirmed.extend)
    recorder.record(inspection(1))
    assert recorder.flush(10)
    journaled = [record_fields(inspection(n, cause=Cause.MISSING)) for n in (1, 2, 2, 3)]
    assert recorder.recover(journaled) == 4
    assert recorder.flush(10)
    parts = queries.latest(engine)
    assert [part.seq for part in parts] == [3, 2, 1]
    assert parts[2].verdict == "PASS", "what the database has stays as it was"
    assert parts[0].station == STATION
    assert set(confirmed) == {f"{BOOT:08x}-{n}" for n in (1, 2, 3)}


def test_states_and_events(engine: Engine, start: Recording) -> None:
    recorder = start()
    recorder.show(StationStatus(STATION, "Initialized", BOOT))
    recorder.event("warning", "camera-lost", "the camera went away", camera="cam")
    assert recorder.flush(10)
    status = StationStatus(
        STATION, "Ready", BOOT, health="watch", counters={"received": 3}, cameras={"cam": "live"}
    )
    recorder.show(status)
    assert recorder.flush(10)
    state = queries.state(engine, STATION)
    assert state is not None
    assert (state.state, state.health, state.counters) == ("Ready", "watch", {"received": 3})
    assert state.cameras == {"cam": "live"}
    assert queries.state(engine, "nowhere") is None
    happened = queries.events(engine, STATION)
    assert [event.event for event in happened] == ["camera-lost", "recording"]
    assert happened[0].fields == {"camera": "cam"}
    assert [event.level for event in queries.events(engine, levels=["warning"])] == ["warning"]
    assert queries.events(engine, since=happened[0].at, event="recording") == ()


def test_a_full_disk_delays_and_loses_nothing(engine: Engine, start: Recording, pragma: Pragma) -> None:
    recorder = start(Records(batch=20, flush_ms=5, queue=1000))
    with engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
    with pragma(f"max_page_count = {pages}"):
        recorder.event("error", "disk", "full")
        for n in range(300):
            recorder.record(inspection(n, pictures=0))
        wait_for(lambda: recorder.health.level == "act", what="the fault")
        assert "is full" in recorder.health.text
        assert "Free space" in recorder.health.text
        recorder.check()
    with pragma("max_page_count = 1000000"):
        assert recorder.flush(20)
    assert recorder.health.level == "good"
    assert queries.count(engine) == 300
    assert [event.event for event in queries.events(engine, event="disk")] == ["disk"]


@pytest.mark.usefixtures("impatient")
def test_a_full_queue_spills_and_the_caller_never_waits(
    engine: Engine, start: Recording, tmp_path: Path
) -> None:
    recorder = start(Records(batch=5, flush_ms=5, queue=10))
    with locked(tmp_path):
        slowest = 0.0
        for n in range(500):
            before = time.perf_counter()
            recorder.record(inspection(n, pictures=0))
            slowest = max(slowest, time.perf_counter() - before)
        assert slowest < 0.5
        wait_for(lambda: "locked" in recorder.health.text, what="the fault")
        assert (tmp_path / "st" / SPILL_NAME).exists()
    assert recorder.flush(20)
    assert queries.count(engine) == 500
    assert recorder.health.level == "good"
    assert not list((tmp_path / "st").iterdir())
    assert recorder.counts.stored == recorder.counts.accepted == 500


@pytest.mark.usefixtures("impatient")
def test_pictures_are_written_while_the_database_is_away(start: Recording, tmp_path: Path) -> None:
    store = EvidenceStore(tmp_path / "evidence", Evidence())
    recorder = start(Records(batch=2, flush_ms=5), evidence=store)
    with locked(tmp_path):
        for n in range(20):
            recorder.record(inspection(n, cause=Cause.MISSING))
        wait_for(lambda: len(list(tmp_path.glob("evidence/*/*/*/frame-0.jpg"))) == 20)
    assert recorder.flush(20)
    assert recorder.counts.pictures_dropped == 0


@pytest.mark.usefixtures("impatient")
def test_closing_without_a_database_leaves_all_for_the_next_start(
    engine: Engine, start: Recording, tmp_path: Path
) -> None:
    recorder = start(Records(batch=5, flush_ms=5))
    with locked(tmp_path):
        for n in range(30):
            recorder.record(inspection(n, pictures=0))
        recorder.close()
        recorder.check()
    assert queries.count(engine) == 0
    again = start()
    assert again.counts.accepted == 30
    again.close()
    assert again.counts.stored == 30
    assert sorted(part.seq for part in queries.latest(engine, n=100)) == list(range(30))


@pytest.mark.usefixtures("impatient")
def test_after_an_outage_records_are_stored_in_the_order_in_which_they_came(
    engine: Engine, start: Recording, tmp_path: Path
) -> None:
    recorder = start(Records(batch=5, flush_ms=5))
    spilled = tmp_path / "st" / SPILL_NAME
    with locked(tmp_path):
        for n in range(60):
            recorder.record(inspection(n, pictures=0))
        wait_for(lambda: spilled.exists() and spilled.read_bytes().count(b"\n") > 30, 30)
    for n in range(60, 90):
        recorder.record(inspection(n, pictures=0))
    assert recorder.flush(20)
    with engine.connect() as connection:
        stored = connection.exec_driver_sql("select seq from inspection order by rowid").scalars().all()
    assert stored == list(range(90))


def test_lines_of_the_spill_file_that_are_no_records_do_not_count(
    start: Recording, tmp_path: Path
) -> None:
    (tmp_path / "st").mkdir()
    (tmp_path / "st" / SPILL_NAME).write_text("half a li\n")
    recorder = start()
    recorder.record(inspection(1, pictures=0))
    assert recorder.flush(10)
    wait_for(lambda: recorder.counts.stored == recorder.counts.accepted == 1)


@pytest.mark.usefixtures("impatient")
def test_what_nothing_takes_is_counted_and_said(start: Recording, tmp_path: Path) -> None:
    recorder = start(Records(batch=1, flush_ms=1, queue=3))
    (tmp_path / "st" / SPILL_NAME).mkdir()
    with locked(tmp_path):
        for n in range(50):
            recorder.record(inspection(n, pictures=0))
        assert recorder.counts.lost > 0
        assert recorder.health.level == "act"
        assert f"{recorder.counts.lost} records are in the journal alone" in recorder.health.text
    assert recorder.flush(20)
    assert recorder.counts.stored + recorder.counts.lost == 50


def test_a_picture_that_cannot_be_written_costs_no_record(
    engine: Engine, start: Recording, tmp_path: Path
) -> None:
    (tmp_path / "evidence").write_text("in the way")
    recorder = start(evidence=EvidenceStore(tmp_path / "evidence", Evidence()))
    recorder.record(inspection(1, cause=Cause.MISSING))
    assert recorder.flush(10)
    assert queries.count(engine) == 1
    assert recorder.health.level == "act"
    assert "pictures cannot be written" in recorder.health.text
    (tmp_path / "evidence").unlink()
    recorder.record(inspection(2, cause=Cause.MISSING))
    assert recorder.flush(10)
    assert recorder.health.level == "watch"
    assert "1 parts were recorded without" in recorder.health.text
    picture = queries.latest(engine)[0].picture
    assert picture is not None
    assert picture.endswith("/frame-0.jpg")


def test_pictures_beyond_the_memory_limit_are_counted(tmp_path: Path) -> None:
    ledger = intake.Ledger()
    store = EvidenceStore(tmp_path, Evidence())
    box = intake.Intake(STATION, 10, store, ledger, picture_limit=2 * 64 * 48 * 3)
    assert all(box.put(inspection(n, cause=Cause.MISSING)) for n in range(3))
    kept = [fields for _ in range(3) if (fields := box.take(0)) is not None]
    assert [len(fields["evidence"]) for fields in kept] == [2, 2, 0]
    assert [fields["imageSize"] for fields in kept] == [(64, 48)] * 3
    assert ledger.counts.pictures_dropped == 1
    assert box.put(inspection(4, cause=Cause.MISSING)), "there is room again"
    assert ledger.counts.pictures_dropped == 1


def test_pictures_that_a_killed_process_wrote_are_found_again(
    engine: Engine, start: Recording, tmp_path: Path
) -> None:
    store = EvidenceStore(tmp_path / "evidence", Evidence())
    killed = inspection(1, cause=Cause.MISSING)
    store.keep(killed)
    recorder = start(evidence=store)
    recorder.recover([record_fields(killed)])
    assert recorder.flush(10)
    record = queries.part(engine, killed.result_id)
    assert record is not None
    assert [file.kind for file in record.evidence] == ["picture", "overlay"]


def test_what_breaks_the_thread_reaches_the_caller(start: Recording) -> None:
    def broken(_: object) -> None:
        raise RuntimeError("a defect")

    recorder = start(on_recorded=broken)
    recorder.check()
    recorder.record(inspection(1))
    assert not recorder.flush(10)
    with pytest.raises(RuntimeError, match="a defect"):
        recorder.check()


def test_the_context_manager_stores_and_raises(url: str, engine: Engine, tmp_path: Path) -> None:
    with DatabaseRecorder(url, STATION, tmp_path).start() as recorder:
        recorder.record(inspection(1))
    assert queries.count(engine) == 1
    assert not [thread for thread in threading.enumerate() if thread.name == f"recorder-{STATION}"]
    recorder.record(inspection(2))
    with DatabaseRecorder(url, STATION, tmp_path).start():
        pass
    assert queries.count(engine) == 2, "what came after the end waited in the spill file"


def test_two_stations_share_a_database(url: str, engine: Engine, tmp_path: Path) -> None:
    with (
        DatabaseRecorder(url, "a", tmp_path / "a", config=Records(flush_ms=1, batch=3)).start() as a,
        DatabaseRecorder(url, "b", tmp_path / "b", config=Records(flush_ms=1, batch=3)).start() as b,
    ):
        for n in range(0, 200, 2):
            a.record(inspection(n, station="a", pictures=0))
            b.record(inspection(n + 1, station="b", pictures=0))
    assert queries.count(engine) == 200
    assert queries.stations(engine) == ("a", "b")


@pytest.mark.parametrize(
    ("text", "said"), [("query_only = ON", "is read-only"), ("max_page_count = 4", "is full")]
)
def test_a_disk_that_takes_nothing_at_the_start(
    start: Recording, pragma: Pragma, text: str, said: str
) -> None:
    with pragma(text), pytest.raises(StorageError, match=said) as caught:
        start()
    assert caught.value.remedy
    assert caught.value.exit_code == 3


@pytest.mark.usefixtures("engine")
def test_a_current_database_that_became_readonly(start: Recording, pragma: Pragma) -> None:
    with pragma("query_only = ON"), pytest.raises(StorageError, match="is read-only"):
        start()


def test_a_station_folder_that_cannot_be_made(url: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match="cannot be made"):
        DatabaseRecorder(url, STATION, tmp_path / "file" / "st").start()
