"""The command that sets a recipe's thresholds from good parts."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from inspector.build import build_gate, build_station
from inspector.calibrating import (
    PROPOSED,
    Seen,
    calibrate_recipe,
    describe,
    inspect,
    refuse_learnt,
    write,
)
from inspector.cameras.footage import PICTURES
from inspector.cli.common import NOWHERE, command_line, say
from inspector.config import StationConfig
from inspector.errors import DataError
from inspector.logs import configure_logging
from inspector.recipe import load_recipe
from inspector.station import Station
from inspector.training.card import data_digest, pictures_in
from inspector.trust import learn_trust

GATES_SHARE = 0.5
"""Of the review rate; the rest is the band's."""


def add_to(app: typer.Typer) -> None:
    """Register this command."""
    app.command()(calibrate)


def calibrate(
    recipe: Annotated[Path, typer.Argument(help="A recipe folder")],
    good: Annotated[
        Path,
        typer.Argument(help="Pictures of good parts that no model has seen, named PART_FRAME.png"),
    ],
    faulty: Annotated[
        Path | None, typer.Option(help="Pictures of faulty parts, perhaps in a folder a kind")
    ] = None,
    log: Annotated[str, typer.Option("--log", help="debug, info, warning or error")] = "warning",
) -> None:
    """Set a recipe's thresholds from good parts, without training, and raise its version."""
    configure_logging(log)
    loaded = load_recipe(recipe, promises="open")
    pictures = pictures_in(good)
    refuse_learnt(loaded, pictures)
    bad = [] if faulty is None else _pictures_below(faulty)
    config = StationConfig(name="calibrate", topic=NOWHERE, recipe=recipe, workers=1)
    stated = loaded.text.stated
    rate = (PROPOSED if stated is None else stated.promise).review_rate
    finding = build_station(loaded, config, live=False)
    trust = learn_trust(loaded, finding, pictures, build_gate, GATES_SHARE * rate)
    station = build_station(trust.recipe, config, live=False)
    station.warm_up()
    result = calibrate_recipe(
        loaded,
        _inspected(station, pictures, "good parts", trust.doubted),
        _inspected(station, bad, "faulty parts"),
        learnt=trust.learnt,
        source=f"{len(pictures)} pictures in {good.name}/"
        + ("" if faulty is None else f", {len(bad)} of faulty parts in {faulty.name}/"),
        digest=data_digest([*pictures, *bad], good),
        command=command_line(),
    )
    before, now = write(loaded, result.calibration)
    for line in describe(loaded, result):
        say(line)
    say(f"version {before} -> {now} in {recipe / 'recipe.yaml'}")
    if result.shortfall is not None:
        sys.stderr.write(f"{'. '.join(result.shortfall)}. Until then the recipe is refused by run\n")


def _pictures_below(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise DataError(f"{folder} is no folder", "Give the folder that holds the pictures")
    # a kind's folder may be a link, which a search from above would not follow
    below = [path for kind in folder.iterdir() if kind.is_dir() for path in kind.rglob("*")]
    found = sorted(path for path in (*folder.iterdir(), *below) if path.suffix.lower() in PICTURES)
    if not found:
        raise DataError(f"{folder} holds no picture", f"Expected {', '.join(sorted(PICTURES))}")
    return found


def _inspected(
    station: Station, pictures: Sequence[Path], what: str, doubted: frozenset[Path] = frozenset()
) -> list[Seen]:
    seen = inspect(station, pictures, doubted)
    if not sys.stderr.isatty() or not pictures:
        return list(seen)
    with typer.progressbar(seen, len(pictures), label=what, file=sys.stderr) as bar:
        return list(bar)
