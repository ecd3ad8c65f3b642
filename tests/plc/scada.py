"""A Sparkplug host application, as far as tests need one."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from typing import Any

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion
from plc.sparkplug_wire import WirePayload, read
from support import wait_for


@dataclass
class Heard:
    """A message as a host application gets it."""

    topic: str
    data: bytes
    retain: bool
    qos: int

    @property
    def verb(self) -> str:
        return self.topic.split("/")[2]

    @property
    def payload(self) -> WirePayload:
        return read(self.data)


class Host:
    """A host application: hears a group, sends commands and its own STATE."""

    def __init__(self, port: int, group: str, name: str = "scada") -> None:
        self.group, self.name = group, name
        self.heard: list[Heard] = []
        self._ready = threading.Event()
        self._client = Client(CallbackAPIVersion.VERSION2)
        self._client.on_connect = lambda client, *_: client.subscribe(f"spBv1.0/{group}/#", 1)
        self._client.on_subscribe = lambda *_: self._ready.set()
        self._client.on_message = self._hear
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        assert self._ready.wait(5)

    def _hear(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        if "/NCMD/" not in message.topic:
            self.heard.append(Heard(message.topic, bytes(message.payload), message.retain, message.qos))

    def of(self, verb: str) -> list[WirePayload]:
        return [message.payload for message in list(self.heard) if message.verb == verb]

    def wait(self, verb: str, number: int, timeout_s: float = 5.0) -> WirePayload:
        wait_for(lambda: len(self.of(verb)) >= number, timeout_s, f"{number} {verb}")
        return self.of(verb)[number - 1]

    def order(self, data: bytes, node: str = "cell", retain: bool = False) -> None:
        self._client.publish(f"spBv1.0/{self.group}/NCMD/{node}", data, retain=retain)

    def say(self, online: Any, timestamp: Any, name: str = "") -> None:
        data = json.dumps({"online": online, "timestamp": timestamp})
        topic = f"spBv1.0/STATE/{name or self.name}"
        self._client.publish(topic, data, qos=1, retain=True).wait_for_publish(5)

    def forget(self) -> None:
        """Remove the retained STATE."""
        self._client.publish(f"spBv1.0/STATE/{self.name}", b"", qos=1, retain=True).wait_for_publish(5)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()
