"""Fixtures that need something from outside: a broker, recorded data."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest
import structlog
from fakes import Gate
from line_rig import Rig, Start
from support import MOSQUITTO, Mosquitto

ROOT = Path(__file__).resolve().parents[1]


def _is_required() -> bool:
    return os.environ.get("INSPECTOR_REQUIRE_DATA", "") not in ("", "0")


def _missing(what: str, required: bool) -> NoReturn:
    if required:
        pytest.fail(what)
    pytest.skip(what)


def _new_mosquitto(folder: Path, *, durable: bool = False) -> Mosquitto:
    if MOSQUITTO is None:
        required = _is_required() or bool(os.environ.get("CI"))
        _missing("mosquitto is not installed: apt install mosquitto", required)
    return Mosquitto(folder, durable=durable)


@pytest.fixture(autouse=True)
def unconfigured_logging() -> None:
    """Commands set up logging for their process, which here is that of all tests."""
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def mosquitto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    """A running mosquitto that all tests share; use a base topic of your own, and leave it up."""
    broker = _new_mosquitto(tmp_path_factory.mktemp("mosquitto"))
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture
def own_mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    """A durable mosquitto of the test's own, not yet started, that may be killed and restarted."""
    folder = tmp_path / "mosquitto"
    folder.mkdir()
    broker = _new_mosquitto(folder, durable=True)
    yield broker
    broker.stop()


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Recorded data: ``INSPECTOR_DATA``, or ``shared/data`` beside the checkout."""
    folder = Path(os.environ.get("INSPECTOR_DATA") or ROOT.parent / "shared" / "data")
    if not folder.is_dir():
        _missing(f"no recorded data in {folder}: set INSPECTOR_DATA", _is_required())
    return folder


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Start]:
    """Makes rigs, stopped at the end; whatever a test did, the counters must reconcile."""
    made: list[Rig] = []

    def make(*args: Any, **options: Any) -> Rig:
        made.append(Rig(tmp_path / f"{len(made)}", *args, **options))
        return made[-1]

    yield make
    for one in made:
        if callable(one.detector.answer) and isinstance(one.detector.answer, Gate):
            one.detector.answer.opened.set()
        one.stop()
        assert one.line.desk.counters().reconciled
