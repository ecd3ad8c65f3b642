"""The station's MQTT client against a real broker."""

from __future__ import annotations

import queue
import socket
import statistics
import threading
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any, Self

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion
from support import Mosquitto, free_port, result_payload, state_payload, wait_for

from inspector.config import Broker
from inspector.contract import HeartbeatPayload, StateName, StatePayload
from inspector.errors import BrokerError, ConfigError
from inspector.plc.client import probe
from inspector.plc.mqtt import MqttPlc
from inspector.ports import Inbound, LinkDown, LinkUp, Received
from inspector.sim.broker import EmbeddedBroker
from inspector.sim.proxy import Proxy

_BASES = count(1)


class Listener:
    """Somebody else on the broker: hears everything below a base topic."""

    def __init__(self, port: int, base: str) -> None:
        self.base = base
        self.heard: list[tuple[str, bytes, bool]] = []
        self._ready = threading.Event()
        self._client = Client(CallbackAPIVersion.VERSION2)
        self._client.on_connect = lambda client, *_: client.subscribe(f"{base}/#", 1)
        self._client.on_subscribe = lambda *_: self._ready.set()
        self._client.on_message = lambda _client, _data, message: self.heard.append(
            (message.topic.removeprefix(f"{base}/"), bytes(message.payload), bool(message.retain))
        )
        self._client.on_socket_open = lambda _client, _data, sock: sock.setsockopt(
            socket.IPPROTO_TCP, socket.TCP_NODELAY, 1
        )
        self._client.reconnect_delay_set(1, 1)
        self._client.connect_async("127.0.0.1", port)

    def on(self, topic: str) -> list[bytes]:
        return [data for name, data, _ in list(self.heard) if name == topic]

    def publish(self, topic: str, data: bytes, retain: bool = False) -> None:
        self._client.publish(f"{self.base}/{topic}", data, qos=1, retain=retain)

    def __enter__(self) -> Self:
        self._client.loop_start()
        assert self._ready.wait(5)
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()


class Station:
    """An MqttPlc and its inbox."""

    def __init__(self, port: int, base: str, client_id: str = "", **broker: Any) -> None:
        self.events: queue.Queue[Inbound] = queue.Queue()
        self.plc = MqttPlc(
            Broker(port=port, **broker),
            base,
            client_id or f"station-{base}",
            self.events.put,
            will=state_payload(StateName.ERROR),
        )

    def expect(self, kind: type[Any], timeout_s: float = 5.0) -> Any:
        end = time.monotonic() + timeout_s
        while True:
            event = self.events.get(timeout=max(0.001, end - time.monotonic()))
            if isinstance(event, kind):
                return event

    def links(self) -> list[Inbound]:
        return [event for event in list(self.events.queue) if not isinstance(event, Received)]

    def __enter__(self) -> Self:
        self.plc.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.plc.close()


@pytest.fixture
def base() -> str:
    return f"acme/plant/area/line/st{next(_BASES)}/vision"


@pytest.fixture(params=["mosquitto", "embedded"])
def port(request: pytest.FixtureRequest) -> Iterator[int]:
    if request.param == "mosquitto":
        yield request.getfixturevalue("mosquitto").port
    else:
        with EmbeddedBroker() as broker:
            yield broker.port


def test_state_is_retained_and_commands_arrive(port: int, base: str) -> None:
    with Station(port, base) as station, Listener(port, base) as early:
        station.expect(LinkUp)
        assert station.plc.connected
        assert station.plc.publish(state_payload())
        wait_for(lambda: early.on("state"))
        with Listener(port, base) as late:
            wait_for(lambda: late.heard)
            # amqtt may send it twice
            assert set(late.heard) == {("state", state_payload().encode(), True)}
            before = time.monotonic()
            late.publish("cmd/trigger", b"x" * 20_000)
            got = station.expect(Received)
            assert (got.topic, got.data) == ("cmd/trigger", b"x" * 20_000)
            assert before <= got.at_s <= time.monotonic()
            late.publish("plc/hb", b"{}")
            assert station.expect(Received).topic == "plc/hb"


