"""Questions to the records: read-only, typed answers, no SQL elsewhere.

Every function takes an engine of :func:`inspector.records.database.open_engine`, may be called from any
thread, and raises :class:`~inspector.errors.StorageError` when the database does not answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Unpack

from sqlalchemy import Connection, Engine, RowMapping, Select, exists, func, select

from inspector.domain import Verdict
from inspector.records.database import reading
from inspector.records.search import Wanted, conditions
from inspector.records.tables import EVENT, EVIDENCE, FINDING, INSPECTION, SCORE, STATION_STATE
from inspector.records.views import (
    EventView,
    EvidenceView,
    FindingView,
    PartRecord,
    PartSummary,
    PixelBox,
    RecipeUse,
    ScoreView,
    StationState,
)

ATTEMPTS_LIMIT = 100


def latest(engine: Engine, station: str | None = None, n: int = 20) -> tuple[PartSummary, ...]:
    """The parts recorded last, newest first; of all stations when none is named."""
    query = _summaries().order_by(INSPECTION.c.id.desc()).limit(n)
    if station is not None:
        query = query.where(INSPECTION.c.station == station)
    with reading(engine) as connection:
        return _parts(connection, query)


def find(
    engine: Engine, *, limit: int = 100, offset: int = 0, **wanted: Unpack[Wanted]
) -> tuple[PartSummary, ...]:
    """The parts that fulfil every condition given, newest first by time of day."""
    with reading(engine) as connection:
        query = (
            _summaries()
            .where(*conditions(connection, wanted))
            .order_by(INSPECTION.c.created_at.desc(), INSPECTION.c.id.desc())
            .limit(limit)
            .offset(offset)
        )
        return _parts(connection, query)


def count(engine: Engine, *, most: int | None = None, **wanted: Unpack[Wanted]) -> int:
    """How many parts :func:`find` would give without a limit; with ``most`` no more are counted."""
    with reading(engine) as connection:
        query = select(INSPECTION.c.id).where(*conditions(connection, wanted)).limit(most)
        counted = select(func.count()).select_from(query.subquery())
        return int(connection.execute(counted).scalar_one())


def first_at(engine: Engine, station: str) -> datetime | None:
    """When the station's oldest part was inspected; None when there is none."""
    query = select(func.min(INSPECTION.c.created_at)).where(INSPECTION.c.station == station)
    with reading(engine) as connection:
        return connection.execute(query).scalar()


def part(engine: Engine, result_id: str) -> PartRecord | None:
    """Everything about one inspection; None when there is none of that id."""
    with reading(engine) as connection:
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


def reference(engine: Engine, station: str, recipe_id: str) -> str | None:
    """Result id of the newest production part of the recipe that PASSed and has a picture."""
    table = INSPECTION.c
    picture = exists().where(
        EVIDENCE.c.result_id == table.result_id,
        EVIDENCE.c.kind == "picture",
        EVIDENCE.c.removed_at.is_(None),
    )
    query = (
        select(table.result_id)
        .where(
            table.verdict == Verdict.PASS.value,
            table.station == station,
            table.recipe_id == recipe_id,
            table.is_challenge.is_(False),
            picture,
        )
        .order_by(table.created_at.desc())
        .limit(1)
    )
    with reading(engine) as connection:
        found: str | None = connection.execute(query).scalar()
    return found


def state(engine: Engine, station: str) -> StationState | None:
    """What the station last said of itself; None when it never did."""
    query = select(STATION_STATE).where(STATION_STATE.c.station == station)
    with reading(engine) as connection:
        row = connection.execute(query).mappings().first()
    return None if row is None else StationState(**row)


def events(
    engine: Engine,
    station: str | None = None,
    *,
    levels: Sequence[str] | None = None,
    event: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
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
    if until is not None:
        query = query.where(EVENT.c.at < until)
    with reading(engine) as connection:
        return tuple(EventView(**row) for row in connection.execute(query).mappings())


def stations(engine: Engine) -> tuple[str, ...]:
    """Names of all stations with records or a state, sorted."""
    with reading(engine) as connection:
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


def checks(engine: Engine) -> tuple[str, ...]:
    """Names of the checks that have scored parts, sorted."""
    found: list[str] = []
    with reading(engine) as connection:
        # As in stations.
        query = select(func.min(SCORE.c.check_name))
        name = connection.execute(query).scalar_one()
        while name is not None:
            found.append(name)
            name = connection.execute(query.where(SCORE.c.check_name > name)).scalar_one()
    return tuple(found)


def recipes(engine: Engine) -> tuple[RecipeUse, ...]:
    """Recipe versions that have judged parts, by name and version."""
    table = INSPECTION.c
    keys = (table.recipe_id, table.recipe_version)
    query = select(*keys, table.recipe_hash).order_by(*keys).limit(1)
    found: list[RecipeUse] = []
    with reading(engine) as connection:
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
