"""The station's MQTT client: a verdict goes out now or not at all.

MQTT 3.1.1, clean session. A thread of its own owns the connection and calls the inbox; the inbox must
only enqueue. Three things keep an old verdict from reaching the PLC after an outage: what paho still
holds is dropped on every connect, what the kernel still holds is discarded when a lost socket is
closed, and a link that stops acknowledging is given up after :data:`DEAD_LINK_S` rather than after
twice the keepalive.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import structlog
from paho.mqtt.client import (
    Client,
    ConnectFlags,
    DisconnectFlags,
    MQTTMessage,
    MQTTMessageInfo,
    MQTTv311,
    topic_matches_sub,
)
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from inspector.config import Broker
from inspector.contract import StatePayload
from inspector.errors import BrokerError, ConfigError
from inspector.ports import Inbound, LinkDown, LinkUp, Message, Received

DEAD_LINK_S = 2.0
"""Longest wait for an acknowledgement by the broker before the link is given up."""
CONNECT_TIMEOUT_S = 2.0
MAX_BACKOFF_S = 2.0
"""Longest pause before the next attempt, unless the configuration asks for longer."""
EVICTED_WITHIN_S = 3.0
"""Connections that die this young, one after the other, smell of a second client with the same id."""
REMEDY = "Start the broker, or correct 'broker' in the configuration"
_TICK_S = 0.2
_DISCARD = struct.pack("ii", 1, 0)  # SO_LINGER on, 0 s: closing throws away what was not delivered

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class LinkCounters:
    """What happened to the link since the start."""

    connects: int = 0
    disconnects: int = 0
    """Established connections that were lost; a steady rise means two clients with one id."""
    failed_attempts: int = 0
    unsent: int = 0
    """Messages that :meth:`MqttPlc.publish` answered with False."""
    dropped: int = 0
    """Messages of which the broker's acknowledgement never came, dropped at the reconnect."""
    retained_ignored: int = 0
    """Retained commands, which the contract forbids: they would be old orders."""


