"""Whether the time of day can be trusted. Decisions never use it; records do."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

DIVERGENCE_S = 1.0
UNSYNCED_US = 16_000_000
"""What the kernel states as the largest error of a clock that nobody has set for some hours.
``timedatectl`` goes by it too: ``STA_UNSYNC`` may only keep the kernel from the hardware clock."""
_SYSTEMD = Path("/run/systemd/system")
"""There where systemd has started the computer, or a container; the next is there in a container."""
_CONTAINER = Path("/run/systemd/container")
_SYNCED = Path("/run/systemd/timesync/synchronized")
_TIMESYNCD = Path("/run/systemd/timesync")
"""Goes when systemd-timesyncd is stopped."""


class ClockWatch:
    """Notices when wall and monotonic clock part by more than a second since the start."""

    def __init__(
        self,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._wall, self._monotonic = wall, monotonic
        self._offset = wall() - monotonic()
        self._told: bool | None = None

    def synced(self) -> bool:
        """False when the system says so, or when the clock was set while we ran.

        That it is set right for the first time, a while after the computer has booted, does not count.
        """
        told, before = system_synced(), self._told
        self._told = before if told is None else told
        offset = self._wall() - self._monotonic()
        if told and before is False:
            self._offset = offset
        return told is not False and abs(offset - self._offset) <= DIVERGENCE_S


def system_synced() -> bool | None:
    """What the system says of its clock; None: nothing.

    The kernel is asked, so that it does not matter which program sets the clock, if any does. Where
    it may not be asked, what systemd-timesyncd leaves in ``/run`` counts.
    """
    told = _kernel()
    if told is False and (_CONTAINER.exists() or not _SYSTEMD.exists()):
        # the clock is another's, who may set it by ways of which this kernel knows nothing
        told = None
    if told is None and _TIMESYNCD.exists():
        told = _SYNCED.exists()
    return told


class _Timex(ctypes.Structure):
    """The head of ``struct timex``, and more room than the rest of it takes."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("rest", ctypes.c_char * 512),
    )


def _kernel() -> bool | None:
    """Whether the kernel takes its clock to be right, see adjtimex(2); None: it may not be asked."""
    timex = _Timex()  # modes 0: nothing is changed, so no right is needed
    try:
        state = _libc().adjtimex(ctypes.byref(timex))
    except AttributeError:
        # not Linux
        return None
    return None if state < 0 else bool(timex.maxerror < UNSYNCED_US)


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None)
