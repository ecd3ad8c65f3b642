"""Which triggers of an earlier run are recorded already."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Engine, select

from inspector.records.database import reading
from inspector.records.tables import INSPECTION


def recorded_keys(engine: Engine, station: str, boots: Iterable[int]) -> set[tuple[int, int, int]]:
    """``stationBootId, plcBootId, triggerId`` of the parts that these runs of a station recorded.

    Raises :class:`~inspector.errors.StorageError` when the database does not answer.
    """
    row = INSPECTION.c
    query = select(row.station_boot_id, row.plc_boot_id, row.trigger_id).where(
        row.station == station, row.station_boot_id.in_(set(boots))
    )
    with reading(engine) as connection:
        return {(boot, plc, number) for boot, plc, number in connection.execute(query)}
