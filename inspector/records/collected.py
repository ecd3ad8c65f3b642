"""Parts from which the next model learns: what people have decided and marked, and parts that PASSed.

A part is good when a person accepted it or marked each of the station's findings as wrong, or when it
PASSed and nobody has said otherwise; it is faulty when a person rejected it or marked a fault. Parts on
which two people differ are left out, and so are those without a picture and challenge parts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from sqlalchemy import Connection, Engine, select

from inspector.domain import Verdict
from inspector.records.database import reading
from inspector.records.labels import LABEL
from inspector.records.reviews import REVIEW
from inspector.records.search import unindexed
from inspector.records.tables import EVIDENCE, FINDING, INSPECTION
from inspector.records.views import PixelBox

Truth: TypeAlias = Literal["good", "faulty"]
MOST_PASSED = 500
"""Parts that PASSed and that nobody looked at, the newest."""
_CHUNK = 500
_DECIDED_MOST = 20_000


@dataclass(frozen=True, slots=True)
class CollectedMark:
    """A region that a person marked."""

    truth: Truth
    name: str
    box: PixelBox
    kind: str | None
    """Of the finding that it is about, such as ``missing``; None of a box drawn by hand."""


@dataclass(frozen=True, slots=True)
class CollectedPart:
    """One part to learn from, with its first picture."""

    result_id: str
    part_id: str
    truth: Truth
    by_person: bool
    """False of a part that PASSed unseen."""
    corrects: bool
    """A person has contradicted the station."""
    verdict: str
    cause: str
    """Why a faulty part is one: what the person said, else what the station did."""
    picture: str
    """Relative path in the evidence; open it through ``EvidenceStore.resolve``."""
    overlay: str | None
    """The same of what can be drawn."""
    part_box: PixelBox | None
    marks: tuple[CollectedMark, ...]


@dataclass(frozen=True, slots=True)
class Counts:
    """How many parts there are to learn from."""

    good: int
    good_by_person: int
    """Of these; the others PASSed unseen."""
    faulty: int
    corrects: int
    """On which a person has contradicted the station."""
    marks: int


@dataclass(frozen=True, slots=True)
class _Judged:
    """A part of which it is known what it is."""

    row: Any
    """Of the inspection, with the ``path`` of its first picture."""
    truth: Truth
    decided: Sequence[tuple[str, str | None]]
    marks: Sequence[Any]

    @property
    def by_person(self) -> bool:
        return bool(self.decided or self.marks)

    @property
    def corrects(self) -> bool:
        station = Verdict.FAIL if self.truth == "good" else Verdict.PASS
        return bool(self.row.verdict == station.value)


def collected(
    engine: Engine, station: str, recipe_id: str, *, most_passed: int = MOST_PASSED
) -> tuple[CollectedPart, ...]:
    """The parts of a recipe, all its versions, newest first.

    Raises :class:`~inspector.errors.StorageError` when the database does not answer.
    """
    with reading(engine) as connection:
        found = list(_judged(connection, station, recipe_id, most_passed))
        overlays: dict[str, str] = {}
        for ids in _chunks([one.row.result_id for one in found]):
            table = EVIDENCE.c
            query = select(table.result_id, table.path).where(
                table.result_id.in_(ids), table.removed_at.is_(None), table.name == "overlay.json"
            )
            overlays |= {row.result_id: row.path for row in connection.execute(query)}
        kinds = _kinds(connection, [one.row.result_id for one in found if one.marks])
    found.sort(key=lambda one: -one.row.id)
    return tuple(_part(one, overlays, kinds[one.row.result_id]) for one in found)


def counted(engine: Engine, station: str, recipe_id: str, *, most_passed: int = MOST_PASSED) -> Counts:
    """How many :func:`collected` would return, without reading all of them.

    Raises :class:`~inspector.errors.StorageError` when the database does not answer.
    """
    with reading(engine) as connection:
        found = list(_judged(connection, station, recipe_id, most_passed))
    good = [one for one in found if one.truth == "good"]
    return Counts(
        len(good),
        sum(one.by_person for one in good),
        len(found) - len(good),
        sum(one.corrects for one in found),
        sum(len(one.marks) for one in found),
    )


def _decisions(connection: Connection, station: str) -> dict[str, list[tuple[str, str | None]]]:
    """Decisions that hold, with their causes, by result id."""
    table = REVIEW.c
    query = (
        select(table.result_id, table.decision, table.cause)
        .where(table.station == station, table.undone_at.is_(None))
        .order_by(table.created_at.desc(), table.id.desc())
        .limit(_DECIDED_MOST)
    )
    found: dict[str, list[tuple[str, str | None]]] = defaultdict(list)
    for row in connection.execute(query):
        found[row.result_id].append((row.decision, row.cause))
    return found


def _marks(connection: Connection, station: str) -> dict[str, list[Any]]:
    """Rows of the marks that hold, by result id."""
    table = LABEL.c
    query = (
        select(LABEL)
        .where(table.station == station, table.removed_at.is_(None))
        .order_by(table.created_at.desc(), table.id.desc())
        .limit(_DECIDED_MOST)
    )
    found: dict[str, list[Any]] = defaultdict(list)
    for row in connection.execute(query):
        found[row.result_id].append(row)
    return found


def _passed(connection: Connection, station: str, recipe_id: str, most: int) -> list[str]:
    table, part = EVIDENCE.c, INSPECTION.c
    query = (
        select(table.result_id)
        .join_from(EVIDENCE, INSPECTION, table.result_id == part.result_id)
        .where(
            table.station == station,
            table.removed_at.is_(None),
            table.verdict == Verdict.PASS.value,
            table.name == "frame-0.jpg",
            # read from the part that the picture leads to, never the other way round
            unindexed(part.recipe_id) == recipe_id,
            part.is_challenge.is_(False),
        )
        .order_by(table.created_at.desc())
        .limit(most)
    )
    return list(connection.execute(query).scalars())


def _judged(
    connection: Connection, station: str, recipe_id: str, most_passed: int
) -> Iterator[_Judged]:
    decisions, marks = _decisions(connection, station), _marks(connection, station)
    passed = _passed(connection, station, recipe_id, most_passed)
    # which of its findings a person has called wrong
    wrong = {
        result_id: {row.finding for row in rows if row.truth == "good"}
        for result_id, rows in marks.items()
    }
    kinds = _kinds(connection, [result_id for result_id, named in wrong.items() if named])
    part, picture = INSPECTION.c, EVIDENCE.c
    query = (
        select(
            part.id,
            part.result_id,
            part.part_id,
            part.verdict,
            part.cause,
            part.part_box,
            picture.path,
        )
        .join_from(INSPECTION, EVIDENCE, picture.result_id == part.result_id)
        .where(
            # by the result ids alone: by recipe it would read most of the table for each chunk
            unindexed(part.recipe_id) == recipe_id,
            part.is_challenge.is_(False),
            picture.name == "frame-0.jpg",
            picture.removed_at.is_(None),
        )
    )
    for ids in _chunks(list(dict.fromkeys([*decisions, *marks, *passed]))):
        for row in connection.execute(query.where(part.result_id.in_(ids))):
            decided, marked = decisions.get(row.result_id, ()), marks.get(row.result_id, ())
            if _differ(marked):
                continue
            findings = set(kinds[row.result_id])
            contradicted = bool(findings) and wrong[row.result_id] >= findings
            truth = truth_of(row.verdict, decided, marked, contradicted)
            if truth is not None:
                yield _Judged(row, truth, decided, marked)


def _differ(marks: Sequence[Any]) -> bool:
    """Whether one person calls right what another calls wrong."""
    truths = {(mark.finding, mark.truth) for mark in marks if mark.finding is not None}
    return len({finding for finding, _ in truths}) < len(truths)


def _kinds(connection: Connection, ids: Sequence[str]) -> dict[str, dict[int, str]]:
    """The kinds of the findings of parts, by result id and position."""
    table = FINDING.c
    found: dict[str, dict[int, str]] = defaultdict(dict)
    for chunk in _chunks(ids):
        query = select(table.result_id, table.position, table.kind).where(table.result_id.in_(chunk))
        for row in connection.execute(query):
            found[row.result_id][row.position] = row.kind
    return found


def _chunks(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for first in range(0, len(ids), _CHUNK):
        yield ids[first : first + _CHUNK]


def _part(one: _Judged, overlays: Mapping[str, str], kinds: Mapping[int, str]) -> CollectedPart:
    row = one.row
    causes = [cause for _, cause in one.decided if cause]
    return CollectedPart(
        row.result_id,
        row.part_id,
        one.truth,
        by_person=one.by_person,
        corrects=one.corrects,
        verdict=row.verdict,
        cause=causes[0] if causes else row.cause if row.cause != "None" else "Defect",
        picture=row.path,
        overlay=overlays.get(row.result_id),
        part_box=None if row.part_box is None else tuple(row.part_box),
        marks=tuple(_mark(mark, kinds) for mark in one.marks),
    )


def _mark(row: Any, kinds: Mapping[int, str]) -> CollectedMark:
    kind = None if row.finding is None else kinds.get(row.finding)
    return CollectedMark(row.truth, row.name, (row.x1, row.y1, row.x2, row.y2), kind)


def truth_of(
    verdict: str,
    decided: Sequence[tuple[str, str | None]],
    marks: Sequence[Any],
    contradicted: bool,
) -> Truth | None:
    """What the part is; None when nobody knows, or people differ. ``marks`` have a ``truth`` each."""
    said = {decision for decision, _ in decided}
    faulty = any(mark.truth == "faulty" for mark in marks)
    if len(said) > 1 or (faulty and said == {"accept"}):
        return None
    if faulty or said == {"reject"}:
        return "faulty"
    if said == {"accept"} or contradicted or verdict == Verdict.PASS.value:
        return "good"
    return None
