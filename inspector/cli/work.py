"""The commands of daily work: replay, crop, db upgrade."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from inspector.build import build_recorder, build_station
from inspector.cameras.footage import expand_footage, open_footage
from inspector.cli.common import load_station, say
from inspector.config import load_config
from inspector.contract import record_fields
from inspector.control import draw_boot_id
from inspector.cropping import Cropper
from inspector.domain import Inspection
from inspector.errors import BrokerError, InputError
from inspector.issue import Issuer, reference
from inspector.logs import configure_logging
from inspector.publish import SimulatedPublisher
from inspector.recipe import load_recipe
from inspector.records.database import upgrade as upgrade_database
from inspector.replay import JsonLines, Replay, compare, read_jsonl

Config = Annotated[Path, typer.Argument(help="The line's configuration, a YAML file")]
ConfigOption = Annotated[Path, typer.Option("--config", help="The line's configuration")]
Footage = Annotated[list[Path], typer.Argument(help="Videos, pictures, or folders of them")]
StationOption = Annotated[str | None, typer.Option("--station", help="Needed with several stations")]
LogLevel = Annotated[str, typer.Option("--log", help="debug, info, warning or error")]

db = typer.Typer(help="The records database.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Register these commands."""
    for command in (replay, crop):
        app.command()(command)


def replay(
    footage: Footage,
    config: ConfigOption,
    station: StationOption = None,
    jsonl: Annotated[Path | None, typer.Option(help="Write one line an inspection")] = None,
    realtime: Annotated[bool, typer.Option("--realtime", help="At the footage's own speed")] = False,
    publish: Annotated[bool, typer.Option("--publish", help="Publish, as simulated")] = False,
    against: Annotated[Path | None, typer.Option(help="JSONL of an earlier run to compare")] = None,
    log: LogLevel = "warning",
) -> None:
    """Recorded footage through the same pipeline as a live line."""
    configure_logging(log)
    baseline = read_jsonl(against) if against else None
    line, chosen = load_station(config, station)
    recipe = load_recipe(chosen.recipe)
    recordings = [open_footage(path) for path in expand_footage(footage)]
    built = build_station(recipe, chosen, live=False)
    issuer = Issuer(chosen.name, draw_boot_id(), reference(recipe), simulated=True)
    lines = JsonLines(jsonl) if jsonl else None
    rows: list[dict[str, Any]] = []
    with (
        build_recorder(line, chosen).start() as recorder,
        SimulatedPublisher.opened(chosen if publish else None) as publisher,
    ):
        sinks: list[Callable[[Inspection], None]] = [publisher.publish, recorder.record]
        if lines is not None:
            sinks.append(lines)
        if baseline is not None:
            sinks.append(lambda inspection: rows.append(record_fields(inspection)))
        run = Replay(built, issuer, chosen.deadline_ms / 1000, tuple(sinks), realtime)
        for recording in recordings:
            run.run(recording)
            recording.close()
    if lines is not None:
        lines.close()
    summary = run.summary
    counts = ", ".join(f"{count} {verdict}" for verdict, count in summary.verdicts.items())
    say(f"{summary.parts} parts in {summary.frames} frames: {counts}")
    if not summary.parts:
        sys.stderr.write(
            "no part was seen: look at the trigger, and at how good the detector's card is\n"
        )
    if baseline is not None:
        changes = compare(baseline, rows)
        for change in changes:
            say(str(change))
        say(f"{len(changes)} parts changed their verdict")
    if publisher.unsent:
        told = f"{publisher.unsent} of {summary.parts} results were not published"
        raise BrokerError("; ".join((*summary.problems, told)), "Look at the broker, and replay again")
    if summary.problems:
        raise InputError("; ".join(summary.problems))


def crop(
    footage: Footage,
    config: ConfigOption,
    label: Annotated[str, typer.Option(help="Label of the part to cut out")],
    out: Annotated[Path, typer.Option(help="Folder for the pictures")],
    station: StationOption = None,
    span: Annotated[float, typer.Option(help="How far from the line, share of the width")] = 0.25,
    every: Annotated[int, typer.Option(min=1, help="Every n-th frame")] = 3,
) -> None:
    """Cut parts out of footage, as the check would see them."""
    configure_logging("warning")
    _, chosen = load_station(config, station)
    recipe = load_recipe(chosen.recipe, untrained=True)
    cropper = Cropper(build_station(recipe, chosen, live=False), label, out, span, every)
    for path in expand_footage(footage):
        recording = open_footage(path)
        cropper.run(recording)
        recording.close()
    if not cropper.written:
        raise InputError(f"no '{label}' was seen near the line", "Check the footage, or widen --span")
    say(f"{cropper.written} pictures of {len(cropper.parts)} parts in {out}")


@db.command()
def upgrade(config: Config) -> None:
    """Bring the records databases of a line to the newest schema."""
    configure_logging("warning")
    line = load_config(config)
    for url in {line.database_url(station): None for station in line.stations}:
        say(f"{upgrade_database(url)}: up to date")
