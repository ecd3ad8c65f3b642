"""The real daemon as a process of its own."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
from pathlib import Path

from system.cli import ROOT, start

TOPIC = "acme/plant/system/line1/{name}/vision"


class Daemon:
    """``inspector run`` on a configuration in ``folder``."""

    def __init__(
        self, folder: Path, port: int, name: str, cameras: str = "", *, broker: str = "", more: str = ""
    ) -> None:
        """``name`` makes the topic, unless it is one. ``broker`` and ``more`` are further keys of the
        broker and of the station, as they stand in the file."""
        self.folder, self.topic = folder, name if "/" in name else TOPIC.format(name=name)
        self.config = folder / "line.yaml"
        self.config.write_text(
            f"line: system\nstate_dir: state\nstations:\n  - name: cell\n    topic: {self.topic}\n"
            f"    recipe: {ROOT}/configs/recipes/pump-cover\n"
            f"    cameras: [{cameras or '{kind: sim, name: top, seed: 7, fps: 10}'}]\n"
            f"    broker: {{port: {port}, reconnect_s: 0.2{broker}}}\n{more}"
        )
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        self.process = start("run", self.config)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.communicate()

    def stop(self) -> tuple[int, str]:
        """SIGTERM; the exit code and what it logged."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        _, err = self.process.communicate(timeout=30)
        return self.process.returncode, err

    def rows(self, query: str) -> list[tuple[object, ...]]:
        database = sqlite3.connect(self.folder / "state" / "records.db")
        try:
            return database.execute(query).fetchall()
        except sqlite3.OperationalError as error:
            if "no such table" not in str(error):
                raise
            return []  # the daemon is still making them
        finally:
            database.close()
