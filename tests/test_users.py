"""The file of users, and the commands that write it."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from typer.testing import CliRunner

from inspector.cli import app
from inspector.errors import InputError
from inspector.records.audit import trail
from inspector.records.database import open_engine, upgrade
from inspector.users import Role, UserFile

CONFIG = """\
line: one
state_dir: state
stations: [{name: a, topic: t/a, recipe: recipes/a}]
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "line.yaml"
    path.write_text(CONFIG)
    return path


def _run(config: Path, *arguments: str, typed: str = "") -> str:
    command = ["users", arguments[0], str(config), *arguments[1:]]
    result = CliRunner().invoke(app, command, input=typed)
    assert result.exit_code == 0, result.output or result.exception
    return result.output


def test_a_user_is_added_changed_and_removed(config: Path, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/state/records.db"
    upgrade(url)
    typed = "correct horse\n"
    _run(config, "add", "anna", "--role", "engineer", "--password-stdin", typed=typed)
    file = UserFile(tmp_path / "state" / "users.json")
    found = file.check("anna", "correct horse")
    assert found is not None
    assert found.role is Role.ENGINEER
    assert file.check("anna", "wrong horse") is None
    assert file.check("nobody", "correct horse") is None
    content = (tmp_path / "state" / "users.json").read_text()
    assert "argon2id" in content
    assert "horse" not in content
    assert stat.S_IMODE((tmp_path / "state" / "users.json").stat().st_mode) == 0o600

    _run(config, "role", "anna", "operator")
    _run(config, "password", "anna", "--password-stdin", typed="battery staple\n")
    assert file.check("anna", "correct horse") is None
    assert file.check("anna", "battery staple").role is Role.OPERATOR  # type: ignore[union-attr]
    assert _run(config, "list") == "anna  operator\n"
    _run(config, "remove", "anna")
    assert file.users() == ()
    assert file.role("anna") is None

    engine = open_engine(url, readonly=True)
    acts = [(act.action, act.subject, act.role) for act in trail(engine)]
    engine.dispose()
    assert acts == [("users", "anna", "system")] * 4


def test_users_may_be_added_before_the_line_has_run(config: Path) -> None:
    output = _run(config, "add", "anna", "--password-stdin", typed="long enough\n")
    assert "anna: added as operator" in output
    assert not (config.parent / "state" / "records.db").exists()


@pytest.mark.parametrize(
    ("name", "password", "sentence"),
    [
        ("anna", "long enough", "there is a user 'anna' already"),
        ("../anna", "long enough", "cannot be a user's name"),
        ("<b>", "long enough", "cannot be a user's name"),
        ("x" * 33, "long enough", "cannot be a user's name"),
        ("ben", "short", "too short"),
    ],
)
def test_who_cannot_be_added(tmp_path: Path, name: str, password: str, sentence: str) -> None:
    file = UserFile(tmp_path / "users.json")
    file.add("anna", Role.OPERATOR, "long enough")
    with pytest.raises(InputError, match=sentence):
        file.add(name, Role.OPERATOR, password)
    assert [user.name for user in file.users()] == ["anna"]


def test_a_file_that_is_none_is_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "users.json"
    path.write_text('{"users": 3}')
    with pytest.raises(InputError, match="no valid file of users"):
        UserFile(path).users()
    path.write_text('{"users": {"anna": {"role": "operator", "hash": "plain"}}}')
    assert UserFile(path).check("anna", "plain") is None, "an edited hash lets nobody in"
    with pytest.raises(InputError, match="there is no user 'ben'"):
        UserFile(path).remove("ben")


def test_each_role_may_do_what_those_before_may() -> None:
    assert Role.ADMINISTRATOR.covers(Role.OPERATOR)
    assert Role.ENGINEER.covers(Role.ENGINEER)
    assert not Role.OPERATOR.covers(Role.ENGINEER)
