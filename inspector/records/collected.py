"""Parts from which the next model learns: what people have decided and marked, and parts that PASSed.

A part is good when a person accepted it or marked each of the station's findings as wrong, or when it
PASSed and nobody has said otherwise; it is faulty when a person rejected it or marked a fault. Parts on
which two people differ are left out, and so are those without a picture and challenge parts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
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


def collected(
    engine: Engine, station: str, recipe_id: str, *, most_passed: int = MOST_PASSED
) -> tuple[CollectedPart, ...]:
    """The parts of a recipe, all its versions, newest first.

    Raises :class:`~inspector.errors.StorageError` when the database does not answer.
    """
    with reading(engine) as connection:
        decisions = _decisions(connection, station)
        marks = _marks(connection, station)
        passed = _passed(connection, station, recipe_id, most_passed)
        wanted = list(dict.fromkeys([*decisions, *marks, *passed]))
        found: list[tuple[int, CollectedPart]] = []
        for first in range(0, len(wanted), _CHUNK):
            ids = wanted[first : first + _CHUNK]
            found += _parts(connection, ids, recipe_id, decisions, marks)
    return tuple(part for _, part in sorted(found, key=lambda pair: -pair[0]))


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


def _parts(
    connection: Connection,
    ids: Sequence[str],
    recipe_id: str,
    decisions: Mapping[str, Sequence[tuple[str, str | None]]],
    marks: Mapping[str, Sequence[Any]],
) -> Iterable[tuple[int, CollectedPart]]:
    """With the number of recording."""
    table = INSPECTION.c
    query = select(INSPECTION).where(
        table.result_id.in_(ids), table.recipe_id == recipe_id, table.is_challenge.is_(False)
    )
    files: dict[str, dict[str, str]] = defaultdict(dict)
    kept = EVIDENCE.c.result_id.in_(ids) & EVIDENCE.c.removed_at.is_(None)
    for row in connection.execute(select(EVIDENCE).where(kept)):
        files[row.result_id][row.name] = row.path
    findings: dict[str, dict[int, str]] = defaultdict(dict)
    for row in connection.execute(select(FINDING).where(FINDING.c.result_id.in_(ids))):
        findings[row.result_id][row.position] = row.kind
    for row in connection.execute(query):
        picture = files[row.result_id].get("frame-0.jpg")
        decided = decisions.get(row.result_id, ())
        marked = [_mark(mark, findings[row.result_id]) for mark in marks.get(row.result_id, ())]
        contradicted = {
            mark.finding for mark in marks.get(row.result_id, ()) if mark.truth == "good"
        } >= set(findings[row.result_id]) and bool(findings[row.result_id])
        truth = truth_of(row.verdict, decided, marked, contradicted)
        if picture is None or truth is None:
            continue
        causes = [cause for _, cause in decided if cause]
        yield (
            row.id,
            CollectedPart(
                row.result_id,
                row.part_id,
                truth,
                by_person=bool(decided or marked),
                corrects=row.verdict == (Verdict.FAIL if truth == "good" else Verdict.PASS).value,
                verdict=row.verdict,
                cause=causes[0] if causes else row.cause if row.cause != "None" else "Defect",
                picture=picture,
                overlay=files[row.result_id].get("overlay.json"),
                part_box=None if row.part_box is None else tuple(row.part_box),
                marks=tuple(marked),
            ),
        )


def _mark(row: Any, kinds: Mapping[int, str]) -> CollectedMark:
    kind = None if row.finding is None else kinds.get(row.finding)
    return CollectedMark(row.truth, row.name, (row.x1, row.y1, row.x2, row.y2), kind)


def truth_of(
    verdict: str,
    decided: Sequence[tuple[str, str | None]],
    marks: Sequence[CollectedMark],
    contradicted: bool,
) -> Truth | None:
    """What the part is; None when nobody knows, or people differ."""
    said = {decision for decision, _ in decided}
    faulty = any(mark.truth == "faulty" for mark in marks)
    if len(said) > 1 or (faulty and said == {"accept"}):
        return None
    if faulty or said == {"reject"}:
        return "faulty"
    if said == {"accept"} or contradicted or verdict == Verdict.PASS.value:
        return "good"
    return None
