"""The command line. Names and options are promises: others script against them.

Results go to stdout, logs to stderr. Exit codes: 0 done, 2 wrong input, 3 a part of the outside world
failed, 1 a defect of ours.
"""

from __future__ import annotations

import sys

import typer

from inspector.cli import bench, data, evaluate, simulated, teach, train, work
from inspector.errors import InspectorError

app = typer.Typer(
    help="Visual inspection of every part on a production line.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
work.add_to(app)
simulated.add_to(app)
data.add_to(app)
evaluate.add_to(app)
teach.add_to(app)
app.add_typer(train.app, name="train")
app.add_typer(bench.app, name="bench")
app.add_typer(work.db, name="db")


def main() -> None:
    """Entry point of the ``inspector`` command."""
    try:
        app()
    except InspectorError as error:
        # told in one sentence; a traceback would hide it
        sys.stderr.write(f"inspector: {error}\n")
        raise SystemExit(error.exit_code) from None
