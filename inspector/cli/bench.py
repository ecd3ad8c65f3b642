"""Side-by-side measurements: ratios in one run, the last line of stdout is JSON of plain numbers."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from inspector.cli.common import load_station, say
from inspector.cli.simulated import DEMO_CONFIG
from inspector.logs import configure_logging

app = typer.Typer(help="Side-by-side measurements, ratios in one run.", no_args_is_help=True)


@app.callback()
def _quietly() -> None:
    configure_logging("error")


@app.command()
def pipeline(
    config: Annotated[Path, typer.Option("--config", help="The line's configuration")] = DEMO_CONFIG,
    parts: Annotated[int, typer.Option(min=40, help="Parts a round")] = 300,
    rounds: Annotated[int, typer.Option(min=1, help="Interleaved pairs of rounds")] = 5,
) -> None:
    """The whole station against the bare two-model loop on the same networks."""
    # only here: a line computer needs none of it
    from inspector.bench.pipeline import bench_pipeline

    line, station = load_station(config, None)
    figures = bench_pipeline(line, station, parts=parts, rounds=rounds)
    say(
        f"bare loop {figures.bare_parts_per_s:7.1f} parts/s  p50 {figures.bare_p50_ms:6.2f} ms  "
        f"p99 {figures.bare_p99_ms:6.2f} ms  ({figures.bare_requests} requests in flight)"
    )
    say(
        f"station   {figures.station_parts_per_s:7.1f} parts/s  p50 {figures.station_p50_ms:6.2f} ms  "
        f"p99 {figures.station_p99_ms:6.2f} ms  ({figures.review} of {figures.parts} parts in REVIEW)"
    )
    say(json.dumps({name: round(value, 4) for name, value in asdict(figures).items()}))
