"""What an audit finds, and how grave it is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path


class Gravity(IntEnum):
    """How grave a finding is; the gravest is the largest."""

    NOTE = 1
    """Good to know."""
    SERIOUS = 2
    """A model trained on it, or its figures, will be worse than they need be."""
    BLOCKING = 3
    """Nothing may be trained on it unless findings are allowed explicitly."""


@dataclass(frozen=True)
class AuditFinding:
    """One thing that is wrong with a data set."""

    kind: str
    """A word that scripts may compare, such as ``leakage``."""
    gravity: Gravity
    text: str
    """One sentence."""
    remedy: str
    files: tuple[Path, ...] = ()
    """The files concerned, of a pair one after the other."""

    def described(self, most: int = 6) -> str:
        """For a terminal: the sentence, the remedy and up to ``most`` of the files."""
        lines = [f"[{self.gravity.name.lower()}] {self.kind}: {self.text}"]
        if self.remedy:
            lines.append(f"    {self.remedy}")
        lines += [f"    {path}" for path in self.files[:most]]
        if len(self.files) > most:
            lines.append(f"    … and {len(self.files) - most} more")
        return "\n".join(lines)

    def fields(self) -> dict[str, object]:
        """For JSON, with every file."""
        return {
            "kind": self.kind,
            "gravity": self.gravity.name.lower(),
            "text": self.text,
            "remedy": self.remedy,
            "files": [str(path) for path in self.files],
        }


def by_gravity(findings: Iterable[AuditFinding]) -> tuple[AuditFinding, ...]:
    """The gravest first, then in alphabetical order, so that equal sets give equal reports."""
    return tuple(sorted(findings, key=lambda found: (-found.gravity, found.kind, found.text)))


def blocking(findings: Iterable[AuditFinding]) -> tuple[AuditFinding, ...]:
    """Those that stop a training."""
    return tuple(found for found in findings if found.gravity is Gravity.BLOCKING)
