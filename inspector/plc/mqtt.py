"""The station's MQTT client: a verdict goes out now or not at all.

MQTT 3.1.1, clean session. The link's thread owns the connection and calls the inbox; the inbox must
only enqueue. :mod:`inspector.plc.link` sees to it that nothing old reaches the PLC after an outage.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog
from paho.mqtt.client import Client, MQTTMessage

from inspector.config import Broker
from inspector.contract import StatePayload
from inspector.plc.client import RenewedClient
from inspector.plc.link import Down, Link, LinkCounters
from inspector.ports import Inbound, LinkDown, LinkUp, Message, Received

log = structlog.get_logger(__name__)


class MqttPlc:
    """Implements :class:`inspector.ports.Plc`; safe to call from any thread."""

    def __init__(
        self,
        broker: Broker,
        base: str,
        client_id: str,
        inbox: Callable[[Inbound], None],
        will: StatePayload | None,
        subscribe: tuple[str, ...] = ("cmd/#", "plc/hb"),
    ) -> None:
        """Nothing is connected yet.

        ``will`` is published by the broker when the station vanishes, with ``online`` false; None: who
        is no station leaves the state alone. Raises :class:`~inspector.errors.ConfigError` for a
        password or TLS file that cannot be read.
        """
        self._base, self._inbox = base, inbox
        self._will = None if will is None else will.model_copy(update={"online": False})
        self._renewed = RenewedClient(broker, client_id)
        self._link = Link(
            broker,
            "plc-mqtt",
            self._prepare,
            filters=[f"{base}/{name}" for name in subscribe],
            on_up=lambda: inbox(LinkUp()),
            on_down=self._down,
            on_message=self._receive,
        )

    def start(self) -> None:
        """Begin to connect and return; goes on trying until :meth:`close`."""
        self._link.start()

    @property
    def connected(self) -> bool:
        """Whether a message published now would be sent."""
        return self._link.up

    def counters(self) -> LinkCounters:
        """What happened to the link so far."""
        return self._link.counters()

    def publish(self, message: Message) -> bool:
        """Send it now or not at all; False: there is no link and nothing was kept.

        True means handed to a link that seemed alive. What a message cannot be encoded for
        (``ValueError``) is the caller's to handle.
        """
        data = message.encode()
        topic = f"{self._base}/{message.topic}"
        return self._link.publish(topic, data, message.qos, message.retain) is not None

    def close(self, last: StatePayload | None = None, timeout_s: float = 3.0) -> None:
        """Publish ``last``, leave so that no will is sent, and stop; takes at most ``timeout_s``."""
        end = time.monotonic() + timeout_s
        if last is not None:
            self.publish(last)
        self._link.settle(timeout_s / 2)
        self._link.close(max(0.0, end - time.monotonic()))

    def _prepare(self) -> Client:
        client = self._renewed()
        if self._will is not None:
            topic = f"{self._base}/{self._will.topic}"
            client.will_set(topic, self._will.encode(), qos=1, retain=True)
        return client

    def _down(self, event: Down) -> None:
        self._inbox(LinkDown(event.reason, event.evicted))

    def _receive(self, message: MQTTMessage, at_s: float) -> None:
        topic = message.topic.removeprefix(f"{self._base}/")
        if message.retain:
            self._link.count("retained_ignored")
            log.warning("retained command ignored", topic=topic)
            return
        self._inbox(Received(topic, bytes(message.payload), at_s))
