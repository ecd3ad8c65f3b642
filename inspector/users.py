"""The people who may act in the dashboard: names, roles and hashed passwords in one local file.

Passwords are hashed by argon2id (RFC 9106); the file is readable by its owner alone.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, ValidationError

from inspector.errors import InputError, StorageError

if TYPE_CHECKING:
    from argon2 import PasswordHasher

LEAST_PASSWORD = 8
"""Characters."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")


class Role(Enum):
    """What somebody may do; each may do all that the one before may."""

    OPERATOR = "operator"
    """Decide about parts and mark mistakes."""
    ENGINEER = "engineer"
    """Change thresholds, train, promote, roll back."""
    ADMINISTRATOR = "administrator"
    """See the audit trail."""

    def covers(self, needed: Role) -> bool:
        """Whether this role may do what ``needed`` may."""
        order = list(Role)
        return order.index(self) >= order.index(needed)


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who is known."""

    name: str
    role: Role


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Entry(_Strict):
    role: Role
    hash: str


class _Content(_Strict):
    v: int = 1
    users: dict[str, _Entry] = {}


class UserFile:
    """Reads and writes the file; every change replaces it as a whole."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def users(self) -> tuple[User, ...]:
        """All users by name; none when there is no file yet. Raises :class:`InputError`."""
        return tuple(User(name, entry.role) for name, entry in sorted(self._read().items()))

    def check(self, name: str, password: str) -> User | None:
        """The user whose password this is. One who is unknown takes as long as a wrong password."""
        from argon2.exceptions import InvalidHashError, VerificationError

        entry = self._read().get(name)
        try:
            self._hasher.verify(entry.hash if entry else self._nobody, password)
        except (VerificationError, InvalidHashError):
            # A wrong password, or a hash that somebody has edited: no entry.
            return None
        return User(name, entry.role) if entry else None

    def add(self, name: str, role: Role, password: str) -> None:
        """Raises :class:`InputError` for a name that is taken or none, or a password too short."""
        if not _NAME.fullmatch(name):
            raise InputError(
                f"'{name}' cannot be a user's name", "Take 1 to 32 of A-Z, a-z, 0-9, '.', '_' and '-'"
            )
        known = self._read()
        if name in known:
            raise InputError(
                f"there is a user '{name}' already", "Use 'inspector users password' or 'role'"
            )
        self._write({**known, name: _Entry(role=role, hash=self._hash(password))})

    def remove(self, name: str) -> None:
        """Raises :class:`InputError` for a name that is not known."""
        known = self._known(name)
        del known[name]
        self._write(known)

    def set_role(self, name: str, role: Role) -> None:
        """Raises :class:`InputError` for a name that is not known."""
        known = self._known(name)
        self._write({**known, name: _Entry(role=role, hash=known[name].hash)})

    def set_password(self, name: str, password: str) -> None:
        """Raises :class:`InputError` for a name that is not known, or a password too short."""
        known = self._known(name)
        self._write({**known, name: _Entry(role=known[name].role, hash=self._hash(password))})

    def role(self, name: str) -> Role | None:
        """The user's role as the file has it now; None once the user has been removed."""
        entry = self._read().get(name)
        return entry.role if entry else None

    @cached_property
    def _hasher(self) -> PasswordHasher:
        try:
            from argon2 import PasswordHasher
        except ImportError as error:
            # A line computer without the dashboard needs no users.
            raise InputError(
                "argon2-cffi is not installed", "Install it with pip install '.[dashboard]'"
            ) from error
        return PasswordHasher()

    @property
    def _nobody(self) -> str:
        return _hash_of_nobody()

    def _hash(self, password: str) -> str:
        if len(password) < LEAST_PASSWORD:
            raise InputError("the password is too short", f"Take at least {LEAST_PASSWORD} characters")
        return self._hasher.hash(password)

    def _known(self, name: str) -> dict[str, _Entry]:
        known = self._read()
        if name not in known:
            names = ", ".join(sorted(known)) or "none"
            raise InputError(f"there is no user '{name}'", f"Known users: {names}")
        return known

    def _read(self) -> dict[str, _Entry]:
        try:
            return dict(_Content.model_validate_json(self._path.read_bytes()).users)
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise InputError(f"the users in {self._path} cannot be read: {error.strerror}") from error
        except ValidationError as error:
            raise InputError(
                f"{self._path} is no valid file of users",
                "Move it away and add the users again with 'inspector users add'",
            ) from error

    def _write(self, users: Mapping[str, _Entry]) -> None:
        content = _Content(users=dict(users)).model_dump(mode="json")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            # mkstemp's files are readable by their owner alone
            number, scratch = tempfile.mkstemp(prefix=".users-", dir=self._path.parent)
            with os.fdopen(number, "w", encoding="utf-8") as file:
                file.write(json.dumps(content, indent=1) + "\n")
            Path(scratch).replace(self._path)
        except OSError as error:
            raise StorageError(
                f"the users cannot be written to {self._path} ({error.strerror})",
                "Make the folder writable, or name another file under access.users",
            ) from error


@cache
def _hash_of_nobody() -> str:
    """Made once: else an unknown name would take longer than a known one."""
    from argon2 import PasswordHasher

    return PasswordHasher().hash("nobody has this password")
