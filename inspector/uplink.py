"""What a live station tells the plant besides its verdicts: the archive's events, and Sparkplug B.

Each has a client of its own, so that neither a backlog nor a fault in one of them touches a verdict.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from inspector.config import LineConfig, StationConfig
from inspector.domain import StationStatus
from inspector.plc.archive import ArchivePublisher
from inspector.plc.sparkplug import SparkplugNode
from inspector.records.outbox import Outbox

REST_S = 2.0
"""How long a station that stops waits for its last events to be archived."""


@dataclass(slots=True)
class Uplink:
    """The publishers of one station that has a broker."""

    outbox: Outbox
    archive: ArchivePublisher
    scada: SparkplugNode | None = None

    @classmethod
    def of(
        cls, station: StationConfig, boot_id: int, note: Callable[[Mapping[str, Any]], None]
    ) -> Uplink | None:
        """None without a broker. ``note`` journals the PLC's acknowledgements.

        Raises :class:`~inspector.errors.ConfigError` for a password or TLS file that cannot be read.
        """
        if station.broker is None:
            return None
        outbox = Outbox(station.name, boot_id, int(station.archive.budget_mb * 1e6), note)
        client_id = f"inspector-{station.name}-archive"
        archive = ArchivePublisher(
            station.broker, station.topic, client_id, outbox, station.archive.rate_hz
        )
        return cls(outbox, archive)

    def show(
        self,
        config: LineConfig,
        station: StationConfig,
        status: Callable[[], StationStatus],
        last: Callable[[], Mapping[str, Any]],
    ) -> None:
        """Show the station to a SCADA system where that is configured.

        ``last`` gives the record of the part that was finished last, empty before the first. Raises
        :class:`~inspector.errors.ConfigError` when protobuf is not installed.
        """
        if station.broker is not None and station.sparkplug is not None:
            counter = config.station_dir(station) / "sparkplug-bdseq"
            self.scada = SparkplugNode(
                station.broker, station.sparkplug, station.name, counter, status, last
            )

    def start(self) -> None:
        """Begin to connect and to publish, and return."""
        self.archive.start()
        if self.scada is not None:
            self.scada.start()

    def stop(self, flush: Callable[[float], object]) -> None:
        """Archive what goes quickly, and leave; ``flush`` waits until all is recorded."""
        if self.scada is not None:
            self.scada.close()
        flush(REST_S)
        self.archive.finish(lambda: not self.outbox.waiting, REST_S)
