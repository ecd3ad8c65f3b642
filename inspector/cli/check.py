"""``inspector check``: is everything in order before the first part?"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from inspector import preflight
from inspector.build import build_station, recipe_shelf
from inspector.cli.common import say, weakness
from inspector.config import LineConfig, StationConfig, load_config
from inspector.knownparts import known_parts
from inspector.logs import configure_logging
from inspector.preflight import Outcome
from inspector.recipe import Recipe, load_recipe


def add_to(app: typer.Typer) -> None:
    """Register this command."""
    app.command()(check)


def check(
    config: Annotated[Path, typer.Argument(help="The line's configuration, a YAML file")],
    offline: Annotated[
        bool, typer.Option("--offline", help="Files alone: no broker, camera, clock, disk, database")
    ] = False,
) -> None:
    """Validate everything before the first part.

    Configuration, recipes, models and certificates; then broker, clock, disk, database and cameras.
    What is good goes to stdout, warnings and errors to stderr. Exit code 2: something that was given is
    wrong; 3: something outside fails; 0 also with warnings.
    """
    configure_logging("error")
    line = load_config(config)
    codes: list[int] = []
    for station in line.stations:
        for outcome in _outcomes(line, station, offline):
            # at once: what ends the check must not take along what has been seen
            _tell(station.name, outcome)
            codes.append(outcome.exit_code)
    # wrong input is named before the outside world: it must be mended in any case
    if code := min((code for code in codes if code), default=0):
        raise typer.Exit(code)


def _outcomes(line: LineConfig, station: StationConfig, offline: bool) -> Iterator[Outcome]:
    try:
        _check_recipes(line, station)
    except PermissionError as error:
        # recipes and their store are the services' own; whoever asks is told the rest
        yield Outcome("error", f"{error.filename} cannot be read by this user", preflight.AS_SERVICE, 3)
    yield from preflight.files(station)
    if not offline:
        yield from preflight.surroundings(line, station)


def _tell(name: str, outcome: Outcome) -> None:
    if outcome.level == "good":
        say(f"{name}: {outcome.text}")
    else:
        text = f"{outcome.text.rstrip('.')}. {outcome.remedy}".rstrip()
        sys.stderr.write(f"{name}: {outcome.level}: {text}\n")


def _check_recipes(line: LineConfig, station: StationConfig) -> None:
    store = recipe_shelf(line, station).store
    for folder in (station.recipe, *station.recipes):
        recipe = load_recipe(folder)
        store.check(recipe)
        _check_recipe(station, recipe)
        if station.challenge.parts is not None:
            known = known_parts(station.challenge.parts, recipe.recipe_id)
            say(f"{station.name}: {len(known)} known parts to challenge {recipe.recipe_id} with")


def _check_recipe(station: StationConfig, recipe: Recipe) -> None:
    """Load its models, and say what is known of them."""
    build_station(recipe, station, live=True)
    say(
        f"{station.name}: recipe {recipe.recipe_id} version {recipe.text.version}, "
        f"hash {recipe.recipe_hash[:16]}, {len(recipe.text.checks)} checks: good"
    )
    for warning in recipe.warnings:
        sys.stderr.write(f"{station.name}: {warning}\n")
    for name, bundle in recipe.bundles.items():
        if weak := weakness(bundle.card):
            sys.stderr.write(f"{station.name}: model '{name}' {weak}\n")
