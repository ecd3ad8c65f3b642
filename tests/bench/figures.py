"""A benchmark in a process of its own: the libraries that it compares with warn and log as they please."""

from __future__ import annotations

import json
import subprocess
import sys


def figures_of(*arguments: str) -> dict[str, float]:
    """The figures that ``inspector bench`` prints at its end."""
    done = subprocess.run(
        [sys.executable, "-m", "inspector", "bench", *arguments],
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    assert all(isinstance(value, int | float) for value in figures.values())
    return figures
