"""Publishing the verdicts of a replay: as simulated, which no real PLC acts on."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from inspector.config import StationConfig
from inspector.contract import ResultPayload
from inspector.control import draw_boot_id
from inspector.domain import Inspection
from inspector.errors import BrokerError, InputError
from inspector.plc.mqtt import MqttPlc
from inspector.ports import Inbound, LinkUp

CONNECT_S = 5.0


@dataclass(slots=True)
class SimulatedPublisher:
    """Publishes results that say that they are simulated; without a station it does nothing."""

    plc: MqttPlc | None = None

    @classmethod
    @contextmanager
    def opened(cls, station: StationConfig | None) -> Iterator[SimulatedPublisher]:
        """Connected for as long as the context lasts.

        Raises :class:`BrokerError` when the broker cannot be reached within five seconds.
        """
        if station is None:
            yield cls()
            return
        if station.broker is None:
            raise InputError(
                f"station '{station.name}' has no broker", "Add 'broker', or drop --publish"
            )
        inbox: queue.SimpleQueue[Inbound] = queue.SimpleQueue()
        # a name of its own: a live station with the same one would be thrown off the broker. Neither a
        # will nor commands: state and orders are the live station's
        name = f"replay-{station.name}-{draw_boot_id():08x}"
        plc = MqttPlc(station.broker, station.topic, name, inbox.put, None, subscribe=())
        plc.start()
        try:
            first = inbox.get(timeout=CONNECT_S)
            if not isinstance(first, LinkUp):
                raise BrokerError(
                    f"the broker at {station.broker.host}:{station.broker.port} is down",
                    "Start it, or drop --publish",
                )
            yield cls(plc)
        except queue.Empty:
            raise BrokerError(
                f"the broker at {station.broker.host}:{station.broker.port} does not answer",
                "Start it, or drop --publish",
            ) from None
        finally:
            plc.close()

    @property
    def unsent(self) -> int:
        """Results that the broker has not confirmed; of all of them once the context is left."""
        if self.plc is None:
            return 0
        counters = self.plc.counters()
        return counters.unsent + counters.dropped

    def publish(self, inspection: Inspection) -> None:
        """Send one result now or not at all."""
        if self.plc is not None:
            self.plc.publish(ResultPayload.of(inspection))
