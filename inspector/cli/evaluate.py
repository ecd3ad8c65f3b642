"""The command that measures a recipe on pictures whose truth is known."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from inspector.build import build_station
from inspector.cli.common import NOWHERE, command_line, say
from inspector.config import StationConfig
from inspector.errors import InputError
from inspector.logs import configure_logging
from inspector.recipe import load_recipe


def add_to(app: typer.Typer) -> None:
    """Register this command."""
    app.command()(evaluate)


def evaluate(
    recipe: Annotated[Path, typer.Argument(help="A recipe folder")],
    data: Annotated[
        Path,
        typer.Argument(help="A data.yaml, or a folder test/<kind>/, perhaps with ground_truth/<kind>/"),
    ],
    report: Annotated[
        Path | None, typer.Option(help="Write all figures as JSON, and a page beside it as .html")
    ] = None,
    predictions: Annotated[
        Path | None, typer.Option(help="Write one line an image, for scripts of your own")
    ] = None,
    iou: Annotated[
        float | None,
        typer.Option(min=0.01, max=0.99, help="Also mAP and F at this IoU, as DeepPCB's paper: 0.33"),
    ] = None,
    repeats: Annotated[
        bool,
        typer.Option("--repeats", help="What stands before the last _ of a file's name is one part"),
    ] = False,
    disturbed: Annotated[
        bool,
        typer.Option(
            "--disturbed", help="Also inspect up to 80 parts under 12 disturbances, in 3 grades"
        ),
    ] = False,
    log: Annotated[str, typer.Option("--log", help="debug, info, warning or error")] = "warning",
) -> None:
    """Measure a recipe on the test split of a data set, and write the report."""
    configure_logging(log)
    try:
        # only here: the line computer needs none of it
        from inspector.evaluation.command import Outputs, evaluate_recipe, table
        from inspector.evaluation.data import read_data
        from inspector.evaluation.run import MIN_CONFIDENCE
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("inspector"):
            raise  # a defect of ours
        raise InputError(
            f"an evaluation needs the package '{error.name}', which is not installed",
            "pip install 'line-inspector[report]'",
        ) from error
    outputs = Outputs.proven(report, predictions)
    loaded = load_recipe(recipe, promises="attainable")
    for warning in loaded.warnings:
        sys.stderr.write(f"{loaded.recipe_id}: {warning}\n")
    read = read_data(data)
    config = StationConfig(name="evaluate", topic=NOWHERE, recipe=recipe, workers=1)
    evaluation = evaluate_recipe(
        build_station(loaded, config, live=False, min_confidence=MIN_CONFIDENCE),
        read,
        outputs,
        iou=iou,
        repeated=repeats,
        disturbed=disturbed,
        command=command_line(),
        progress=sys.stderr if sys.stderr.isatty() else None,
    )
    for line in table(evaluation):
        say(line)
    if outputs.predictions is not None:
        say(f"predictions: {outputs.predictions}")
    if outputs.page is not None:
        say(f"report: {outputs.report}, {outputs.page}")
