"""The command that writes the expectations of an assembly from one good part."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from inspector.cli.common import say
from inspector.logs import configure_logging


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(teach)


def teach(
    photo: Annotated[Path, typer.Argument(help="Photo of one good part")],
    recipe: Annotated[Path, typer.Option("--recipe", help="The recipe's folder")],
    per: Annotated[str | None, typer.Option(help="Label of the part that carries the others")] = None,
    check: Annotated[str | None, typer.Option(help="Name of the assembly check, of several")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print them, write nothing")] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace an earlier recipe.taught")
    ] = False,
) -> None:
    """Learn an assembly's expectations from one good part, for a person to check."""
    configure_logging("warning")
    from inspector.teaching import PICTURE, Teacher, as_yaml

    teacher = Teacher(recipe, check)
    taught = teacher.learn(photo, per)
    if dry_run:
        say(as_yaml(taught).rstrip())
        return
    path = teacher.write(photo, taught, replace=replace)
    for expected in taught.expectations:
        say(f"{expected.get('name', expected['label'])}: {expected.get('region', expected.get('box'))}")
    if taught.others:
        say(f"{taught.others} more of '{per}' in the photo were left out")
    say(f"Look at {path.parent / PICTURE} and {path}; then rename the latter to recipe.yaml")
