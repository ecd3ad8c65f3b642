"""A local mosquitto for the time of a measurement."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from inspector.config import Broker
from inspector.errors import OutsideError


@contextmanager
def local_mosquitto() -> Iterator[Broker]:
    """Start it on a free loopback port; raises :class:`OutsideError` where it is not installed."""
    program = shutil.which("mosquitto", path="/usr/sbin:/usr/bin:/usr/local/sbin")
    if program is None:
        raise OutsideError("mosquitto is not installed", "Run: apt-get install mosquitto")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "mosquitto.conf"
        config.write_text(
            f"listener {port} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\n",
            encoding="utf-8",
        )
        child = subprocess.Popen(
            [program, "-c", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            _wait_for(port)
            yield Broker(port=port)
        finally:
            child.terminate()
            child.wait(5)


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 0.5).close()
            return
        except OSError:
            time.sleep(0.05)  # not listening yet
    raise OutsideError("mosquitto did not start", "Run it by hand to see why")
