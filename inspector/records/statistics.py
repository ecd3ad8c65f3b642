"""Counts and times over any span: whole half hours from the tally, their rest part by part.

Functions as in :mod:`inspector.records.queries`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias

import numpy as np
from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Integer,
    and_,
    column,
    func,
    or_,
    select,
    values,
)

from inspector.domain import Cause
from inspector.records.aggregates import KEYS, SLOT, TALLY, class_bounds, slot, tally_key
from inspector.records.database import reading
from inspector.records.search import of_batch
from inspector.records.tables import INSPECTION, Utc
from inspector.records.views import Counters, Latency, Tally

Kind: TypeAlias = Literal["production", "simulated", "challenge"]
"""Simulated are those of a simulated camera, of a replay and of commissioning too."""
Sort: TypeAlias = tuple[Any, ...]
"""Values of the columns that were asked for."""

_BEGIN, _END = datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)
_RAW = tuple(
    INSPECTION.c[name]
    for name in (
        *("station", "created_at", "recipe_id", "recipe_version", "batch_id", "is_simulated"),
        *("is_challenge", "challenge", "attempt", "verdict", "cause", "cause_code", "age_ms"),
        "deadline_ms",
    )
)


@dataclass(frozen=True, slots=True)
class Span:
    """A time, ``since`` included, ``until`` excluded; None: without end on that side."""

    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Scope:
    """Which parts count; everything given must hold."""

    station: str | None = None
    recipe: str | None = None
    recipe_version: int | None = None
    batch_id: str | None = None
    kind: Kind | None = None
    """None: all, challenge parts included."""


@dataclass(slots=True)
class Tallied:
    """Parts of one sort in one span."""

    parts: int = 0
    passed: int = 0
    failed: int = 0
    review: int = 0
    first: int = 0
    """First attempts of their part id."""
    first_passed: int = 0
    late: int = 0
    """Verdicts after their deadline."""
    ages: Counter[int] = field(default_factory=Counter)
    """Parts by class of their verdict's age; filled on request."""

    def quantile_ms(self, share: float) -> float | None:
        """Age of the verdict that ``share`` of the parts had, to some per cent; None without any."""
        wanted = share * self.ages.total()
        seen = 0.0
        for number in sorted(self.ages):
            inside = self.ages[number]
            if seen + inside >= wanted:
                low, high = class_bounds(number)
                return low + (high - low) * (wanted - seen) / inside
            seen += inside
        return None

    def add(self, other: Tallied) -> None:
        """Count those of another sort or span too."""
        for name in ("parts", "passed", "failed", "review", "first", "first_passed", "late"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.ages.update(other.ages)

    def take(self, verdict: str, first: bool, late: bool, age: int | None, parts: int) -> None:
        """Count so many more."""
        self.parts += parts
        self.passed += parts if verdict == "PASS" else 0
        self.failed += parts if verdict == "FAIL" else 0
        self.review += parts if verdict == "REVIEW" else 0
        self.first += parts if first else 0
        self.first_passed += parts if first and verdict == "PASS" else 0
        self.late += parts if late else 0
        if age is not None:
            self.ages[age] += parts


def tallied(
    engine: Engine,
    scope: Scope,
    spans: Sequence[Span] = (Span(),),
    by: Sequence[str] = (),
    *,
    ages: bool = False,
) -> tuple[dict[Sort, Tallied], ...]:
    """For each span, its parts by the values of the columns ``by`` of the tally."""
    unknown = set(by) - set(KEYS)
    if unknown:
        raise ValueError(f"the tally has no column {sorted(unknown)}")
    found: tuple[dict[Sort, Tallied], ...] = tuple({} for _ in spans)
    if not spans:
        return found
    keys = (*by, "verdict", "is_first", "is_late", *(("age_class",) if ages else ()))
    whole, rests = _cut(spans)
    with reading(engine) as connection:
        for number, sort, parts in (
            *_whole(connection, scope, whole, keys),
            *_rest(connection, scope, rests, keys),
        ):
            key, (verdict, first, late, *age) = sort[: len(by)], sort[len(by) :]
            cell = found[number].setdefault(key, Tallied())
            cell.take(verdict, first, late, age[0] if age else None, parts)
    return found


def total(
    engine: Engine, scope: Scope, spans: Sequence[Span] = (Span(),), *, ages: bool = False
) -> tuple[Tallied, ...]:
    """For each span, all its parts."""
    return tuple(sorts.get((), Tallied()) for sorts in tallied(engine, scope, spans, ages=ages))


def counters(engine: Engine, station: str | None = None, since: datetime | None = None) -> Counters:
    """Parts by verdict and cause, from ``since`` on."""
    by = ("challenge", "is_simulated", "cause")
    (sorts,) = tallied(engine, Scope(station), (Span(since),), by)
    production = {sort: cell for sort, cell in sorts.items() if not sort[0]}
    everything = _sum(production.values())
    causes: Counter[str] = Counter()
    for (_, _, cause), cell in production.items():
        if cause != Cause.NONE.word:
            causes[cause] += cell.parts
    return Counters(
        everything.parts,
        everything.passed,
        everything.failed,
        everything.review,
        challenge=sum(cell.parts for sort, cell in sorts.items() if sort[0]),
        simulated=_sum([cell for sort, cell in production.items() if sort[1]]),
        causes=dict(sorted(causes.items(), key=lambda item: (-item[1], item[0]))),
    )


def latency(engine: Engine, station: str | None = None, n: int = 1000) -> Latency:
    """Quantiles of the age of the last ``n`` verdicts, and how many of them missed their deadline."""
    table = INSPECTION.c
    late = or_(
        table.cause_code == Cause.DEADLINE_MISSED.code,
        and_(table.deadline_ms.is_not(None), table.age_ms > table.deadline_ms),
    )
    query = select(table.age_ms, late.label("late")).order_by(table.id.desc()).limit(n)
    if station is not None:
        query = query.where(table.station == station)
    with reading(engine) as connection:
        rows = connection.execute(query).all()
    if not rows:
        return Latency()
    ages = np.array([row.age_ms for row in rows], dtype=np.float64)
    p50, p99 = np.percentile(ages, (50, 99))
    missed = sum(bool(row.late) for row in rows)
    return Latency(len(rows), float(p50), float(p99), float(ages.max()), missed)


def _cut(spans: Sequence[Span]) -> tuple[list[tuple[int, Span]], list[tuple[int, Span]]]:
    """The whole half hours of the spans, and what they have of others; each with its span's number."""
    whole: list[tuple[int, Span]] = []
    rests: list[tuple[int, Span]] = []
    for number, span in enumerate(spans):
        since, until = span.since or _BEGIN, span.until or _END
        first = slot(since)
        first += SLOT if first < since else SLOT * 0
        last = slot(until)
        if first > last:
            pieces = [(since, until)]
        else:
            whole.append((number, Span(first, last)))
            pieces = [(since, first), (last, until)]
        rests += [(number, Span(low, high)) for low, high in pieces if low < high]
    return whole, rests


def _whole(
    connection: Connection, scope: Scope, spans: Sequence[tuple[int, Span]], keys: Sequence[str]
) -> Iterator[tuple[int, Sort, int]]:
    if not spans:
        return
    listed = _listed(spans)
    columns = [TALLY.c[name] for name in keys]
    query = (
        select(listed.c.number, *columns, func.sum(TALLY.c.parts))
        .select_from(listed)
        .join(TALLY, and_(TALLY.c.start >= listed.c.since, TALLY.c.start < listed.c.until))
        .where(*_in_tally(scope))
        .group_by(listed.c.number, *columns)
    )
    for number, *sort, parts in connection.execute(query):
        yield number, tuple(sort), int(parts)


def _rest(
    connection: Connection, scope: Scope, spans: Sequence[tuple[int, Span]], keys: Sequence[str]
) -> Iterator[tuple[int, Sort, int]]:
    if not spans:
        return
    listed = _listed(spans)
    table = INSPECTION.c
    query = (
        select(listed.c.number, *_RAW)
        .select_from(listed)
        .join(
            INSPECTION,
            and_(table.created_at >= listed.c.since, table.created_at < listed.c.until),
        )
        .where(*_in_inspections(scope))
    )
    for row in connection.execute(query).mappings():
        key = dict(zip(KEYS, tally_key(dict(row)), strict=True))
        yield row["number"], tuple(key[name] for name in keys), 1


def _listed(spans: Sequence[tuple[int, Span]]) -> Any:
    columns = (column("number", Integer), column("since", Utc), column("until", Utc))
    rows = [(number, span.since, span.until) for number, span in spans]
    return values(*columns, name="span").data(rows).cte("spans")


def _in_tally(scope: Scope) -> list[ColumnElement[bool]]:
    table = TALLY.c
    equal = {
        table.station: scope.station,
        table.recipe_id: scope.recipe,
        table.recipe_version: scope.recipe_version,
        table.batch_id: scope.batch_id,
    }
    tests = [one == value for one, value in equal.items() if value is not None]
    if scope.kind == "challenge":
        tests.append(table.challenge != "")
    elif scope.kind is not None:
        tests.append(table.challenge == "")
        tests.append(table.is_simulated == (scope.kind == "simulated"))
    return tests


def _in_inspections(scope: Scope) -> list[ColumnElement[bool]]:
    table = INSPECTION.c
    equal: Mapping[Any, Any] = {
        table.station: scope.station,
        table.recipe_id: scope.recipe,
        table.recipe_version: scope.recipe_version,
    }
    tests = [one == value for one, value in equal.items() if value is not None]
    tests += of_batch(table.batch_id, scope.batch_id)
    if scope.kind is not None:
        tests.append(table.is_challenge == (scope.kind == "challenge"))
    if scope.kind in ("production", "simulated"):
        tests.append(table.is_simulated == (scope.kind == "simulated"))
    return tests


def _sum(cells: Any) -> Tally:
    counted = [(cell.parts, cell.passed, cell.failed, cell.review) for cell in cells]
    return Tally(*(sum(column) for column in zip(*counted, strict=True))) if counted else Tally()
