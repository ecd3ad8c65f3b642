"""A historian: hears a station's archive in a session that the broker keeps while it is away."""

from __future__ import annotations

import json
import threading
from typing import Any, Self

from paho.mqtt.client import Client, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion

from inspector.config import Broker
from inspector.errors import OutsideError


class Historian:
    """Collects every event, doubles included; a context manager."""

    def __init__(self, broker: Broker, base: str, name: str = "historian") -> None:
        self.heard: list[dict[str, Any]] = []
        self._ready = threading.Event()
        self._client = Client(
            CallbackAPIVersion.VERSION2, client_id=name, clean_session=False, protocol=MQTTv311
        )
        if broker.ca_file is not None:
            self._client.tls_set(str(broker.ca_file), str(broker.cert_file), str(broker.key_file))
        self._client.on_connect = lambda client, *_: client.subscribe(f"{base}/archive/event", 1)
        self._client.on_subscribe = lambda *_: self._ready.set()
        self._client.on_message = lambda _client, _data, message: self.heard.append(
            json.loads(message.payload)
        )
        self._client.reconnect_delay_set(1, 1)
        self._client.connect_async(broker.host, broker.port)

    @property
    def events(self) -> list[dict[str, Any]]:
        """Without the doubles, in the order of their first arrival."""
        first: dict[str, dict[str, Any]] = {}
        for event in list(self.heard):
            first.setdefault(event["eventId"], event)
        return list(first.values())

    @property
    def ids(self) -> list[str]:
        """The ids of :attr:`events`."""
        return [event["eventId"] for event in self.events]

    def of(self, kind: str) -> list[dict[str, Any]]:
        """The events of that kind."""
        return [event for event in self.events if event["kind"] == kind]

    def __enter__(self) -> Self:
        self._client.loop_start()
        if not self._ready.wait(10):
            self.__exit__()
            raise OutsideError("the historian finds no broker", "May it read the archive?")
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()
