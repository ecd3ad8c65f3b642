"""Parts counted by half an hour, in the transaction that records them.

A month of a fast line is a few ten thousand rows here, so that any span, recipe or batch is summed up
in milliseconds. Half an hour, because most shifts and nearly all time zones begin with one; what a span
has of it only in part is counted from the inspections themselves (:mod:`inspector.records.statistics`).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

from sqlalchemy import BigInteger, Connection, Insert, and_, bindparam, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Field

from inspector.domain import Cause
from inspector.records.tables import RecordTable, Utc

SLOT = timedelta(minutes=30)
UNKNOWN_CHALLENGE = "unknown"
"""A challenge part of which nobody recorded what was expected."""
_CLASSES_PER_DOUBLING = 4
_CLASS_LIMITS = (-12, 100)
"""An eighth of a millisecond, nine hours."""

Row: TypeAlias = Mapping[str, Any]


class TallyRow(RecordTable, table=True):
    """Parts of one station, one half hour, and one sort; everything but ``parts`` is the key."""

    __tablename__ = "tally"
    # The key is the whole row, as good as: one tree holds it.
    __table_args__ = {"sqlite_with_rowid": False}  # noqa: RUF012

    station: str = Field(primary_key=True, max_length=32)
    start: datetime = Field(primary_key=True, sa_type=Utc)
    """Of the half hour in which the part was inspected."""
    recipe_id: str = Field(primary_key=True, max_length=32)
    recipe_version: int = Field(primary_key=True, sa_type=BigInteger)
    batch_id: str = Field(primary_key=True, max_length=32)
    """Empty without a batch."""
    is_simulated: bool = Field(primary_key=True)
    challenge: str = Field(primary_key=True, max_length=8)
    """``good``, ``faulty`` or ``unknown`` of a challenge part; empty of any other."""
    is_first: bool = Field(primary_key=True)
    """First attempt of its part id."""
    verdict: str = Field(primary_key=True, max_length=8)
    cause: str = Field(primary_key=True, max_length=32)
    is_late: bool = Field(primary_key=True)
    """The verdict came after its deadline."""
    age_class: int = Field(primary_key=True)
    """Of the age of the verdict, see :func:`age_class`."""
    parts: int


TALLY = TallyRow.metadata.tables["tally"]
KEYS = tuple(column.name for column in TALLY.primary_key.columns)
UPSERTS: dict[str, Insert] = {}
"""Where a database adds up by itself: one statement in place of three."""
for _dialect in (postgresql, sqlite):
    _fresh = _dialect.insert(TALLY)
    UPSERTS[_dialect.dialect.name] = _fresh.on_conflict_do_update(
        index_elements=KEYS, set_={"parts": TALLY.c.parts + _fresh.excluded.parts}
    )
_MATCHES = and_(*(TALLY.c[name] == bindparam(f"key_{name}") for name in KEYS))


def slot(moment: datetime) -> datetime:
    """The start of the half hour that ``moment`` lies in, UTC."""
    utc = moment.astimezone(UTC)
    return utc.replace(minute=utc.minute // 30 * 30, second=0, microsecond=0)


def age_class(age_ms: float) -> int:
    """The class of a verdict's age: four to a doubling, each 19 % wide."""
    low, high = _CLASS_LIMITS
    if age_ms <= 0:
        return low
    return min(max(math.floor(_CLASSES_PER_DOUBLING * math.log2(age_ms)), low), high)


def class_bounds(number: int) -> tuple[float, float]:
    """Ages in milliseconds of that class, the upper one excluded."""
    low, high = (2 ** ((number + step) / _CLASSES_PER_DOUBLING) for step in (0, 1))
    return low, high


def tally_key(row: Row) -> tuple[Any, ...]:
    """What a row of ``inspection`` counts under, in the order of :data:`KEYS`."""
    deadline = row["deadline_ms"]
    late = row["cause_code"] == Cause.DEADLINE_MISSED.code or (
        deadline is not None and row["age_ms"] > deadline
    )
    challenge = (row["challenge"] or UNKNOWN_CHALLENGE) if row["is_challenge"] else ""
    return (
        row["station"],
        slot(row["created_at"]),
        row["recipe_id"],
        row["recipe_version"],
        row["batch_id"] or "",
        row["is_simulated"],
        challenge,
        row["attempt"] == 1,
        row["verdict"],
        row["cause"],
        late,
        age_class(row["age_ms"]),
    )


def add_to_tally(connection: Connection, rows: Sequence[Row]) -> None:
    """Count rows of ``inspection`` that are inserted in the same transaction.

    A station's recorder is the only writer of the station's counts, so that no update can be lost.
    """
    add_counts(connection, Counter(tally_key(row) for row in rows))


def add_counts(connection: Connection, counts: Mapping[tuple[Any, ...], int]) -> None:
    """Add parts by key."""
    if not counts:
        return
    if (upsert := UPSERTS.get(connection.dialect.name)) is not None:
        connection.execute(upsert, [_row(key, parts) for key, parts in counts.items()])
        return
    stations, starts = ({key[place] for key in counts} for place in (0, 1))
    query = select(*(TALLY.c[name] for name in KEYS)).where(
        TALLY.c.station.in_(stations), TALLY.c.start.in_(starts)
    )
    known = {tuple(row) for row in connection.execute(query)}
    changed = [_bound(key, parts) for key, parts in counts.items() if key in known]
    if changed:
        add = update(TALLY).where(_MATCHES).values(parts=TALLY.c.parts + bindparam("more"))
        connection.execute(add, changed)
    fresh = [_row(key, parts) for key, parts in counts.items() if key not in known]
    if fresh:
        connection.execute(insert(TALLY), fresh)


def _bound(key: Iterable[Any], parts: int) -> dict[str, Any]:
    values = {f"key_{name}": value for name, value in zip(KEYS, key, strict=True)}
    return {**values, "more": parts}


def _row(key: Iterable[Any], parts: int) -> dict[str, Any]:
    return {**dict(zip(KEYS, key, strict=True)), "parts": parts}
