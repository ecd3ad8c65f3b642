"""A connection to the broker that is made again and again, and given up as soon as it seems dead.

A thread of its own owns it. What paho still holds of a lost connection is dropped with it, what the
kernel still holds is discarded when the socket is closed, and a link that stops acknowledging is given
up after :data:`DEAD_LINK_S` rather than after twice the keepalive. So nothing that was handed over
before an outage goes out after it; whoever wants that sends it again.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from paho.mqtt.client import (
    Client,
    ConnectFlags,
    DisconnectFlags,
    MQTTMessage,
    MQTTMessageInfo,
    topic_matches_sub,
)
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from inspector.config import Broker
from inspector.errors import ConfigError
from inspector.plc.client import DEAD_LINK_S, own_certificate, unreachable

MAX_BACKOFF_S = 2.0
"""Longest pause before the next attempt, unless the configuration asks for longer."""
EVICTED_WITHIN_S = 3.0
"""Connections that die this young, one after the other, smell of a second client with the same id. It
may take its time to come back: twice ``reconnect_s`` where that is longer."""
EVICTED_TIMES, EVICTED_SPAN_S = 4, 300.0
"""So do so many within so long, however old, if the broker was there again each time at the first
attempt: neither its restart nor a broken network looks like that as a rule."""
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
    """Messages that could not be handed to a live link."""
    dropped: int = 0
    """Messages of which the broker's acknowledgement never came, dropped with their connection."""
    retained_ignored: int = 0
    """Retained commands, which the contract forbids: they would be old orders."""


@dataclass(frozen=True, slots=True)
class Down:
    """The connection is gone, or could not be made."""

    reason: str
    evicted: bool = False
    """Connections die as if a second client with the same id ended them: is there one?"""


def _ignore(*_: object) -> None: ...


