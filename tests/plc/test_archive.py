"""The publisher of archive events against real brokers: at least once, in order, slowly."""

from __future__ import annotations

import json
import queue
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest
from support import Mosquitto, wait_for

from inspector.config import Broker
from inspector.plc.archive import ArchivePublisher
from inspector.ports import ArchiveEvent
from inspector.sim.broker import EmbeddedBroker
from inspector.sim.historian import Historian
from inspector.sim.proxy import Proxy

_BASES = count(1)


class Source:
    """Events that were not confirmed, and what the publisher says of them."""

    def __init__(self) -> None:
        self.confirmed: list[str] = []
        self.complaints: list[str] = [""]
        self._waiting: queue.SimpleQueue[ArchiveEvent] = queue.SimpleQueue()

    def put(self, *numbers: int, size: int = 0) -> list[str]:
        names = [f"event-{number}" for number in numbers]
        for number, name in zip(numbers, names, strict=True):
            data = json.dumps({"eventId": name, "kind": "ack", "filling": "x" * size}).encode()
            self._waiting.put(ArchiveEvent(number, name, data))
        return names

    def take(self, timeout_s: float) -> ArchiveEvent | None:
        try:
            return self._waiting.get(timeout=timeout_s)
        except queue.Empty:
            return None

    def delivered(self, event: ArchiveEvent) -> None:
        self.confirmed.append(event.event_id)

    def complain(self, text: str) -> None:
        if text != self.complaints[-1]:
            self.complaints.append(text)


@contextmanager
def publishing(
    port: int, base: str, source: Source, rate_hz: float = 200
) -> Iterator[ArchivePublisher]:
    broker = Broker(port=port, reconnect_s=0.1)
    publisher = ArchivePublisher(broker, base, f"archive-{base}", source, rate_hz)
    publisher.start()
    try:
        yield publisher
    finally:
        publisher.close()


@pytest.fixture
def base() -> str:
    return f"acme/plant/archive/line/st{next(_BASES)}/vision"


def test_events_arrive_in_order_and_are_confirmed(mosquitto: Mosquitto, base: str) -> None:
    source = Source()
    with Historian(mosquitto.broker, base, base) as historian, publishing(mosquitto.port, base, source):
        names = source.put(*range(50))
        wait_for(lambda: len(source.confirmed) == 50, 10)
        wait_for(lambda: historian.ids == names)
        assert source.confirmed == names
        assert len(historian.heard) == 50
    assert source.complaints == [""]


def test_a_backlog_goes_out_no_faster_than_told(mosquitto: Mosquitto, base: str) -> None:
    source = Source()
    source.put(*range(20))
    begun = time.monotonic()
    with publishing(mosquitto.port, base, source, rate_hz=40):
        wait_for(lambda: len(source.confirmed) == 20, 10)
    assert time.monotonic() - begun >= 19 / 40


def test_a_killed_broker_leaves_no_gap(own_mosquitto: Mosquitto, base: str) -> None:
    own_mosquitto.start()
    source = Source()
    with (
        Historian(own_mosquitto.broker, base) as historian,
        publishing(own_mosquitto.port, base, source),
    ):
        names = source.put(*range(100))
        for confirmed in (30, 60):
            wait_for(lambda least=confirmed: len(source.confirmed) >= least, 20)
            own_mosquitto.restart()
        wait_for(lambda: len(source.confirmed) == 100, 20)
        wait_for(lambda: len(historian.ids) == 100, 10)
        assert historian.ids == names
        assert source.confirmed == names


def test_what_a_cut_link_swallowed_is_sent_again_in_order(mosquitto: Mosquitto, base: str) -> None:
    source = Source()
    with (
        Historian(mosquitto.broker, base, base) as historian,
        Proxy(mosquitto.port) as proxy,
        publishing(proxy.port, base, source) as publisher,
    ):
        names = source.put(*range(5))
        wait_for(lambda: len(source.confirmed) == 5)
        proxy.silence()
        names += source.put(*range(5, 40))
        wait_for(lambda: not publisher.connected, 5, "a dead link is given up")
        assert len(source.confirmed) == 5
        proxy.cut()
        proxy.release()
        wait_for(lambda: len(source.confirmed) == 40, 10)
        wait_for(lambda: len(historian.ids) == 40)
        assert historian.ids == names


def test_a_broker_that_speaks_3_1_1_alone_is_served(base: str) -> None:
    source = Source()
    with EmbeddedBroker() as broker, publishing(broker.port, base, source):
        names = source.put(*range(10))
        wait_for(lambda: source.confirmed == names, 20)
    assert not any("protocol" in text for text in source.complaints)


def test_nobody_listening_is_told(mosquitto: Mosquitto, base: str) -> None:
    source = Source()
    with publishing(mosquitto.port, base, source):
        source.put(1)
        wait_for(lambda: source.confirmed)
        assert source.complaints[-1] == f"nobody has subscribed to {base}/archive/event"
        with Historian(mosquitto.broker, base, base) as historian:
            source.put(2)
            wait_for(lambda: historian.ids == ["event-2"])
            wait_for(lambda: source.complaints[-1] == "")


def test_an_event_that_the_broker_will_not_take_is_named(tmp_path: Path, base: str) -> None:
    broker = Mosquitto(tmp_path, more="message_size_limit 2000\n")
    broker.start()
    source = Source()
    try:
        with publishing(broker.port, base, source):
            source.put(1)
            wait_for(lambda: source.confirmed)
            source.put(2, size=5000)
            source.put(3)
            wait_for(lambda: "event event-2" in source.complaints[-1], 20)
            assert "message_size_limit" in source.complaints[-1]
            assert source.confirmed == ["event-1"], "none overtakes it, none is lost"
    finally:
        broker.stop()


def test_a_defect_is_told(mosquitto: Mosquitto, base: str, capsys: pytest.CaptureFixture[str]) -> None:
    class Broken(Source):
        def take(self, timeout_s: float) -> ArchiveEvent | None:
            raise ZeroDivisionError("a defect")

    source = Broken()
    with publishing(mosquitto.port, base, source):
        wait_for(lambda: source.complaints[-1] == "the archive publisher has stopped: a defect")
    assert "ZeroDivisionError" in capsys.readouterr().out


def test_an_absent_broker_is_told_and_waited_for(own_mosquitto: Mosquitto, base: str) -> None:
    source = Source()
    source.put(1)
    with publishing(own_mosquitto.port, base, source):
        wait_for(lambda: "cannot be reached" in source.complaints[-1])
        own_mosquitto.start()
        wait_for(lambda: source.confirmed == ["event-1"])
