"""The commands that make model bundles; what needs torch is imported when they run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from inspector.cli.common import command_line, say
from inspector.errors import InputError
from inspector.logs import configure_logging

app = typer.Typer(help="Make data sets and model bundles.", no_args_is_help=True)

Out = Annotated[Path, typer.Option(help="The bundle or folder to write; replaced when it exists")]
Seed = Annotated[int, typer.Option(help="Equal seeds give equal results on one machine")]


@app.callback()
def _needs_training_extra() -> None:
    configure_logging("info")


def _missing(error: ModuleNotFoundError) -> InputError:
    return InputError(
        f"training needs the package '{error.name}', which is not installed",
        "Run 'make train-env', or pip install 'line-inspector[train]'",
    )


@app.command()
def detector(
    data: Annotated[Path, typer.Argument(help="data.yaml of a set in Ultralytics' layout")],
    out: Out,
    minutes: Annotated[float | None, typer.Option(help="How long it may take")] = None,
    base: Annotated[str, typer.Option(help="Architecture, or a .pt file")] = "yolo26n.yaml",
    imgsz: Annotated[int | None, typer.Option(help="Side of the input, a multiple of 32")] = None,
    epochs: Annotated[int | None, typer.Option(min=1)] = None,
    fliplr: Annotated[float, typer.Option(min=0, max=1, help="Share of mirrored pictures")] = 0.5,
    seed: Seed = 0,
) -> None:
    """Train a detector; a training that was interrupted goes on where it was."""
    try:
        from inspector.training.detector import train_detector
    except ModuleNotFoundError as error:
        raise _missing(error) from error
    card = train_detector(
        data,
        out,
        minutes=minutes,
        base=base,
        imgsz=imgsz,
        epochs=epochs,
        fliplr=fliplr,
        seed=seed,
        command=command_line(),
    )
    say(f"{out}: {_figures(card.metrics)}")


@app.command()
def anomaly(
    good: Annotated[Path, typer.Argument(help="Folder of pictures of good parts")],
    out: Out,
    method: Annotated[str, typer.Option(help="Anomaly method")] = "patchcore",
    backbone: Annotated[str, typer.Option(help="Feature extractor")] = "tf_efficientnet_lite0",
    bank: Annotated[int, typer.Option(min=1, help="Patch features kept")] = 2000,
    seed: Seed = 0,
) -> None:
    """Learn what good parts look like, from good parts alone."""
    try:
        from inspector.training.anomaly import train_anomaly
    except ModuleNotFoundError as error:
        raise _missing(error) from error
    card = train_anomaly(
        good, out, method=method, backbone=backbone, bank=bank, seed=seed, command=command_line()
    )
    say(f"{out}: threshold {card.calibration['threshold']}")


@app.command()
def dataset(
    footage: Annotated[list[Path], typer.Argument(help="Clips with a .json of boxes beside each")],
    out: Out,
    val: Annotated[list[Path], typer.Option(help="Clips to validate on; repeatable")],
    every: Annotated[int, typer.Option(min=1, help="Every n-th frame")] = 2,
) -> None:
    """Annotated footage into a data set in Ultralytics' layout, split by clip."""
    from inspector.training.dataset import footage_dataset

    say(str(footage_dataset(footage, val, out, every)))


@app.command()
def simulated(
    out: Out,
    parts: Annotated[int, typer.Option(min=10, help="Parts to render")] = 500,
    seed: Seed = 1,
    good_only: Annotated[bool, typer.Option("--good-only", help="Only crops of good parts")] = False,
) -> None:
    """Render a data set of the simulated product."""
    from inspector.training.simulated import good_crops, simulated_dataset

    if good_only:
        say(f"{good_crops(out, parts, seed)} crops in {out}")
    else:
        say(str(simulated_dataset(out, parts, seed)))


def _figures(metrics: dict[str, float | tuple[float, float]]) -> str:
    return ", ".join(f"{name} {value}" for name, value in metrics.items())
