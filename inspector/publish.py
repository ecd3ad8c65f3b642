"""Publishing the verdicts of a replay: as simulated, which no real PLC acts on."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from inspector.config import StationConfig
from inspector.contract import ResultPayload, StateName, StatePayload
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
    unsent: int = 0

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
        state = StatePayload(
            state=StateName.INITIALIZED,
            mode="commissioning",
            online=True,
            health="good",
            station_boot_id=draw_boot_id(),
            recipe_id=station.recipe.name,
            recipe_version=0,
        )
        # a name of its own: a live station with the same one would be thrown off the broker
        name = f"replay-{station.name}-{state.station_boot_id:08x}"
        plc = MqttPlc(station.broker, station.topic, name, inbox.put, state)
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

    def publish(self, inspection: Inspection) -> None:
        """Send one result now or not at all."""
        if self.plc is not None and not self.plc.publish(ResultPayload.of(inspection)):
            self.unsent += 1
