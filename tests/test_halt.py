"""Halt: nothing passes once it is acknowledged, and a reset alone ends it."""

from __future__ import annotations

import time
from pathlib import Path

from control_rig import Rig, inspected
from fakes import command, trigger_message
from line_rig import Start
from support import wait_for

from inspector.contract import AckPayload, Reason, ResultPayload
from inspector.ports import Message
from inspector.records.halted import HaltFile

# --- at once -------------------------------------------------------------------------------------


def test_before_the_state_says_so_a_halt_admits_nothing_and_repeats_nothing() -> None:
    rig = Rig().ready()
    rig.handle(trigger_message(1))
    inspection = inspected(rig.accepted[0])
    rig.desk.send(ResultPayload.of(inspection))
    rig.desk.book(inspection, ResultPayload.of(inspection))
    rig.handle(command("halt"))
    rig.handle(trigger_message(1))
    rig.handle(trigger_message(2))
    assert [ack.reason for ack in rig.plc.acks] == [
        Reason.ACCEPTED,
        Reason.ACCEPTED,
        Reason.DUPLICATE,
        Reason.NOT_READY,
    ]
    assert rig.plc.results == []


def test_a_part_that_is_halted_while_its_verdict_is_written_down_does_not_pass(rig: Start) -> None:
    station = rig().start()
    station.journal.on_verdict = lambda: station.line.control.halt(True)
    station.part(1)
    result = station.result(1)
    assert (result.verdict, result.cause, result.result_state) == ("REVIEW", "Halted", 3)
    # what counts is written last, under the same id
    assert [noted["cause"] for noted in station.journal.verdicts] == ["None", "Halted"]
    assert len({noted["resultId"] for noted in station.journal.verdicts}) == 1
    (inspection,) = station.recorded()
    assert inspection.judgement.cause.word == "Halted"


def test_a_verdict_that_is_going_out_is_out_before_the_halt_is_acknowledged(rig: Start) -> None:
    station = rig().start()
    publish = station.plc.publish

    def slowly(message: Message) -> bool:
        if isinstance(message, ResultPayload):
            station.plc.send(command("halt", commandId="h1"))
            time.sleep(0.2)  # several ticks of the control
        return publish(message)

    station.plc.publish = slowly  # type: ignore[method-assign]
    station.part(1)
    assert station.result(1).verdict == "PASS"
    wait_for(lambda: any(ack.command_id == "h1" for ack in station.plc.acks))
    sent = list(station.plc.messages)
    (result,) = [n for n, message in enumerate(sent) if isinstance(message, ResultPayload)]
    (halted,) = [
        n
        for n, message in enumerate(sent)
        if isinstance(message, AckPayload) and message.command_id == "h1"
    ]
    assert result < halted


# --- for as long ---------------------------------------------------------------------------------


def test_a_halt_outlives_the_process_until_a_reset(tmp_path: Path) -> None:
    first = Rig(halt_mark=HaltFile(tmp_path)).ready()
    first.handle(command("halt"))
    rig = Rig(halt_mark=HaltFile(tmp_path)).start()
    rig.pass_time(1)
    assert rig.plc.states == ["Halted"]
    assert "'reset'" in rig.recorder.named("halted")[0]
    rig.handle(trigger_message())
    assert rig.plc.acks[-1].reason is Reason.NOT_READY
    rig.handle(command("reset"))
    rig.pass_time()
    assert rig.state == "Ready"
    Rig(halt_mark=HaltFile(tmp_path)).ready()


def test_it_is_noted_before_it_is_acknowledged(tmp_path: Path) -> None:
    mark = HaltFile(tmp_path)
    rig = Rig(halt_mark=mark).ready()
    publish, noted = rig.plc.publish, []

    def look(message: Message) -> bool:
        if isinstance(message, AckPayload):
            noted.append(mark.is_set)
        return publish(message)

    rig.plc.publish = look  # type: ignore[method-assign]
    rig.handle(command("halt"))
    rig.handle(command("reset"))
    assert noted == [True, False]


def test_a_disk_that_does_not_take_it_is_told_and_the_station_halted_all_the_same(
    tmp_path: Path,
) -> None:
    rig = Rig(halt_mark=HaltFile(tmp_path / "gone")).ready()
    rig.handle(command("halt"))
    rig.pass_time()
    assert (rig.state, rig.plc.acks[-1].reason) == ("Halted", Reason.ACCEPTED)
    (text,) = rig.recorder.named("halt-mark")
    assert "forget that the station is halted" in text
    assert "gone/halted cannot be written" in text


def test_a_disk_that_does_not_let_go_of_it_is_told_and_the_station_reset_all_the_same(
    tmp_path: Path,
) -> None:
    (tmp_path / "halted").mkdir()
    rig = Rig(halt_mark=HaltFile(tmp_path)).start()
    assert rig.state == "Halted"
    rig.handle(command("reset"))
    rig.pass_time()
    assert rig.state == "Ready"
    assert "find the station halted again" in rig.recorder.named("halt-mark")[0]
