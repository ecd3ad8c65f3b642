"""The conversation with the PLC, message by message, on a clock that stands still."""

from __future__ import annotations

import pytest
from control_rig import HEALTHY, Rig, inspected
from fakes import trigger_message

from inspector.contract import COMMAND_LIMIT, Reason, ResultPayload
from inspector.control import ASTRAY_ERROR, CAMERA_ERROR, RETRY_S, STORAGE_ERROR, draw_boot_id
from inspector.domain import Health
from inspector.ports import LinkDown, LinkUp, Received
from inspector.signs import Signs


def test_ready_needs_broker_models_cameras_and_the_heartbeat_of_the_plc() -> None:
    rig = Rig()
    rig.plc_beats = False
    rig.signs = Signs(cameras_up=False)
    seen = []

    def step() -> None:
        rig.pass_time()
        seen.append(rig.state)

    step()
    rig.handle(LinkUp())
    step()
    rig.signs = HEALTHY
    step()
    rig.control.warm()
    step()
    rig.plc_beats = True
    step()
    assert seen == ["Preoperational", "Preoperational", "Initialized", "Initialized", "Ready"]


def test_every_state_on_the_way_is_published_once() -> None:
    rig = Rig().ready()
    rig.pass_time(1)
    assert rig.plc.states == ["Initialized", "Ready"]
    payload = rig.last_state()
    assert (payload.recipe_id, payload.recipe_version, payload.station_boot_id) == ("soap", 3, 5)
    assert (payload.online, payload.mode, payload.health) == (True, "production", "good")


def test_state_is_published_again_after_a_reconnect() -> None:
    # the broker may hold our last will
    rig = Rig().ready()
    before = len(rig.plc.states)
    rig.handle(LinkDown("broken pipe"))
    rig.pass_time()
    rig.handle(LinkUp())
    rig.pass_time()
    assert rig.plc.states[before:] == ["Initialized", "Ready"]
    rig.handle(LinkUp())
    rig.pass_time()
    assert rig.plc.states[before:] == ["Initialized", "Ready", "Ready"]
    assert rig.recorder.named("link-down") == ["broken pipe"]


def test_a_state_that_could_not_be_sent_is_sent_later() -> None:
    rig = Rig().ready()
    rig.plc.up = False
    rig.signs = Signs(lost_cameras=("top",), cameras_up=False)
    rig.pass_time()
    assert rig.plc.states[-1] == "Ready"
    rig.plc.up = True
    rig.pass_time()
    assert rig.plc.states[-1] == "Error"


def test_heart_beats_each_500_ms_with_rising_numbers() -> None:
    rig = Rig().ready()
    before = len(rig.plc.beats)
    rig.pass_time(10)
    beats = rig.plc.beats[before:]
    assert 18 <= len(beats) <= 20
    numbers = [beat.n for beat in beats]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert {beat.boot_id for beat in beats} == {5}


def test_a_stuck_pipeline_stops_the_heartbeat_and_its_progress_starts_it_again() -> None:
    rig = Rig().ready()
    rig.signs = Signs(stuck=True)
    before = len(rig.plc.beats)
    rig.pass_time(3)
    assert len(rig.plc.beats) == before
    rig.signs = HEALTHY
    rig.pass_time()
    assert len(rig.plc.beats) == before + 1


def test_without_the_plcs_heartbeat_ready_is_left_within_two_seconds_and_returns() -> None:
    rig = Rig().ready()
    rig.plc_beats = False
    rig.pass_time(1.4)
    assert rig.state == "Ready"
    rig.pass_time(0.5)
    assert rig.state == "Initialized"
    rig.handle(trigger_message())
    assert rig.plc.acks[-1].reason is Reason.NOT_READY
    rig.plc_beats = True
    rig.pass_time()
    assert rig.state == "Ready"


def test_free_running_needs_no_heartbeat() -> None:
    rig = Rig(free_running=True)
    rig.plc_beats = False
    rig.handle(LinkUp())
    rig.control.warm()
    rig.pass_time(3)
    assert rig.state == "ContinuousExecution"


def test_without_a_broker_there_is_nothing_to_wait_for() -> None:
    rig = Rig(has_plc=False)
    rig.plc_beats = False
    rig.control.warm()
    rig.pass_time()
    assert rig.state == "Ready"


def test_pictures_that_no_longer_fit_the_triggers_stop_the_station_with_the_remedy_and_heal() -> None:
    rig = Rig().ready()
    rig.signs = Signs(astray="top: keep parts away")
    rig.pass_time()
    payload = rig.last_state()
    assert (payload.state.value, payload.error_code, payload.health) == ("Error", ASTRAY_ERROR, "act")
    assert payload.error_text == "top: keep parts away"
    rig.signs = HEALTHY
    rig.pass_time()
    assert rig.plc.states[-2:] == ["Initialized", "Ready"]


@pytest.mark.parametrize(("lost", "up"), [(("top",), False), (("top", "side"), True)])
def test_a_lost_camera_is_error_by_name_and_heals(lost: tuple[str, ...], up: bool) -> None:
    rig = Rig().ready()
    rig.signs = Signs(lost_cameras=lost, cameras_up=up)
    rig.pass_time()
    payload = rig.last_state()
    assert payload.state.value == "Error"
    assert payload.error_code == CAMERA_ERROR
    assert payload.health == "act"
    assert all(name in payload.error_text for name in lost)
    rig.signs = HEALTHY
    rig.pass_time()
    assert rig.plc.states[-2:] == ["Initialized", "Ready"]
    assert rig.last_state().error_code == 0
    assert rig.last_state().error_text == ""


