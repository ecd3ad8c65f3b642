"""A client that only speaks: an impostor with a certificate, or a second station."""

from __future__ import annotations

from typing import Self

from paho.mqtt.client import Client, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion

from inspector.config import Broker
from inspector.sim.plc import set_nodelay


class Voice:
    """Publishes any bytes below a base topic; a context manager."""

    def __init__(self, broker: Broker, base: str) -> None:
        """Connects at once. Raises ``OSError`` when the broker does not answer."""
        self._base = base
        self._client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTv311)
        self._client.on_socket_open = set_nodelay
        if broker.ca_file is not None:
            self._client.tls_set(str(broker.ca_file), str(broker.cert_file), str(broker.key_file))
        self._client.connect(broker.host, broker.port)
        self._client.loop_start()

    def say(self, topic: str, data: bytes, timeout_s: float = 5.0) -> None:
        """Publish, and wait until the broker has it; what it does with it, it does not say."""
        self._client.publish(f"{self._base}/{topic}", data, qos=1).wait_for_publish(timeout_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()
