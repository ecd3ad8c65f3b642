"""Questions to the records: read-only, typed answers, no SQL elsewhere.

Every function takes an engine of :func:`inspector.records.database.open_engine`, may be called from any
thread, and raises :class:`~inspector.errors.StorageError` when the database does not answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, TypedDict, Unpack

import numpy as np
from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    RowMapping,
    Select,
    and_,
    func,
    or_,
    select,
)

from inspector.domain import Cause
from inspector.records.database import storage_failures
from inspector.records.tables import EVENT, EVIDENCE, FINDING, INSPECTION, SCORE, STATION_STATE
from inspector.records.views import (
    Counters,
    EventView,
    EvidenceView,
    FindingView,
    Latency,
    PartRecord,
    PartSummary,
    PixelBox,
    RecipeUse,
    ScoreView,
    StationState,
    Tally,
)

ATTEMPTS_LIMIT = 100
_ESCAPE = "\\"


class Wanted(TypedDict, total=False):
    """What to look for; everything given must hold."""

    station: str | None
    part_id: str | None
    """Part of the id; with ``*`` a pattern for the whole id. Upper and lower case are equal."""
    exact: bool
    """``part_id`` is the whole id as it stands, case and ``*`` included; by index."""
    batch_id: str | None
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


def latest(engine: Engine, station: str | None = None, n: int = 20) -> tuple[PartSummary, ...]:
    """The parts recorded last, newest first; of all stations when none is named."""
    query = _summaries().order_by(INSPECTION.c.id.desc()).limit(n)
    if station is not None:
        query = query.where(INSPECTION.c.station == station)
    with _reading(engine) as connection:
        return _parts(connection, query)


def find(
    engine: Engine, *, limit: int = 100, offset: int = 0, **wanted: Unpack[Wanted]
) -> tuple[PartSummary, ...]:
    """The parts that fulfil every condition given, newest first by time of day."""
    query = (
        _summaries()
        .where(*_conditions(wanted))
        .order_by(INSPECTION.c.created_at.desc(), INSPECTION.c.id.desc())
        .limit(limit)
        .offset(offset)
    )
    with _reading(engine) as connection:
        return _parts(connection, query)


def count(engine: Engine, **wanted: Unpack[Wanted]) -> int:
    """How many parts :func:`find` would give without a limit."""
    query = select(func.count()).select_from(INSPECTION).where(*_conditions(wanted))
    with _reading(engine) as connection:
        return int(connection.execute(query).scalar_one())


def part(engine: Engine, result_id: str) -> PartRecord | None:
    """Everything about one inspection; None when there is none of that id."""
    with _reading(engine) as connection:
        found = _parts(connection, _summaries().where(INSPECTION.c.result_id == result_id))
        if not found:
            return None
        summary = found[0]
        newest = (
            _summaries()
            .where(INSPECTION.c.station == summary.station, INSPECTION.c.part_id == summary.part_id)
            .order_by(INSPECTION.c.id.desc())
            .limit(ATTEMPTS_LIMIT)
        )
        attempts = tuple(reversed(_parts(connection, newest)))
        return PartRecord(
            summary,
            tuple(_finding(row) for row in _children(connection, FINDING, result_id, "position")),
            tuple(_score(row) for row in _children(connection, SCORE, result_id, "position")),
            tuple(_evidence(row) for row in _children(connection, EVIDENCE, result_id, "name")),
            attempts,
        )


def counters(engine: Engine, station: str | None = None, since: datetime | None = None) -> Counters:
    """Parts by verdict and cause, from ``since`` on."""
    table = INSPECTION.c
    keys = (table.verdict, table.cause, table.is_challenge, table.is_simulated)
    query = select(*keys, func.count().label("parts")).group_by(*keys)
    query = query.where(*_conditions({"station": station, "since": since}))
    with _reading(engine) as connection:
        rows = connection.execute(query).all()
    production = [row for row in rows if not row.is_challenge]
    tally = _tally(production)
    causes: dict[str, int] = {}
    for row in production:
        if row.cause != Cause.NONE.word:
            causes[row.cause] = causes.get(row.cause, 0) + row.parts
    return Counters(
        tally.parts,
        tally.passed,
        tally.failed,
        tally.review,
        challenge=sum(row.parts for row in rows if row.is_challenge),
        simulated=_tally([row for row in production if row.is_simulated]),
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
    with _reading(engine) as connection:
        rows = connection.execute(query).all()
    if not rows:
        return Latency()
    ages = np.array([row.age_ms for row in rows], dtype=np.float64)
    p50, p99 = np.percentile(ages, (50, 99))
    missed = sum(bool(row.late) for row in rows)
    return Latency(len(rows), float(p50), float(p99), float(ages.max()), missed)


def state(engine: Engine, station: str) -> StationState | None:
    """What the station last said of itself; None when it never did."""
    query = select(STATION_STATE).where(STATION_STATE.c.station == station)
    with _reading(engine) as connection:
        row = connection.execute(query).mappings().first()
    return None if row is None else StationState(**row)


def events(
    engine: Engine,
    station: str | None = None,
    *,
    levels: Sequence[str] | None = None,
    event: str | None = None,
    since: datetime | None = None,
    limit: int = 100,
) -> tuple[EventView, ...]:
    """What happened, newest first."""
    query = select(EVENT).order_by(EVENT.c.id.desc()).limit(limit)
    if station is not None:
        query = query.where(EVENT.c.station == station)
    if levels is not None:
        query = query.where(EVENT.c.level.in_(levels))
    if event is not None:
        query = query.where(EVENT.c.event == event)
    if since is not None:
        query = query.where(EVENT.c.at >= since)
    with _reading(engine) as connection:
        return tuple(EventView(**row) for row in connection.execute(query).mappings())


def stations(engine: Engine) -> tuple[str, ...]:
    """Names of all stations with records or a state, sorted."""
    with _reading(engine) as connection:
        names = set(connection.execute(select(STATION_STATE.c.station)).scalars())
        # One index seek a name, where DISTINCT would read every entry.
        column, last = INSPECTION.c.station, None
        while True:
            query = select(func.min(column))
            if last is not None:
                query = query.where(column > last)
            last = connection.execute(query).scalar_one()
            if last is None:
                return tuple(sorted(names))
            names.add(last)


def recipes(engine: Engine) -> tuple[RecipeUse, ...]:
    """Recipe versions that have judged parts, by name and version."""
    table = INSPECTION.c
    keys = (table.recipe_id, table.recipe_version)
    query = select(*keys, table.recipe_hash).order_by(*keys).limit(1)
    found: list[RecipeUse] = []
    with _reading(engine) as connection:
        # One index seek a version, as in stations.
        row = connection.execute(query).first()
        while row is not None:
            last = RecipeUse(*row)
            found.append(last)
            newer = query.where(keys[0] == last.recipe_id, keys[1] > last.recipe_version)
            row = connection.execute(newer).first()
            if row is None:
                row = connection.execute(query.where(keys[0] > last.recipe_id)).first()
    return tuple(found)


@contextmanager
def _reading(engine: Engine) -> Iterator[Connection]:
    with storage_failures(engine.url), engine.connect() as connection:
        yield connection


def _summaries() -> Select[Any]:
    picture = (
        select(func.min(EVIDENCE.c.path))
        .where(
            EVIDENCE.c.result_id == INSPECTION.c.result_id,
            EVIDENCE.c.kind == "picture",
            EVIDENCE.c.removed_at.is_(None),
        )
        .scalar_subquery()
    )
    return select(INSPECTION, picture.label("picture"))


def _parts(connection: Connection, query: Select[Any]) -> tuple[PartSummary, ...]:
    return tuple(_summary(row) for row in connection.execute(query).mappings())


def _summary(row: RowMapping) -> PartSummary:
    fields = dict(row)
    fields["causes"] = tuple(fields["causes"])
    fields["part_box"] = _box(fields["part_box"])
    return PartSummary(**fields)


def _children(connection: Connection, table: Any, result_id: str, order: str) -> list[RowMapping]:
    query = select(table).where(table.c.result_id == result_id).order_by(table.c[order])
    return list(connection.execute(query).mappings())


def _finding(row: RowMapping) -> FindingView:
    return FindingView(
        row["check_name"],
        row["kind"],
        row["label"],
        row["score"],
        row["threshold"],
        (row["x1"], row["y1"], row["x2"], row["y2"]),
        _box(row["expected_box"]),
    )


def _score(row: RowMapping) -> ScoreView:
    return ScoreView(row["check_name"], row["score"], row["threshold"], row["review_threshold"])


def _evidence(row: RowMapping) -> EvidenceView:
    return EvidenceView(
        row["kind"], row["name"], row["path"], row["bytes"], row["created_at"], row["removed_at"]
    )


def _box(value: Sequence[float] | None) -> PixelBox | None:
    return None if value is None else (value[0], value[1], value[2], value[3])


def _tally(rows: Sequence[Any]) -> Tally:
    def of(verdict: str) -> int:
        return sum(row.parts for row in rows if row.verdict == verdict)

    passed, failed, review = of("PASS"), of("FAIL"), of("REVIEW")
    return Tally(passed + failed + review, passed, failed, review)


def _conditions(wanted: Wanted) -> list[ColumnElement[bool]]:
    table = INSPECTION.c
    conditions: list[ColumnElement[bool]] = []
    equal = {
        table.station: wanted.get("station"),
        table.batch_id: wanted.get("batch_id"),
        table.recipe_id: wanted.get("recipe"),
        table.recipe_version: wanted.get("recipe_version"),
        table.is_simulated: wanted.get("simulated"),
        table.is_challenge: wanted.get("challenge"),
    }
    conditions += [column == value for column, value in equal.items() if value is not None]
    if part_id := wanted.get("part_id"):
        exact = wanted.get("exact", False)
        conditions.append(
            table.part_id == part_id
            if exact
            else table.part_id.ilike(_pattern(part_id), escape=_ESCAPE)
        )
    if (since := wanted.get("since")) is not None:
        conditions.append(table.created_at >= since)
    if (until := wanted.get("until")) is not None:
        conditions.append(table.created_at < until)
    if (verdicts := wanted.get("verdicts")) is not None:
        conditions.append(table.verdict.in_(verdicts))
    if (causes := wanted.get("causes")) is not None:
        conditions.append(table.cause.in_(causes))
    if (score_range := wanted.get("score_range")) is not None:
        check, low, high = score_range
        conditions.append(
            table.result_id.in_(
                select(SCORE.c.result_id).where(
                    SCORE.c.check_name == check, SCORE.c.score.between(low, high)
                )
            )
        )
    return conditions


def _pattern(text: str) -> str:
    """A LIKE pattern in which only ``*`` means anything."""
    plain = text
    for special in (_ESCAPE, "%", "_"):
        plain = plain.replace(special, _ESCAPE + special)
    return plain.replace("*", "%") if "*" in plain else f"%{plain}%"
