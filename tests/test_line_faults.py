"""What a live station does when a camera, a model, the journal, the link or the time fails."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import pytest
from fakes import (
    Gate,
    command,
    picture,
    scratch_if_marked,
)
from line_rig import GOOD, Start
from support import wait_for

from inspector import eyes, line
from inspector.cameraspecs import Acquisition
from inspector.contract import Reason, ResultAckPayload, ResultPayload
from inspector.domain import Detection, Image
from inspector.errors import CameraError, DefectError, PictureError
from inspector.ports import Asked, LinkDown, LinkUp, Message, Received


def test_a_camera_that_is_lost_makes_error_and_a_camera_that_is_back_ready(rig: Start) -> None:
    station = rig().start()
    station.camera.put(CameraError("camera 'top' is gone", "Plug it in"))
    station.wait_for_state("Error")
    station.trigger(1)
    wait_for(lambda: station.plc.acks)
    assert station.plc.acks[0].reason is Reason.NOT_READY
    station.show(GOOD)
    station.wait_for_state("Ready")
    station.part(2)
    assert station.result(2).verdict == "PASS"
    assert "top" in station.recorder.named("camera-back")[0]


def test_one_picture_that_cannot_be_read_costs_its_part_and_not_the_station(rig: Start) -> None:
    station = rig(acquisition=Acquisition(after_ms=300)).start()
    station.trigger(1)
    station.camera.put(PictureError("drop/a.png is no picture that can be read"))
    assert (station.result(1).verdict, station.result(1).cause) == ("REVIEW", "MissedAcquisition")
    station.part(2)
    assert station.result(2).verdict == "PASS"
    assert "Error" not in station.plc.states
    assert station.recorder.named("bad-picture") == ["drop/a.png is no picture that can be read"]


def test_a_part_whose_camera_is_lost_in_mid_flight_is_review_camera_fault(rig: Start) -> None:
    station = rig(acquisition=Acquisition(after_ms=300)).start()
    station.trigger(1)
    wait_for(lambda: station.plc.acks)
    station.camera.put(CameraError("gone"))
    result = station.result(1)
    assert (result.verdict, result.cause) == ("REVIEW", "CameraFault")


def test_a_camera_that_falls_silent_is_lost(rig: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(eyes, "SILENT_S", 0.3)
    station = rig(continuous=True)
    station.show(GOOD)
    station.start()
    station.wait_for_state("Error")
    assert station.line.status().cameras == {"top": "lost"}
    station.show(GOOD)
    wait_for(lambda: "Ready" in station.plc.states[station.plc.states.index("Error") :])


def test_a_frozen_camera_is_review_frozen_frame_never_pass(rig: Start) -> None:
    station = rig().start()
    frozen = picture(GOOD)
    verdicts = []
    for number in (1, 2, 3):
        station.trigger(number)
        station.show(GOOD, frozen)
        result = station.result(number)
        verdicts.append((result.verdict, result.cause))
    assert verdicts == [("PASS", "None"), ("REVIEW", "FrozenFrame"), ("REVIEW", "FrozenFrame")]
    station.part(4)
    assert station.result(4).verdict == "PASS"


def test_halt_ends_parts_in_flight_as_review_halted_and_refuses_new_ones(rig: Start) -> None:
    station = rig(workers=1).start()
    gate = Gate()
    station.detector.answer = gate
    station.part(1)
    assert gate.entered.wait(5)
    station.part(2)
    wait_for(lambda: len(station.plc.acks) == 2)
    station.plc.send(command("halt"))
    station.wait_for_state("Halted")
    gate.opened.set()
    for number in (1, 2):
        result = station.result(number)
        assert (result.verdict, result.cause, result.result_state) == ("REVIEW", "Halted", 3)
    # nobody waits for what was still in the queue
    assert station.detector.calls == station.warm_up_calls + 1
    station.trigger(3)
    wait_for(lambda: station.plc.acks[-1].trigger_id == 3)
    assert station.plc.acks[-1].reason is Reason.NOT_READY
    station.plc.send(command("reset"))
    station.wait_for_state("Ready")
    station.part(4)
    assert station.result(4).verdict == "PASS"


def test_a_reset_does_not_give_back_what_was_in_flight_at_the_halt(rig: Start) -> None:
    station = rig(workers=1).start()
    gate = Gate()
    station.detector.answer = gate
    station.part(1)
    assert gate.entered.wait(5)
    station.plc.send(command("halt"))
    station.wait_for_state("Halted")
    station.plc.send(command("reset"))
    station.wait_for_state("Ready")
    gate.opened.set()
    assert (station.result(1).verdict, station.result(1).cause) == ("REVIEW", "Halted")
    station.part(2)
    assert station.result(2).verdict == "PASS"


def test_a_model_that_fails_is_review_model_fault_and_the_line_goes_on(rig: Start) -> None:
    station = rig().start()

    def broken(_: Image) -> Sequence[Detection]:
        raise DefectError("the network gave nonsense")

    station.detector.answer = broken
    station.part(1)
    result = station.result(1)
    assert (result.verdict, result.cause, result.result_state) == ("REVIEW", "ModelFault", 4)
    assert station.recorder.named("model-fault") == ["the network gave nonsense"]
    station.line.check()
    station.detector.answer = scratch_if_marked
    station.part(2)
    assert station.result(2).verdict == "PASS"


def test_an_error_that_nobody_foresaw_reaches_the_main_thread_and_publishes_nothing(rig: Start) -> None:
    station = rig(workers=1).start()

    def broken(_: Image) -> Sequence[Detection]:
        raise ValueError("ours")

    station.detector.answer = broken
    station.part(1)

    def raised() -> bool:
        try:
            station.line.check()
        except ValueError as error:
            return str(error) == "ours"
        return False

    wait_for(raised)
    station.stop()
    assert station.plc.results == []
    # the journal knows that it is open: it becomes StationRestarted at the next start
    assert [accepted.trigger_id for accepted in station.journal.accepted] == [1]
    assert station.journal.verdicts == []


def test_what_ended_the_recorder_reaches_the_main_thread(rig: Start) -> None:
    station = rig().start()
    station.line.check()
    station.recorder.error = RuntimeError("recorder")
    with pytest.raises(RuntimeError, match="recorder"):
        station.line.check()


def test_a_pipeline_that_is_stuck_stops_the_heartbeat(
    rig: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line, "STUCK_S", 0.1)
    monkeypatch.setattr("inspector.control.HEARTBEAT_S", 0.02)
    station = rig(deadline_ms=10).start()
    gate = Gate()
    station.detector.answer = gate
    wait_for(lambda: station.plc.beats)
    station.part(1, deadlineMs=400)
    assert gate.entered.wait(5)
    wait_for(lambda: station.line._stuck(station.clock()))
    time.sleep(0.1)  # a tick
    before = len(station.plc.beats)
    time.sleep(0.2)
    assert len(station.plc.beats) == before
    gate.opened.set()
    wait_for(lambda: len(station.plc.beats) > before)


@pytest.mark.parametrize(("kind", "arguments"), [("challenge", None), ("reset", []), ("shadow", "x")])
def test_a_request_whose_arguments_are_no_object_is_refused_and_does_no_harm(
    rig: Start, kind: str, arguments: Any
) -> None:
    station = rig().start()
    station.plc.send(Asked(1, kind, arguments, "maria"))
    wait_for(lambda: station.answers)
    assert station.answers == [(1, "refused", "Its arguments are no object.")]
    station.line.check()
    station.part(1)
    assert station.result(1).verdict == "PASS"


def test_a_duplicate_trigger_is_inspected_once_and_answered_again(rig: Start) -> None:
    station = rig().start()
    station.part(1)
    first = station.result(1)
    wait_for(station.reconciled)
    station.trigger(1)
    wait_for(lambda: len(station.plc.results) == 2)
    assert station.plc.results[1].result_id == first.result_id
    assert [ack.reason for ack in station.plc.acks] == [Reason.ACCEPTED, Reason.DUPLICATE]
    assert len(station.recorder.inspections) == 1


def test_an_acknowledgement_that_is_faster_than_the_books_is_counted(rig: Start) -> None:
    station = rig().start()
    publish = station.plc.publish

    def refuse_at_once(message: Message) -> bool:
        if isinstance(message, ResultPayload):
            ack = ResultAckPayload(result_id=message.result_id, taken=False, reason="late")
            station.plc.send(Received("cmd/resultAck", ack.encode(), station.clock()))
            wait_for(lambda: station.recorder.named("not-taken"))
        return publish(message)

    station.plc.publish = refuse_at_once  # type: ignore[method-assign]
    station.part(1)
    station.result(1)
    assert station.line.desk.counters().not_taken == 1


def test_a_verdict_for_which_there_is_no_link_is_recorded_and_counted(rig: Start) -> None:
    station = rig().start()
    gate = Gate()
    station.detector.answer = gate
    station.part(1)
    assert gate.entered.wait(5)
    station.plc.up = False
    station.plc.send(LinkDown("cut"))
    gate.opened.set()
    (inspection,) = station.recorded()
    assert inspection.verdict == "PASS"
    assert station.line.reporter.unpublished == 1
    station.plc.up = True
    station.plc.send(LinkUp())
    station.wait_for_state("Ready")
    time.sleep(0.05)
    # nothing from before the outage goes out as a live verdict
    assert station.plc.results == []


def test_a_journal_that_fails_at_the_verdict_keeps_it_from_the_gate(rig: Start) -> None:
    station = rig().start()
    gate = Gate()
    station.detector.answer = gate
    station.part(1)
    assert gate.entered.wait(5)
    station.journal.full = True
    gate.opened.set()
    station.recorded()
    station.wait_for_state("Error")
    assert station.plc.results == []
    station.trigger(2)
    wait_for(lambda: station.plc.acks[-1].trigger_id == 2)
    assert station.plc.acks[-1].reason is Reason.NOT_READY
