"""The simulated PLC on the wire, opposite a scripted station."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any, Self

import pytest
from support import Mosquitto, result_payload, state_payload, wait_for

from inspector.config import Broker
from inspector.contract import (
    AckPayload,
    CommandPayload,
    HeartbeatPayload,
    Reason,
    ResultAckPayload,
    StateName,
    TriggerPayload,
)
from inspector.domain import Cause
from inspector.errors import RetryableError
from inspector.plc.mqtt import MqttPlc
from inspector.ports import Inbound, LinkUp, Received
from inspector.sim.broker import EmbeddedBroker
from inspector.sim.gate import PartOutcome
from inspector.sim.plc import SimPlc

_BASES = count(1)
BOOT = 7


class ScriptedStation:
    """Ready and alive; answers each trigger by ``script``."""

    def __init__(self, broker: Broker, base: str) -> None:
        self.script: Callable[[ScriptedStation, TriggerPayload], None] = ScriptedStation.good
        self.heard: list[Received] = []
        self.alive = True
        self._closed = threading.Event()
        self.plc = MqttPlc(broker, base, f"station-{base}", self._take, will=state_payload())
        self._thread = threading.Thread(target=self._beat, daemon=True)

    def good(self, trigger: TriggerPayload, **changes: Any) -> None:
        """Accept and pass."""
        self.ack(trigger, Reason.ACCEPTED)
        self.result(trigger, **changes)

    def ack(self, trigger: TriggerPayload, reason: Reason) -> None:
        self.plc.publish(
            AckPayload(
                plc_boot_id=trigger.plc_boot_id,
                trigger_id=trigger.trigger_id,
                accepted=reason is Reason.ACCEPTED,
                reason=reason,
            )
        )

    def result(self, trigger: TriggerPayload, cause: Cause = Cause.NONE, **changes: Any) -> None:
        fields: dict[str, Any] = {
            "plc_boot_id": trigger.plc_boot_id,
            "trigger_id": trigger.trigger_id,
            "part_id": trigger.part_id,
            "result_id": f"00000007-{trigger.trigger_id}",
        }
        self.plc.publish(result_payload(cause, **(fields | changes)))

    def acks(self) -> list[ResultAckPayload]:
        return [ResultAckPayload.decode(m.data) for m in list(self.heard) if m.topic == "cmd/resultAck"]

    def on(self, topic: str) -> list[bytes]:
        return [message.data for message in list(self.heard) if message.topic == topic]

    def _take(self, event: Inbound) -> None:
        if isinstance(event, LinkUp):
            self.plc.publish(state_payload(boot_id=BOOT))
        elif isinstance(event, Received):
            self.heard.append(event)
            if event.topic == "cmd/trigger":
                self.script(self, TriggerPayload.decode(event.data))

    def _beat(self) -> None:
        for number in count():
            if self.alive:
                self.plc.publish(HeartbeatPayload(boot_id=BOOT, n=number))
            if self._closed.wait(0.1):
                return

    def __enter__(self) -> Self:
        self.plc.start()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        self._thread.join()
        self.plc.close(state_payload(StateName.PREOPERATIONAL, online=False))


@pytest.fixture
def base() -> str:
    return f"acme/plant/area/line/sim{next(_BASES)}/vision"


@pytest.fixture
def station(mosquitto: Mosquitto, base: str) -> Iterator[ScriptedStation]:
    with ScriptedStation(mosquitto.broker, base) as station:
        yield station


@pytest.fixture
def plc(mosquitto: Mosquitto, base: str) -> Iterator[SimPlc]:
    with SimPlc(mosquitto.broker, base, accept_simulated=False, deadline_ms=400) as plc:
        yield plc


@pytest.mark.parametrize("kind", ["mosquitto", "embedded"])
def test_good_parts_pass(kind: str, base: str, request: pytest.FixtureRequest) -> None:
    def run(broker: Broker) -> None:
        seen: list[PartOutcome] = []
        with (
            ScriptedStation(broker, base) as station,
            SimPlc(
                broker, base, accept_simulated=False, deadline_ms=2000, on_outcome=seen.append
            ) as plc,
        ):
            assert plc.wait_ready(5)
            ids = [plc.trigger(f"part-{number}") for number in range(20)]
            assert ids == list(range(1, 21))
            assert plc.wait_idle(5)
            assert {outcome.gate for outcome in plc.outcomes()} == {"open"}
            assert [outcome.trigger_id for outcome in plc.outcomes()] == ids
            assert all(outcome.latency_ms for outcome in plc.outcomes())
            counters = plc.counters()
            assert (counters.triggers, counters.accepted, counters.opened) == (20, 20, 20)
            assert counters.verdicts == {"PASS": 20}
            wait_for(lambda: len(seen) == 20)
            wait_for(lambda: len(station.acks()) == 20)
            assert all(ack.taken for ack in station.acks())
            trigger = TriggerPayload.decode(station.on("cmd/trigger")[0])
            assert (trigger.recipe_id, trigger.plc_boot_id) == ("shower-gel", plc.boot_id)

    if kind == "mosquitto":
        run(request.getfixturevalue("mosquitto").broker)
    else:
        with EmbeddedBroker() as embedded:
            run(Broker(port=embedded.port))


def test_no_trigger_unless_ready(station: ScriptedStation, plc: SimPlc) -> None:
    assert plc.wait_ready(5)
    station.plc.publish(state_payload(StateName.INITIALIZED))
    wait_for(lambda: plc.state is not None and plc.state.state is StateName.INITIALIZED)
    with pytest.raises(RetryableError, match="the station is Initialized"):
        plc.trigger("part")
    assert plc.last_trigger_id == 1, "the photo-eye has exposed it"
    station.plc.publish(state_payload(boot_id=BOOT + 1))
    assert not plc.wait_ready(0.3), "the heartbeat is of another start"
    station.plc.publish(state_payload(boot_id=BOOT))
    assert plc.wait_ready(1)
    station.alive = False
    with pytest.raises(RetryableError, match="heartbeat is missing"):
        wait_for(lambda: (plc.trigger("part"), time.sleep(0.1))[1], 3)
    counted = plc.last_trigger_id
    assert plc.trigger("forced", check=False) == counted + 1


def test_silence_rejects(station: ScriptedStation, plc: SimPlc) -> None:
    station.script = lambda station, trigger: station.ack(trigger, Reason.ACCEPTED)
    assert plc.wait_ready(5)
    start = time.monotonic()
    plc.trigger("part")
    assert plc.wait_idle(5)
    assert 0.35 < time.monotonic() - start < 2
    (outcome,) = plc.outcomes()
    assert (outcome.gate, outcome.ack, outcome.verdict) == ("reject", "Accepted", None)
    assert plc.counters().rejected_by_timer == 1


def test_results_that_open_nothing(station: ScriptedStation, plc: SimPlc) -> None:
    def script(station: ScriptedStation, trigger: TriggerPayload) -> None:
        station.ack(trigger, Reason.ACCEPTED)
        changes: dict[str, Any] = {
            "simulated": {"is_simulated": True},
            "partial": {"is_partial": True},
            "challenge": {"is_challenge": True},
            "fail": {"cause": Cause.DEFECT},
            "wrong-part": {"part_id": "another"},
        }[trigger.part_id]
        station.result(trigger, **changes)

    station.script = script
    assert plc.wait_ready(5)
    for part in ("simulated", "partial", "challenge", "fail", "wrong-part"):
        plc.trigger(part)
    assert plc.wait_idle(5)
    assert {outcome.gate for outcome in plc.outcomes()} == {"reject"}
    assert plc.counters().rejected_by_result == 4
    assert plc.counters().unmatched == 1
    assert plc.counters().rejected_by_timer == 1


def test_repeated_trigger_and_refusals(station: ScriptedStation, plc: SimPlc) -> None:
    assert plc.wait_ready(5)
    first = plc.trigger("part")
    assert plc.wait_idle(5)
    station.script = lambda station, trigger: station.ack(
        trigger, Reason.DUPLICATE if trigger.part_id == "part" else Reason.CONFLICT
    )
    plc.repeat(first)
    plc.repeat(first, part_id="swapped")
    wait_for(lambda: plc.counters().refused == {"Duplicate": 1, "Conflict": 1})
    assert [outcome.gate for outcome in plc.outcomes()] == ["open"]
    station.script = lambda station, trigger: station.ack(trigger, Reason.RECIPE_MISMATCH)
    plc.trigger("part-2", recipe_id="hand-wash")
    assert plc.wait_idle(0.3), "a refusal needs no timer"
    assert plc.outcomes()[-1].ack == "RecipeMismatch"


def test_heartbeat_restart_and_rubbish(station: ScriptedStation, plc: SimPlc) -> None:
    assert plc.wait_ready(5)
    wait_for(lambda: len(station.on("plc/hb")) >= 3)
    times = [message.at_s for message in station.heard if message.topic == "plc/hb"]
    assert 0.4 < times[2] - times[1] < 1.0
    beats = [HeartbeatPayload.decode(data) for data in station.on("plc/hb")]
    assert {beat.boot_id for beat in beats} == {plc.boot_id}
    assert [beat.n for beat in beats] == list(range(1, len(beats) + 1))
    plc.beat(False)
    time.sleep(0.1)
    heard = len(station.on("plc/hb"))
    time.sleep(0.7)
    assert len(station.on("plc/hb")) == heard
    old = plc.boot_id
    plc.restart()
    assert plc.boot_id not in (0, old)
    assert plc.raw("cmd/nonsense", b"rubbish") is True
    wait_for(lambda: b"rubbish" in station.on("cmd/nonsense"))


def test_commands_are_answered(station: ScriptedStation, plc: SimPlc) -> None:
    assert plc.wait_ready(5)
    timer = threading.Timer(
        0.1,
        station.plc.publish,
        [AckPayload(command_id="c-1", accepted=True, reason=Reason.ACCEPTED)],
    )
    timer.start()
    answer = plc.command(CommandPayload(command_id="c-1"), "cmd/halt")
    timer.join()
    assert answer is not None
    assert answer.accepted
    assert CommandPayload.decode(station.on("cmd/halt")[0]).command_id == "c-1"
    assert plc.command(CommandPayload(command_id="c-2"), timeout_s=0.1) is None


def test_broker_killed_with_parts_in_flight(own_mosquitto: Mosquitto, base: str) -> None:
    own_mosquitto.start()
    broker = own_mosquitto.broker
    with (
        ScriptedStation(broker, base) as station,
        SimPlc(broker, base, accept_simulated=False, deadline_ms=300) as plc,
    ):
        assert plc.wait_ready(5)
        station.script = lambda station, trigger: station.ack(trigger, Reason.ACCEPTED)
        for number in range(3):
            plc.trigger(f"part-{number}")
        wait_for(lambda: len(station.on("cmd/trigger")) == 3)
        own_mosquitto.kill()
        for data in station.on("cmd/trigger"):
            station.result(TriggerPayload.decode(data))
        assert plc.wait_idle(2)
        own_mosquitto.start()
        station.script = ScriptedStation.good
        assert plc.wait_ready(10), "service is back within 10 s"
        plc.trigger("next")
        assert plc.wait_idle(2)
        assert [outcome.gate for outcome in plc.outcomes()] == ["reject"] * 3 + ["open"]
        assert plc.counters().late == 0, "no old verdict"
