"""An edge node of Sparkplug B 3.0: the station as a SCADA system sees it.

A thread of its own looks at the station once an interval and publishes what has changed; the station
knows nothing of it, so that no fault here touches a verdict. Between two looks only the last of several
verdicts is seen: SCADA shows a station, the archive has every part.
"""

from __future__ import annotations

import json
import queue
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import structlog
from paho.mqtt.client import Client, MQTTMessage

from inspector.config import Broker, Sparkplug
from inspector.domain import StationStatus
from inspector.plc import sparkplug_payload as payload
from inspector.plc.client import RenewedClient
from inspector.plc.link import Down, Link, LinkCounters
from inspector.plc.metrics import station_metrics
from inspector.plc.sparkplug_payload import BDSEQ, REBIRTH, DataType, Metric

NAMESPACE = "spBv1.0"
_FAREWELL_S = 1.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Heard:
    """A message from the plant."""

    topic: str
    data: bytes


@dataclass(frozen=True, slots=True)
class _Up:
    """The connection is there, and its subscriptions."""

    epoch: int


_Event: TypeAlias = _Heard | _Up | Down | None
"""None: it is time to go."""


class SparkplugNode:
    """One station as an edge node, without devices."""

    def __init__(
        self,
        broker: Broker,
        config: Sparkplug,
        station: str,
        counter: Path,
        status: Callable[[], StationStatus],
        last: Callable[[], Mapping[str, Any]],
    ) -> None:
        """Nothing is connected yet. ``counter`` is the file in which ``bdSeq`` survives restarts.

        ``last`` gives the record of the part that was finished last, empty before the first. Raises
        :class:`~inspector.errors.ConfigError` when protobuf is not installed, or for a password or TLS
        file that cannot be read.
        """
        payload.require()
        self._config, self._status, self._last = config, status, last
        node = config.edge_node or station
        self._birth_topic, self._data_topic, self._death_topic, self._command_topic = (
            f"{NAMESPACE}/{config.group}/{verb}/{node}"
            for verb in ("NBIRTH", "NDATA", "NDEATH", "NCMD")
        )
        filters = [self._command_topic]
        if config.primary_host is not None:
            filters.append(f"{NAMESPACE}/STATE/{config.primary_host}")
        self._renewed = RenewedClient(broker, f"inspector-{station}-sparkplug")
        self._events: queue.SimpleQueue[_Event] = queue.SimpleQueue()
        self._link = Link(
            broker,
            "sparkplug",
            self._prepare,
            filters=filters,
            on_up=lambda: self._events.put(_Up(self._link.epoch)),
            on_down=self._events.put,
            on_message=self._receive,
        )
        self._counter = counter
        self._bdseq: int | None = None
        self._attempts = 0
        self._host = _Host(online=config.primary_host is None)
        self._up = self._born = False
        self._epoch = self._seq = 0
        self._shown: dict[str, Metric] = {}
        self._thread = threading.Thread(target=self._run, name="sparkplug-node", daemon=True)

    def start(self) -> None:
        """Begin to connect, and return."""
        self._link.start()
        self._thread.start()

    @property
    def connected(self) -> bool:
        """Whether the node has a connection."""
        return self._link.up

    def counters(self) -> LinkCounters:
        """What happened to the link so far."""
        return self._link.counters()

    def close(self) -> None:
        """Publish the death certificate, leave, and stop."""
        self._events.put(None)
        if self._thread.ident is not None:
            self._thread.join(2 * _FAREWELL_S)
        self._link.close(_FAREWELL_S)

    # -- the link's thread ----------------------------------------------------------------------

    def _prepare(self) -> Client:
        """Each CONNECT has a ``bdSeq`` of its own; an attempt that found no broker sent none."""
        if self._bdseq is None or self._link.attempts_sent > self._attempts:
            self._bdseq = next_bdseq(self._counter, self._bdseq)
            self._attempts = self._link.attempts_sent
        client = self._renewed()
        will = payload.death(self._bdseq, _now_ms())
        client.will_set(self._death_topic, will, qos=1, retain=False)
        return client

    def _receive(self, message: MQTTMessage, _at_s: float) -> None:
        if message.topic == self._command_topic and message.retain:
            return  # an old order
        self._events.put(_Heard(message.topic, bytes(message.payload)))

    # -- the node's thread ----------------------------------------------------------------------

    def _run(self) -> None:
        try:
            next_s = 0.0
            while True:
                try:
                    event = self._events.get(timeout=max(0.0, next_s - time.monotonic()))
                except queue.Empty:
                    # Nothing happened: time to look at the station.
                    next_s = time.monotonic() + self._config.interval_s
                    self._look()
                    continue
                if event is None:
                    self._die()
                    return
                self._handle(event)
        except Exception:
            # Whatever it is, the station goes on without being shown.
            log.exception("the Sparkplug edge node has stopped")
            try:
                self._die()  # else SCADA would take the last data for those of today
            finally:
                self._link.close(_FAREWELL_S)

    def _handle(self, event: _Heard | _Up | Down) -> None:
        if isinstance(event, _Up):
            self._up, self._epoch = True, event.epoch
            self._be_born()
        elif isinstance(event, Down):
            self._up = self._born = False
            self._host.online = self._config.primary_host is None  # it must show itself again
        elif event.topic != self._command_topic:
            self._hear_host(event.data)
        elif self._born and payload.asks_for_rebirth(event.data):
            self._be_born()

    def _hear_host(self, data: bytes) -> None:
        heard = self._host.hear(data)
        if heard and not self._born:
            self._be_born()
        elif heard is False and self._born:
            # As the specification wants it: say so, leave, begin anew. Who is not born yet waits.
            self._die()
            self._link.leave()

    def _be_born(self) -> None:
        if not self._up or not self._host.online or self._bdseq is None:
            return
        metrics = self._metrics()
        always = [
            Metric(BDSEQ, DataType.INT64, self._bdseq),
            Metric(REBIRTH, DataType.BOOLEAN, False),
        ]
        data = payload.encode((*always, *metrics.values()), _now_ms(), 0, birth=True)
        if self._publish(self._birth_topic, data, 0):
            self._seq, self._shown, self._born = 0, metrics, True

    def _look(self) -> None:
        if not self._born:
            return
        metrics = self._metrics()
        changed = [metric for name, metric in metrics.items() if self._shown.get(name) != metric]
        if not changed:
            return
        seq = (self._seq + 1) % 256
        data = payload.encode(changed, _now_ms(), seq)
        if self._publish(self._data_topic, data, 0):
            self._seq, self._shown = seq, metrics

    def _die(self) -> None:
        """Publish the death certificate that the broker keeps to itself when a client says goodbye."""
        if self._up and self._bdseq is not None:
            self._publish(self._death_topic, payload.death(self._bdseq, _now_ms()), 1)
            self._link.settle(_FAREWELL_S)
        self._born = False

    def _publish(self, topic: str, data: bytes, qos: int) -> bool:
        """Whether it went out, on no other connection than that which this thread knows of.

        What it takes for the state of things belongs to that one: the next begins with its birth.
        """
        return self._link.publish(topic, data, qos, epoch=self._epoch) is not None

    def _metrics(self) -> dict[str, Metric]:
        return {metric.name: metric for metric in station_metrics(self._status(), self._last())}


