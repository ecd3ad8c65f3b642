"""What the Statistics page and the shift report show, asked of the records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal, TypeAlias, get_args

import streamlit as st

from dashboard import control, spans
from dashboard.control import ControlChart
from dashboard.data import Source
from dashboard.spans import Named, Step
from inspector.domain import Cause
from inspector.records import known, queries, statistics
from inspector.records.known import Mistakes
from inspector.records.search import Wanted
from inspector.records.statistics import Kind, Scope, Span, Tallied
from inspector.records.views import PartSummary

Measure: TypeAlias = Literal["fail", "review", "notpassed"]
Breakdown: TypeAlias = Literal["recipe", "batch", "shift", "station"]
MEASURES: tuple[Measure, ...] = get_args(Measure)
BREAKDOWNS: tuple[Breakdown, ...] = get_args(Breakdown)
KINDS: tuple[Kind, ...] = get_args(Kind)
VERDICTS: Mapping[Measure, tuple[str, ...]] = {
    "fail": ("FAIL",),
    "review": ("REVIEW",),
    "notpassed": ("FAIL", "REVIEW"),
}
EXPORT_LIMIT = 50_000
"""Most parts of one file."""


@dataclass(frozen=True, slots=True)
class Question:
    """Which parts of one station, or of all, are counted, and in which steps."""

    since: datetime
    until: datetime
    step: Step
    station: str | None = None
    recipe: str | None = None
    recipe_version: int | None = None
    batch_id: str | None = None
    shift: str | None = None
    kind: Kind = "production"

    @property
    def scope(self) -> Scope:
        """Without the time."""
        return Scope(self.station, self.recipe, self.recipe_version, self.batch_id, self.kind)


@dataclass(frozen=True, slots=True)
class Point:
    """One step of a trend."""

    piece: Named
    parts: Tallied


@dataclass(frozen=True, slots=True)
class Answer:
    """All figures of one question."""

    total: Tallied
    causes: Mapping[str, int]
    """Most frequent first, without the good parts."""
    trend: tuple[Point, ...]
    mistakes: Mistakes
    aside: Mapping[Kind, int]
    """Parts of the other kinds in the same time."""


def times(source: Source, question: Question) -> tuple[Named, ...]:
    """The pieces of time that the question is about: all of it, or those of one shift."""
    if question.shift is None:
        return (Named("", question.since, question.until),)
    found = spans.shifts(source.config.shifts, source.zone, question.since, question.until)
    return tuple(piece for piece in found if piece.name == question.shift)


@st.cache_data(show_spinner=False, ttl=10, max_entries=64)
def _answer(key: tuple[str, ...], question: Question, _source: Source) -> Answer:
    engine, scope = _source.engine, question.scope
    asked = [piece.span for piece in times(_source, question)]
    total, by_cause, aside = Tallied(), dict[str, int](), dict[Kind, int]()
    by = ("cause", "is_simulated", "challenge")
    for sorts in statistics.tallied(engine, replace(scope, kind=None), asked, by, ages=True):
        for (cause, simulated, challenge), cell in sorts.items():
            kind: Kind = "challenge" if challenge else "simulated" if simulated else "production"
            if kind != question.kind:
                aside[kind] = aside.get(kind, 0) + cell.parts
                continue
            total.add(cell)
            if cause != Cause.NONE.word:
                by_cause[cause] = by_cause.get(cause, 0) + cell.parts
    known_of = [known.mistakes(engine, scope, span) for span in asked]
    return Answer(
        total,
        dict(sorted(by_cause.items(), key=lambda item: (-item[1], item[0]))),
        _trend(_source, question),
        sum(known_of, Mistakes()),
        aside,
    )


def answer(source: Source, question: Question) -> Answer:
    """Everything about the parts in question; the same answer for some seconds."""
    return _answer(source.key, question, source)


def _trend(source: Source, question: Question) -> tuple[Point, ...]:
    defined, zone = source.config.shifts, source.zone
    step: Step = "shift" if question.shift is not None else question.step
    found = spans.pieces(step, defined, zone, question.since, question.until)
    if question.shift is not None:
        found = tuple(piece for piece in found if piece.name == question.shift)
    cells = statistics.total(source.engine, question.scope, [p.span for p in found], ages=True)
    return tuple(Point(piece, cell) for piece, cell in zip(found, cells, strict=True))


@st.cache_data(show_spinner=False, ttl=10, max_entries=64)
def _breakdown(
    key: tuple[str, ...], question: Question, by: Breakdown, _source: Source
) -> dict[str, Tallied]:
    rows: dict[str, Tallied] = {}
    if by == "shift":
        asked = spans.shifts(_source.config.shifts, _source.zone, question.since, question.until)
        asked = tuple(p for p in asked if question.shift in (None, p.name))
    else:
        asked = times(_source, question)
    columns = {
        "recipe": ("recipe_id", "recipe_version"),
        "batch": ("batch_id",),
        "station": ("station",),
        "shift": (),
    }[by]
    scope = replace(question.scope, station=None) if by == "station" else question.scope
    found = statistics.tallied(_source.engine, scope, [p.span for p in asked], columns, ages=True)
    for piece, sorts in zip(asked, found, strict=True):
        for sort, cell in sorts.items():
            name = piece.name if by == "shift" else " ".join(str(value) for value in sort)
            rows.setdefault(name, Tallied()).add(cell)
    return rows


def breakdown(source: Source, question: Question, by: Breakdown) -> dict[str, Tallied]:
    """The same parts by recipe version, batch, shift or station; the name is empty without a batch."""
    return _breakdown(source.key, question, by, source)


@st.cache_data(show_spinner=False, ttl=10, max_entries=64)
def _batches(key: tuple[str, ...], question: Question, _source: Source) -> list[str]:
    asked = [Span(question.since, question.until)]
    (found,) = statistics.tallied(_source.engine, question.scope, asked, ("batch_id",))
    return sorted((str(batch) for (batch,) in found), reverse=True)


def batches(source: Source, question: Question) -> list[str]:
    """Batches in the time of the question, the last by name first; empty: parts without one."""
    return _batches(source.key, question, source)


def chart_of(trend: tuple[Point, ...], measure: Measure) -> ControlChart:
    """The control chart of one share."""

    def count(cell: Tallied) -> int:
        if measure == "fail":
            return cell.failed
        return cell.review if measure == "review" else cell.failed + cell.review

    return control.p_chart([(count(point.parts), point.parts.parts) for point in trend])


def parts_of(source: Source, question: Question, limit: int = EXPORT_LIMIT) -> list[PartSummary]:
    """The parts behind the figures, newest first, no more than ``limit``."""
    wanted: Wanted = {
        "station": question.station,
        "recipe": question.recipe,
        "recipe_version": question.recipe_version,
        "batch_id": question.batch_id,
        "challenge": question.kind == "challenge",
        "simulated": None if question.kind == "challenge" else question.kind == "simulated",
    }
    found: list[PartSummary] = []
    for piece in reversed(times(source, question)):
        within: Wanted = {**wanted, "since": piece.since, "until": piece.until}
        found += queries.find(source.engine, limit=limit - len(found), **within)
        if len(found) >= limit:
            break
    return found


def last_shifts(source: Source, now: datetime, count: int) -> tuple[Named, ...]:
    """The running shift and those before it, newest first, the whole time of each."""
    defined, zone = source.config.shifts, source.zone
    days = timedelta(days=count // len(defined) + 2)
    found = spans.shifts(defined, zone, now - days, now + days)
    return tuple(reversed([piece for piece in found if piece.since <= now][-count:]))


def first_part(source: Source) -> datetime | None:
    """When the station's first part was inspected."""
    return queries.first_at(source.engine, source.station.name)
