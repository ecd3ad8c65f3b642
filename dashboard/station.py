"""What the Station page shows beside the state: the machine, drift, challenges, requests."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from dashboard.data import Source
from inspector.challenge import ChallengeRun
from inspector.records import challenges, drift, requests
from inspector.records.drift import DriftView
from inspector.records.requests import RequestView

HISTORY = timedelta(days=30)
RUNS = 50
_THERMAL = Path("/sys/class/thermal")


@dataclass(frozen=True, slots=True)
class Disk:
    """What is left on the disk of a folder."""

    free_bytes: int
    total_bytes: int

    @property
    def share(self) -> float:
        """Of the whole, 0..1."""
        return self.free_bytes / self.total_bytes if self.total_bytes else 0.0


def disk(folder: Path) -> Disk | None:
    """The folder's disk; None when there is no such folder on this computer."""
    try:
        usage = shutil.disk_usage(folder)
    except OSError:
        # Not made yet, or on another computer.
        return None
    return Disk(usage.free, usage.total)


def temperature(root: Path = _THERMAL) -> float | None:
    """The hottest sensor of this computer, degrees Celsius; None when it has none."""
    found = []
    for sensor in root.glob("thermal_zone*/temp"):
        try:
            found.append(int(sensor.read_text()) / 1000)
        except (OSError, ValueError):
            # A sensor that is switched off.
            continue
    return max(found, default=None)


def drift_now(source: Source) -> tuple[DriftView, ...]:
    """The last reading of each measure."""
    return drift.latest_drift(source.engine, source.station.name)


def drift_course(source: Source, measure: str, now: datetime) -> tuple[DriftView, ...]:
    """The readings of one measure of the last thirty days, oldest first."""
    return drift.drift_history(source.engine, source.station.name, measure, now - HISTORY)


def challenge_runs(source: Source) -> tuple[ChallengeRun, ...]:
    """The last runs, newest first."""
    return challenges.challenge_runs(source.engine, source.station.name, RUNS)


def asked(source: Source) -> tuple[RequestView, ...]:
    """The last requests to the station, newest first."""
    return requests.requests(source.engine, source.station.name)