def test_verdicts_are_not_retained(port: int, base: str) -> None:
    with Station(port, base) as station, Listener(port, base) as early:
        station.expect(LinkUp)
        assert station.plc.publish(result_payload())
        wait_for(lambda: early.on("evt/result"))
        assert early.on("evt/result") == [result_payload().encode()]
        with Listener(port, base) as late:
            station.plc.publish(HeartbeatPayload(boot_id=7, n=1))
            wait_for(lambda: late.on("hb"))
            assert not late.on("evt/result")


def test_leaving_publishes_the_last_state_and_no_will(port: int, base: str) -> None:
    with Listener(port, base) as other:
        with Station(port, base) as station:
            station.expect(LinkUp)
            station.plc.close(state_payload(StateName.HALTED, online=False))
        wait_for(lambda: other.on("state"))
        time.sleep(0.3)
        assert [StatePayload.decode(data).state for data in other.on("state")] == [StateName.HALTED]
        assert not station.plc.publish(state_payload())
        assert not station.links()


def test_will_is_published_when_the_station_vanishes(mosquitto: Mosquitto, base: str) -> None:
    with Listener(mosquitto.port, base) as other, Proxy(mosquitto.port) as proxy:
        with Station(proxy.port, base) as station:
            station.expect(LinkUp)
            station.plc.publish(state_payload())
            wait_for(lambda: other.on("state"))
            proxy.refuse = True
            proxy.cut()
            wait_for(lambda: len(other.on("state")) == 2)
            will = StatePayload.decode(other.on("state")[1])
            assert (will.state, will.online) == (StateName.ERROR, False)
        with Listener(mosquitto.port, base) as late:
            wait_for(lambda: late.heard)
            assert late.heard[0][2], "the will is retained"


def test_broker_down_at_the_start(own_mosquitto: Mosquitto, base: str) -> None:
    with Station(own_mosquitto.port, base) as station:
        down = station.expect(LinkDown)
        assert f"127.0.0.1:{own_mosquitto.port} cannot be reached" in down.reason
        assert not station.plc.publish(state_payload())
        time.sleep(1.2)
        assert not station.links(), "the same news is not told twice"
        assert station.plc.counters().failed_attempts >= 2
        own_mosquitto.start()
        station.expect(LinkUp, 3.0)
        assert station.plc.publish(state_payload())


def test_broker_killed_and_restarted(own_mosquitto: Mosquitto, base: str) -> None:
    own_mosquitto.start()
    with Station(own_mosquitto.port, base) as station:
        station.expect(LinkUp)
        own_mosquitto.kill()
        station.expect(LinkDown)
        assert not station.plc.publish(result_payload())
        own_mosquitto.start()
        with Listener(own_mosquitto.port, base) as other:
            station.expect(LinkUp, 3.0)
            assert station.plc.publish(state_payload())
            wait_for(lambda: other.on("state"))
            time.sleep(0.3)
            assert not other.on("evt/result")
        assert station.plc.counters().disconnects == 1
        assert station.plc.counters().unsent == 1


def test_no_old_verdict_after_a_cut(mosquitto: Mosquitto, base: str) -> None:
    """A publish into a silently dead link succeeds; its message must not come again later."""
    with (
        Listener(mosquitto.port, base) as other,
        Proxy(mosquitto.port) as proxy,
        Station(proxy.port, base) as station,
    ):
        station.expect(LinkUp)
        proxy.silence()
        for number in range(30):  # more than paho's usual window of 20
            assert station.plc.publish(result_payload(trigger_id=number))
        time.sleep(0.2)
        proxy.cut()
        proxy.release()
        station.expect(LinkDown)
        station.expect(LinkUp, 3.0)
        assert station.plc.publish(result_payload(trigger_id=99, result_id="new"))
        wait_for(lambda: other.on("evt/result"))
        time.sleep(0.5)
        assert other.on("evt/result") == [result_payload(trigger_id=99, result_id="new").encode()]
        assert station.plc.counters().dropped == 30
        assert not station.links(), "one loss, one LinkDown"


