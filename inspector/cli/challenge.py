"""The command that proves a station with known good and known faulty parts."""

from __future__ import annotations

import getpass
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from inspector.build import build_recorder, build_station, recipe_shelf
from inspector.challenge import ChallengeRun
from inspector.cli.common import load_station, say
from inspector.config import LineConfig, StationConfig
from inspector.errors import BusyError, InputError, OutsideError
from inspector.issue import reference
from inspector.knownparts import known_parts, show
from inspector.livestation import StationLock
from inspector.logs import configure_logging
from inspector.recipe import load_recipe
from inspector.records.challenges import run_of_request
from inspector.records.database import check_schema, open_engine
from inspector.records.requests import RequestView, ask, request, withdraw

NOT_PROVEN = 4
"""Exit code of a challenge that was carried out and failed."""
POLL_S = 0.2


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(challenge)


def challenge(
    config: Annotated[Path, typer.Argument(help="The line's configuration, a YAML file")],
    station: Annotated[str | None, typer.Option("--station", help="Needed with several")] = None,
    operator: Annotated[str | None, typer.Option(help="Who challenges; by default the user")] = None,
    parts: Annotated[
        Path | None, typer.Option("--set", help="Folder with good/ and faulty/, not the configured one")
    ] = None,
    wait: Annotated[float, typer.Option(min=1, help="Seconds to wait for a running station")] = 300.0,
) -> None:
    """Show known good and faulty parts to a station; exit code 4 when it does not tell them apart.

    A station that runs is asked to do it, between its parts; else it is done here.
    """
    configure_logging("warning")
    line, chosen = load_station(config, station)
    folder = parts.resolve() if parts is not None else chosen.challenge.parts
    if folder is None:
        raise InputError(
            f"station '{chosen.name}' has no known parts",
            "Name their folder as 'parts' under 'challenge' in the configuration, or with --set",
        )
    who = operator or getpass.getuser()
    try:
        lock = StationLock(line.station_dir(chosen), chosen.name)
    except BusyError:
        # the station runs: it alone knows which moments are free, and must know the outcome
        run = _asked(line, chosen, folder, who, wait)
    else:
        try:
            run = _here(line, chosen, folder, who)
        finally:
            lock.release()
    say(run.table())
    if not run.passed:
        raise typer.Exit(NOT_PROVEN)


def _here(line: LineConfig, station: StationConfig, folder: Path, operator: str) -> ChallengeRun:
    """Carry it out in this process and record it."""
    recipe = load_recipe(station.recipe)
    recipe_shelf(line, station).store.check(recipe)
    parts = known_parts(folder, recipe.recipe_id)
    built = build_station(recipe, station, live=False)
    sources = [camera.name for camera in station.cameras]
    with build_recorder(line, station).start() as recorder:
        run = ChallengeRun(
            station.name,
            datetime.now(UTC),
            operator,
            "cli",
            reference(recipe),
            tuple(show(built, part, sources) for part in parts),
            station.challenge.good_in_review,
        )
        recorder.challenge(run)
    return run


def _asked(
    line: LineConfig, station: StationConfig, folder: Path, operator: str, wait_s: float
) -> ChallengeRun:
    """Have the running station carry it out."""
    engine = open_engine(line.database_url(station))
    try:
        check_schema(engine)
        arguments = {"parts": str(folder), "origin": "cli"}
        number = ask(engine, station.name, "challenge", operator, arguments)
        until = time.monotonic() + wait_s
        row: RequestView | None = None
        while row is None or row.outcome is None:
            if time.monotonic() >= until:
                if withdraw(engine, number, f"not taken within {wait_s:g} s"):
                    raise OutsideError(
                        f"station '{station.name}' is run by a process that did not take the challenge "
                        f"within {wait_s:g} s",
                        "See whether it is 'inspector run', and whether its records can be written",
                    )
                raise OutsideError(
                    f"station '{station.name}' has not finished the challenge within {wait_s:g} s",
                    "It goes on and will be recorded; wait longer with --wait",
                )
            time.sleep(POLL_S)
            row = request(engine, number)
        run = run_of_request(engine, number)
    finally:
        engine.dispose()
    if run is None:
        raise OutsideError(f"station '{station.name}' did not carry out the challenge: {row.text}")
    return run
