"""A live station: real threads and queues, fake models, camera and PLC."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

import pytest
from fakes import (
    PLC_BEAT,
    Gate,
    mark_of,
    scratch_if_marked,
    trigger_message,
)
from line_rig import BAD, BOOT, DOUBTFUL, GOOD, Start
from support import wait_for

from inspector.cameraspecs import Acquisition
from inspector.contract import Reason
from inspector.domain import Detection, Image
from inspector.ports import LinkUp, Received


@pytest.mark.parametrize(
    ("mark", "verdict", "cause"),
    [(GOOD, "PASS", "None"), (DOUBTFUL, "REVIEW", "Uncertain"), (BAD, "FAIL", "Defect")],
)
def test_a_part_goes_in_and_its_verdict_comes_out(
    rig: Start, mark: int, verdict: str, cause: str
) -> None:
    station = rig().start()
    station.part(1, mark)
    result = station.result(1)
    assert (result.verdict, result.cause) == (verdict, cause)


def test_a_result_carries_the_ids_of_its_trigger_and_opens_the_gate(rig: Start) -> None:
    station = rig().start()
    station.part(1, batchId="b1")
    result = station.result(1)
    assert (result.part_id, result.batch_id, result.result_id) == ("part-1", "b1", "000000ab-1")
    assert (result.station_boot_id, result.result_state, result.recipe_id) == (BOOT, 1, "soap")
    assert 0 < result.age_ms < 5000
    assert result.opens_gate
    assert [ack.reason for ack in station.plc.acks] == [Reason.ACCEPTED]
    (inspection,) = station.recorded()
    assert (inspection.result_id, inspection.frame) == (result.result_id, 0)
    assert len(inspection.frames) == 1


def test_the_journal_knows_of_it_before_the_plc_does(rig: Start) -> None:
    station = rig()
    published: list[int] = []
    station.journal.on_verdict = lambda: published.append(len(station.plc.results))
    station.start().part(1)
    station.result(1)
    assert published == [0]
    assert [accepted.trigger_id for accepted in station.journal.accepted] == [1]


def test_it_is_not_ready_before_its_models_are_warm(rig: Start) -> None:
    gate = Gate()
    station = rig(gate)
    starting = threading.Thread(target=station.start)
    starting.start()
    assert gate.entered.wait(5)
    station.plc.send(LinkUp())
    station.plc.send(Received("plc/hb", PLC_BEAT, station.clock()))
    station.trigger(1)
    wait_for(lambda: station.plc.acks)
    assert station.plc.acks[0].reason is Reason.NOT_READY
    assert "Ready" not in station.plc.states
    gate.opened.set()
    starting.join(5)
    assert station.plc.states[-1] == "Ready"


def test_more_parts_than_the_queue_holds_are_accepted_and_review_overrun(rig: Start) -> None:
    station = rig(workers=1, queue=1).start()
    gate = Gate()
    station.detector.answer = gate
    station.part(1)
    assert gate.entered.wait(5)
    for number in (2, 3, 4):
        station.part(number)
    for number in (3, 4):
        result = station.result(number)
        assert (result.verdict, result.cause, result.result_state) == ("REVIEW", "Overrun", 3)
        assert not result.opens_gate
    gate.opened.set()
    assert [station.result(number).verdict for number in (1, 2)] == ["PASS", "PASS"]
    assert [ack.reason for ack in station.plc.acks] == [Reason.ACCEPTED] * 4
    wait_for(station.reconciled)
    assert station.line.desk.counters().overrun == 2


def test_a_verdict_that_misses_its_deadline_is_recorded_and_not_published(rig: Start) -> None:
    station = rig().start()

    def slow(image: Image) -> Sequence[Detection]:
        time.sleep(0.1)
        return scratch_if_marked(image)

    station.detector.answer = slow
    station.part(1, deadlineMs=50)
    (inspection,) = station.recorded()
    assert (inspection.verdict, inspection.judgement.cause.word) == ("REVIEW", "DeadlineMissed")
    assert inspection.result_state == 3
    assert station.journal.verdicts[0]["cause"] == "DeadlineMissed"
    assert station.plc.results == []
    wait_for(station.reconciled)
    assert station.line.desk.counters().late == 1
    # its successor is none the worse
    station.detector.answer = scratch_if_marked
    station.part(2)
    assert station.result(2).verdict == "PASS"


@pytest.mark.parametrize(("hair_s", "published"), [(-1e-3, True), (1e-6, False)])
def test_a_hair_decides_whether_a_verdict_is_late(rig: Start, hair_s: float, published: bool) -> None:
    station = rig().start()
    received = station.clock()

    def until_deadline(image: Image) -> Sequence[Detection]:
        station.clock.stop_at(received + 0.5 + hair_s)
        return scratch_if_marked(image)

    station.detector.answer = until_deadline
    station.plc.send(trigger_message(1, at_s=received, deadlineMs=500))
    station.show(GOOD)
    (inspection,) = station.recorded()
    assert [result.trigger_id for result in station.plc.results] == ([1] if published else [])
    assert inspection.judgement.cause.word == ("None" if published else "DeadlineMissed")
    assert inspection.age_s == pytest.approx(0.5 + hair_s)


def test_a_verdict_that_becomes_late_while_it_is_journaled_is_not_published(rig: Start) -> None:
    station = rig().start()
    received = station.clock()
    station.journal.on_verdict = lambda: station.clock.stop_at(received + 5.0)
    station.plc.send(trigger_message(1, at_s=received, deadlineMs=5000))
    station.show(BAD)
    (inspection,) = station.recorded()
    assert station.plc.results == []
    assert inspection.judgement.cause.word == "DeadlineMissed"
    # what counts is written last, under the same id
    assert [noted["cause"] for noted in station.journal.verdicts] == ["Defect", "DeadlineMissed"]
    assert len({noted["resultId"] for noted in station.journal.verdicts}) == 1
    assert "Defect" in station.journal.verdicts[-1]["causes"]


def test_age_runs_from_the_exposure_if_that_was_earlier(rig: Start) -> None:
    wire = Acquisition(mode="wire", before_ms=2000, after_ms=3000)
    station = rig(acquisition=wire).start()
    station.show(GOOD)
    time.sleep(0.15)
    station.trigger(1, deadlineMs=100)
    (inspection,) = station.recorded()
    assert inspection.judgement.cause.word == "DeadlineMissed"
    assert inspection.age_s >= 0.15


def test_no_picture_in_the_window_is_review_missed_acquisition(rig: Start) -> None:
    station = rig(acquisition=Acquisition(after_ms=50)).start()
    station.trigger(1)
    result = station.result(1)
    assert (result.verdict, result.cause, result.result_state) == ("REVIEW", "MissedAcquisition", 3)


def test_several_parts_in_flight_are_matched_by_id_though_they_finish_out_of_order(rig: Start) -> None:
    station = rig(workers=3).start()
    first_may_end = threading.Event()

    def first_is_slow(image: Image) -> Sequence[Detection]:
        if mark_of(image) == 91:
            assert first_may_end.wait(10)
        return scratch_if_marked(image)

    station.detector.answer = first_is_slow
    for number, mark in ((1, 91), (2, GOOD), (3, BAD), (4, GOOD + 1)):
        station.part(number, mark)
    assert station.result(2).verdict == "PASS"
    assert station.result(3).verdict == "FAIL"
    assert station.result(4).verdict == "PASS"
    assert [result.trigger_id for result in station.plc.results if result.trigger_id == 1] == []
    first_may_end.set()
    first = station.result(1)
    assert (first.verdict, first.part_id) == ("FAIL", "part-1")
    assert first.findings[0].score == 0.91


def test_counters_reconcile_at_every_moment_of_a_busy_line(rig: Start) -> None:
    station = rig(workers=2, queue=2).start()
    seen_in_flight = set()
    for number in range(1, 61):
        if number % 10 == 0:
            station.plc.send(Received("cmd/trigger", b"rubbish", station.clock()))
        elif number % 7 == 0:
            station.trigger(number, recipeId="other")
        elif number % 11 == 0:
            station.trigger(number - 1)
        else:
            station.part(number, BAD if number % 5 == 0 else GOOD)
        counters = station.line.desk.counters()
        assert counters.reconciled, counters
        seen_in_flight.add(counters.in_flight)
        time.sleep(0.001)
    wait_for(lambda: station.line.desk.counters().received == 60)
    wait_for(station.reconciled)
    counters = station.line.desk.counters()
    assert counters.accepted == sum(counters.verdicts.values()) == len(station.recorder.inspections)
    assert counters.refused["Malformed"] == 6
    assert counters.refused["RecipeMismatch"] == 8
    flat = station.line.status().counters
    assert flat["received"] == 60
    assert flat["refused_Malformed"] == 6
    assert flat["PASS"] == counters.verdicts["PASS"]


def test_stopping_finishes_the_parts_in_flight(rig: Start) -> None:
    station = rig(workers=1).start()
    gate = Gate()
    station.detector.answer = gate
    for number in (1, 2, 3):
        station.part(number)
    wait_for(lambda: len(station.plc.acks) == 3)
    stopping = threading.Thread(target=station.stop)
    stopping.start()
    time.sleep(0.05)
    gate.opened.set()
    stopping.join(10)
    assert [result.trigger_id for result in station.plc.results] == [1, 2, 3]
    assert station.camera.closed
    assert not [
        t for t in threading.enumerate() if t.name.startswith(("inspect-", "camera-", "control"))
    ]


def test_stopping_does_not_wait_for_ever_for_a_part_that_hangs(rig: Start) -> None:
    station = rig(workers=1).start()
    gate = Gate()
    station.detector.answer = gate
    station.part(1)
    assert gate.entered.wait(5)
    started = time.monotonic()
    station.line.stop(0.2)
    assert time.monotonic() - started < 3
    # open in the journal, and never published
    assert station.plc.results == []
    assert station.journal.verdicts == []


def test_every_thread_ends_though_the_queue_is_shorter_than_their_number(rig: Start) -> None:
    station = rig(workers=3, queue=1).start()
    started = time.monotonic()
    station.line.stop()
    assert time.monotonic() - started < 2
    left = [t.name for t in station.line._threads.started if t.is_alive()]
    assert not [name for name in left if name.startswith("inspect-")]


def test_a_station_that_stops_finishes_what_it_has_and_accepts_nothing_more(rig: Start) -> None:
    station = rig(workers=1).start()
    gate = Gate()
    station.detector.answer = gate
    station.part(1)
    assert gate.entered.wait(5)
    stopping = threading.Thread(target=station.line.stop)
    stopping.start()
    station.wait_for_state("Initialized")
    assert station.line.control.state_payload().error_text == "the station is being stopped"
    station.trigger(2)
    ack = wait_for(lambda: [a for a in station.plc.acks if a.trigger_id == 2])[0]
    assert (ack.accepted, ack.reason.value) == (False, "NotReady")
    gate.opened.set()
    assert station.result(1).verdict == "PASS"
    stopping.join(5)
    assert not stopping.is_alive()
    assert station.reconciled()


def test_a_part_that_hangs_is_no_progress(rig: Start) -> None:
    station = rig(workers=1).start()
    assert station.line.progressing
    gate = Gate()
    station.detector.answer = gate
    station.part(1)
    assert gate.entered.wait(5)
    station.clock.stop_at(station.clock() + 11)  # more than twice the deadline
    assert not station.line.progressing
    gate.opened.set()
    wait_for(lambda: station.line.progressing)


def test_a_part_that_is_slow_within_its_own_deadline_is_not_stuck(rig: Start) -> None:
    station = rig(workers=1, deadline_ms=500).start()
    gate = Gate()
    station.detector.answer = gate
    station.part(1, deadlineMs=60_000)
    assert gate.entered.wait(5)
    station.clock.stop_at(station.clock() + 6)
    wait_for(lambda: station.line.progressing)
    gate.opened.set()
    assert station.result(1).verdict == "PASS"


def test_the_will_says_offline_and_the_status_what_an_operator_wants(rig: Start) -> None:
    station = rig().start()
    will = station.plc.will
    assert will is not None
    assert (will.online, will.health, will.station_boot_id) == (False, "act", BOOT)
    status = wait_for(lambda: [s for s in station.recorder.statuses if s.state == "Ready"])[0]
    assert (status.station, status.boot_id, status.cameras) == ("station-1", BOOT, {"top": "live"})
    assert (status.recipe_id, status.recipe_version, status.deadline_ms) == ("soap", 3, 5000)
    assert station.line.boot_id == BOOT
