"""Trainings as background jobs: a folder each, commands of this program run one after the other.

A job lives in ``<state_dir>/training/<id>/``: ``job.json`` says what is to be done, ``state.json`` how
far it is, ``log.txt`` holds what the commands said. The job's process is :mod:`dashboard.trainingrun`,
in a session of its own: it goes on when a page is closed or the dashboard ends.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, TypeAlias

from inspector.checkspecs import AnomalySpec, AssemblySpec, CheckSpec, DetectSpec, check_name
from inspector.config import LineConfig, StationConfig
from inspector.errors import InputError, StorageError
from inspector.recipe import RecipeText

JOB, STATE, LOG, LOCK = "job.json", "state.json", "log.txt", "lock"
DATA, BUNDLE, RECIPE = "data", "bundle", "recipe"
REPORTS = {"candidate": "candidate.json", "active": "active.json"}
LOG_TAIL = 4000
_ID = re.compile(r"\d{8}-\d{6}-\d{6}")
JobState: TypeAlias = Literal["running", "done", "failed", "stopped", "lost"]


@dataclass(frozen=True, slots=True)
class Step:
    """One command; paths in ``needs`` and ``lacks`` are relative to the job's folder."""

    name: str
    """A key of :data:`dashboard.texts.train.STEPS`."""
    command: tuple[str, ...]
    needs: str = ""
    """Run only if this is there."""
    lacks: str = ""
    """Run only if this is not there."""
    may_fail: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """What a job is to do."""

    station: str
    recipe_id: str
    version: int
    """From which the candidate is made."""
    check: str
    model: str
    user: str
    created: str
    """UTC, ISO 8601."""
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job is; written by its process."""

    pid: int
    started: str
    """UTC, ISO 8601."""
    step: str = ""
    """Name of the step that runs, or ran last."""
    number: int = 0
    """Of that step, from 1."""
    ended: str = ""
    exit_code: int | None = None
    stopped: bool = False


@dataclass(frozen=True, slots=True)
class Job:
    """A training, as it stands."""

    folder: Path
    plan: Plan
    progress: Progress | None
    """None in the first moment."""
    state: JobState

    @property
    def name(self) -> str:
        """Its folder's name."""
        return self.folder.name

    @property
    def recipe(self) -> Path:
        """Where the candidate lies."""
        return self.folder / RECIPE / self.plan.recipe_id

    def elapsed_s(self, now: datetime) -> float:
        """How long it runs, or ran."""
        if self.progress is None:
            return 0.0
        end = datetime.fromisoformat(self.progress.ended) if self.progress.ended else now
        return (end - datetime.fromisoformat(self.progress.started)).total_seconds()


def trainable(text: RecipeText) -> dict[str, CheckSpec]:
    """The checks whose model can learn from records, by name."""
    return {
        check_name(check): check
        for check in text.checks
        if isinstance(check, AnomalySpec | DetectSpec | AssemblySpec)
    }


def plan(
    config: LineConfig,
    config_path: Path,
    station: StationConfig,
    base: Path,
    recipe_id: str,
    spec: CheckSpec,
    *,
    version: int,
    raised: int,
    is_calibrated: bool,
    most: int,
    minutes: float,
    user: str,
) -> Plan:
    """The steps from the records to a candidate; ``base`` is the folder of the active version."""
    check = check_name(spec)
    anomaly = isinstance(spec, AnomalySpec)
    candidate = f"{RECIPE}/{recipe_id}"

    def step(name: str, *words: str, **conditions: Any) -> Step:
        return Step(name, (sys.executable, "-m", "inspector", *words), **conditions)

    where = ("--station", station.name, "--state-dir", str(config.state_dir))
    what = ("--recipe", str(base), "--recipe-id", recipe_id, "--check", check, "--most", str(most))
    steps = [step("collect", "collect", str(config_path.resolve()), *where, *what, "--out", DATA)]
    if anomaly:
        steps.append(step("train", "train", "anomaly", f"{DATA}/good", "--out", BUNDLE))
    else:
        data = f"{DATA}/data.yaml"
        steps.append(step("audit", "audit", data))
        steps.append(
            step("train", "train", "detector", data, "--out", BUNDLE, "--minutes", f"{minutes:g}")
        )
    made = ("--check", check, "--bundle", BUNDLE, "--version", str(raised), "--out", candidate)
    steps.append(step("candidate", "candidate", str(base), *made))
    if is_calibrated:
        calibrate = ("calibrate", candidate, f"{DATA}/test/good")
        steps.append(step("calibrate", *calibrate, lacks=f"{DATA}/faulty"))
        faulty = f"{DATA}/faulty"
        steps.append(step("calibrate", *calibrate, "--faulty", faulty, needs=faulty))
    for name, which, folder in (
        ("evaluate", "candidate", candidate),
        ("evaluateActive", "active", str(base)),
    ):
        report = ("--report", REPORTS[which])
        unseen = DATA if anomaly else f"{DATA}/heldout"
        steps.append(
            step(name, "evaluate", folder, unseen, *report, needs=f"{DATA}/faulty", may_fail=True)
        )
    created = datetime.now(UTC).isoformat(timespec="seconds")
    model = str(spec.model)
    return Plan(station.name, recipe_id, version, check, model, user, created, tuple(steps))


