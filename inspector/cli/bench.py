"""Side-by-side measurements."""

import typer

app = typer.Typer(help="Side-by-side measurements, ratios in one run.", no_args_is_help=True)