@dataclass(slots=True)
class _Host:
    """What is known of the primary host application."""

    online: bool
    timestamp: int | None = None
    """Of the latest STATE message that counted."""

    def hear(self, data: bytes) -> bool | None:
        """Whether the host is online now; None when the message says nothing, or nothing new."""
        try:
            state = json.loads(data)
            online, timestamp = state["online"], state["timestamp"]
        except (ValueError, TypeError, KeyError, RecursionError):
            # Anybody whom the broker lets may send anything.
            return None
        if not isinstance(online, bool) or not isinstance(timestamp, int):
            return None
        if self.timestamp is not None and timestamp < self.timestamp:
            return None  # the late death of an earlier session of the host
        self.online, self.timestamp = online, timestamp
        return online


def next_bdseq(path: Path, current: int | None = None) -> int:
    """The next number of a CONNECT, 0 to 255, noted in ``path`` before it is used.

    It starts at 0 where there is none. A disk that does not take it costs the order after a restart;
    until then ``current`` is counted on.
    """
    if current is None:
        try:
            current = int(path.read_text(encoding="ascii")) % 256
        except (OSError, ValueError):
            # The first start, or a file that a dying disk made up.
            current = -1
    following = (current + 1) % 256
    draft = path.with_name(path.name + ".new")
    try:
        draft.write_text(f"{following}\n", encoding="ascii")
        draft.replace(path)
    except OSError as error:
        # A full disk must not silence the station.
        log.warning("bdSeq cannot be noted", path=str(path), reason=error.strerror)
    return following


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
