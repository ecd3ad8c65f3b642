"""The demonstration."""

import typer


def add_to(app: typer.Typer) -> None:
    """Register these commands."""
