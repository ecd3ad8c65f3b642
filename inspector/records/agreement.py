"""How far people agree with each other, and the station with them.

Cohen's kappa (Cohen 1960) with the bounds of its posterior under Jeffreys' prior over the cells, as in
Basu, Banerjee and Sen, *Bayesian inference for kappa from single and multiple studies*, Biometrics 56
(2000) 577. The usual standard error is zero where two agree on everything, however few parts that were;
these bounds are not.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt
from sqlalchemy import ColumnElement, Engine, FromClause, and_, exists, func, not_, select

from inspector.domain import Verdict
from inspector.records.database import reading
from inspector.records.reviews import REVIEW
from inspector.records.tables import INSPECTION

Counts = tuple[tuple[int, int], tuple[int, int]]
"""Rows: the first one's accept and reject; columns: the second one's."""

_DRAWS = 20_000
_JEFFREYS = 0.5
_BOUNDS = (0.025, 0.975)
_DECISIONS = ("accept", "reject")
_STATION = (Verdict.PASS.value, Verdict.FAIL.value)


@dataclass(frozen=True, slots=True)
class Agreement:
    """Of two who judged the same parts."""

    counts: Counts
    observed: float
    """Share of the parts on which both agree."""
    kappa: float | None
    """None while all parts were judged alike by both, or there are none: chance explains all of it."""
    low: float
    """Bounds of 95 %."""
    high: float

    @property
    def parts(self) -> int:
        return sum(map(sum, self.counts))


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A part on which two judged differently."""

    result_id: str
    part_id: str
    first: str
    """``PASS`` or ``FAIL`` of the station, or the first person's decision."""
    second: str
    reviewers: str
    at: datetime


def agreement(counts: Counts, population: tuple[int, int] | None = None, seed: int = 0) -> Agreement:
    """Kappa of a two by two table.

    ``population``: how many parts of each row there were in all, where the rows were sampled at
    different rates, as FAIL and PASS parts are for audit: the rows are then weighted as they really
    occur (Begg and Greenes 1983), else a station that passes nearly everything would be judged as if
    it failed half of the parts.
    """
    table = np.array(counts, np.float64)
    rows = table.sum(axis=1)
    rng = np.random.default_rng(seed)
    if population is None:
        cells = rng.dirichlet(table.ravel() + _JEFFREYS, _DRAWS).reshape(-1, 2, 2)
        best = table / max(table.sum(), 1.0)
    else:
        weights = np.array(population, np.float64) / max(sum(population), 1)
        accepted = np.stack(
            [rng.beta(row[0] + _JEFFREYS, row[1] + _JEFFREYS, _DRAWS) for row in table], axis=1
        )
        cells = weights[:, None] * np.stack([accepted, 1 - accepted], axis=2)
        best = weights[:, None] * (table / np.maximum(rows, 1.0)[:, None])
    low, high = (float(value) for value in np.quantile(_kappa(cells), _BOUNDS))
    known = float(_kappa(best[None])[0]) if table.sum() and _is_known(rows, population) else math.nan
    kappa = None if math.isnan(known) else known
    return Agreement(counts, float(np.trace(best)), kappa, low, high)


def between_reviewers(engine: Engine, station: str, since: datetime) -> Agreement:
    """Of the first and the blind second decision on the same parts."""
    first, second = REVIEW.alias("first"), REVIEW.alias("second")
    query = (
        select(first.c.decision, second.c.decision.label("other"), func.count().label("parts"))
        .join(second, second.c.result_id == first.c.result_id)
        .where(_pair(first, second), first.c.station == station, first.c.created_at >= since)
        .group_by(first.c.decision, second.c.decision)
    )
    with reading(engine) as connection:
        found = {(row.decision, row.other): row.parts for row in connection.execute(query)}
    return agreement(_table(found, _DECISIONS))


def with_station(
    engine: Engine, station: str, since: datetime, population: tuple[int, int]
) -> Agreement:
    """Of the station's PASS and FAIL and what people decided of those that were drawn for audit.

    ``population``: PASS and FAIL parts of the station since then.
    """
    query = (
        select(INSPECTION.c.verdict, REVIEW.c.decision, func.count().label("parts"))
        .join(INSPECTION, INSPECTION.c.result_id == REVIEW.c.result_id)
        .where(
            *_first(station, since),
            INSPECTION.c.verdict.in_(_STATION),
        )
        .group_by(INSPECTION.c.verdict, REVIEW.c.decision)
    )
    with reading(engine) as connection:
        found = {(row.verdict, row.decision): row.parts for row in connection.execute(query)}
    return agreement(_table(found, _STATION), population)


