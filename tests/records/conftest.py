"""A database a test, and ways to break it as a disk would."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from factory import Pragma, Recording
from sqlalchemy import Connection, Engine, event

from inspector.config import Records
from inspector.records import database
from inspector.records.database import open_engine, upgrade
from inspector.records.recorder import DatabaseRecorder


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'records.db'}"


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database of the current schema, to be copied."""
    path = tmp_path_factory.mktemp("empty") / "records.db"
    upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture
def engine(url: str, empty: Path, tmp_path: Path) -> Iterator[Engine]:
    """A read-only engine on a database of the current schema."""
    shutil.copy(empty, tmp_path / "records.db")
    engine = open_engine(url, readonly=True)
    yield engine
    engine.dispose()


@pytest.fixture
def start(url: str, tmp_path: Path) -> Iterator[Recording]:
    """Starts recorders, which are closed at the end."""
    started: list[DatabaseRecorder] = []

    def start(config: Records | None = None, **options: object) -> DatabaseRecorder:
        config = config or Records(flush_ms=5)
        recorder = DatabaseRecorder(url, "station-1", tmp_path / "st", config=config, **options)  # type: ignore[arg-type]
        started.append(recorder.start())
        return recorder

    yield start
    for recorder in started:
        recorder.close()


@pytest.fixture
def pragma() -> Pragma:
    """SQLite itself refuses, on every connection, from now until the end of the block."""

    @contextmanager
    def pragma(text: str) -> Iterator[None]:
        def apply(connection: Connection) -> None:
            connection.exec_driver_sql(f"PRAGMA {text}")

        event.listen(Engine, "begin", apply)
        try:
            yield
        finally:
            event.remove(Engine, "begin", apply)

    return pragma


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A locked database is noticed at once."""
    monkeypatch.setattr(database, "BUSY_TIMEOUT_MS", 20)
