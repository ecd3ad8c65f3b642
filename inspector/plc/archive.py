"""Publishing archive events: at least once, in order, slowly.

It has a client of its own. The verdict client throws away what an outage left unconfirmed; here the
same is sent again, from the first unconfirmed event on, so that the historian gets the events in order
and may get some twice. Events go out one by one at a bounded rate: hundreds at once would stand before
the next verdict in the broker's queue.

Mosquitto confirms a message a moment before it has written it down: killed in between it has forgotten
it. So an event counts as delivered only when the connection has outlived its confirmation by
:data:`SETTLE_S`; else it is sent again like an unconfirmed one.

MQTT 5 where the broker speaks it, because only there a message that the ACL denied is told from one
that was taken; else 3.1.1.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import structlog
from paho.mqtt.client import Client
from paho.mqtt.reasoncodes import ReasonCode

from inspector.config import Broker
from inspector.contract import ArchiveEventPayload
from inspector.plc.client import RenewedClient
from inspector.plc.link import Down, Link
from inspector.ports import ArchiveEvent, ArchiveSource

AT_ONCE = 10
"""Most events that the broker has not yet confirmed."""
SETTLE_S = 1.0
"""How long a confirmed event stays with us; the broker writes to its disk within milliseconds."""
REFUSED_S = 5.0
"""Pause before events that the broker refused are tried again."""
POISON = 3
"""So many connections in a row that end at the same event: it is to blame."""
_TICK_S = 0.05
_NOBODY_LISTENS = 16

log = structlog.get_logger(__name__)


class ArchivePublisher:
    """Takes events from a source and tells it which of them the broker has."""

    def __init__(
        self, broker: Broker, base: str, client_id: str, source: ArchiveSource, rate_hz: float
    ) -> None:
        """Nothing is connected yet.

        Raises :class:`~inspector.errors.ConfigError` for a password or TLS file that cannot be read.
        """
        self._topic = f"{base}/{ArchiveEventPayload.topic}"
        self._source = source
        self._pause_s = 1 / rate_hz
        self._clients = {
            five: RenewedClient(broker, client_id, version5=five) for five in (False, True)
        }
        self._five = True
        self._answered, self._attempts = True, 0
        self._codes: dict[int, ReasonCode] = {}
        self._link = Link(broker, "archive", self._client, on_up=self._up, on_down=self._down)
        self._epoch = 0
        self._waiting: deque[ArchiveEvent] = deque()
        self._flying: deque[tuple[int, ArchiveEvent]] = deque()
        self._settling: deque[tuple[float, ArchiveEvent]] = deque()
        self._suspect, self._strikes = "", 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="archive-events", daemon=True)

    def start(self) -> None:
        """Begin to connect and to publish, and return."""
        self._link.start()
        self._thread.start()

    @property
    def connected(self) -> bool:
        """Whether events go out now."""
        return self._link.up

    def finish(self, done: Callable[[], bool], timeout_s: float) -> None:
        """Go on until ``done``, for as long as there is a link and time, and close."""
        end = time.monotonic() + timeout_s
        while self._link.up and not done() and time.monotonic() < end:
            time.sleep(_TICK_S)
        self.close()

    def close(self, timeout_s: float = 2.0) -> None:
        """Stop; what is not confirmed stays with the source."""
        self._stop.set()
        end = time.monotonic() + timeout_s
        self._link.close(timeout_s)
        if self._thread.ident is not None:
            self._thread.join(max(0.0, end - time.monotonic()))

    # -- the link's thread ----------------------------------------------------------------------

    def _client(self) -> Client:
        """The client to connect with: the other version after an attempt that nobody answered.

        Each outage begins with 5: a broker that only did not get to answer must not leave the link on
        3.1.1, where an event that the ACL denied counts as taken.
        """
        sent = self._link.attempts_sent
        if sent > self._attempts:
            self._five = self._answered or not self._five
        self._answered, self._attempts = False, sent
        client = self._clients[self._five]()
        client.on_publish = self._on_publish
        return client

    def _up(self) -> None:
        self._answered = True
        self._source.complain("")

    def _down(self, event: Down) -> None:
        unanswered = not self._answered and self._link.attempts_sent > self._attempts
        if not (self._five and unanswered):  # else 3.1.1 is tried next
            self._source.complain(event.reason)

    def _on_publish(self, _client: Client, _data: Any, mid: int, code: ReasonCode, _props: Any) -> None:
        self._codes[mid] = code

    # -- the publisher's thread -----------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._work()
        except Exception as error:
            # The station goes on; its health tells that events wait, and why.
            log.exception("the archive publisher has stopped")
            self._source.complain(f"the archive publisher has stopped: {error}")

    def _work(self) -> None:
        while not self._stop.is_set():
            if self._epoch != self._link.epoch:
                self._begin_again()
            elif self._link.up:
                self._settle()
            if not self._link.up or len(self._flying) >= AT_ONCE:
                self._stop.wait(_TICK_S)
            elif self._send():
                self._stop.wait(self._pause_s)
            if not self._confirm():
                self._stop.wait(REFUSED_S)

    def _begin_again(self) -> None:
        """After a reconnect: all that was under way goes out once more, before anything else."""
        if self._flying:
            head = self._flying[0][1]
            self._strikes = self._strikes + 1 if head.event_id == self._suspect else 1
            self._suspect = head.event_id
            if self._strikes >= POISON:
                self._source.complain(
                    f"the broker ends the connection at event {head.event_id} of {len(head.data)} "
                    "bytes: look at its message_size_limit"
                )
        self._take_back()
        self._epoch = self._link.epoch

    def _take_back(self) -> None:
        self._waiting.extendleft(event for _, event in reversed(self._flying))
        self._waiting.extendleft(event for _, event in reversed(self._settling))
        self._flying.clear()
        self._settling.clear()
        self._codes.clear()

    def _send(self) -> bool:
        event = self._waiting.popleft() if self._waiting else self._source.take(_TICK_S)
        if event is None:
            return False
        info = self._link.publish(self._topic, event.data, 1, epoch=self._epoch)
        if info is None:
            self._waiting.appendleft(event)
            return False
        self._flying.append((info.mid, event))
        return True

    def _confirm(self) -> bool:
        """Note what the broker has confirmed, in order; False when it has refused something."""
        while self._flying and self._flying[0][0] in self._codes:
            mid, event = self._flying[0]
            code = self._codes.pop(mid)
            if code.is_failure:
                self._source.complain(f"the broker refuses {self._topic}: {code}; look at its ACL")
                self._take_back()
                return False
            self._flying.popleft()
            self._strikes = 0
            nobody = code.value == _NOBODY_LISTENS
            self._source.complain(f"nobody has subscribed to {self._topic}" if nobody else "")
            self._settling.append((time.monotonic(), event))
        return True

    def _settle(self) -> None:
        while self._settling and time.monotonic() - self._settling[0][0] > SETTLE_S:
            self._source.delivered(self._settling.popleft()[1])
