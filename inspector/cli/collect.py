"""The commands between the records and the next model: collect, candidate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from inspector.candidate import make_candidate
from inspector.cli.common import load_station, say
from inspector.collecting import collect as write_collection
from inspector.logs import configure_logging
from inspector.records.collected import MOST_PASSED, collected
from inspector.records.database import open_engine
from inspector.records.evidence import EvidenceStore

CheckOption = Annotated[str, typer.Option("--check", help="Name of the check that is to learn")]


def add_to(app: typer.Typer) -> None:
    """Register these commands."""
    for command in (collect, candidate):
        app.command()(command)


def collect(
    config: Annotated[Path, typer.Argument(help="The line's configuration, a YAML file")],
    check: CheckOption,
    out: Annotated[Path, typer.Option(help="The folder to write; replaced when a run made it")],
    station: Annotated[str | None, typer.Option("--station", help="Needed with several")] = None,
    recipe: Annotated[
        Path | None, typer.Option(help="Recipe folder [default: that of the station]")
    ] = None,
    recipe_id: Annotated[
        str | None, typer.Option(help="What the recipe is called [default: its folder's name]")
    ] = None,
    most: Annotated[
        int, typer.Option(min=2, help="Parts that PASSed unseen, the newest")
    ] = MOST_PASSED,
    state_dir: Annotated[
        Path | None, typer.Option(help="In place of the configuration's state_dir")
    ] = None,
) -> None:
    """A data set from recorded parts, as people have decided about them and marked them."""
    configure_logging("warning")
    line, chosen = load_station(config, station)
    if state_dir is not None:
        line = line.model_copy(update={"state_dir": state_dir.resolve()})
    folder = recipe or chosen.recipe
    engine = open_engine(line.database_url(chosen), readonly=True)
    try:
        parts = collected(engine, chosen.name, recipe_id or folder.name, most_passed=most)
    finally:
        engine.dispose()
    evidence = EvidenceStore(line.evidence_dir(chosen), chosen.evidence)
    made = write_collection(parts, evidence, folder, check, out)
    say(
        f"{made.learnt} parts to learn from, {made.held_out} good ones held out, {made.faulty} faulty; "
        f"on {made.corrected} a person had contradicted the station; {made.missing} without a picture"
    )


def candidate(
    recipe: Annotated[Path, typer.Argument(help="The recipe folder that it starts from")],
    check: CheckOption,
    bundle: Annotated[Path, typer.Option(help="The new model")],
    version: Annotated[int, typer.Option(min=1, help="Of the recipe that comes of it")],
    out: Annotated[Path, typer.Option(help="The recipe folder to write; replaced when it exists")],
) -> None:
    """The next version of a recipe, with another model for one check."""
    configure_logging("warning")
    made = make_candidate(recipe, check, bundle, version, out)
    say(f"{out}: {made.recipe_id} version {version}, hash {made.recipe_hash[:16]}")