def test_an_accepted_trigger_is_journaled_before_it_is_answered_and_then_inspected() -> None:
    rig = Rig().ready()
    answered: list[int] = []
    rig.journal.accept = lambda trigger, recipe: answered.append(len(rig.plc.acks))  # type: ignore[method-assign]
    rig.handle(trigger_message(4))
    assert answered == [0]
    assert [ack.reason for ack in rig.plc.acks] == [Reason.ACCEPTED]
    assert [trigger.trigger_id for trigger in rig.accepted] == [4]


def test_while_the_journal_fails_triggers_are_refused_and_the_state_is_error_until_it_heals() -> None:
    rig = Rig().ready()
    rig.journal.full = True
    rig.handle(trigger_message(1))
    assert [(ack.reason, ack.trigger_id) for ack in rig.plc.acks] == [(Reason.NOT_READY, 1)]
    assert rig.accepted == []
    assert rig.desk.counters().reconciled
    rig.pass_time()
    payload = rig.last_state()
    assert (payload.state.value, payload.error_code) == ("Error", STORAGE_ERROR)
    assert "disk is full" in payload.error_text
    rig.pass_time(2 * RETRY_S)
    assert rig.state == "Error"
    rig.journal.full = False
    rig.pass_time(1.1 * RETRY_S)
    assert rig.state == "Ready"
    rig.handle(trigger_message(1))
    assert rig.plc.acks[-1].reason is Reason.ACCEPTED


def test_what_the_records_say_of_their_health_is_in_the_state() -> None:
    rig = Rig().ready()
    rig.recorder.health = Health("watch", "behind by 400 records")
    rig.pass_time()
    assert (rig.last_state().health, rig.last_state().error_text) == ("watch", "behind by 400 records")
    rig.recorder.health = Health("act", "x" * 1000)
    rig.pass_time()
    assert len(rig.last_state().error_text) == 200


def test_a_duplicate_is_answered_and_its_result_goes_out_again() -> None:
    rig = Rig().ready()
    rig.handle(trigger_message())
    inspection = inspected(rig.accepted[0])
    rig.desk.send(ResultPayload.of(inspection))
    rig.desk.book(inspection, ResultPayload.of(inspection))
    rig.handle(trigger_message())
    assert [ack.reason for ack in rig.plc.acks] == [Reason.ACCEPTED, Reason.DUPLICATE]
    assert [result.result_id for result in rig.plc.results] == [inspection.result_id]
    assert len(rig.accepted) == 1


def test_a_duplicate_that_has_waited_beyond_the_deadline_gets_no_result_again() -> None:
    rig = Rig().ready()
    rig.handle(trigger_message(deadlineMs=500))
    inspection = inspected(rig.accepted[0])
    rig.desk.send(ResultPayload.of(inspection))
    rig.desk.book(inspection, ResultPayload.of(inspection))
    waiting = trigger_message(at_s=rig.clock(), deadlineMs=500)
    rig.clock.advance(0.6)
    rig.control.handle(waiting)
    assert rig.plc.acks[-1].reason is Reason.DUPLICATE
    assert rig.plc.results == []


def test_a_pass_that_was_not_taken_is_counted_and_noted() -> None:
    rig = Rig().ready()
    rig.handle(trigger_message())
    inspection = inspected(rig.accepted[0])
    rig.desk.send(ResultPayload.of(inspection))
    rig.desk.book(inspection, ResultPayload.of(inspection))
    ack = b'{"v":1,"resultId":"%s","taken":false,"reason":"late"}' % inspection.result_id.encode()
    rig.handle(Received("cmd/resultAck", ack, 0.0))
    assert rig.desk.counters().not_taken == 1
    assert "late" in rig.recorder.named("not-taken")[0]
    assert rig.recorder.acks == [(inspection.result_id, False, "late")], "for the archive"


@pytest.mark.parametrize("data", [b"", b"[]", b'{"resultId":1}', b"x" * (COMMAND_LIMIT + 1)])
def test_a_malformed_result_ack_does_no_harm(data: bytes) -> None:
    rig = Rig().ready()
    rig.handle(Received("cmd/resultAck", data, 0.0))
    rig.pass_time()
    assert rig.state == "Ready"
    assert rig.plc.acks == []
    assert rig.recorder.acks == []


def test_a_second_client_with_our_id_is_an_alarm() -> None:
    rig = Rig().ready()
    rig.handle(LinkDown("lost"))
    assert rig.recorder.named("second-client") == []
    rig.handle(LinkDown("lost; is there a second client?", evicted=True))
    assert ("error", "second-client", "lost; is there a second client?") in rig.recorder.events


def test_boot_ids_are_random_uint32_and_never_zero() -> None:
    drawn = {draw_boot_id() for _ in range(100)}
    assert len(drawn) > 90
    assert all(0 < number <= 0xFFFFFFFF for number in drawn)
