"""What must be in order before the first part, beyond configuration, recipes and models.

An *error* is what keeps the station from work: ``inspector run`` would refuse to start, or stand still.
A *warning* is what it can work with for now: a certificate that soon expires, a clock that nobody sets,
less room than the configuration may use. Nothing is changed or made, so that it may be asked as any
user, and while the station runs; what is closed to that user is an error as well.
"""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from inspector.build import build_camera, build_evidence
from inspector.cameraspecs import CameraConfig
from inspector.clock import system_synced
from inspector.config import Broker, LineConfig, StationConfig
from inspector.domain import Frame
from inspector.errors import InspectorError
from inspector.livestation import is_running
from inspector.plc import sparkplug_payload
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
AS_SERVICE = "Ask as the user of the services ('sudo -u inspector …'), or repair it"
"""What helps against a folder that is closed to whoever asks."""


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
        if station.sparkplug is not None:
            sparkplug_payload.require()
    except InspectorError as error:
        # told as one line among others
        yield _error(error)


def surroundings(config: LineConfig, station: StationConfig) -> Iterator[Outcome]:
    """Broker, clock, disk, database and cameras."""
    if station.broker is not None:
        yield _broker(station.broker, live=bool(station.cameras))
    yield _clock(system_synced())
    yield _room("state_dir", config.state_dir, config)
    yield _room("evidence", config.evidence_dir(station), config)
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


def _clock(synced: bool | None) -> Outcome:
    if synced is None:
        return Outcome(
            "warning",
            "nothing here says whether the clock is synchronised",
            "Ask the computer itself, outside of its containers ('timedatectl')",
        )
    if synced:
        return Outcome("good", "the clock is synchronised")
    return Outcome(
        "warning",
        "the clock is not synchronised: times in records cannot be trusted, verdicts are not concerned",
        "Let systemd-timesyncd or chrony set it ('timedatectl set-ntp true')",
    )


def _room(key: str, folder: Path, config: LineConfig) -> Outcome:
    try:
        there = _nearest(folder)
        if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
            what = "is no folder" if not there.is_dir() else "cannot be written by this user"
            remedy = f"Name another folder for '{key}', or repair it"
            return Outcome("error", f"{there} {what}", remedy, 3)
        free = shutil.disk_usage(there).free / 1e6
        wanted = _wanted_mb(config, _disk_of(folder), free)
    except OSError as error:
        # a folder that is closed to whoever asks, or a drive that fails
        where, why = error.filename or folder, error.strerror or error
        return Outcome("error", f"{key}: {where} cannot be looked at: {why}", AS_SERVICE, 3)
    text = f"{key}: {free:,.0f} MB are free at {folder}"
    if free < LEAST_FREE_MB:
        return Outcome("error", text, f"Free space: {LEAST_FREE_MB} MB are the least", 3)
    if free < wanted:
        return Outcome(
            "warning",
            f"{text}, and the line's budgets may use {wanted:,.0f} MB more of that disk",
            "Free space, or lower 'budget_mb'",
        )
    return Outcome("good", text)


def _nearest(folder: Path) -> Path:
    """The folder, or the next above it that is there."""
    while not folder.exists():
        folder = folder.parent
    return folder


def _disk_of(folder: Path) -> int:
    return _nearest(folder).stat().st_dev


def _wanted_mb(config: LineConfig, disk: int, free_mb: float) -> float:
    """What the budgets of all stations may yet take of one disk, less the pictures that are there."""
    wanted = 0.0
    pictures: list[tuple[float, Path]] = []
    for station in config.stations:
        if station.broker is not None and _disk_of(config.state_dir) == disk:
            wanted += station.archive.budget_mb
        if _disk_of(config.evidence_dir(station)) == disk:
            wanted += station.evidence.budget_mb
            own = build_evidence(config, station).folder(station.name)
            pictures.append((station.evidence.budget_mb, own))
    if wanted <= free_mb:
        return wanted  # all fits: an archive of many pictures need not be added up
    return wanted - sum(min(budget, _size_mb(own)) for budget, own in pictures)


def _size_mb(folder: Path) -> float:
    """Of all files below it; what is closed to whoever asks counts nothing."""
    size = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):  # retention has removed it since it was listed
                size += Path(parent, name).stat().st_size
    return size / 1e6


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
    """Take one picture, in a thread: a driver may block for ever, and raise what it likes."""
    name = f"camera '{config.name}'"
    try:
        camera = build_camera(config)
    except Exception as error:  # noqa: BLE001 - whatever a producer raises, all other lines are told
        return _camera_fails(name, error)
    seen: list[Frame | None] = []
    failed: list[Exception] = []

    def look() -> None:
        try:
            seen.append(camera.read())
        except Exception as error:  # noqa: BLE001 - told by the thread that waits
            failed.append(error)

    thread = threading.Thread(target=look, name=f"check-{config.name}", daemon=True)
    thread.start()
    thread.join(CAMERA_S if camera.continuous else TRIGGERED_S)
    # what it says once it is being closed is no news
    pictures, problems = list(seen), list(failed)
    try:
        camera.close()
    except Exception as error:  # noqa: BLE001 - whatever a driver raises, all other lines are told
        problems.append(error)
    if problems:
        return _camera_fails(name, problems[0])
    if pictures and pictures[0] is not None:
        width, height = pictures[0].size
        return Outcome("good", f"{name} delivers pictures of {width}x{height} pixels")
    if pictures:
        return Outcome("error", f"{name} delivers no picture at all", "Look at what it plays", 3)
    if camera.continuous:
        remedy = "Check its cable and power, and its address in the configuration"
        return Outcome("error", f"{name} delivers no picture within {CAMERA_S:g} s", remedy, 3)
    return Outcome("good", f"{name} waits for its trigger or its pictures; none has been seen")


def _camera_fails(name: str, error: Exception) -> Outcome:
    if isinstance(error, InspectorError):
        # that it is tried again is true of a station, not of a check
        return Outcome("error", error.message, error.remedy.partition(";")[0], error.exit_code)
    text = f"{name} fails in a way that nobody foresaw: {type(error).__name__}: {error}"
    return Outcome("error", text, "Look at its driver: a station would end with it", 3)
