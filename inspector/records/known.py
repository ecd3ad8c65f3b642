"""What is known of the station's mistakes: from decisions of people, and from challenge parts.

Functions as in :mod:`inspector.records.queries`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import Engine, Select, func, select

from inspector.challenge import FAULTY, NOT_INSPECTED
from inspector.domain import Verdict
from inspector.records.challenges import CHALLENGE, CHALLENGE_PART
from inspector.records.database import reading
from inspector.records.reviews import REVIEW
from inspector.records.search import of_batch, unindexed
from inspector.records.statistics import Scope, Span
from inspector.records.tables import INSPECTION


@dataclass(frozen=True, slots=True)
class Mistakes:
    """Parts of which the truth is known, by what the station had said of them."""

    passed: int = 0
    """Looked at by a person although the verdict was PASS: a sample drawn for audit."""
    escaped: int = 0
    """Of these, rejected."""
    failed: int = 0
    """Looked at by a person although the verdict was FAIL."""
    falsely_rejected: int = 0
    """Of these, accepted."""
    review: int = 0
    """Parts in REVIEW that were decided."""
    review_good: int = 0
    """Of these, accepted."""
    faulty_shown: int = 0
    """Faulty challenge parts that were inspected."""
    faulty_passed: int = 0
    good_shown: int = 0
    good_rejected: int = 0
    """FAIL; a good part in REVIEW is not decided."""

    def __add__(self, other: Mistakes) -> Mistakes:
        names = [field.name for field in fields(self)]
        return Mistakes(*(getattr(self, name) + getattr(other, name) for name in names))


def mistakes(engine: Engine, scope: Scope, span: Span) -> Mistakes:
    """Of the parts in the scope by the decisions that hold, second reviewers' aside; of challenge runs
    of the scope's station and recipe, batches aside.
    """
    with reading(engine) as connection:
        decided = {(v, d): int(n) for v, d, n in connection.execute(_decided(scope, span))}
        shown = {(e, v): int(n) for e, v, n in connection.execute(_shown(scope, span))}

    def looked_at(verdict: Verdict, decision: str | None = None) -> int:
        return sum(n for (v, d), n in decided.items() if v == verdict and decision in (None, d))

    def challenged(faulty: bool, verdict: str | None = None) -> int:
        return sum(n for (e, v), n in shown.items() if (e == FAULTY) == faulty and verdict in (None, v))

    return Mistakes(
        looked_at(Verdict.PASS),
        looked_at(Verdict.PASS, "reject"),
        looked_at(Verdict.FAIL),
        looked_at(Verdict.FAIL, "accept"),
        looked_at(Verdict.REVIEW),
        looked_at(Verdict.REVIEW, "accept"),
        challenged(True),
        challenged(True, "PASS"),
        challenged(False),
        challenged(False, "FAIL"),
    )


def _decided(scope: Scope, span: Span) -> Select[Any]:
    part = INSPECTION.c
    keys = (part.verdict, REVIEW.c.decision)
    query = (
        select(*keys, func.count())
        .join_from(REVIEW, INSPECTION, REVIEW.c.result_id == part.result_id)
        .where(REVIEW.c.undone_at.is_(None), REVIEW.c.is_blind.is_(False))
        .group_by(*keys)
    )
    # Decisions are few: they lead to their parts, never the other way round.
    equal: dict[Any, Any] = {
        part.station: scope.station,
        part.recipe_id: scope.recipe,
        part.recipe_version: scope.recipe_version,
    }
    tests = [unindexed(one) == value for one, value in equal.items() if value is not None]
    tests += of_batch(unindexed(part.batch_id), scope.batch_id)
    if scope.kind is not None:
        tests.append(part.is_challenge == (scope.kind == "challenge"))
    if scope.kind in ("production", "simulated"):
        tests.append(part.is_simulated == (scope.kind == "simulated"))
    created = unindexed(part.created_at)
    if span.since is not None:
        tests.append(created >= span.since)
    if span.until is not None:
        tests.append(created < span.until)
    return query.where(*tests)


def _shown(scope: Scope, span: Span) -> Select[Any]:
    run = CHALLENGE.c
    keys = (CHALLENGE_PART.c.expected, CHALLENGE_PART.c.verdict)
    unknown = [cause.word for cause in NOT_INSPECTED]
    query = (
        select(*keys, func.count())
        .join_from(CHALLENGE_PART, CHALLENGE, CHALLENGE_PART.c.challenge_id == run.id)
        .where(CHALLENGE_PART.c.cause.not_in(unknown))
        .group_by(*keys)
    )
    equal = {
        run.station: scope.station,
        run.recipe_id: scope.recipe,
        run.recipe_version: scope.recipe_version,
    }
    query = query.where(*(one == value for one, value in equal.items() if value is not None))
    if span.since is not None:
        query = query.where(run.at >= span.since)
    if span.until is not None:
        query = query.where(run.at < span.until)
    return query
