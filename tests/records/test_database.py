"""Opening, migrating, and what a user is told when that fails."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from alembic import op
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine, text
from sqlalchemy.exc import OperationalError

from inspector.errors import ConfigError, SchemaError, StorageError
from inspector.records.database import check_schema, head, open_engine, upgrade
from inspector.records.queries import latest
from inspector.records.tables import METADATA


def test_upgrade_creates_the_schema_and_is_idempotent(url: str) -> None:
    assert upgrade(url) == ""
    assert upgrade(url) == head()


def test_the_migrated_schema_is_that_of_the_tables(engine: Engine) -> None:
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []


@pytest.mark.parametrize(("durable", "synchronous"), [(False, 1), (True, 2)])
def test_writers_use_wal_and_foreign_keys(url: str, durable: bool, synchronous: int) -> None:
    upgrade(url)
    engine = open_engine(url, durable=durable)
    with engine.connect() as connection:
        values = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    engine.dispose()
    expected = {"journal_mode": "wal", "foreign_keys": 1, "busy_timeout": 5000}
    assert values == expected | {"synchronous": synchronous}


def test_a_failed_migration_leaves_nothing_behind(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("power")

    with monkeypatch.context() as patch:
        patch.setattr(op, "create_index", broken)
        with pytest.raises(RuntimeError):
            upgrade(url)
    assert upgrade(url) == ""


def test_a_newer_schema_is_refused(url: str, engine: Engine, tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "records.db")
    connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.commit()
    connection.close()
    with pytest.raises(SchemaError, match=r"9999.*newer version") as caught:
        upgrade(url)
    assert caught.value.exit_code == 3
    with pytest.raises(SchemaError, match="9999"):
        check_schema(engine)


def test_a_database_without_tables_names_the_command(url: str, tmp_path: Path) -> None:
    sqlite3.connect(tmp_path / "records.db").close()
    engine = open_engine(url, readonly=True)
    with pytest.raises(SchemaError, match="inspector db upgrade"):
        check_schema(engine)
    with pytest.raises(StorageError, match="inspector db upgrade"):
        latest(engine)
    engine.dispose()


def test_readonly_refuses_writes_and_makes_no_file(url: str, engine: Engine, tmp_path: Path) -> None:
    with engine.connect() as connection, pytest.raises(OperationalError, match="readonly"):
        connection.execute(text("DELETE FROM event"))
    missing = tmp_path / "none.db"
    with pytest.raises(StorageError, match="there is no database"):
        open_engine(f"sqlite:///{missing}", readonly=True)
    assert not missing.exists()


@pytest.mark.parametrize("folder", ["a-file", "/proc/none"])
def test_a_folder_that_cannot_be_made(tmp_path: Path, folder: str) -> None:
    (tmp_path / "a-file").write_text("in the way")
    with pytest.raises(StorageError, match=r"cannot be made .*\. Name another folder") as caught:
        upgrade(f"sqlite:///{tmp_path / folder / 'records.db'}")
    assert caught.value.exit_code == 3


def test_a_file_that_is_no_database(url: str, tmp_path: Path) -> None:
    (tmp_path / "records.db").write_bytes(b"no database at all" * 100)
    with pytest.raises(StorageError, match="is no database"):
        upgrade(url)


@pytest.mark.parametrize(
    "url",
    [
        "nonsense",
        "oracle9://x",
        "sqlite://",
        "sqlite:///file:x.db?uri=true",
        "mysql+none://u:secret@h/d",
    ],
)
def test_urls_that_cannot_be_used(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        open_engine(url)
    assert "secret" not in str(caught.value)
