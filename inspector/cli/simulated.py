"""The demonstration on a simulated line."""

from __future__ import annotations

import signal
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from inspector.cli.common import load_station, say
from inspector.logs import configure_logging

DEMO_CONFIG = Path(__file__).resolve().parents[2] / "configs" / "demo.yaml"


def add_to(app: typer.Typer) -> None:
    """Register these commands."""
    app.command()(demo)


def demo(
    headless: Annotated[bool, typer.Option("--headless", help="Without the dashboard")] = False,
    parts: Annotated[int | None, typer.Option(min=6, help="End after so many parts")] = None,
    seed: Annotated[int, typer.Option(help="Of the parts on the belt")] = 2026,
    interval: Annotated[float, typer.Option(min=0.02, help="Seconds between two parts")] = 0.5,
    lamp_decay: Annotated[
        float,
        typer.Option(min=0, max=10, help="Percent of its light that the lamp loses with each part"),
    ] = 0.0,
    challenge: Annotated[
        int | None, typer.Option(min=1, help="Ask for a challenge after so many parts")
    ] = None,
    port: Annotated[int, typer.Option(help="Of the dashboard")] = 8501,
    config: Annotated[Path, typer.Option("--config", help="The line's configuration")] = DEMO_CONFIG,
    log: Annotated[str, typer.Option("--log", help="debug, info, warning or error")] = "warning",
) -> None:
    """A simulated line, an embedded broker, a simulated PLC, and the dashboard."""
    # only here: a line computer needs none of it
    from inspector.demo import Demonstration, DemoOptions, dashboard, verdict_of

    configure_logging(log)
    line, station = load_station(config, None)
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    options = DemoOptions(parts, seed, interval, station.deadline_ms, lamp_decay / 100, challenge)
    demonstration = Demonstration(line, station, options)
    with ExitStack() as open_things:
        if not headless:
            address = open_things.enter_context(dashboard(config, port))
            say(f"dashboard: {address}   (stop with Ctrl-C)")
        demonstration.run(stopping, say)
        say(demonstration.tally.progress())
        say(demonstration.tally.report())
        if lamp_decay:
            say(demonstration.lamp_report())
        say("counters reconcile" if not demonstration.mismatches else "counters do NOT reconcile")
        if parts is not None and not stopping.is_set():
            verdict_of(demonstration)
            if not headless:
                say("all parts are through; the dashboard stays until Ctrl-C")
                stopping.wait()
