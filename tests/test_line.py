"""A live station: real threads and queues, fake models, camera and PLC."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from fakes import (
    CROSSING,
    RECIPE,
    FakeDetector,
    FakeJournal,
    FakePlc,
    FakeRecorder,
    Gate,
    ScriptedCamera,
    SteeredClock,
    command,
    make_recipe,
    make_station,
    mark_of,
    picture,
    scratch_if_marked,
    trigger_message,
)
from support import wait_for

from inspector import eyes, line
from inspector.checks.detect import DetectCheck
from inspector.config import Acquisition, OpenCvCamera, StationConfig
from inspector.contract import Reason, ResultAckPayload, ResultPayload
from inspector.domain import Box, Detection, Frame, Image, Inspection
from inspector.errors import CameraError, DefectError
from inspector.issue import Issuer, reference
from inspector.line import StationLine
from inspector.ports import LinkDown, LinkUp, Message, Received

BOOT = 0xAB
SCRATCHES = DetectCheck("detect", "detector", frozenset({"scratch"}), 0.5, 0.3)
GOOD, DOUBTFUL, BAD = 10, 40, 90
"""Marks of pictures, as :func:`fakes.scratch_if_marked` reads them."""

Answer = Sequence[Detection] | Callable[[Image], Sequence[Detection]]


class Rig:
    """A station line, a camera that films what the test shows it, and a PLC whose heart beats."""

    def __init__(
        self,
        folder: Path,
        answer: Answer = scratch_if_marked,
        *,
        text: str = RECIPE,
        continuous: bool = False,
        **config: Any,
    ) -> None:
        self.clock, self.plc = SteeredClock(), FakePlc()
        self.journal, self.recorder = FakeJournal(), FakeRecorder()
        self.camera, self.detector = ScriptedCamera(continuous), FakeDetector(answer)
        self._index = itertools.count()
        self._beating = threading.Event()
        self._beating.set()
        recipe = make_recipe(folder, text)
        defaults: dict[str, Any] = {
            "name": "station-1",
            "topic": "a/b/c/d/e/vision",
            "recipe": recipe.path,
            "cameras": (OpenCvCamera(kind="opencv", name="top", device=0, reconnect_s=0.01),),
            "acquisition": Acquisition(after_ms=3000),
            "deadline_ms": 5000,
        }
        self.line = StationLine(
            StationConfig(**(defaults | config)),
            make_station(recipe, self.detector, SCRATCHES),
            {"top": self.camera},
            self.journal,
            self.recorder,
            Issuer("station-1", BOOT, reference(recipe), simulated=False),
            self.plc.connect,
            self.clock,
        )

    def start(self, state: str = "Ready") -> Rig:
        self.line.start()
        self.warm_up_calls = self.detector.calls
        self.plc.send(LinkUp())
        threading.Thread(target=self._beat, daemon=True).start()
        self.wait_for_state(state)
        return self

    def _beat(self) -> None:
        while self._beating.is_set():
            self.plc.send(Received("plc/hb", b"{}", self.clock()))
            time.sleep(0.1)

    def stop(self) -> None:
        self._beating.clear()
        self.line.stop(2.0)

    def wait_for_state(self, state: str) -> None:
        wait_for(lambda: self.plc.states[-1:] == [state], what=f"{state}, seen {self.plc.states}")

    def show(self, mark: int, image: Image | None = None, **changes: Any) -> Frame:
        """Expose now."""
        image = picture(mark) if image is None else image
        shot = Frame(image, "top", next(self._index), self.clock(), **changes)
        self.camera.put(shot)
        return shot

    def trigger(self, number: int, **changes: Any) -> None:
        self.plc.send(trigger_message(number, at_s=self.clock(), **changes))

    def part(self, number: int, mark: int = GOOD, **changes: Any) -> None:
        """A part passes: the PLC triggers, the camera exposes."""
        self.trigger(number, **changes)
        self.show(mark)

    def result(self, number: int) -> ResultPayload:
        def find() -> ResultPayload | None:
            return next((r for r in self.plc.results if r.trigger_id == number), None)

        return wait_for(find, what=f"result {number}")  # type: ignore[no-any-return]

    def recorded(self, count: int = 1) -> list[Inspection]:
        wait_for(lambda: len(self.recorder.inspections) >= count, what=f"{count} records")
        return list(self.recorder.inspections)

    def reconciled(self) -> bool:
        counters = self.line.desk.counters()
        assert counters.reconciled, counters
        return counters.in_flight == 0


Start = Callable[..., Rig]


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Start]:
    """Makes rigs, stopped at the end; whatever a test did, the counters must reconcile."""
    made: list[Rig] = []

    def make(*args: Any, **options: Any) -> Rig:
        made.append(Rig(tmp_path / f"{len(made)}", *args, **options))
        return made[-1]

    yield make
    for one in made:
        if callable(one.detector.answer) and isinstance(one.detector.answer, Gate):
            one.detector.answer.opened.set()
        one.stop()
        assert one.line.desk.counters().reconciled


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
    station.plc.send(Received("plc/hb", b"{}", station.clock()))
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
    station.part(1)
    assert gate.entered.wait(5)
    time.sleep(0.3)
    before = len(station.plc.beats)
    time.sleep(0.2)
    assert len(station.plc.beats) == before
    gate.opened.set()
    wait_for(lambda: len(station.plc.beats) > before)


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


def test_challenge_parts_never_open_the_gate_and_are_counted_apart(rig: Start) -> None:
    station = rig().start()
    station.plc.send(command("challenge", expected=["good"]))
    for number in (1, 2):
        station.part(number)
        station.result(number)
    assert [result.opens_gate for result in station.plc.results] == [False, True]
    wait_for(station.reconciled)
    counters = station.line.desk.counters()
    assert (counters.challenge, counters.verdicts["PASS"]) == (1, 1)


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


def test_the_will_says_offline_and_the_status_what_an_operator_wants(rig: Start) -> None:
    station = rig().start()
    will = station.plc.will
    assert will is not None
    assert (will.online, will.health, will.station_boot_id) == (False, "act", BOOT)
    status = wait_for(lambda: [s for s in station.recorder.statuses if s.state == "Ready"])[0]
    assert (status.station, status.boot_id, status.cameras) == ("station-1", BOOT, {"top": "live"})
    assert (status.recipe_id, status.recipe_version, status.deadline_ms) == ("soap", 3, 5000)
    assert station.line.boot_id == BOOT


# --- free-running --------------------------------------------------------------------------------


def moving_bottle(image: Image) -> Sequence[Detection]:
    """A bottle whose centre the first pixel tells, in pixels of a 64 px wide picture."""
    x = mark_of(image)
    return (Detection("bottle", 0.9, Box(x - 6, 10, x + 6, 40)),) if 8 <= x <= 56 else ()


def free_running(rig: Start, answer: Answer = moving_bottle, **config: Any) -> Rig:
    station = rig(answer, text=CROSSING, continuous=True, **config)
    station.show(0)
    return station.start("ContinuousExecution")


def run_belt(station: Rig, marks: Sequence[int]) -> None:
    """One frame at a time, so that none is dropped."""
    for mark in marks:
        station.show(mark)
        wait_for(lambda: not station.line._frames.unfinished_tasks and station.camera._items.empty())
        time.sleep(0.002)


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