def test_dead_link_is_given_up_before_the_keepalive(mosquitto: Mosquitto, base: str) -> None:
    with Proxy(mosquitto.port) as proxy, Station(proxy.port, base, keepalive_s=60) as station:
        station.expect(LinkUp)
        proxy.silence()
        assert station.plc.publish(result_payload())
        start = time.monotonic()
        assert "acknowledged nothing" in station.expect(LinkDown).reason
        assert 1.5 < time.monotonic() - start < 3.5
        assert not station.plc.publish(result_payload())
        proxy.cut()
        proxy.release()
        station.expect(LinkUp, 4.0)


def test_leaving_a_dead_link_takes_no_longer_than_told(mosquitto: Mosquitto, base: str) -> None:
    with Proxy(mosquitto.port) as proxy, Station(proxy.port, base) as station:
        station.expect(LinkUp)
        proxy.silence()
        start = time.monotonic()
        station.plc.close(state_payload(StateName.HALTED, online=False), timeout_s=1.0)
        assert time.monotonic() - start < 1.5


def test_retained_command_is_an_old_order(mosquitto: Mosquitto, base: str) -> None:
    with Listener(mosquitto.port, base) as other:
        other.publish("cmd/trigger", b"old", retain=True)
        wait_for(lambda: other.on("cmd/trigger"))
        with Station(mosquitto.port, base) as station:
            station.expect(LinkUp)
            wait_for(lambda: station.plc.counters().retained_ignored == 1)
            other.publish("cmd/trigger", b"new")
            assert station.expect(Received).data == b"new"
        other.publish("cmd/trigger", b"", retain=True)


def test_second_client_with_the_same_id_is_named(mosquitto: Mosquitto, base: str) -> None:
    with Station(mosquitto.port, base, "twin", reconnect_s=0.05) as one:
        one.expect(LinkUp)
        with Station(mosquitto.port, base, "twin", reconnect_s=0.05):
            for _ in range(10):
                if "second client" in one.expect(LinkDown).reason:
                    break
            else:
                pytest.fail("the reason never names the second client")
        assert one.plc.counters().disconnects >= 2


def test_concurrent_publishers(mosquitto: Mosquitto, base: str) -> None:
    with Station(mosquitto.port, base) as station, Listener(mosquitto.port, base) as other:
        station.expect(LinkUp)

        def work(worker: int) -> None:
            for number in range(100):
                station.plc.publish(result_payload(trigger_id=worker * 100 + number))

        threads = [threading.Thread(target=work, args=(worker,)) for worker in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        wait_for(lambda: len(other.on("evt/result")) >= 400, 10)
        assert len(set(other.on("evt/result"))) == 400


def test_round_trip_shows_no_nagle_stall(port: int, base: str) -> None:
    times = []
    with Station(port, base) as station, Listener(port, base) as other:
        station.expect(LinkUp)
        for number in range(100):
            start = time.perf_counter()
            assert station.plc.publish(result_payload(trigger_id=number))
            while len(other.heard) <= number:
                time.sleep(0.0001)
            times.append((time.perf_counter() - start) * 1000)
    p50 = statistics.median(times)
    print(f"QoS 1 station -> broker -> listener: p50 {p50:.2f} ms, max {max(times):.2f} ms")  # noqa: T201
    assert p50 < 40, "Nagle and delayed ACK cost 40 ms a message"


def test_probe(port: int) -> None:
    probe(Broker(port=port))


def test_probe_says_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(BrokerError, match=r"cannot be reached: .*refused.* Start the broker"):
        probe(Broker(port=free_port()))
    with socket.create_server(("127.0.0.1", 0)) as mute:
        broker = Broker(port=mute.getsockname()[1])
        with pytest.raises(BrokerError, match="does not answer as an MQTT broker"):
            probe(broker, timeout_s=0.3)
    with pytest.raises(BrokerError, match="cannot be reached"):
        probe(Broker(host="no..such..host"))
    with pytest.raises(ConfigError, match="password file cannot be read"):
        probe(Broker(username="station", password_file=tmp_path / "absent"))
    with pytest.raises(ConfigError, match="TLS files cannot be used"):
        probe(Broker(ca_file=tmp_path / "absent"))
