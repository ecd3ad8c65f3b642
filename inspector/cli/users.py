"""The command ``inspector users``: who may act in the dashboard."""

from __future__ import annotations

import getpass
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from inspector.cli.common import say
from inspector.config import LineConfig, load_config
from inspector.errors import InspectorError
from inspector.records.audit import Actor, append
from inspector.records.database import check_schema, open_engine, storage_failures
from inspector.users import Role, UserFile

app = typer.Typer(help="Who may act in the dashboard.", no_args_is_help=True)

Config = Annotated[Path, typer.Argument(help="The line's configuration, a YAML file")]
Name = Annotated[str, typer.Argument(help="Letters, digits, '.', '_' and '-'")]
RoleOption = Annotated[Role, typer.Option("--role", help="What the user may do")]
FromStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input")
]


@app.command("list")
def show(config: Config) -> None:
    """Names and roles, one a line."""
    users = UserFile(load_config(config).users_file).users()
    for user in users:
        say(f"{user.name}  {user.role.value}")
    if not users:
        sys.stderr.write("there are no users: 'inspector users add CONFIG NAME --role …' adds one\n")


@app.command()
def add(
    config: Config,
    name: Name,
    role: RoleOption = Role.OPERATOR,
    password_stdin: FromStdin = False,
) -> None:
    """Add a user; asks for the password twice."""
    line = load_config(config)
    UserFile(line.users_file).add(name, role, _password(password_stdin))
    _trace(line, name, f"added as {role.value}")
    say(f"{name}: added as {role.value}")


@app.command()
def remove(config: Config, name: Name) -> None:
    """Remove a user; what the user did stays in the audit trail."""
    line = load_config(config)
    UserFile(line.users_file).remove(name)
    _trace(line, name, "removed")
    say(f"{name}: removed")


@app.command("role")
def set_role(
    config: Config, name: Name, role: Annotated[Role, typer.Argument(help="What the user may do")]
) -> None:
    """Give a user another role; it holds from the user's next click on."""
    line = load_config(config)
    UserFile(line.users_file).set_role(name, role)
    _trace(line, name, f"is {role.value} now")
    say(f"{name}: {role.value}")


@app.command("password")
def set_password(config: Config, name: Name, password_stdin: FromStdin = False) -> None:
    """Give a user another password."""
    line = load_config(config)
    UserFile(line.users_file).set_password(name, _password(password_stdin))
    _trace(line, name, "has another password")
    say(f"{name}: password changed")


def _password(from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    while True:
        first = getpass.getpass("Password: ")
        if first == getpass.getpass("Once more: "):
            return first
        sys.stderr.write("The two differ.\n")


def _trace(line: LineConfig, name: str, text: str) -> None:
    """Note the change in the audit trail of every database that is there already."""
    actor = Actor(getpass.getuser()[:32], "system")
    for url in {line.database_url(station): None for station in line.stations}:
        try:
            engine = open_engine(url, readonly=True)
            check_schema(engine)
            engine.dispose()
        except InspectorError as error:
            # Users may be added before the line has ever run.
            sys.stderr.write(f"not noted in the audit trail: {error}\n")
            continue
        engine = open_engine(url)
        with storage_failures(engine.url), engine.begin() as connection:
            append(connection, actor, "users", name, datetime.now(UTC), text=text)
        engine.dispose()
