"""What must be in order before the first part, beyond configuration, recipes and models.

An *error* is what keeps the station from work: ``inspector run`` would refuse to start, or stand still.
A *warning* is what it can work with for now: a certificate that soon expires, a clock that nobody sets,
less room than the configuration may use. Nothing is changed or made, so that it may be asked as any
user, and while the station runs.
"""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from inspector.build import build_camera, build_evidence
from inspector.cameraspecs import CameraConfig
from inspector.clock import ClockWatch
from inspector.config import Broker, LineConfig, StationConfig
from inspector.domain import Frame
from inspector.errors import InspectorError
from inspector.livestation import is_running
from inspector.plc.certificate import complaint, validity
from inspector.plc.client import new_client, probe
from inspector.records.database import open_engine, reading

RENEW = timedelta(days=30)
"""A certificate that expires within this time is a warning."""
LEAST_FREE_MB = 500
"""Less free disk is an error: the journal must never be what finds the disk full."""
CAMERA_S = 10.0
"""How long a camera may take to open and to deliver a picture."""
TRIGGERED_S = 2.0
"""How long one that waits for a trigger is given to say that it is absent."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One thing that was looked at, in a sentence."""

    level: Literal["good", "warning", "error"]
    text: str
    remedy: str = ""
    exit_code: int = 0
    """Of an error: 2 for what was given, 3 for what lies outside."""


def files(station: StationConfig, now: datetime | None = None) -> Iterator[Outcome]:
    """What can be told from files alone: the certificates, keys and password of the broker."""
    broker = station.broker
    if broker is None:
        yield Outcome("good", "no broker is configured: verdicts are recorded and published nowhere")
        return
    now = now or datetime.now(UTC)
    for path in (broker.ca_file, broker.cert_file):
        if path is not None:
            yield _certificate(path, now)
    try:
        new_client(broker, "inspector-check")
    except InspectorError as error:
        # told as one line among others
        yield _error(error)


def surroundings(config: LineConfig, station: StationConfig) -> Iterator[Outcome]:
    """Broker, clock, disk, database and cameras."""
    if station.broker is not None:
        yield _broker(station.broker, live=bool(station.cameras))
    yield _clock()
    yield from _disk(config, station)
    yield from _database(config.database_url(station))
    if is_running(config.station_dir(station)) and station.cameras:
        yield Outcome("good", "the station is running: its cameras are not tried")
        return
    for camera in station.cameras:
        yield _camera(camera)


def _error(error: InspectorError) -> Outcome:
    return Outcome("error", error.message, error.remedy, error.exit_code)


def _certificate(path: Path, now: datetime) -> Outcome:
    try:
        _, last = validity(path)
    except (OSError, ValueError) as error:
        # a wrong path, or something else in the file: both are the configuration's
        return Outcome("error", f"{path} is no certificate: {error}", "Name a PEM file", 2)
    wrong = complaint(path, now)
    if wrong:
        return Outcome("error", wrong, "Renew it, and put the new one in its place", 2)
    until = f"the certificate {path} is valid until {last:%Y-%m-%d}"
    if last - now < RENEW:
        return Outcome("warning", f"{until}, {(last - now).days} days from now", "Renew it")
    return Outcome("good", until)


def _broker(broker: Broker, live: bool) -> Outcome:
    try:
        probe(broker)
    except InspectorError as error:
        # told as one line among others; a station that only replays publishes when it is told to
        return _error(error) if live else Outcome("warning", error.message, error.remedy)
    return Outcome("good", f"the MQTT broker {broker.host}:{broker.port} answers")


def _clock(watch: Callable[[], ClockWatch] = ClockWatch) -> Outcome:
    if watch().synced():
        return Outcome("good", "nothing says that the clock is not synchronised")
    return Outcome(
        "warning",
        "the clock is not synchronised: times in records cannot be trusted, verdicts are not concerned",
        "Let systemd-timesyncd or chrony set it ('timedatectl set-ntp true')",
    )


def _disk(config: LineConfig, station: StationConfig) -> Iterator[Outcome]:
    archive = station.archive.budget_mb if station.broker is not None else 0.0
    own = build_evidence(config, station).folder(station.name)
    pictures = max(0.0, station.evidence.budget_mb - _size_mb(own))
    yield _room("state_dir", config.state_dir, archive)
    yield _room("evidence", config.evidence_dir(station), pictures)


def _room(key: str, folder: Path, wanted_mb: float) -> Outcome:
    there = folder
    while not there.exists():
        there = there.parent
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        what = "is no folder" if not there.is_dir() else "cannot be written by this user"
        return Outcome("error", f"{there} {what}", f"Name another folder for '{key}', or repair it", 3)
    free = shutil.disk_usage(there).free / 1e6
    text = f"{key}: {free:,.0f} MB are free at {folder}"
    if free < LEAST_FREE_MB:
        return Outcome("error", text, f"Free space: {LEAST_FREE_MB} MB are the least", 3)
    if free < wanted_mb:
        return Outcome(
            "warning",
            f"{text}, and the configuration may use {wanted_mb:,.0f} MB more",
            "Free space, or lower 'budget_mb'",
        )
    return Outcome("good", text)


def _size_mb(folder: Path) -> float:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6


def _database(url: str) -> Iterator[Outcome]:
    if url.startswith("sqlite"):
        return  # a file: its disk has been looked at
    try:
        engine = open_engine(url, readonly=True)
        try:
            with reading(engine):
                yield Outcome("good", "the records database answers")
        finally:
            engine.dispose()
    except InspectorError as error:
        # told as one line among others
        yield _error(error)


def _camera(config: CameraConfig) -> Outcome:
    """Take one picture, in a thread: a driver may block for ever."""
    camera = build_camera(config)
    seen: list[Frame | None] = []
    failed: list[InspectorError] = []

    def look() -> None:
        try:
            seen.append(camera.read())
        except InspectorError as error:
            # told by the thread that waits
            failed.append(error)

    thread = threading.Thread(target=look, name=f"check-{config.name}", daemon=True)
    thread.start()
    thread.join(CAMERA_S if camera.continuous else TRIGGERED_S)
    camera.close()
    name = f"camera '{config.name}'"
    if failed:
        return Outcome("error", failed[0].message, failed[0].remedy.partition(";")[0], 3)
    if seen and seen[0] is not None:
        width, height = seen[0].size
        return Outcome("good", f"{name} delivers pictures of {width}x{height} pixels")
    if seen:
        return Outcome("error", f"{name} delivers no picture at all", "Look at what it plays", 3)
    if camera.continuous:
        remedy = "Check its cable and power, and its address in the configuration"
        return Outcome("error", f"{name} delivers no picture within {CAMERA_S:g} s", remedy, 3)
    return Outcome("good", f"{name} waits for its trigger or its pictures; none has been seen")