def fresh(config: LineConfig) -> Path:
    """The folder of a training that begins now; not made yet."""
    return _root(config) / datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f")


def start(config: LineConfig, wanted: Plan, folder: Path | None = None) -> Job:
    """Begin in a process of its own; ``folder`` is a :func:`fresh` one.

    Raises :class:`InputError` while another training runs, :class:`~inspector.errors.StorageError` when
    the folder cannot be made.
    """
    if running(config) is not None:
        raise InputError("a training is running already", "Wait for it, or stop it")
    folder = folder or fresh(config)
    try:
        folder.mkdir(parents=True)
        begun = replace(wanted, created=datetime.now(UTC).isoformat(timespec="seconds"))
        text = json.dumps(asdict(begun), indent=1)
        # as a whole or not at all: what is half there could not be read any more
        scratch = folder / f".{JOB}"
        scratch.write_text(text + "\n", encoding="utf-8")
        scratch.rename(folder / JOB)
        with (folder / LOG).open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "dashboard.trainingrun", str(folder)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        # whoever starts a process must take note of its end
        threading.Thread(target=process.wait, name="training-ended", daemon=True).start()
    except OSError as error:
        raise StorageError(
            f"{folder} cannot be written: {error.strerror}",
            "Give the dashboard's user permission to write the state directory",
        ) from error
    return read(folder)


def stop(job: Job) -> bool:
    """End the job's process and its commands; False when it does not run any more."""
    if job.progress is None or job.progress.ended or not _lives(job.progress.pid, job.folder):
        return False
    try:
        os.killpg(job.progress.pid, signal.SIGTERM)
    except ProcessLookupError:
        # it has just ended by itself
        return False
    return True


def jobs(config: LineConfig, station: str, recipe_id: str, most: int = 10) -> list[Job]:
    """The last trainings of the station and recipe, newest first."""
    found = []
    for job in _readable(config):
        if (job.plan.station, job.plan.recipe_id) == (station, recipe_id):
            found.append(job)
        if len(found) == most:
            break
    return found


def running(config: LineConfig) -> Job | None:
    """The training that runs, of any station."""
    job = next(_readable(config), None)
    return job if job is not None and job.state == "running" else None


def read(folder: Path) -> Job:
    """A job as its files have it. Raises :class:`~inspector.errors.InputError` for a damaged one."""
    try:
        fields = json.loads((folder / JOB).read_text(encoding="utf-8"))
        steps = tuple(Step(**{**one, "command": tuple(one["command"])}) for one in fields["steps"])
        wanted = Plan(**{**fields, "steps": steps})
        state = folder / STATE
        progress = Progress(**json.loads(state.read_text(encoding="utf-8"))) if state.exists() else None
    except (OSError, ValueError, TypeError, KeyError) as error:
        # somebody has changed or removed it
        raise InputError(f"{folder} is no training that can be read", "Remove the folder") from error
    return Job(folder, wanted, progress, _state(folder, wanted, progress))


def log_tail(job: Job) -> str:
    """The end of what the commands said."""
    try:
        with (job.folder / LOG).open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - LOG_TAIL))
            return file.read().decode("utf-8", "replace")
    except OSError:
        # no log: nothing was said
        return ""


def report(job: Job, which: str) -> dict[str, float]:
    """The figures of an evaluation; empty when there was none."""
    try:
        content = json.loads((job.folder / REPORTS[which]).read_text(encoding="utf-8"))
        return {
            name: float(value)
            for name, value in content["metrics"].items()
            if isinstance(value, int | float)
        }
    except (OSError, ValueError, KeyError):
        # it takes faulty parts, or it has failed; the log says so
        return {}


def _state(folder: Path, wanted: Plan, progress: Progress | None) -> JobState:
    if progress is None:
        created = datetime.fromisoformat(wanted.created)
        # a process needs a moment until it can say anything
        return "running" if (datetime.now(UTC) - created).total_seconds() < 30 else "lost"
    if not progress.ended:
        return "running" if _lives(progress.pid, folder) else "lost"
    if progress.stopped:
        return "stopped"
    return "done" if progress.exit_code == 0 else "failed"


def _lives(pid: int, folder: Path) -> bool:
    """Whether the job's process has the lock still; a number alone may be another process by now."""
    try:
        with (folder.parent / LOCK).open() as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return lock.read().strip() == str(pid)
            return False
    except OSError:
        # nothing has ever run here
        return False


def _root(config: LineConfig) -> Path:
    return config.state_dir / "training"


def _readable(config: LineConfig) -> Iterator[Job]:
    """Newest first; one that somebody has damaged does not hide the others."""
    for folder in _folders(config):
        with contextlib.suppress(InputError):
            yield read(folder)


def _folders(config: LineConfig) -> Iterator[Path]:
    """Newest first."""
    root = _root(config)
    for folder in sorted(root.iterdir(), reverse=True) if root.is_dir() else ():
        if _ID.fullmatch(folder.name) and (folder / JOB).is_file():
            yield folder