def disagreements(
    engine: Engine, station: str, since: datetime, limit: int = 50
) -> tuple[Disagreement, ...]:
    """Parts on which two people, or a person and the station, differ; newest first."""
    first, second = REVIEW.alias("first"), REVIEW.alias("second")
    people = (
        select(
            INSPECTION.c.result_id,
            INSPECTION.c.part_id,
            first.c.decision,
            second.c.decision.label("other"),
            first.c.user,
            second.c.user.label("other_user"),
            second.c.created_at,
        )
        .join(first, first.c.result_id == INSPECTION.c.result_id)
        .join(second, second.c.result_id == first.c.result_id)
        .where(
            _pair(first, second),
            first.c.station == station,
            second.c.created_at >= since,
            first.c.decision != second.c.decision,
        )
        .order_by(second.c.id.desc())
        .limit(limit)
    )
    wrong = and_(INSPECTION.c.verdict == Verdict.PASS.value, REVIEW.c.decision == "reject")
    strict = and_(INSPECTION.c.verdict == Verdict.FAIL.value, REVIEW.c.decision == "accept")
    machine = (
        select(
            INSPECTION.c.result_id,
            INSPECTION.c.part_id,
            INSPECTION.c.verdict,
            REVIEW.c.decision,
            REVIEW.c.user,
            REVIEW.c.created_at,
        )
        .join(INSPECTION, INSPECTION.c.result_id == REVIEW.c.result_id)
        .where(
            *_first(station, since),
            wrong | strict,
            # whoever is to decide once more, blind, must not read it here
            not_(_awaits_second()),
        )
        .order_by(REVIEW.c.id.desc())
        .limit(limit)
    )
    with reading(engine) as connection:
        found = [
            Disagreement(
                row.result_id,
                row.part_id,
                row.decision,
                row.other,
                f"{row.user}, {row.other_user}",
                row.created_at,
            )
            for row in connection.execute(people)
        ]
        found += [Disagreement(*row) for row in connection.execute(machine)]
    return tuple(sorted(found, key=lambda one: one.at, reverse=True)[:limit])


def _first(station: str, since: datetime) -> tuple[ColumnElement[bool], ...]:
    """Decisions that hold and were the first on their part."""
    return (
        REVIEW.c.station == station,
        REVIEW.c.created_at >= since,
        REVIEW.c.undone_at.is_(None),
        REVIEW.c.is_blind.is_(False),
    )


def _awaits_second() -> ColumnElement[bool]:
    """That the decision was drawn for a second one, which has not come yet."""
    second = REVIEW.alias("other")
    came = exists().where(
        second.c.result_id == REVIEW.c.result_id, second.c.is_blind, second.c.undone_at.is_(None)
    )
    return and_(REVIEW.c.wants_second, not_(came))


def _pair(first: FromClause, second: FromClause) -> ColumnElement[bool]:
    """Both decisions hold, and the second was blind."""
    return and_(
        first.c.undone_at.is_(None),
        second.c.undone_at.is_(None),
        first.c.is_blind.is_(False),
        second.c.is_blind.is_(True),
    )


def _table(found: dict[tuple[str, str], int], rows: tuple[str, str]) -> Counts:
    first, second = (
        (found.get((row, _DECISIONS[0]), 0), found.get((row, _DECISIONS[1]), 0)) for row in rows
    )
    return first, second


def _is_known(rows: npt.NDArray[np.float64], population: tuple[int, int] | None) -> bool:
    """Whether every row that occurs has been looked at."""
    return population is None or all(
        looked > 0 or not there for looked, there in zip(rows, population, strict=True)
    )


def _kappa(cells: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Of tables of shares ``(n, 2, 2)``; NaN where chance explains everything."""
    agreed = cells[:, 0, 0] + cells[:, 1, 1]
    chance = (cells.sum(axis=2) * cells.sum(axis=1)).sum(axis=1)
    rest = 1.0 - chance
    return np.where(rest > 1e-12, (agreed - chance) / np.maximum(rest, 1e-12), np.nan)
