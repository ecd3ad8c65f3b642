"""The commands that make model bundles; what needs torch is imported when they run."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from inspector.cli.common import command_line, say, weakness
from inspector.errors import InputError
from inspector.logs import configure_logging


class Method(StrEnum):
    """How ``train detector`` goes about it."""

    DETECTOR = "detector"
    REFERENCE = "reference"


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
    data: Annotated[Path, typer.Argument(help="data.yaml, or a folder with a folder a class")],
    out: Out,
    minutes: Annotated[float | None, typer.Option(help="How long it may take")] = None,
    method: Annotated[
        Method, typer.Option(help="'reference': judge what differs from each picture's golden image")
    ] = Method.DETECTOR,
    allow_findings: Annotated[
        bool, typer.Option("--allow-findings", help="Train although the audit has found faults")
    ] = False,
    base: Annotated[str | None, typer.Option(help="Architecture, or a .pt file")] = None,
    imgsz: Annotated[int | None, typer.Option(help="Side of the input, a multiple of 32")] = None,
    tile: Annotated[
        int | None, typer.Option(min=0, help="Side of the tiles, in pixels of the pictures; 0: none")
    ] = None,
    epochs: Annotated[int | None, typer.Option(min=1)] = None,
    batch: Annotated[int | None, typer.Option(min=2)] = None,
    fliplr: Annotated[float | None, typer.Option(min=0, max=1, help="Share mirrored")] = None,
    flipud: Annotated[float | None, typer.Option(min=0, max=1, help="Share upside down")] = None,
    mosaic: Annotated[float | None, typer.Option(min=0, max=1, help="Share of mosaics")] = None,
    scale: Annotated[float | None, typer.Option(min=0, max=0.9, help="Change of size, ±")] = None,
    int8: Annotated[bool, typer.Option(help="Also a network in INT8, if it is good enough")] = True,
    resume_dir: Annotated[
        Path | None, typer.Option(help="Where an interrupted training goes on [default: beside OUT]")
    ] = None,
    members: Annotated[
        int, typer.Option(min=1, max=8, help="With 'reference': networks whose opinions are averaged")
    ] = 1,
    seed: Seed = 0,
) -> None:
    """Train on boxes, outlines or a folder a class; what no option says is chosen from the data.

    A training that was interrupted goes on where it was.
    """
    try:
        from inspector.training.detector import train_detector
        from inspector.training.plan import Wishes
        from inspector.training.reference import train_reference
    except ModuleNotFoundError as error:
        raise _missing(error) from error
    if method is Method.REFERENCE:
        card = train_reference(
            data,
            out,
            minutes=minutes,
            epochs=epochs,
            members=members,
            seed=seed,
            allow_findings=allow_findings,
            resume_dir=resume_dir,
            command=command_line(),
        )
        say(f"{out}: {_figures(card.metrics)}")
        return
    card = train_detector(
        data,
        out,
        minutes=minutes,
        epochs=epochs,
        wishes=Wishes(base, imgsz, tile, batch, fliplr, flipud, mosaic, scale),
        seed=seed,
        int8=int8,
        allow_findings=allow_findings,
        resume_dir=resume_dir,
        command=command_line(),
    )
    say(f"{out}: {_figures(card.metrics)}")
    if weak := weakness(card):
        sys.stderr.write(f"{out}: it {weak}\n")


@app.command()
def anomaly(
    good: Annotated[Path, typer.Argument(help="Folder of pictures of good parts")],
    out: Out,
    method: Annotated[
        str, typer.Option(help="'patchcore', or any model of anomalib's by name")
    ] = "patchcore",
    backbone: Annotated[str, typer.Option(help="Feature extractor")] = "tf_efficientnet_lite0",
    weights: Annotated[
        Path | None, typer.Option(help="Of another backbone: a file; of another method: a folder")
    ] = None,
    size: Annotated[
        str | None, typer.Option(help="Network's input, such as 448x448 [default: by the pictures]")
    ] = None,
    tile: Annotated[
        int | None, typer.Option(min=64, help="Side of the tiles, in pixels of the pictures")
    ] = None,
    no_tile: Annotated[bool, typer.Option("--no-tile", help="Pictures as a whole")] = False,
    layers: Annotated[
        str | None, typer.Option(help="Stages of the backbone, such as blocks.2,blocks.4")
    ] = None,
    rotate: Annotated[
        bool | None, typer.Option("--rotate/--no-rotate", help="Parts lie at any rotation")
    ] = None,
    even_light: Annotated[
        bool | None,
        typer.Option("--even-light/--no-even-light", help="Bring pictures to the good ones' light"),
    ] = None,
    region: Annotated[
        str | None, typer.Option(help="What to look at, x1,y1,x2,y2 as shares of the sides")
    ] = None,
    mask: Annotated[
        Path | None, typer.Option(help="A picture, black where nothing is looked at")
    ] = None,
    bank: Annotated[int, typer.Option(min=1, help="Patch features kept")] = 2000,
    seed: Seed = 0,
) -> None:
    """Learn what good parts look like, from good parts alone.

    What no option says is chosen from the pictures, and told on the bundle's card.
    """
    try:
        from inspector.training.anomaly import train_anomaly
        from inspector.training.goodparts import AnomalyWishes
    except ModuleNotFoundError as error:
        raise _missing(error) from error
    if tile is not None and no_tile:
        raise InputError("--tile and --no-tile exclude each other", "Give one of them")
    card = train_anomaly(
        good,
        out,
        method=method,
        backbone=backbone,
        weights=weights,
        wishes=AnomalyWishes(
            size=None if size is None else _size(size),
            tile=0 if no_tile else tile,
            layers=None if layers is None else tuple(layers.split(",")),
            rotate=rotate,
            even_light=even_light,
            region=None if region is None else _region(region),
        ),
        mask=mask,
        bank=bank,
        seed=seed,
        command=command_line(),
    )
    for sentence in card.training:
        say(sentence)
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
def places(
    photos: Annotated[Path, typer.Argument(help="Folder of photos of one part")],
    layout: Annotated[Path, typer.Option(help="YAML: the places on one photo, states in the names")],
    train: Annotated[str, typer.Option(help="Numbers of the photos to train on, such as 1-60")],
    val: Annotated[str, typer.Option(help="Numbers of those to validate on, such as 61-70")],
    out: Out,
    copies: Annotated[int, typer.Option(min=0, help="Turned and shifted copies of each")] = 5,
    turned: Annotated[float, typer.Option(min=0, max=180, help="By up to so many degrees")] = 20.0,
    seed: Seed = 0,
) -> None:
    """Photos of one part into a data set: boxes drawn on one photo hold for all of them."""
    from inspector.training.places import numbers, placed_dataset

    ranges = numbers(train, "--train"), numbers(val, "--val")
    say(
        str(
            placed_dataset(
                photos,
                layout,
                out,
                train=ranges[0],
                val=ranges[1],
                copies=copies,
                turned_deg=turned,
                seed=seed,
            )
        )
    )


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


def _size(text: str) -> tuple[int, int]:
    """Width and height of ``448x320``, or of ``448`` for a square."""
    numbers = text.lower().split("x")
    if len(numbers) > 2 or not all(number.strip().isdecimal() for number in numbers):
        raise InputError(f"--size {text} is no size", "Give WIDTHxHEIGHT, such as 448x448")
    return int(numbers[0]), int(numbers[-1])


def _region(text: str) -> tuple[float, float, float, float]:
    try:
        x1, y1, x2, y2 = (float(number) for number in text.split(","))
    except ValueError:
        raise InputError(
            f"--region {text} is no region",
            "Give x1,y1,x2,y2 as shares of the sides, such as 0.1,0,0.9,1",
        ) from None
    return x1, y1, x2, y2


def _figures(metrics: dict[str, float | tuple[float, float]]) -> str:
    return ", ".join(f"{name} {value}" for name, value in metrics.items())
