"""Running the command line as a user would, in this process or in one of its own."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

import inspector.cli

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Outcome:
    """What a user sees."""

    code: int
    out: str
    err: str


def run_here(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *args: object
) -> Outcome:
    """Run ``inspector ARGS`` in this process."""
    monkeypatch.setattr(sys, "argv", ["inspector", *map(str, args)])
    code = 0
    try:
        inspector.cli.main()
    except SystemExit as leaving:
        code = int(leaving.code or 0)
    captured = capsys.readouterr()
    return Outcome(code, captured.out, captured.err)


def start(*args: object, **options: object) -> subprocess.Popen[str]:
    """Start ``inspector ARGS`` as a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "inspector", *map(str, args)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        **options,  # type: ignore[call-overload]
    )
