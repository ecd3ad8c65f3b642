"""The connection's thread when something in it fails that nobody foresaw."""

from __future__ import annotations

from paho.mqtt.client import MQTTMessage
from paho.mqtt.publish import single
from support import Mosquitto, wait_for

from inspector.config import Broker
from inspector.plc.client import new_client
from inspector.plc.link import Down, Link


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
