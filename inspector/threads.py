"""Threads whose first exception reaches the main thread, and the end of a queue that a thread reads."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import structlog

Item = TypeVar("Item")


@dataclass(slots=True)
class Threads:
    """Starts threads and keeps the first exception of any."""

    error: BaseException | None = None
    started: list[threading.Thread] = field(default_factory=list)
    station: str = ""
    """Named in every line that these threads log."""

    def start(self, name: str, target: Callable[[], None]) -> None:
        """Run ``target`` in a thread of that name."""

        def guarded() -> None:
            if self.station:
                structlog.contextvars.bind_contextvars(station=self.station)
            try:
                target()
            except BaseException as error:  # noqa: BLE001 - handed to the main thread by its check()
                self.error = self.error or error

        thread = threading.Thread(target=guarded, name=name, daemon=True)
        self.started.append(thread)
        thread.start()


def put_last(target: queue.Queue[Item | None]) -> None:
    """Put the sentinel even into a full queue whose reader is gone."""
    while True:
        try:
            target.put_nowait(None)
            return
        except queue.Full:
            try:
                target.get_nowait()
            except queue.Empty:
                continue  # the reader was faster
