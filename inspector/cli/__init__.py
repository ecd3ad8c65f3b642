"""The command line. Names and options are promises: others script against them.

Results go to stdout, logs to stderr. Exit codes: 0 done, 2 wrong input, 3 a part of the outside world
failed, 1 a defect of ours; 4 is that of a challenge or a torture which the station
did not pass.
"""

from __future__ import annotations

import sys

import typer

from inspector.cli import (
    bench,
    calibrate,
    challenge,
    check,
    collect,
    data,
    evaluate,
    run,
    simulated,
    teach,
    torture,
    train,
    users,
    work,
)
from inspector.errors import InspectorError

app = typer.Typer(
    help="Visual inspection of every part on a production line.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
run.add_to(app)
check.add_to(app)
work.add_to(app)
simulated.add_to(app)
data.add_to(app)
evaluate.add_to(app)
calibrate.add_to(app)
teach.add_to(app)
challenge.add_to(app)
torture.add_to(app)
collect.add_to(app)
app.add_typer(train.app, name="train")
app.add_typer(bench.app, name="bench")
app.add_typer(work.db, name="db")
app.add_typer(users.app, name="users")


def main() -> None:
    """Entry point of the ``inspector`` command."""
    try:
        app()
    except InspectorError as error:
        # told in one sentence; a traceback would hide it
        sys.stderr.write(f"inspector: {error}\n")
        raise SystemExit(error.exit_code) from None
