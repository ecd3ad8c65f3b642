"""``inspector torture``: the station under random faults."""

from __future__ import annotations

import json
import secrets
import sys
from typing import Annotated

import typer

from inspector.cli.common import say
from inspector.logs import configure_logging


def add_to(app: typer.Typer) -> None:
    """Register this command."""
    app.command()(torture)


def torture(
    triggers: Annotated[int, typer.Option(min=1, help="At least so many")] = 300,
    seed: Annotated[int | None, typer.Option(help="Of the schedule; by default drawn")] = None,
    resume_s: Annotated[
        float, typer.Option(min=1, help="Seconds until service must resume after a fault")
    ] = 10.0,
) -> None:
    """Break everything around a station, in random order, and check what must never happen.

    Exit code 0: all invariants held. 4: one did not, told with the seed. 3: mosquitto is missing.
    """
    # only here: a line computer needs none of it
    from inspector.torture.daemon import libfaketime
    from inspector.torture.run import Torture, torture_cell

    configure_logging("error")
    seed = secrets.randbelow(1 << 31) if seed is None else seed
    say(f"seed {seed}")
    with torture_cell(seed) as cell:
        run = Torture(cell, seed, resume_s=resume_s)
        if libfaketime() is None:
            sys.stderr.write("libfaketime is not installed: the clock is not set\n")
        account = run.run(triggers, lambda text: typer.echo(text, err=True))
    faults = ", ".join(f"{count} x {name}" for name, count in sorted(account.faults.items()))
    say(f"{account.triggers} triggers, {sum(account.faults.values())} faults: {faults}")
    say(
        f"{account.opened} gates opened, each on a PASS of that very part; {account.records} records, "
        f"{account.restarted} of parts that a killed station had accepted; none missing or twice"
    )
    say(f"{account.passed} of {account.undisturbed} undisturbed good parts passed")
    say(f"the station left Ready {account.relapses} times more after service was back")
    slowest = max(account.resume_s, default=0.0)
    say(f"service was back {slowest:.1f} s after a fault at the latest; the archive has no gap")
    figures = {
        "seed": seed,
        "triggers": account.triggers,
        "faults": sum(account.faults.values()),
        "opened": account.opened,
        "records": account.records,
        "restarted": account.restarted,
        "undisturbed_passed": round(account.share, 4),
        "relapses": account.relapses,
        "slowest_resume_s": round(slowest, 3),
    }
    say(json.dumps(figures))
