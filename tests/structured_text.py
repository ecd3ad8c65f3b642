"""Runs the Structured Text of ``deploy/plc``: as much of the language as that file uses, and no more.

Each statement becomes one of Python's; what is not understood is a syntax error there, or an
``AssertionError`` here. Times are milliseconds of a clock that the test moves, one cycle after another.
Expressions have no limit, as on a PLC that computes with more bits than its types have: a number is cut
to its type when it is assigned.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

_WORDS = {
    **{"AND": "and", "OR": "or", "NOT": "not", "TRUE": "True", "FALSE": "False", "MOD": "%"},
    **{":=": "=", "=": "==", "<>": "!="},
}
_TOKEN = re.compile(r"'[^']*'|T#\d+M?S|[A-Za-z_]\w*|\d+|:=|<>|>=|<=|[-+*=<>()\[\],.;:#]|\s+")
_DECLARATION = re.compile(r"([\w, ]+?)\s*:\s*([^;:]+?)\s*(?::=\s*([^;:]+?)\s*)?;")
_NUMBERS = {"USINT": (8, 0), "UINT": (16, 0), "UDINT": (32, 0), "INT": (16, 1 << 15)}
"""Bits of a type, and how far it reaches below zero."""
_Members = dict[str, tuple[str, str]]
"""Type and first value by name."""


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
    """A structure, or the memory of a function block; it holds what was declared and nothing else."""

    def __init__(self, kinds: dict[str, str]) -> None:
        self.__dict__["_kinds"] = kinds

    def __setattr__(self, name: str, value: Any) -> None:
        kind = self._kinds[name]
        if kind in _NUMBERS:
            bits, below = _NUMBERS[kind]
            value = (value + below) % (1 << bits) - below
        self.__dict__[name] = value


class Program:
    """The types, functions and function blocks of a file."""

    def __init__(self, path: Path, clock: Clock) -> None:
        text = re.sub(r"\(\*.*?\*\)", " ", path.read_text(encoding="utf-8"), flags=re.S)
        self._clock = clock
        self._types = {
            name: self._members(body)
            for name, body in re.findall(
                r"^TYPE (\w+) : STRUCT\b(.*?)\bEND_STRUCT;\s*END_TYPE", text, re.S | re.M
            )
        }
        assert len(self._types) == text.count("END_TYPE"), "a type that is not understood"
        self._functions: dict[str, Callable[..., Any]] = {}
        for name, kind, body in re.findall(
            r"^FUNCTION (\w+) : (\w+)(.*?)END_FUNCTION\b", text, re.S | re.M
        ):
            variables, code = self._split(body)
            self._functions[name] = self._function(name, kind, variables, code)
        self._blocks = dict(
            re.findall(r"^FUNCTION_BLOCK (\w+)(.*?)END_FUNCTION_BLOCK", text, re.S | re.M)
        )

    def block(self, name: str) -> tuple[Any, Callable[[], None]]:
        """A new instance: its memory, and what runs one cycle of it."""
        variables, code = self._split(self._blocks[name])
        memory = self._record(variables, variables)
        compiled = compile(self._python(code, dict.fromkeys(variables, "s")), name, "exec")
        return memory, lambda: exec(compiled, {"s": memory, **self._functions})

    def _function(self, name: str, kind: str, variables: _Members, code: str) -> Callable[..., Any]:
        kinds = {**{key: of for key, (of, _) in variables.items()}, name: kind}
        compiled = compile(self._python(code, dict.fromkeys(kinds, "s")), name, "exec")

        def call(**given: Any) -> Any:
            memory = Record(kinds)
            for key in variables:
                setattr(memory, key, given[key])
            exec(compiled, {"s": memory, **self._functions})
            return getattr(memory, name)

        return call

    def _split(self, body: str) -> tuple[_Members, str]:
        variables: _Members = {}
        for section in re.findall(r"\bVAR\w*(?: CONSTANT)?\b(.*?)END_VAR", body, re.S):
            variables |= self._members(section)
        return variables, body[body.rindex("END_VAR") + len("END_VAR") :]

    def _members(self, section: str) -> _Members:
        found = {}
        for names, kind, value in _DECLARATION.findall(section):
            for name in names.split(","):
                found[name.strip()] = kind, value
        left = _DECLARATION.sub("", section).strip()
        assert not left, f"not understood: {left}"
        return found

    def _record(self, members: _Members, variables: _Members) -> Record:
        record = Record({name: kind for name, (kind, _) in members.items()})
        for name, (kind, value) in members.items():
            setattr(record, name, self._make(kind, value, variables))
        return record

    def _make(self, kind: str, value: str, variables: _Members) -> Any:
        if array := re.fullmatch(r"ARRAY\[0\.\.(\w+)\] OF (\w+)", kind):
            last = int(variables[array[1]][1])
            return [self._make(array[2], "", variables) for _ in range(last + 1)]
        if kind in self._types:
            return self._record(self._types[kind], variables)
        if kind in ("TON", "R_TRIG"):
            return Ton(self._clock) if kind == "TON" else RTrig()
        if re.fullmatch(r"STRING\[\d+\]", kind):
            return value.strip("'")
        if kind == "BOOL":
            return value == "TRUE"
        assert kind in _NUMBERS or kind == "TIME", f"not a type: {kind}"
        return _literal(value) if value else 0

    def _python(self, code: str, names: dict[str, str]) -> str:
        lines: list[str] = []
        ends: list[str] = []  # of what is open, the innermost last
        *pieces, rest = re.split(r"(;|\bTHEN\b|\bDO\b|\bELSE\b)", code)
        assert not rest.strip(), f"no semicolon after {rest.strip()}"
        for text, stop in zip(map(str.strip, pieces[::2]), pieces[1::2], strict=True):
            if stop == "ELSE":
                assert not text, f"no semicolon after {text}"
                lines.append("    " * (len(ends) - 1) + "else:")
            elif stop == "THEN":
                branch = re.fullmatch(r"(IF|ELSIF)\s+(.*)", text, re.S)
                assert branch is not None, f"not understood: {text} THEN"
                if branch[1] == "IF":
                    ends.append("END_IF")
                word = "if" if branch[1] == "IF" else "elif"
                lines.append("    " * (len(ends) - 1) + f"{word} {self._expression(branch[2], names)}:")
            elif stop == "DO":
                loop = re.fullmatch(r"FOR (\w+) := (\w+) TO (\w+)", text)
                assert loop is not None, f"not understood: {text} DO"
                last = self._expression(loop[3], names)
                lines.append("    " * len(ends) + f"for s.{loop[1]} in range({loop[2]}, {last} + 1):")
                ends.append("END_FOR")
            elif text in ("END_IF", "END_FOR"):
                assert ends[-1:] == [text], f"{text} of nothing"
                ends.pop()
            else:
                assert text, "a semicolon after nothing"
                lines.append("    " * len(ends) + self._expression(text, names))
        assert not ends, f"no {ends[-1]}"
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
