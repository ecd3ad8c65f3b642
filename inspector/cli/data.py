"""The commands about data sets: audit, prepare."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from inspector.audit import audit as audit_data
from inspector.audit import blocking
from inspector.cli.common import say
from inspector.datasets.prepare import PrepareSettings, prepare_folder
from inspector.datasets.yolo import YoloData
from inspector.errors import DataError, InputError
from inspector.logs import configure_logging


def add_to(app: typer.Typer) -> None:
    """Register these commands."""
    for command in (audit, prepare):
        app.command()(command)


def audit(
    data: Annotated[Path, typer.Argument(help="data.yaml, or the folder of a classification set")],
    json_out: Annotated[
        Path | None, typer.Option("--json", help="Also write the findings here")
    ] = None,
    group: Annotated[
        str | None,
        typer.Option(help="Regular expression; its first group in a file's name may not be split"),
    ] = None,
) -> None:
    """What is wrong with a data set, gravest first; exit 2 when nothing should be trained on it."""
    configure_logging("warning")
    read = YoloData.read(data, group)
    findings = audit_data(read)
    grave = blocking(findings)
    if json_out is not None:
        report = {
            "data": str(read.yaml),
            "task": read.task,
            "labels": list(read.labels),
            "pictures": {split: len(pictures) for split, pictures in read.splits.items()},
            "blocking": len(grave),
            "findings": [found.fields() for found in findings],
        }
        text = json.dumps(report, indent=2, ensure_ascii=False) + "\n"
        try:
            json_out.write_text(text, encoding="utf-8")
        except OSError as error:
            raise InputError(
                f"{json_out} cannot be written: {error.strerror}", "Check the path"
            ) from error
    counts = ", ".join(f"{len(pictures)} {split}" for split, pictures in read.splits.items())
    say(f"{read.yaml}: {read.task}, {len(read.labels)} classes, {counts} pictures")
    for found in findings:
        say(found.described())
    say(f"{_counted(findings)}, {len(grave)} of them blocking")
    if grave:
        raise DataError(
            f"{read.yaml}: {_counted(grave)} {'blocks' if len(grave) == 1 else 'block'} a training",
            "Correct them, or train with --allow-findings",
        )


def _counted(findings: Sequence[object]) -> str:
    return f"{len(findings)} finding{'' if len(findings) == 1 else 's'}"


def prepare(
    source: Annotated[
        Path, typer.Argument(metavar="SRC", help="Folder of pictures, read with its folders")
    ],
    out: Annotated[Path, typer.Argument(help="The folder to write; replaced when a run made it")],
    max_side: Annotated[int | None, typer.Option(min=16, help="Longer side at most, in pixels")] = None,
    form: Annotated[str, typer.Option("--format", help="jpg or png")] = "jpg",
    quality: Annotated[int, typer.Option(min=1, max=100, help="Of JPEG")] = 92,
) -> None:
    """Pictures of any kind into a consistent data set: 8 bit, upright, one format, with a manifest.

    Those that cannot be read are left out and named; then the exit code is 2, the others are written.
    """
    configure_logging("warning")
    if form not in ("jpg", "png"):
        raise InputError(f"--format {form} is unknown", "Give jpg or png")
    entries = prepare_folder(source, out, PrepareSettings(max_side, form == "png", quality))
    skipped = [entry for entry in entries if entry.output is None]
    say(f"{len(entries) - len(skipped)} pictures in {out}, {len(skipped)} left out; see manifest.jsonl")
    if skipped:
        for entry in skipped:
            say(f"{entry.source}: {entry.skipped}")
        raise DataError(
            f"{len(skipped)} of {len(entries)} pictures in {source} cannot be read, the first is "
            f"{skipped[0].source}: {skipped[0].skipped}",
            "The others are written; the manifest names each",
        )
