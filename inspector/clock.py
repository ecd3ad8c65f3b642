"""Whether the time of day can be trusted. Decisions never use it; records do."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

DIVERGENCE_S = 1.0
_SYNCED = Path("/run/systemd/timesync/synchronized")
_TIMESYNCD = Path("/run/systemd/timesync")


class ClockWatch:
    """Notices when wall and monotonic clock part by more than a second since the start."""

    def __init__(
        self,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._wall, self._monotonic = wall, monotonic
        self._offset = wall() - monotonic()

    def synced(self) -> bool:
        """False when the system says so, or when the clock was set while we ran."""
        if abs(self._wall() - self._monotonic() - self._offset) > DIVERGENCE_S:
            return False
        return _SYNCED.exists() or not _TIMESYNCD.exists()
