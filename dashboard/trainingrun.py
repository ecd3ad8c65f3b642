"""The process of a training job: ``python -m dashboard.trainingrun FOLDER``."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import TextIO

from dashboard.training import LOCK, STATE, Progress, Step, read

_NICENESS = 5
"""The line comes first."""
_LOCK_S = 1.0


class _Stopped(Exception):  # noqa: N818 - no error
    """Somebody has asked for the end."""


def main(folder: Path) -> int:
    """Run all steps; the exit code of the first that failed, else 0."""
    os.nice(_NICENESS)
    signal.signal(signal.SIGTERM, _stop)
    progress = Progress(os.getpid(), _now())
    with (folder.parent / LOCK).open("a+") as lock:
        if not _locked(lock):
            # two were started in the same moment
            _say("a training is running already")
            _write(folder, replace(progress, ended=_now(), exit_code=2))
            return 2
        _write(folder, progress)
        code = 0
        try:
            for number, step in enumerate(read(folder).plan.steps, 1):
                if not _is_due(folder, step):
                    continue
                progress = replace(progress, step=step.name, number=number)
                _write(folder, progress)
                _say(f"$ {' '.join(['inspector', *step.command[3:]])}")
                code = subprocess.run(step.command, cwd=folder, check=False).returncode
                if code and not step.may_fail:
                    break
                code = 0
        except _Stopped:
            code = 143
            progress = replace(progress, stopped=True)
        _write(folder, replace(progress, ended=_now(), exit_code=code))
    return code


def _locked(lock: TextIO) -> bool:
    """Take the lock, and write into it who has it; False when another training has it."""
    until = time.monotonic() + _LOCK_S
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            # a page that looks whether a training runs has it for a moment too
            if time.monotonic() > until:
                return False
            time.sleep(0.01)
    lock.truncate(0)
    lock.write(f"{os.getpid()}\n")
    lock.flush()
    return True


def _is_due(folder: Path, step: Step) -> bool:
    if step.needs and not (folder / step.needs).exists():
        return False
    return not (step.lacks and (folder / step.lacks).exists())


def _write(folder: Path, progress: Progress) -> None:
    fresh = folder / f".{STATE}.new"
    fresh.write_text(json.dumps(asdict(progress)) + "\n", encoding="utf-8")
    fresh.replace(folder / STATE)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _stop(_number: int, _frame: FrameType | None) -> None:
    # once: the command that runs has got the same signal
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise _Stopped


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1])))
