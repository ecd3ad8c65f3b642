"""The line-side daemon: the stations of one line file in one process, watched and stopped together.

A station's fault is a state of that station, and the others go on. An exception that nobody foresaw
ends the process with all its stations; its supervisor starts it anew, and the journals know which parts
were open. The same holds for a pipeline that is stuck: the watchdog is fed only while every station
makes progress. Stations that must not share this fate run in processes of their own, by ``--station``.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from inspector.build import build_live_station
from inspector.config import LineConfig, load_config
from inspector.contract import StateName
from inspector.errors import InspectorError
from inspector.livestation import LiveStation, differences
from inspector.metrics import MetricsServer, Sample
from inspector.service import ServiceManager

POLL_S = 0.2

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Daemon:
    """Some stations of a line at work. Runs in the main thread."""

    path: Path
    """The line's file, read again by a reload."""
    line: LineConfig
    names: tuple[str, ...]
    """Of the stations that this process runs."""
    manager: ServiceManager
    stopping: threading.Event = field(default_factory=threading.Event)
    """Set to end :meth:`run`."""
    reloading: threading.Event = field(default_factory=threading.Event)
    """Set to have the line's file read again."""
    _built: list[LiveStation] = field(default_factory=list)
    _started: list[LiveStation] = field(default_factory=list)
    _ready: bool = False
    _next_alive_s: float = 0.0

    def run(self) -> None:
        """Inspect until told to stop, or until every camera has come to the end of its recording.

        Raises what ended a station: an :class:`~inspector.errors.InspectorError`, or an exception that
        nobody foresaw. The other stations are then stopped in good order. Of several exceptions the
        first is raised, and all are in the log.
        """
        metrics: MetricsServer | None = None
        try:
            if self.line.metrics is not None:
                metrics = MetricsServer(self.line.metrics, self._samples)
            for name in self.names:
                if not self.stopping.is_set():
                    self._built.append(build_live_station(self.line, self.line.station(name)))
            if metrics is not None:
                metrics.start()
            for live in self._built:
                if not self.stopping.is_set():
                    self._started.append(live)
                    live.start()
            while not self.stopping.wait(POLL_S) and not all(live.line.ended for live in self._started):
                self._check()
                if self.reloading.is_set():
                    self.reloading.clear()
                    self._reload()
                self._tell()
        finally:
            self.manager.stopping()
            failures = self._stop()
            if metrics is not None:
                metrics.close()
        if failures:
            raise failures[0]

    def _check(self) -> None:
        for live in self._started:
            try:
                live.check()
            except BaseException as error:
                # it ends the process; the log must name the station, which the exception does not
                log.error("station failed", station=live.config.name, problem=str(error))
                raise

    def _samples(self) -> list[Sample]:
        return [live.sample() for live in self._started]

    def _tell(self) -> None:
        """Let the service manager know how things are."""
        states = [live.line.control.state for live in self._started]
        text = self._status()
        if not self._ready and StateName.PREOPERATIONAL not in states:
            self._ready = True
            self.manager.ready(text)
        else:
            self.manager.status(text)
        now = time.monotonic()
        due = self.manager.watchdog_s and now >= self._next_alive_s
        if due and all(live.line.progressing for live in self._started):
            self._next_alive_s = now + self.manager.watchdog_s / 4
            self.manager.alive()

    def _status(self) -> str:
        parts = []
        for live in self._started:
            control, stuck = live.line.control, "" if live.line.progressing else ", STUCK"
            fault = f" ({control.error[1]})" if control.error[0] else ""
            parts.append(f"{live.config.name}: {control.state.value}{fault}{stuck}")
        return "; ".join(parts)

    # --- reload ------------------------------------------------------------------------------

    def _reload(self) -> None:
        """Read the line's file again and take over what may change; what may not is named."""
        self.manager.reloading()
        try:
            fresh = load_config(self.path)
            found = {station.name: station for station in fresh.stations}
            for key in differences(self.line, fresh):
                if key.partition(".")[0] not in ("stations", "access"):
                    log.warning("needs a restart", key=key)
            for name in found.keys() - {station.name for station in self.line.stations}:
                log.warning("needs a restart", station=name, key="a new station")
            for live in self._started:
                name = live.config.name
                if name not in found:
                    log.warning("needs a restart", station=name, key="the station is gone")
                    continue
                try:
                    changed, restart = live.reload(found[name])
                except InspectorError as error:
                    # this one goes on as it is; the others take over what is theirs
                    log.error("not reloaded", station=name, problem=str(error))
                    continue
                for key in restart:
                    log.warning("needs a restart", station=name, key=key)
                log.info("reloaded", station=name, changed=changed)
        except InspectorError as error:
            # the stations go on as they are, and whoever asked reads why
            log.error("not reloaded", problem=str(error))
        self.manager.ready(self._status())

    # --- the end -----------------------------------------------------------------------------

    def _stop(self) -> list[BaseException]:
        """All stations at once: each finishes what it has in flight. Returns what went wrong there."""
        for live in self._started:
            live.line.control.leave()
        waiting = self._built[len(self._started) :]
        ends: list[Callable[[], None]] = [live.stop for live in self._started]
        ends += [live.abandon for live in waiting]
        if not ends:
            return []
        failures: list[BaseException] = []
        with ThreadPoolExecutor(len(ends), thread_name_prefix="stop") as pool:
            for live, done in zip(self._built, [pool.submit(end) for end in ends], strict=True):
                error = done.exception()
                if error is not None:
                    log.error("station failed", station=live.config.name, problem=str(error))
                    failures.append(error)
        return failures
