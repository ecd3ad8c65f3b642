"""``inspector run``: the line-side daemon."""

from __future__ import annotations

import faulthandler
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from inspector.cli.common import load_station
from inspector.config import load_config
from inspector.daemon import Daemon
from inspector.logs import configure_logging
from inspector.service import ServiceManager


def add_to(app: typer.Typer) -> None:
    """Register this command."""
    app.command()(run)


def run(
    config: Annotated[Path, typer.Argument(help="The line's configuration, a YAML file")],
    station: Annotated[str | None, typer.Option("--station", help="By default all of the file")] = None,
    log: Annotated[str, typer.Option("--log", help="debug, info, warning or error")] = "info",
) -> None:
    """The line-side daemon: inspect until told to stop.

    SIGTERM and SIGINT finish the parts in flight within their deadlines. SIGHUP reads the file again:
    what it says of drift, alarms, challenge and evidence is taken over, what needs a restart is logged.
    SIGUSR2 writes to stderr what each thread is doing: of a station that does not move.
    """
    configure_logging(log)
    if sys.__stderr__ is not None:
        faulthandler.register(signal.SIGUSR2, file=sys.__stderr__)
    if station is None:
        line = load_config(config)
        names = tuple(one.name for one in line.stations)
    else:
        line, chosen = load_station(config, station)
        names = (chosen.name,)
    daemon = Daemon(config, line, names, ServiceManager())
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: daemon.stopping.set())
    signal.signal(signal.SIGHUP, lambda *_: daemon.reloading.set())
    daemon.run()
