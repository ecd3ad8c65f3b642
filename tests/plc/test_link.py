"""The connection's thread: failures that nobody foresaw, and losses that a second client explains."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import count
from typing import TypeAlias

import pytest
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.publish import single
from support import Mosquitto, wait_for

from inspector.config import Broker
from inspector.plc.client import new_client
from inspector.plc.link import Down, Link

Loss: TypeAlias = Callable[[Link], None]


def test_a_failure_in_the_connection_s_thread_ends_the_connection_and_not_the_link(
    mosquitto: Mosquitto,
) -> None:
    broker = Broker(port=mosquitto.port, reconnect_s=0.05)
    told: list[Down] = []
    heard: list[bytes] = []

    def hear(message: MQTTMessage, _at_s: float) -> None:
        heard.append(message.payload)
        if message.payload == b"bad":
            raise ValueError("nobody foresaw this")

    client = new_client(broker, "link-test")
    link = Link(
        broker, "link-test", lambda: client, filters=["link/test"], on_down=told.append, on_message=hear
    )
    link.start()
    try:
        for number, payload in enumerate(("bad", "bad", "good"), 1):
            wait_for(lambda wanted=number: link.up and link.counters().connects == wanted, 10)  # type: ignore[misc]
            single("link/test", payload, qos=1, hostname=broker.host, port=broker.port)
            wait_for(lambda wanted=number: len(heard) >= wanted, 10)  # type: ignore[misc]
        assert heard == [b"bad", b"bad", b"good"]
        assert "the connection failed: ValueError('nobody foresaw this')" in told[0].reason
        assert link.counters().disconnects == 2
    finally:
        link.close()


def test_an_attempt_that_fails_as_nobody_foresaw_is_told_and_the_next_one_made(
    mosquitto: Mosquitto,
) -> None:
    broker = Broker(port=mosquitto.port, reconnect_s=0.05)
    client, attempts = new_client(broker, "link-prepare"), count(1)
    told: list[Down] = []

    def prepare() -> Client:
        if next(attempts) == 1:
            raise ZeroDivisionError("a defect")
        return client

    link = Link(broker, "link-prepare", prepare, on_down=told.append)
    link.start()
    try:
        wait_for(lambda: link.up)
        assert [down.reason for down in told] == [
            "the connection failed: ZeroDivisionError('a defect')"
        ]
        assert link.counters().failed_attempts == 1
    finally:
        link.close()


# --- a second client with the same id -------------------------------------------------------------


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inspector.plc.link.EVICTED_WITHIN_S", 0.1)


def losses(port: int, times: int, lives_s: float, reconnect_s: float, lose: Loss) -> list[Down]:
    """What is told of a link that lives for so long, and is lost, again and again."""
    broker = Broker(port=port, reconnect_s=reconnect_s)
    client = new_client(broker, f"link-{port}")
    told: list[Down] = []
    link = Link(broker, "link-losses", lambda: client, on_down=told.append)
    link.start()
    try:
        for number in range(1, times + 1):
            wait_for(lambda wanted=number: link.counters().connects == wanted, 10)  # type: ignore[misc]
            time.sleep(lives_s)
            lose(link)
            wait_for(lambda wanted=number: link.counters().disconnects == wanted, 10)  # type: ignore[misc]
        wait_for(lambda: link.up, 10)
        return told
    finally:
        link.close()


def intrude(port: int) -> Loss:
    def lose(_link: Link) -> None:
        intruder = Client(CallbackAPIVersion.VERSION2, client_id=f"link-{port}")
        intruder.connect("127.0.0.1", port)
        intruder.disconnect()

    return lose


@pytest.mark.usefixtures("hurried")
def test_an_intruder_that_takes_its_time_is_asked_for_at_the_fourth_loss(mosquitto: Mosquitto) -> None:
    told = losses(mosquitto.port, 4, 0.4, 0.1, intrude(mosquitto.port))
    assert [down.evicted for down in told] == [False, False, False, True]
    assert "is there a second client with the same id?" in told[3].reason


@pytest.mark.usefixtures("hurried")
def test_an_intruder_may_be_as_slow_as_the_link_itself(mosquitto: Mosquitto) -> None:
    told = losses(mosquitto.port, 2, 0.2, 0.3, intrude(mosquitto.port))
    assert [down.evicted for down in told] == [False, True]


@pytest.mark.usefixtures("hurried")
def test_a_broker_that_comes_and_goes_is_no_second_client(own_mosquitto: Mosquitto) -> None:
    def lose(link: Link) -> None:
        failed = link.counters().failed_attempts
        own_mosquitto.kill()
        wait_for(lambda: link.counters().failed_attempts > failed)
        own_mosquitto.start()

    own_mosquitto.start()
    told = losses(own_mosquitto.port, 5, 0, 0.1, lose)
    assert len(told) >= 5
    assert not any(down.evicted for down in told)


@pytest.mark.usefixtures("hurried")
def test_a_connection_that_we_give_up_is_no_second_client_s_work(mosquitto: Mosquitto) -> None:
    told = losses(mosquitto.port, 5, 0, 0.1, lambda link: link.hang_up("it is dead"))
    assert [(down.reason, down.evicted) for down in told] == [("it is dead", False)] * 5
