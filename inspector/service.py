"""What a service manager is told, by the protocol of ``sd_notify(3)``; nothing where there is none.

A datagram with ``KEY=VALUE`` lines to the socket that ``NOTIFY_SOCKET`` names. That is the whole of it,
so no library is needed.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping

import structlog

log = structlog.get_logger(__name__)


class ServiceManager:
    """Whoever started this process and watches it. For one thread."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        """``environment`` holds ``NOTIFY_SOCKET`` and ``WATCHDOG_USEC`` where a manager set them."""
        self._address = environment.get("NOTIFY_SOCKET", "")
        if self._address.startswith("@"):
            self._address = "\0" + self._address[1:]  # the abstract namespace
        self.watchdog_s = _watchdog_s(environment)
        """The process is restarted when it is silent for so long; 0: it is not watched."""
        self._status = ""

    def ready(self, status: str) -> None:
        """Every station is at work, or again after a reload."""
        self._status = status
        self._send("READY=1", f"STATUS={status}")

    def status(self, text: str) -> None:
        """Show one line of words; sent when it changes."""
        if text != self._status:
            self._status = text
            self._send(f"STATUS={text}")

    def alive(self) -> None:
        """There was progress since the last call."""
        self._send("WATCHDOG=1")

    def reloading(self) -> None:
        """The configuration is being read again; :meth:`ready` ends it."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """The process is on its way out."""
        self._send("STOPPING=1", "STATUS=stopping")

    def _send(self, *lines: str) -> None:
        if not self._address:
            return
        data = "\n".join(line.replace("\n", " ") for line in lines).encode()
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
                # a manager that does not read must not hold up the parts; it will miss the watchdog
                sock.settimeout(0.2)
                sock.sendto(data, self._address)
        except OSError as error:
            # parts are inspected whether the manager listens or not
            log.warning("service manager not reached", problem=str(error))


def _watchdog_s(environment: Mapping[str, str]) -> float:
    """``WATCHDOG_USEC`` in seconds where it is meant for this process, else 0."""
    if environment.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return 0.0
    try:
        return max(0, int(environment.get("WATCHDOG_USEC", "0"))) / 1e6
    except ValueError:
        # not from systemd; without a number nobody counts the silence
        return 0.0
