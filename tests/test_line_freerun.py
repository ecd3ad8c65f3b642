"""A live station whose parts trigger themselves by crossing a line in the picture."""

from __future__ import annotations

import time
from collections.abc import Sequence

import pytest
from fakes import (
    Gate,
    command,
    mark_of,
)
from line_rig import Start, free_running, moving_bottle, run_belt
from support import wait_for

from inspector.contract import Reason
from inspector.domain import Detection, Image
from inspector.errors import DefectError


def test_a_part_that_crosses_the_line_triggers_itself(rig: Start) -> None:
    station = free_running(rig)
    run_belt(station, range(52, 8, -3))
    result = station.result(1)
    assert (result.plc_boot_id, result.part_id, result.verdict) == (0, "top#1", "PASS")
    assert station.plc.acks == []
    (inspection,) = station.recorded()
    assert inspection.part_box is not None
    assert inspection.part_box.centre[0] <= 32
    assert inspection.trigger.deadline_s == 5.0
    counters = station.line.desk.counters()
    assert (counters.received, counters.accepted, counters.in_flight) == (1, 1, 0)
    assert [accepted.part_id for accepted in station.journal.accepted] == ["top#1"]


def test_one_frame_that_cannot_be_searched_does_not_end_the_line(rig: Start) -> None:
    failing = [True]

    def broken_once(image: Image) -> Sequence[Detection]:
        if failing and mark_of(image) == 40:
            failing.clear()
            raise DefectError("the network gave nonsense")
        return moving_bottle(image)

    station = free_running(rig, broken_once)
    run_belt(station, range(52, 8, -3))
    assert station.result(1).verdict == "PASS"
    assert not failing
    assert station.recorder.named("model-fault") == ["the network gave nonsense"]
    station.line.check()


def test_a_detector_that_stays_broken_ends_the_line(rig: Start) -> None:
    broken: list[bool] = []

    def broken_later(image: Image) -> Sequence[Detection]:
        if broken:
            raise DefectError("the network gave nonsense")
        return moving_bottle(image)

    station = free_running(rig, broken_later)
    broken.append(True)
    for mark in range(50, 20, -1):
        station.show(mark)
        time.sleep(0.01)
    with pytest.raises(DefectError, match="nonsense"):
        wait_for(lambda: station.line.check(), 5)


def test_parts_that_cross_are_numbered_in_their_order(rig: Start) -> None:
    station = free_running(rig)
    for _ in range(3):
        run_belt(station, [*range(52, 8, -3), *[0] * 14])
    wait_for(lambda: len(station.plc.results) == 3)
    assert sorted(result.part_id for result in station.plc.results) == ["top#1", "top#2", "top#3"]


def test_a_trigger_of_the_plc_is_refused_while_the_picture_triggers(rig: Start) -> None:
    station = free_running(rig)
    station.trigger(1)
    wait_for(lambda: station.plc.acks)
    assert station.plc.acks[0].reason is Reason.NOT_READY


def test_frames_that_come_faster_than_they_can_be_searched_are_dropped_and_counted(rig: Start) -> None:
    station = free_running(rig)
    wait_for(lambda: station.line._frames.unfinished_tasks == 0)
    gate = Gate()
    station.detector.answer = gate
    station.show(0)
    assert gate.entered.wait(5)
    for _ in range(6):
        station.show(0)
    wait_for(lambda: station.line.frames_dropped == 4)
    gate.opened.set()
    wait_for(lambda: station.line._frames.unfinished_tasks == 0)
    assert station.line.frames_dropped == 4
    assert station.line.status().counters["frames_dropped"] == 4


def test_a_part_that_crosses_while_the_station_is_halted_is_refused_and_counted(rig: Start) -> None:
    station = free_running(rig)
    station.plc.send(command("halt"))
    station.wait_for_state("Halted")
    run_belt(station, range(52, 8, -3))
    wait_for(lambda: station.line.desk.counters().received == 1)
    counters = station.line.desk.counters()
    assert (counters.accepted, counters.refused) == (0, {"NotReady": 1})
    assert station.plc.results == []


def test_a_part_that_cannot_be_journaled_is_refused_and_the_state_says_why(rig: Start) -> None:
    station = free_running(rig)
    station.journal.full = True
    run_belt(station, range(52, 8, -3))
    station.wait_for_state("Error")
    assert station.line.desk.counters().refused == {"NotReady": 1}
    station.journal.full = False
    station.wait_for_state("ContinuousExecution")


def test_a_recording_that_ends_ends_the_line_after_its_last_part(rig: Start) -> None:
    station = free_running(rig)
    assert not station.line.ended
    run_belt(station, range(52, 8, -3))
    station.camera.put(None)
    wait_for(lambda: station.line.ended)
    wait_for(station.reconciled)
    assert len(station.recorder.inspections) == 1
