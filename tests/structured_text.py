"""Runs the Structured Text of ``deploy/plc``: as much of the language as that file uses, and no more.

Each statement becomes one of Python's; what is not understood is a syntax error there, or here. Times are
milliseconds of a clock that the test moves, one cycle after the other.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

_WORDS = {
    **{"AND": "and", "OR": "or", "NOT": "not", "TRUE": "True", "FALSE": "False"},
    **{":=": "=", "=": "==", "<>": "!="},
}
_TOKEN = re.compile(r"'[^']*'|T#\d+M?S|[A-Za-z_]\w*|\d+|:=|<>|>=|<=|[-+*=<>()\[\],.;:#]|\s+")


class Clock:
    """Milliseconds."""

    now = 0


class Ton:
    """The standard's on-delay timer."""

    def __init__(self, clock: Clock) -> None:
        self._clock, self._since, self._pt, self.Q, self.ET = clock, -1, 0, False, 0

    def __call__(self, IN: bool, PT: int | None = None) -> None:  # noqa: N803 - the standard's names
        self._pt = self._pt if PT is None else PT
        if not IN:
            self._since, self.Q, self.ET = -1, False, 0
            return
        if self._since < 0:
            self._since = self._clock.now
        self.ET = min(self._pt, self._clock.now - self._since)
        self.Q = self._pt <= self.ET


class RTrig:
    """The standard's rising edge."""

    def __init__(self) -> None:
        self._last, self.Q = False, False

    def __call__(self, CLK: bool) -> None:  # noqa: N803 - the standard's name
        self.Q, self._last = CLK and not self._last, CLK


class Record:
    """A structure, or the memory of a function block."""


class Program:
    """The types, functions and function blocks of a file."""

    def __init__(self, path: Path, clock: Clock) -> None:
        text = re.sub(r"\(\*.*?\*\)", " ", path.read_text(encoding="utf-8"), flags=re.S)
        self._clock = clock
        self._types = {
            name: self._members(body)
            for name, body in re.findall(r"TYPE (\w+) : STRUCT(.*?)END_STRUCT END_TYPE", text, re.S)
        }
        self._functions: dict[str, Callable[..., Any]] = {}
        for name, body in re.findall(r"^FUNCTION (\w+) : \w+(.*?)END_FUNCTION", text, re.S | re.M):
            variables, code = self._split(body)
            self._functions[name] = self._function(name, list(variables), code)
        self._blocks = dict(
            re.findall(r"^FUNCTION_BLOCK (\w+)(.*?)END_FUNCTION_BLOCK", text, re.S | re.M)
        )

    def block(self, name: str) -> tuple[Any, Callable[[], None]]:
        """A new instance: its memory, and what runs one cycle of it."""
        variables, code = self._split(self._blocks[name])
        memory = Record()
        for member, (kind, value) in variables.items():
            setattr(memory, member, self._make(kind, value, variables))
        names = dict.fromkeys(variables, "s")
        compiled = compile(self._python(code, names), name, "exec")
        return memory, lambda: exec(compiled, {"s": memory, **self._functions})

    def _function(self, name: str, inputs: list[str], code: str) -> Callable[..., Any]:
        names = {**dict.fromkeys(inputs, "s"), name: "s"}
        compiled = compile(self._python(code, names), name, "exec")

        def call(*given: Any) -> Any:
            memory = Record()
            for key, value in zip(inputs, given, strict=True):
                setattr(memory, key, value)
            exec(compiled, {"s": memory, **self._functions})
            return getattr(memory, name)

        return call

    def _split(self, body: str) -> tuple[dict[str, tuple[str, str]], str]:
        variables: dict[str, tuple[str, str]] = {}
        for section in re.findall(r"\bVAR\w*(?: CONSTANT)?\b(.*?)END_VAR", body, re.S):
            variables |= self._members(section)
        return variables, body[body.rindex("END_VAR") + len("END_VAR") :]

    def _members(self, section: str) -> dict[str, tuple[str, str]]:
        found = {}
        for names, kind, value in re.findall(
            r"([\w, ]+?)\s*:\s*([^;:]+?)\s*(?::=\s*([^;]+))?;", section
        ):
            for name in names.split(","):
                found[name.strip()] = kind, value.strip()
        return found

    def _make(self, kind: str, value: str, variables: dict[str, tuple[str, str]]) -> Any:
        if array := re.match(r"ARRAY\[0\.\.(\w+)\] OF (\w+)", kind):
            last = int(variables[array[1]][1])
            return [self._make(array[2], "", variables) for _ in range(last + 1)]
        if kind in self._types:
            record = Record()
            for member, (inner, given) in self._types[kind].items():
                setattr(record, member, self._make(inner, given, variables))
            return record
        if kind in ("TON", "R_TRIG"):
            return Ton(self._clock) if kind == "TON" else RTrig()
        if kind.startswith("STRING"):
            return value.strip("'")
        if kind == "BOOL":
            return value == "TRUE"
        return _literal(value) if value else 0

    def _python(self, code: str, names: dict[str, str]) -> str:
        lines: list[str] = []
        depth = 0
        pattern = r"(;|\bTHEN\b|\bDO\b|\bELSE\b)"
        pieces = re.split(pattern, re.sub(r"\b(END_IF|END_FOR)\b", r" \1 ; ", code))
        for text in (piece.strip() for piece in pieces):
            if text in ("", ";", "THEN", "DO"):
                continue
            if text in ("END_IF", "END_FOR"):
                depth -= 1
            elif text == "ELSE":
                lines.append("    " * (depth - 1) + "else:")
            elif text.startswith("IF "):
                lines.append("    " * depth + f"if {self._expression(text[3:], names)}:")
                depth += 1
            elif loop := re.match(r"FOR (\w+) := (\w+) TO (\w+)$", text):
                last = self._expression(loop[3], names)
                lines.append("    " * depth + f"for s.{loop[1]} in range({loop[2]}, {last} + 1):")
                depth += 1
            else:
                lines.append("    " * depth + self._expression(text, names))
        assert depth == 0, "an IF or FOR without its end"
        return "\n".join(lines)

    def _expression(self, text: str, names: dict[str, str]) -> str:
        out, at, member = "", 0, False
        while at < len(text):
            token = _TOKEN.match(text, at)
            assert token is not None, f"not understood: {text[at : at + 30]}"
            word, at = token[0], token.end()
            if word.startswith("T#"):
                out += str(_literal(word))
            elif word in names and not member:
                out += f"s.{word}"
            else:
                out += _WORDS.get(word, " " if word.isspace() else word)
            member = word == "."
        return out


def _literal(value: str) -> int:
    if time := re.fullmatch(r"T#(\d+)(M?S)", value):
        return int(time[1]) * (1 if time[2] == "MS" else 1000)
    return int(value)
