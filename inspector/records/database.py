"""How a database is opened, brought to the current schema, and what its failures mean to a user."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    InterfaceError,
    NoSuchModuleError,
    OperationalError,
    SQLAlchemyError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import ConnectionPoolEntry

from inspector.errors import ConfigError, SchemaError, StorageError

BUSY_TIMEOUT_MS = 5000
"""How long a statement waits for another writer before it counts as a failure."""

_UPGRADE = "Run 'inspector db upgrade'"


def open_engine(url: str, *, readonly: bool = False, durable: bool = False) -> Engine:
    """An engine for the database; it connects on first use. The caller disposes of it.

    ``readonly`` refuses every write and never creates a file. ``durable``: SQLite waits for the disk at
    each commit, as a database server does. Raises
    :class:`~inspector.errors.ConfigError` for a URL that is none or whose driver is not installed, and
    :class:`~inspector.errors.StorageError` when SQLite's folder cannot be made or, read-only, there is
    no database yet.
    """
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() == "sqlite":
            return _open_sqlite(parsed, readonly, durable)
        options: dict[str, Any] = {"pool_pre_ping": True}
        if readonly and parsed.get_backend_name() == "postgresql":
            options["execution_options"] = {"postgresql_readonly": True}
        return create_engine(parsed, **options)
    except (ArgumentError, NoSuchModuleError, ImportError) as error:
        # Both of SQLAlchemy's mean a wrong URL, ImportError a driver that is not installed.
        raise ConfigError(
            f"the records URL '{url.split('@')[-1]}' cannot be used: {error}",
            "Write a SQLAlchemy URL such as sqlite:////srv/records.db, and install its driver",
        ) from error


def upgrade(url: str) -> str:
    """Bring the database to this program's schema, creating it if need be; the revision before.

    An empty string where there was no schema. Raises :class:`~inspector.errors.SchemaError` when a
    newer program wrote it, :class:`~inspector.errors.StorageError` when it cannot be written.
    """
    engine = open_engine(url)
    try:
        with storage_failures(engine.url), engine.begin() as connection:
            current = _known_revision(connection)
            if current != head():
                config = _config()
                config.attributes["connection"] = connection
                command.upgrade(config, "head")
            return current
    finally:
        engine.dispose()


def check_schema(engine: Engine) -> None:
    """Refuse a database that this program cannot read as it is.

    Raises :class:`~inspector.errors.SchemaError` when it is of another version, or
    :class:`~inspector.errors.StorageError` when it cannot be read.
    """
    with storage_failures(engine.url), engine.connect() as connection:
        current = _known_revision(connection)
    if current != head():
        what = f"has the older schema {current}" if current else "has no tables yet"
        raise SchemaError(f"the database {_place(engine.url)} {what}", _UPGRADE)


def head() -> str:
    """The revision that this program reads and writes."""
    return _scripts().get_current_head() or ""


@cache
def _scripts() -> ScriptDirectory:
    """Read once: the dashboard asks with every look at the records."""
    return ScriptDirectory.from_config(_config())


@contextmanager
def storage_failures(url: URL) -> Iterator[None]:
    """Turn what a full disk or an absent server raises into a StorageError with a remedy."""
    try:
        yield
    except SQLAlchemyError as error:
        # Whatever is no matter of storage is a defect and goes up as it is.
        known = storage_error(error, url)
        if known is None:
            raise
        raise known from error


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A connection for questions, whose failures are told as :func:`storage_failures` tells them."""
    with storage_failures(engine.url), engine.connect() as connection:
        yield connection


def storage_error(error: SQLAlchemyError, url: URL) -> StorageError | None:
    """What to tell a user of a database failure; None when storage is not to blame."""
    if isinstance(error, PoolTimeoutError):
        return StorageError(
            f"no connection to {_place(url)} became free", "Look at the database's load"
        )
    if not isinstance(error, DBAPIError):
        return None
    reason = " ".join(str(error.orig).split())
    place = _place(url)
    for word, (what, remedy) in _REASONS.items():
        if word in reason:
            return StorageError(f"{what.format(place=place)} ({reason})", remedy)
    if isinstance(error, OperationalError | InterfaceError) or error.connection_invalidated:
        return StorageError(
            f"the database {place} does not answer ({reason})",
            "Check that its server runs and that the URL under records is right",
        )
    return None


_FULL = (
    "the disk of the database {place} is full",
    "Free space, or lower evidence.budget_mb; the station goes on by itself",
)
_REASONS = {
    "disk is full": _FULL,
    "No space left": _FULL,
    "readonly": ("the database {place} is read-only", "Remount its disk or give write permission"),
    "is locked": ("the database {place} is locked by another program", "Close what holds it open"),
    "unable to open": (
        "the database {place} cannot be opened",
        "Check that its folder exists and that this user may write there",
    ),
    "disk I/O error": ("the disk of the database {place} fails", "Check the disk and its cable"),
    "malformed": ("the database {place} is damaged", "Restore it from the backup, or move it away"),
    "not a database": (
        "{place} is no database",
        "Name another file under records.url, or move it away",
    ),
    "no such table": ("the database {place} lacks its tables", _UPGRADE),
}


def _open_sqlite(url: URL, readonly: bool, durable: bool) -> Engine:
    if url.database in (None, "", ":memory:"):
        raise ConfigError(
            "records in memory are lost with the process", "Name a file in the records URL"
        )
    if "uri" in url.query:
        raise ConfigError("SQLite's file: URIs are not supported", "Write sqlite:///path/records.db")
    path = Path(str(url.database)).resolve()
    if readonly:
        if not path.exists():
            raise StorageError(f"there is no database {path} yet", "Start the line once")

        def connect() -> sqlite3.Connection:
            uri = f"{path.as_uri()}?mode=ro"
            return sqlite3.connect(uri, uri=True, check_same_thread=False)

        engine = create_engine(url, creator=connect)
    else:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            # A file in the way, no permission, a full or read-only disk: all for the user to repair.
            raise StorageError(
                f"the folder {path.parent} of the database cannot be made ({error.strerror})",
                "Name another folder as state_dir, or make this one writable",
            ) from error
        engine = create_engine(url)

    @event.listens_for(engine, "connect")
    def prepare(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
        # Python's own transactions leave out reads and DDL; "begin" below opens them instead.
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        cursor.execute("PRAGMA foreign_keys = ON")
        if not readonly:
            # Readers then never wait for the writer. Unless it is durable a power cut may cost the last
            # commits, as far as the system had not yet written them out; it cannot damage the file.
            cursor.execute("PRAGMA journal_mode = WAL")
            cursor.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # A transaction that first reads and then writes would fail at once when another wrote between.
        connection.exec_driver_sql("BEGIN" if readonly else "BEGIN IMMEDIATE")

    return engine


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", "inspector.records:migrations")
    return config


def _known_revision(connection: Connection) -> str:
    """The revision of the database, empty without a schema. SchemaError when this program lacks it."""
    current = MigrationContext.configure(connection).get_current_revision()
    if current is None:
        return ""
    known = {script.revision for script in _scripts().walk_revisions()}
    if current not in known:
        raise SchemaError(
            f"the database {_place(connection.engine.url)} has schema {current}, "
            f"which this version does not know (its own is {head()})",
            "Install the newer version that wrote it, or name another database under records.url",
        )
    return current


def _place(url: URL) -> str:
    """The database as a user knows it, without a password."""
    if url.get_backend_name() == "sqlite":
        return str(url.database)
    return url.render_as_string(hide_password=True)
