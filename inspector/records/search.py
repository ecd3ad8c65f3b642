"""Which parts are looked for, and how a database with millions of them finds those quickly."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, TypedDict

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    Select,
    bindparam,
    exists,
    func,
    or_,
    select,
)

from inspector.records.tables import INSPECTION, SCORE

FEW = 20_000
"""So many hits of a pattern or a score range are looked up one by one."""
_ESCAPE = "\\"


class Wanted(TypedDict, total=False):
    """What to look for; everything given must hold."""

    station: str | None
    part_id: str | None
    """Part of the id; with ``*`` a pattern for the whole id. Upper and lower case are equal."""
    exact: bool
    """``part_id`` is the whole id as it stands, case and ``*`` included; by index."""
    batch_id: str | None
    """Empty: parts without a batch."""
    since: datetime | None
    """Included."""
    until: datetime | None
    """Excluded."""
    verdicts: Sequence[str] | None
    causes: Sequence[str] | None
    """Words such as ``Missing``, of the cause that was named."""
    recipe: str | None
    recipe_version: int | None
    score_range: tuple[str, float, float] | None
    """Check, lowest and highest score, both included."""
    simulated: bool | None
    challenge: bool | None


def conditions(connection: Connection, wanted: Wanted) -> list[ColumnElement[bool]]:
    """What a query of ``inspection`` must ask for.

    No index leads from a piece of an id, or from a score, to the newest of its parts. Where there are
    few such parts they are found here, by their numbers; where there are many, walking back in time
    meets enough of them soon.
    """
    table = INSPECTION.c
    tests, leading = _leading(connection, wanted)
    equal: dict[Any, Any] = {
        table.station: wanted.get("station"),
        table.recipe_id: wanted.get("recipe"),
        table.recipe_version: wanted.get("recipe_version"),
        table.is_simulated: wanted.get("simulated"),
        table.is_challenge: wanted.get("challenge"),
    }
    for column, value in equal.items():
        if value is not None:
            tests.append((unindexed(column) if leading else column) == value)
    tests += of_batch(unindexed(table.batch_id) if leading else table.batch_id, wanted.get("batch_id"))
    if (since := wanted.get("since")) is not None:
        tests.append(table.created_at >= since)
    if (until := wanted.get("until")) is not None:
        tests.append(table.created_at < until)
    if (verdicts := wanted.get("verdicts")) is not None:
        tests.append(table.verdict.in_(verdicts))
    if (causes := wanted.get("causes")) is not None:
        tests.append(table.cause.in_(causes))
    return tests


def of_batch(column: Any, batch: str | None) -> list[ColumnElement[bool]]:
    """That a part is of a batch; the empty one: of none. Nothing to ask where ``batch`` is None."""
    if batch is None:
        return []
    return [column == batch if batch else or_(column.is_(None), column == "")]


def unindexed(column: Any) -> ColumnElement[Any]:
    """The column's value, out of sight of a planner that would else prefer an index on it."""
    return func.coalesce(column, column)


def _leading(connection: Connection, wanted: Wanted) -> tuple[list[ColumnElement[bool]], bool]:
    """The tests of part id and score, and whether one of them leads to few parts."""
    table = INSPECTION.c
    station = wanted.get("station")
    tests: list[ColumnElement[bool]] = []
    leading = False
    if part_id := wanted.get("part_id"):
        if wanted.get("exact", False):
            tests.append(table.part_id == part_id)
            leading = True
        else:
            like = _like(connection, part_id)
            # Answered by the index of part ids alone, which is read to its end.
            query = select(table.id).where(like)
            if station is not None:
                query = query.where(unindexed(table.station) == station)
            numbered = _few(connection, query)
            leading = numbered is not None
            tests.append(like if numbered is None else numbered)
    if (score_range := wanted.get("score_range")) is not None:
        check, low, high = score_range
        inside = SCORE.c.score.between(low, high)
        some = select(SCORE.c.result_id).where(SCORE.c.check_name == check, inside).limit(FEW + 1)
        found = None if leading else _few(connection, select(table.id).where(table.result_id.in_(some)))
        if found is None:
            found = exists().where(
                SCORE.c.result_id == table.result_id, unindexed(SCORE.c.check_name) == check, inside
            )
        else:
            leading = True
        tests.append(found)
    return tests, leading


def _few(connection: Connection, query: Select[tuple[int]]) -> ColumnElement[bool] | None:
    """The parts that the query gives, by their numbers; None when they are many."""
    numbers = connection.execute(query.limit(FEW + 1)).scalars().all()
    if len(numbers) > FEW:
        return None
    # Written out, for databases limit how many values a statement may be given.
    listed: BindParameter[Sequence[int]] = bindparam(
        None, numbers, expanding=True, literal_execute=True
    )
    return INSPECTION.c.id.in_(listed)


def _like(connection: Connection, part_id: str) -> ColumnElement[bool]:
    column, pattern = INSPECTION.c.part_id, _pattern(part_id)
    # SQLite's LIKE ignores the case of ASCII, of which ids are made; lower() would cost twice the time.
    if connection.dialect.name == "sqlite":
        return column.like(pattern, escape=_ESCAPE)
    return column.ilike(pattern, escape=_ESCAPE)


def _pattern(text: str) -> str:
    """A LIKE pattern in which only ``*`` means anything."""
    plain = text
    for special in (_ESCAPE, "%", "_"):
        plain = plain.replace(special, _ESCAPE + special)
    return plain.replace("*", "%") if "*" in plain else f"%{plain}%"