class MqttPlc:
    """Implements :class:`inspector.ports.Plc`; safe to call from any thread."""

    def __init__(
        self,
        broker: Broker,
        base: str,
        client_id: str,
        inbox: Callable[[Inbound], None],
        will: StatePayload,
        subscribe: tuple[str, ...] = ("cmd/#", "plc/hb"),
    ) -> None:
        """Nothing is connected yet.

        ``will`` is published by the broker when the station vanishes, with ``online`` false.
        Raises :class:`~inspector.errors.ConfigError` for a password or TLS file that cannot be read.
        """
        self._broker, self._base, self._inbox = broker, base, inbox
        self._filters = [(f"{base}/{name}", 1) for name in subscribe]
        self._client = _new_client(broker, client_id)
        offline = will.model_copy(update={"online": False})
        self._client.will_set(f"{base}/{will.topic}", offline.encode(), qos=1, retain=True)
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_disconnect = self._on_disconnect
        self._client.on_message = self._on_message
        self._client.on_socket_close = self._on_socket_close
        # With this set, publish() wakes the loop's thread rather than writing from the caller's.
        self._client.on_socket_register_write = lambda *_: None

        self._lock = threading.Lock()
        self._up = False
        self._unacked: deque[tuple[float, MQTTMessageInfo]] = deque()
        self._acked_s = 0.0
        self._counts: dict[str, int] = {}
        self._stop = threading.Event()
        self._reason = ""
        self._told: Inbound | None = None
        self._up_since = 0.0
        self._short_lived = 0
        self._thread = threading.Thread(target=self._run, name="plc-mqtt", daemon=True)

    def start(self) -> None:
        """Begin to connect and return; goes on trying until :meth:`close`."""
        self._thread.start()

    @property
    def connected(self) -> bool:
        """Whether a message published now would be sent."""
        return self._up

    def counters(self) -> LinkCounters:
        """What happened to the link so far."""
        with self._lock:
            return LinkCounters(**self._counts)

    def publish(self, message: Message) -> bool:
        """Send it now or not at all; False: there is no link and nothing was kept.

        True means handed to a link that seemed alive. What a message cannot be encoded for
        (``ValueError``) is the caller's to handle.
        """
        data = message.encode()
        topic = f"{self._base}/{message.topic}"
        # The lock keeps a reconnect from slipping between the look at the link and the sending.
        with self._lock:
            if self._up:
                info = self._client.publish(topic, data, qos=message.qos, retain=message.retain)
                if info.rc == MQTTErrorCode.MQTT_ERR_SUCCESS:
                    if message.qos:
                        self._unacked.append((time.monotonic(), info))
                    return True
            self._count("unsent")
        return False

    def close(self, last: StatePayload | None = None, timeout_s: float = 3.0) -> None:
        """Publish ``last``, leave so that no will is sent, and stop; takes at most ``timeout_s``."""
        end = time.monotonic() + timeout_s
        if last is not None and self.publish(last):
            with self._lock:
                newest = self._unacked[-1][1] if self._unacked else None
            # The link may die while we wait: paho then raises, and there is nobody left to tell.
            with contextlib.suppress(RuntimeError, ValueError):
                if newest is not None:
                    newest.wait_for_publish(timeout_s / 2)
        self._stop.set()
        with self._lock:
            self._up = False
        if self._thread.ident is not None:
            self._client.disconnect()
            self._thread.join(max(0.0, end - time.monotonic()))

    # -- the connection's thread ----------------------------------------------------------------

    def _run(self) -> None:
        backoff = self._broker.reconnect_s
        try:
            while not self._stop.is_set():
                if self._connect() and self._stay():
                    backoff = self._broker.reconnect_s
                self._stop.wait(backoff)
                backoff = min(backoff * 2, max(MAX_BACKOFF_S, self._broker.reconnect_s))
        finally:
            with self._lock:
                self._up = False

    def _connect(self) -> bool:
        try:
            self._client.connect(self._broker.host, self._broker.port, self._broker.keepalive_s)
        except (OSError, UnicodeError) as error:
            # Expected while the broker is away; UnicodeError is a host name that no resolver takes.
            with self._lock:
                self._count("failed_attempts")
            self._tell(LinkDown(_unreachable(self._broker, error)))
            return False
        return True

    def _stay(self) -> bool:
        """Serve one connection until it ends; whether it ever came up."""
        self._reason = ""
        while self._client.loop(_TICK_S) == MQTTErrorCode.MQTT_ERR_SUCCESS:
            if self._stop.is_set():  # close() came while this connection was being made
                self._client.disconnect()
            elif self._is_dead():
                self._reason = f"the broker acknowledged nothing for {DEAD_LINK_S:g} s"
                self._hang_up()
        with self._lock:
            was_up, self._up = self._up, False
            self._unacked.clear()
            if was_up:
                self._count("disconnects")
        if self._stop.is_set():
            return was_up
        young = was_up and time.monotonic() - self._up_since < EVICTED_WITHIN_S
        self._short_lived = self._short_lived + 1 if young else 0
        hint = "; is there a second client with the same id?" if self._short_lived >= 2 else ""
        self._tell(LinkDown((self._reason or "the MQTT broker closed the connection") + hint))
        return was_up

    def _is_dead(self) -> bool:
        """Whether messages wait and none was acknowledged for long; a slow broker is not dead."""
        now = time.monotonic()
        with self._lock:
            while self._unacked and self._unacked[0][1].is_published():
                self._unacked.popleft()
                self._acked_s = now
            return bool(self._unacked) and now - max(self._unacked[0][0], self._acked_s) > DEAD_LINK_S

    def _hang_up(self) -> None:
        """Make the next read see the end of the stream, so that paho takes its way of a lost link."""
        sock = self._client.socket()
        if isinstance(sock, socket.socket):
            # The peer may have gone in the same instant, which is what we want.
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RD)

    def _on_connect(
        self, client: Client, _data: Any, _flags: ConnectFlags, code: ReasonCode, _props: Any
    ) -> None:
        # First of all: paho would send again whatever was not acknowledged before the outage.
        dropped = len(client.drop_out_messages())
        with self._lock:
            self._count("dropped", dropped)
        if code.is_failure:
            self._reason = f"the broker refuses the connection: {code}"
            return
        client.subscribe(self._filters)

    def _on_subscribe(
        self, _client: Client, _data: Any, _mid: int, codes: list[ReasonCode], _props: Properties | None
    ) -> None:
        if any(code.is_failure for code in codes):
            self._reason = f"the broker refuses the subscription to {self._base}"
            self._hang_up()
            return
        with self._lock:
            self._up = True
            self._count("connects")
        self._up_since = time.monotonic()
        self._tell(LinkUp())

    def _on_disconnect(
        self, _client: Client, _data: Any, _flags: DisconnectFlags, code: ReasonCode, _props: Any
    ) -> None:
        # Can come twice for one loss; the loss itself is handled once, where the loop ends.
        self._reason = self._reason or f"connection to the MQTT broker lost: {code}"

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        at_s = time.monotonic()
        if not any(topic_matches_sub(name, message.topic) for name, _ in self._filters):
            return  # amqtt sends a newcomer what others have subscribed to
        topic = message.topic.removeprefix(f"{self._base}/")
        if message.retain:
            with self._lock:
                self._count("retained_ignored")
            log.warning("retained command ignored", topic=topic)
            return
        self._inbox(Received(topic, bytes(message.payload), at_s))

    def _on_socket_close(self, _client: Client, _data: Any, sock: Any) -> None:
        if not self._stop.is_set() and isinstance(sock, socket.socket):
            # The kernel would go on delivering what lies in its buffer. A dead socket may refuse.
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _DISCARD)

    def _tell(self, event: LinkUp | LinkDown) -> None:
        """Hand over a change of the link, and log it; a repetition is neither."""
        if event == self._told:
            return
        self._told = event
        where = f"{self._broker.host}:{self._broker.port}"
        if isinstance(event, LinkUp):
            log.info("broker connected", broker=where)
        else:
            log.warning("broker lost", broker=where, reason=event.reason)
        self._inbox(event)

    def _count(self, name: str, by: int = 1) -> None:
        self._counts[name] = self._counts.get(name, 0) + by


