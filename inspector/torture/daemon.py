"""The station's process: started, killed, its clock shifted, its disk filled; and its records."""

from __future__ import annotations

import os
import resource
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import deque
from pathlib import Path
from typing import Any

from inspector.errors import OutsideError

_LIBRARIES = ("lib/*/faketime/libfaketime.so.1", "lib*/faketime/libfaketime.so.1")
LINES_KEPT = 200
"""Of what it logs."""


def libfaketime() -> Path | None:
    """The library that shifts the clock of a process, where it is installed."""
    found = (match for pattern in _LIBRARIES for match in Path("/usr").glob(pattern))
    return next(found, None)


class Daemon:
    """``inspector run`` on a configuration, as a process of its own."""

    def __init__(self, config: Path, state: Path) -> None:
        """``state`` is the configured ``state_dir``."""
        self._config, self.database = config, state / "records.db"
        self._offset = config.with_name("clock-offset")
        self._clock_can_be_set = False
        self._process: subprocess.Popen[str] | None = None
        self.log: deque[str] = deque(maxlen=LINES_KEPT)
        """The last lines that it logged."""

    @property
    def clock_can_be_set(self) -> bool:
        """Whether :meth:`set_clock` works on the process that was started last."""
        return self._clock_can_be_set

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process is not None and self._process.poll() is None

    def start(self, *, clock_can_be_set: bool = False) -> None:
        """Start it; it says itself when it is ready.

        ``clock_can_be_set``: under libfaketime, which makes a start slower on a busy computer and
        changes how a process sleeps. Raises :class:`OutsideError` where that is not installed.
        """
        environment = dict(os.environ)
        self._clock_can_be_set = clock_can_be_set
        if clock_can_be_set:
            library = libfaketime()
            if library is None:
                raise OutsideError("libfaketime is not installed", "Run: apt-get install faketime")
            self.set_clock(0)
            environment |= {
                "LD_PRELOAD": str(library),
                "FAKETIME_TIMESTAMP_FILE": str(self._offset),
                "FAKETIME_CACHE_DURATION": "1",
                # the monotonic clock cannot be set on a real computer either
                "FAKETIME_DONT_FAKE_MONOTONIC": "1",
                "DONT_FAKE_MONOTONIC": "1",
            }
        self._process = subprocess.Popen(
            [sys.executable, "-m", "inspector", "run", str(self._config), "--log", "warning"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        self._reader = threading.Thread(target=self._read, args=(self._process,), daemon=True)
        self._reader.start()

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stderr is not None
        with process.stderr as lines:
            for line in lines:
                self.log.append(line.rstrip())

    def kill(self) -> None:
        """``kill -9``."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._reader.join(5)
            # a killed libfaketime leaves these, and the next process of that number dies of them
            for name in ("faketime_shm_", "sem.faketime_sem_"):
                Path(f"/dev/shm/{name}{self._process.pid}").unlink(missing_ok=True)

    def stacks(self) -> list[str]:
        """What each thread is doing, to tell why a station does not move; nothing of a dead one."""
        if not self.alive or self._process is None:
            return []
        self._process.send_signal(signal.SIGUSR2)
        time.sleep(0.5)
        return [
            line for line in self.log if line.startswith(("Thread 0x", "Current thread", "  File "))
        ]

    def stop(self, timeout_s: float = 60.0) -> int:
        """SIGTERM; returns the exit code. A process that does not end is killed, which is -9."""
        if self._process is None:
            return 0
        self._process.send_signal(signal.SIGTERM)
        try:
            code = self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()  # the caller sees it by the code
            return -signal.SIGKILL
        self._reader.join(5)
        return code

    def fill_disk(self, full: bool) -> None:
        """Let every write to a file fail, as on a full disk, or work again."""
        if self._process is not None:
            limit = 0 if full else resource.RLIM_INFINITY
            resource.prlimit(self._process.pid, resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))

    def set_clock(self, hours: float) -> None:
        """Set its wall clock so many hours ahead, from a second later on at the latest."""
        scratch = self._offset.with_suffix(".part")
        scratch.write_text(f"{hours * 3600:+.0f}\n")
        scratch.replace(self._offset)

    def rows(self, query: str, *arguments: object) -> list[tuple[Any, ...]]:
        """What its records answer; nothing while it is still making the tables."""
        database = sqlite3.connect(self.database, timeout=10)
        try:
            return database.execute(query, arguments).fetchall()
        except sqlite3.OperationalError as error:
            if "no such table" in str(error) or "unable to open" in str(error):
                return []
            raise
        finally:
            database.close()
