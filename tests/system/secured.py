"""A client that learns what the broker denies."""

from __future__ import annotations

import threading
from typing import Any

from paho.mqtt.client import Client, MQTTMessage, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode
from support import wait_for

from inspector.config import Broker


class Client5:
    """Somebody with a certificate, who learns by MQTT 5 what the broker denies; a context manager."""

    def __init__(self, broker: Broker, client_id: str = "") -> None:
        self.heard: list[tuple[str, bytes]] = []
        self._answers: dict[int, ReasonCode] = {}
        self._ready = threading.Event()
        client = Client(CallbackAPIVersion.VERSION2, client_id=client_id, protocol=MQTTv5)
        client.tls_set(str(broker.ca_file), str(broker.cert_file), str(broker.key_file))
        client.on_connect = lambda client, *_: client.subscribe("#", 1)
        client.on_subscribe = lambda *_: self._ready.set()
        client.on_message = self._hear
        client.on_publish = self._note
        client.connect(broker.host, broker.port)
        self._client = client

    def _hear(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        self.heard.append((message.topic, bytes(message.payload)))

    def _note(self, _client: Client, _data: Any, mid: int, code: ReasonCode, _props: Any) -> None:
        self._answers[mid] = code

    def publish(self, topic: str, data: bytes = b"{}") -> bool:
        """Whether the broker lets it."""
        mid = self._client.publish(topic, data, qos=1).mid
        code = wait_for(lambda: self._answers.get(mid))
        assert code.value in (0, 16, 135), code
        return bool(code.value != 135)

    def __enter__(self) -> Client5:
        self._client.loop_start()
        assert self._ready.wait(5)
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()
