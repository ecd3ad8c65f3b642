"""A client that only listens, and notes when each message came."""

from __future__ import annotations

import queue
import threading
import time
from typing import Self

from paho.mqtt.client import Client, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion

from inspector.config import Broker
from inspector.errors import OutsideError
from inspector.sim.plc import set_nodelay


class Ear:
    """Subscribes to one topic with QoS 1; a context manager."""

    def __init__(self, broker: Broker, topic: str) -> None:
        self._broker = broker
        self._ready = threading.Event()
        self._heard: queue.SimpleQueue[float] = queue.SimpleQueue()
        self._client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTv311)
        self._client.on_socket_open = set_nodelay
        self._client.on_connect = lambda client, *_: client.subscribe(topic, 1)
        self._client.on_subscribe = lambda *_: self._ready.set()
        self._client.on_message = lambda *_: self._heard.put(time.perf_counter())

    def next(self, timeout_s: float = 10.0) -> float:
        """When the next message came, by ``time.perf_counter``; :class:`OutsideError`: none did."""
        try:
            return self._heard.get(timeout=timeout_s)
        except queue.Empty:
            raise OutsideError("a message did not come", "Is the broker up?") from None

    def __enter__(self) -> Self:
        self._client.connect(self._broker.host, self._broker.port)
        self._client.loop_start()
        if not self._ready.wait(10):
            raise OutsideError("the broker does not answer", "Is it up?")
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()