def probe(broker: Broker, timeout_s: float = 3.0) -> None:
    """Connect once and leave.

    Raises :class:`~inspector.errors.BrokerError` with the reason when that cannot be done, and
    :class:`~inspector.errors.ConfigError` for a password or TLS file that cannot be read.
    """
    client = _new_client(broker, f"inspector-probe-{uuid.uuid4().hex[:8]}")
    answers: list[ReasonCode] = []
    client.on_connect = lambda _client, _data, _flags, code, _props: answers.append(code)
    try:
        client.connect(broker.host, broker.port, broker.keepalive_s)
    except (OSError, UnicodeError) as error:
        # Turned into the one sentence that a user is told.
        raise BrokerError(_unreachable(broker, error), REMEDY) from error
    end = time.monotonic() + timeout_s
    while not answers and time.monotonic() < end:
        if client.loop(_TICK_S) != MQTTErrorCode.MQTT_ERR_SUCCESS:
            break
    client.disconnect()
    if not answers:
        raise BrokerError(
            f"{broker.host}:{broker.port} does not answer as an MQTT broker",
            "Check host and port, and whether the broker asks for TLS or a client certificate",
        )
    if answers[0].is_failure:
        raise BrokerError(
            f"the MQTT broker {broker.host}:{broker.port} refuses the connection: {answers[0]}",
            "Check 'username', 'password_file' and the broker's ACL",
        )


def _new_client(broker: Broker, client_id: str) -> Client:
    client = Client(
        CallbackAPIVersion.VERSION2,
        client_id=client_id,
        clean_session=True,
        protocol=MQTTv311,
        reconnect_on_failure=False,
    )
    client.connect_timeout = CONNECT_TIMEOUT_S
    client.max_inflight_messages = 0  # the default of 20 would hold back the 21st, and send it late
    client.on_socket_open = _on_socket_open
    if broker.username is not None:
        password = None
        if broker.password_file is not None:
            try:
                password = broker.password_file.read_text(encoding="utf-8").strip("\r\n")
            except (OSError, UnicodeError) as error:
                # A wrong path or mode is the configuration's error.
                raise ConfigError(
                    f"the password file cannot be read: {error}",
                    "Correct 'password_file' or its permissions",
                    path=broker.password_file,
                ) from error
        client.username_pw_set(broker.username, password)
    if broker.ca_file is not None:
        try:
            client.tls_set(
                ca_certs=str(broker.ca_file),
                certfile=str(broker.cert_file) if broker.cert_file else None,
                keyfile=str(broker.key_file) if broker.key_file else None,
            )
        except (OSError, ValueError) as error:
            # ssl reports missing and malformed files alike without naming them.
            raise ConfigError(
                f"the TLS files cannot be used: {error}",
                "Check 'ca_file', 'cert_file' and 'key_file'",
                path=broker.ca_file,
            ) from error
    return client


def _on_socket_open(_client: Client, _data: Any, sock: Any) -> None:
    # Nagle and the delayed ACK of the other side cost 40 ms and more a message.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux: a cut cable is noticed while data is on its way
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(DEAD_LINK_S * 1000))


def _unreachable(broker: Broker, error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return f"TLS with the MQTT broker {broker.host}:{broker.port} failed: {error}"
    return f"the MQTT broker {broker.host}:{broker.port} cannot be reached: {error}"
