"""Users of a test's line, and a page on which one of them is logged in."""

from __future__ import annotations

import re
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from html import unescape
from pathlib import Path

import pytest
import streamlit as st
from shift import Shift
from streamlit.testing.v1 import AppTest

from inspector.records import database
from inspector.users import Role, UserFile

APP = Path(__file__).resolve().parents[2] / "dashboard" / "app.py"
PASSWORD = "long enough"


def add_users(shift: Shift) -> UserFile:
    """``anna`` operates, ``eve`` is an engineer, ``ben`` the administrator."""
    users = UserFile(shift.config.users_file)
    for name, role in (
        ("anna", Role.OPERATOR),
        ("eve", Role.ENGINEER),
        ("ben", Role.ADMINISTRATOR),
    ):
        users.add(name, role, PASSWORD)
    return users


def opened(monkeypatch: pytest.MonkeyPatch, config: Path, page: str, user: str = "") -> AppTest:
    """The page ``views/<page>.py``, by ``user`` if one is named."""
    monkeypatch.setattr(sys, "argv", [str(APP), str(config)])
    app = AppTest.from_file(str(APP), default_timeout=60).run()
    if user:
        log_in(app, user)
    app.switch_page(f"views/{page}.py").run()
    assert not app.exception
    return app


def log_in(app: AppTest, user: str, password: str = PASSWORD) -> None:
    """Through the form, as people do."""
    app.switch_page("views/login.py").run()
    app.text_input[0].set_value(user)
    app.text_input[1].set_value(password)
    app.button[0].click().run()
    assert not app.exception


@contextmanager
def locked(shift: Shift, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Another program writes to the database and does not come to an end."""
    monkeypatch.setattr(database, "BUSY_TIMEOUT_MS", 50)
    # a connection that is open already would wait as long as before
    st.cache_resource.clear()
    shift.close()
    other = sqlite3.connect(shift.url.removeprefix("sqlite:///"), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.rollback()
        other.close()


def words_of(app: AppTest) -> str:
    """What stands on the page, without tags."""
    raw = " ".join(str(item.proto.body) for item in app.get("html"))
    plain = re.sub(r"<[^>]+>", " ", re.sub(r"<style>.*?</style>", "", raw, flags=re.S))
    said = [unescape(plain)]
    said += [
        str(item.value) for kind in ("caption", "error", "info", "success") for item in app.get(kind)
    ]
    return " ".join(" ".join(said).split())


def press(app: AppTest, label: str) -> AppTest:
    """The button that begins so."""
    found = [button for button in app.button if button.label.startswith(label)]
    assert found, f"no button '{label}' among {[button.label for button in app.button]}"
    found[0].click().run()
    assert not app.exception
    return app


def table_of(app: AppTest, index: int = 0) -> dict[str, list[str]]:
    """A table that is read, by column, without Markdown's backslashes."""
    frame = app.table[index].value
    return {name: [str(cell).replace("\\", "") for cell in frame[name]] for name in frame.columns}


def toasts(app: AppTest) -> str:
    """What was said in the corner of the page, without Markdown's backslashes."""
    return " ".join(str(item.value) for item in app.toast).replace("\\", "")
