"""Tables as CSV that a spreadsheet opens without running anything. Pure."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""With one of these a spreadsheet takes a text for a formula. Source: OWASP, "CSV Injection"."""


def cell(value: object) -> object:
    """A text that would be a formula is marked as text; numbers stay as they are."""
    if isinstance(value, str) and value.lstrip(" ").startswith(_FORMULA):
        return f"'{value}"
    return value


def csv_bytes(names: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    """RFC 4180 in UTF-8, with the mark by which spreadsheets know it."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    for row in (names, *rows):
        writer.writerow([cell(value) for value in row])
    return text.getvalue().encode("utf-8-sig")
