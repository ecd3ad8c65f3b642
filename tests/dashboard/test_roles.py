"""Who may do what, and the trail of who did what."""

from __future__ import annotations

import pytest
from people import add_users, log_in, opened, press, words_of
from shift import Shift
from streamlit.testing.v1 import AppTest

from inspector.records.audit import trail
from inspector.records.database import open_engine
from inspector.users import Role


def _acts(shift: Shift) -> list[tuple[str, str, str]]:
    """User, role and act, oldest first."""
    engine = open_engine(shift.url, readonly=True)
    found = [(act.user, act.role, act.action) for act in trail(engine)][::-1]
    engine.dispose()
    return found


def test_logging_in_and_out(empty: Shift, monkeypatch: pytest.MonkeyPatch) -> None:
    add_users(empty)
    page = opened(monkeypatch, empty.config_path, "login")
    log_in(page, "anna", "a wrong one")
    assert "Name and password do not match." in words_of(page)
    log_in(page, "nobody")
    assert "Name and password do not match." in words_of(page)
    log_in(page, "anna")
    assert "Logged in as anna" in words_of(page)
    assert "Audit trail" not in words_of(page)
    press(page, "Log out")
    assert "Logged in" not in words_of(page)
    assert _acts(empty) == [
        ("anna", "", "loginFailed"),
        ("nobody", "", "loginFailed"),
        ("anna", "operator", "login"),
        ("anna", "operator", "logout"),
    ]


def test_passwords_cannot_be_tried_for_ever(empty: Shift, monkeypatch: pytest.MonkeyPatch) -> None:
    add_users(empty)
    page = opened(monkeypatch, empty.config_path, "login")
    for _ in range(5):
        log_in(page, "anna", "a wrong one")
    log_in(page, "anna")
    assert "Too many wrong passwords" in words_of(page)
    other = opened(monkeypatch, empty.config_path, "login")
    log_in(other, "anna")
    assert "Too many wrong passwords" in words_of(other), "nor from another browser"
    log_in(other, "eve")
    assert "Logged in as eve" in words_of(other)


def test_a_role_is_that_of_the_file_at_each_moment(
    empty: Shift, monkeypatch: pytest.MonkeyPatch
) -> None:
    users = add_users(empty)
    page = opened(monkeypatch, empty.config_path, "login", "eve")
    assert "Audit trail" not in words_of(page)
    users.set_role("eve", Role.ADMINISTRATOR)
    assert "Audit trail" in words_of(page.run())
    users.remove("eve")
    assert "Logged in" not in words_of(page.run())


def test_administrators_read_the_trail(empty: Shift, monkeypatch: pytest.MonkeyPatch) -> None:
    add_users(empty)
    page = opened(monkeypatch, empty.config_path, "login")
    log_in(page, "<b>=1+1", "a wrong one")
    log_in(page, "ben")
    (table,) = page.dataframe
    assert list(table.value["Act"]) == ["logged in", "login refused"]
    assert list(table.value["User"]) == ["ben", "<b>=1+1"]
    page.multiselect[0].set_value(["loginFailed"]).run()
    assert list(page.dataframe[0].value["User"]) == ["<b>=1+1"]


def test_a_line_may_ask_for_a_login_before_anything_is_shown(
    empty: Shift, monkeypatch: pytest.MonkeyPatch
) -> None:
    with empty.config_path.open("a") as file:
        file.write("access: {login_to_view: true}\n")
    add_users(empty)
    empty.add([empty.inspect(1)])

    def looks(page: AppTest) -> tuple[bool, bool]:
        return "PC-004001" in words_of(page), bool(list(page.get("imgs")) or list(page.get("image")))

    for name in ("live", "parts", "review", "recipes"):
        page = opened(monkeypatch, empty.config_path, name)
        assert "only to people who are logged in" in words_of(page)
        assert looks(page) == (False, False)
    page = opened(monkeypatch, empty.config_path, "live", "anna")
    assert looks(page) == (True, True)


def test_without_users_the_page_names_the_command(
    empty: Shift, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = opened(monkeypatch, empty.config_path, "login")
    assert "inspector users add" in words_of(page)
    assert str(empty.config_path) in words_of(page)
    assert not page.text_input