class Link:
    """One client's connection; safe to call from any thread."""

    def __init__(
        self,
        broker: Broker,
        name: str,
        prepare: Callable[[], Client],
        *,
        filters: Sequence[str] = (),
        on_up: Callable[[], None] = _ignore,
        on_down: Callable[[Down], None] = _ignore,
        on_message: Callable[[MQTTMessage, float], None] = _ignore,
    ) -> None:
        """Nothing is connected yet. ``name`` is the thread's, and the log's.

        ``prepare`` gives the client before each attempt to connect, and may give the same one each
        time. ``filters`` are subscribed to with QoS 1; the link is up once that is granted. The other
        functions are called from the link's thread and must only enqueue; ``on_message`` gets the
        monotonic clock at receipt.
        """
        self._broker, self._name, self._prepare = broker, name, prepare
        self._filters = [(pattern, 1) for pattern in filters]
        self._on_up, self._on_down, self._on_matching = on_up, on_down, on_message
        self._client: Client | None = None
        self._lock = threading.Lock()
        self._up = False
        self._unacked: deque[tuple[float, MQTTMessageInfo]] = deque()
        self._acked_s = 0.0
        self._counts: dict[str, int] = {}
        self._stop = threading.Event()
        self._leaving = False
        self._reason = ""
        self._told: Down | None = None
        self._up_since = 0.0
        self._gave_up = False
        self._losses: deque[tuple[float, bool]] = deque(maxlen=EVICTED_TIMES)
        """Connections that others ended: when, and whether young; none from before a failed attempt."""
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self.attempts_sent = 0
        """CONNECT packets sent so far; an attempt that finds no broker sends none."""

    def start(self) -> None:
        """Begin to connect and return; goes on trying until :meth:`close`."""
        self._thread.start()

    @property
    def up(self) -> bool:
        """Whether a message published now would be sent."""
        return self._up

    def counters(self) -> LinkCounters:
        """What happened to the link so far."""
        with self._lock:
            return LinkCounters(**self._counts)

    def count(self, name: str, by: int = 1) -> None:
        """Add to one of the counters."""
        with self._lock:
            self._count(name, by)

    @property
    def epoch(self) -> int:
        """Number of the connection: rises when the link comes up."""
        return self._counts.get("connects", 0)

    def publish(
        self, topic: str, data: bytes, qos: int, retain: bool = False, *, epoch: int | None = None
    ) -> MQTTMessageInfo | None:
        """Send it now or not at all; None: there is no link and nothing was kept.

        With ``epoch``, only on that very connection.
        """
        # The lock keeps a reconnect from slipping between the look at the link and the sending.
        with self._lock:
            fits = epoch in (None, self.epoch)
            if self._up and self._client is not None and fits:
                info = self._client.publish(topic, data, qos=qos, retain=retain)
                if info.rc == MQTTErrorCode.MQTT_ERR_SUCCESS:
                    if qos:
                        self._unacked.append((time.monotonic(), info))
                    return info
            self._count("unsent")
        return None

    def settle(self, timeout_s: float) -> None:
        """Wait until the newest message is acknowledged, all of ``timeout_s`` on a link that dies."""
        with self._lock:
            newest = self._unacked[-1][1] if self._unacked else None
        # The link may die while we wait: paho then raises, and there is nobody left to tell.
        with contextlib.suppress(RuntimeError, ValueError):
            if newest is not None:
                newest.wait_for_publish(timeout_s)

    def hang_up(self, reason: str) -> None:
        """End this connection; the next one is made as after a loss.

        The next read sees the end of the stream, so that paho takes its way of a lost link.
        """
        self._reason, self._gave_up = reason, True
        sock = self._client.socket() if self._client is not None else None
        if isinstance(sock, socket.socket):
            # The peer may have gone in the same instant, which is what we want.
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RD)

    def leave(self) -> None:
        """Say DISCONNECT, so that the broker keeps the will to itself; then all begins anew."""
        with self._lock:
            self._up = False
            self._leaving = True
            if self._client is not None:
                self._client.disconnect()

    def close(self, timeout_s: float = 3.0) -> None:
        """Leave so that no will is sent, and stop."""
        self._stop.set()
        self.leave()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)

    # -- the connection's thread ----------------------------------------------------------------

    def _run(self) -> None:
        backoff = self._broker.reconnect_s
        try:
            while not self._stop.is_set():
                client = self._connect()
                if client is not None and self._stay(client):
                    backoff = self._broker.reconnect_s
                self._stop.wait(backoff)
                backoff = min(backoff * 2, max(MAX_BACKOFF_S, self._broker.reconnect_s))
        finally:
            with self._lock:
                self._up = False

    def _new(self) -> Client:
        client = self._prepare()
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.on_socket_close = self._on_socket_close
        # With this set, publish() wakes the loop's thread rather than writing from the caller's.
        client.on_socket_register_write = lambda *_: None
        with self._lock:
            self._client = client
        return client

    def _connect(self) -> Client | None:
        """A client that has sent CONNECT; None, and it is told why, where that cannot be done."""
        try:
            client = self._new()
            client.connect(self._broker.host, self._broker.port, self._broker.keepalive_s)
        except (OSError, UnicodeError) as error:
            # Expected while the broker is away; UnicodeError is a host name that no resolver takes.
            reason = unreachable(self._broker, error)
        except ConfigError as error:
            # A certificate, key or password is being replaced: the next attempt reads it again.
            reason = str(error)
        except Exception as error:
            # A defect of ours, or a value that paho does not take: nobody must go deaf for good of it.
            log.exception("connection failed", client=self._name)
            reason = f"the connection failed: {error!r}"
        else:
            self.attempts_sent += 1
            return client
        self.count("failed_attempts")
        self._losses.clear()
        self._tell(Down(reason))
        return None

    def _stay(self, client: Client) -> bool:
        """Serve one connection until it ends; whether it ever came up."""
        self._reason = ""
        self._leaving = self._gave_up = False
        try:
            self._serve(client)
        except Exception as error:
            # A packet that paho cannot read, or a defect of ours: nobody must go deaf for good of it.
            log.exception("connection failed", client=self._name)
            self._reason, self._gave_up = f"the connection failed: {error!r}", True
        with self._lock:
            was_up, self._up = self._up_since > 0, False
            self._unacked.clear()
            # Nothing comes after it: paho would send it again at the next connection, late.
            self._count("dropped", len(client.drop_out_messages()))
            if was_up:
                self._count("disconnects")
        up_since, self._up_since = self._up_since, 0.0
        if self._stop.is_set():
            return was_up
        if not was_up:
            self._reason = own_certificate(self._broker) or self._reason
        evicted = False
        if was_up and not (self._leaving or self._gave_up):
            evicted = self._is_evicted(up_since)
        else:
            self._losses.clear()
        hint = "; is there a second client with the same id?" if evicted else ""
        self._tell(Down((self._reason or "the MQTT broker closed the connection") + hint, evicted))
        return was_up

    def _is_evicted(self, up_since: float) -> bool:
        """Whether this loss, after those before it, looks like the work of a second client."""
        now = time.monotonic()
        young = now - up_since < max(EVICTED_WITHIN_S, 2 * self._broker.reconnect_s)
        self._losses.append((now, young))
        twice_young = [young for _, young in self._losses][-2:] == [True, True]
        often = len(self._losses) == EVICTED_TIMES and now - self._losses[0][0] < EVICTED_SPAN_S
        return twice_young or often

    def _serve(self, client: Client) -> None:
        while client.loop(_TICK_S) == MQTTErrorCode.MQTT_ERR_SUCCESS:
            if self._stop.is_set():  # close() came while this connection was being made
                client.disconnect()
            elif self._is_dead():
                self.hang_up(f"the broker acknowledged nothing for {DEAD_LINK_S:g} s")

    def _is_dead(self) -> bool:
        """Whether messages wait and none was acknowledged for long; a slow broker is not dead."""
        now = time.monotonic()
        with self._lock:
            while self._unacked and self._unacked[0][1].is_published():
                self._unacked.popleft()
                self._acked_s = now
            return bool(self._unacked) and now - max(self._unacked[0][0], self._acked_s) > DEAD_LINK_S

    def _on_connect(
        self, client: Client, _data: Any, _flags: ConnectFlags, code: ReasonCode, _props: Any
    ) -> None:
        if code.is_failure:
            self._reason = f"the broker refuses the connection: {code}"
        elif self._filters:
            client.subscribe(self._filters)
        else:
            self._come_up()

    def _on_subscribe(
        self, _client: Client, _data: Any, _mid: int, codes: list[ReasonCode], _props: Properties | None
    ) -> None:
        if any(code.is_failure for code in codes):
            topics = ", ".join(pattern for pattern, _ in self._filters)
            self.hang_up(f"the broker refuses the subscription to {topics}")
        else:
            self._come_up()

    def _come_up(self) -> None:
        with self._lock:
            self._up = True
            self._count("connects")
        self._up_since = time.monotonic()
        self._tell(None)

    def _on_disconnect(
        self, _client: Client, _data: Any, _flags: DisconnectFlags, code: ReasonCode, _props: Any
    ) -> None:
        # Can come twice for one loss; the loss itself is handled once, where the loop ends.
        self._reason = self._reason or f"connection to the MQTT broker lost: {code}"

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        at_s = time.monotonic()
        # amqtt sends a newcomer what others have subscribed to
        if any(topic_matches_sub(pattern, message.topic) for pattern, _ in self._filters):
            self._on_matching(message, at_s)

    def _on_socket_close(self, _client: Client, _data: Any, sock: Any) -> None:
        wanted = self._leaving or self._stop.is_set()
        if not wanted and isinstance(sock, socket.socket):
            # The kernel would go on delivering what lies in its buffer. A dead socket may refuse.
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _DISCARD)

    def _tell(self, event: Down | None) -> None:
        """Hand over a change of the link, and log it; a repeated loss is neither."""
        if event is not None and event == self._told:
            return
        self._told = event
        where = f"{self._broker.host}:{self._broker.port}"
        if event is None:
            log.info("broker connected", broker=where, client=self._name)
            self._on_up()
        else:
            log.warning("broker lost", broker=where, client=self._name, reason=event.reason)
            self._on_down(event)

    def _count(self, name: str, by: int = 1) -> None:
        self._counts[name] = self._counts.get(name, 0) + by
