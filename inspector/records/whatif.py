"""What other thresholds would have made of recorded parts.

Every record holds the raw score of each check, of a PASS too, so that a verdict can be decided again
without its picture. The rule is that of :mod:`inspector.judge`: a picture that cannot be trusted stays
REVIEW, whatever the scores. A part whose record cannot be explained by its scores (a deadline missed, a
check without a score) is counted as such and left out.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Engine, select

from inspector.domain import Cause, Verdict
from inspector.records.database import reading
from inspector.records.reviews import REVIEW
from inspector.records.tables import INSPECTION, SCORE
from inspector.records.views import ScoreView

Thresholds = Mapping[str, tuple[float, float]]
"""FAIL and REVIEW threshold by name of the check."""

_OF_SCORES = {cause.word for cause in Cause if cause.code < Cause.BLUR.code}
"""Causes that come from a score; any other is a fault, or a picture that cannot be trusted."""


@dataclass(frozen=True, slots=True)
class ScoredPart:
    """A recorded part with all that its verdict came from."""

    result_id: str
    verdict: str
    is_trusted: bool
    """False where a fault or the quality gate decided."""
    scores: tuple[ScoreView, ...]
    decision: str | None
    """What a person decided, ``accept`` or ``reject``; None where nobody has."""


@dataclass(frozen=True, slots=True)
class Effect:
    """Recorded verdicts against those of other thresholds."""

    moves: Mapping[tuple[str, str], int]
    """Parts by verdict before and after."""
    good: int
    """Parts that people accepted."""
    faulty: int
    """Parts that people rejected."""
    false_rejects: tuple[int, int]
    """Accepted parts that FAIL, before and after."""
    escapes: tuple[int, int]
    """Rejected parts that PASS, before and after."""
    unexplained: int
    """Parts whose recorded verdict their scores do not explain; in none of the other numbers."""

    def total(self, verdict: str, *, after: bool) -> int:
        """Parts of that verdict, before or after."""
        return sum(n for pair, n in self.moves.items() if pair[after] == verdict)

    @property
    def parts(self) -> int:
        return sum(self.moves.values())


def scored_parts(
    engine: Engine, station: str, recipe_id: str, version: int | None = None, limit: int = 5000
) -> tuple[ScoredPart, ...]:
    """The newest ``limit`` production parts of a recipe, of one version or of all, newest first."""
    table = INSPECTION.c
    wanted = [table.station == station, table.recipe_id == recipe_id, table.is_challenge.is_(False)]
    if version is not None:
        wanted.append(table.recipe_version == version)
    newest = (
        select(table.id, table.result_id, table.verdict, table.causes)
        .where(*wanted)
        .order_by(table.created_at.desc(), table.id.desc())
        .limit(limit)
    )
    ids = newest.subquery()
    scores = select(
        SCORE.c.result_id,
        SCORE.c.check_name,
        SCORE.c.score,
        SCORE.c.threshold,
        SCORE.c.review_threshold,
    ).join(ids, ids.c.result_id == SCORE.c.result_id)
    decided = (
        select(REVIEW.c.result_id, REVIEW.c.decision)
        .join(ids, ids.c.result_id == REVIEW.c.result_id)
        .where(REVIEW.c.undone_at.is_(None), REVIEW.c.is_blind.is_(False))
    )
    by_part: dict[str, list[ScoreView]] = {}
    with reading(engine) as connection:
        rows = connection.execute(newest).all()
        for result_id, *measured in connection.execute(scores):
            by_part.setdefault(result_id, []).append(ScoreView(*measured))
        decisions = {row.result_id: row.decision for row in connection.execute(decided)}
    return tuple(
        ScoredPart(
            row.result_id,
            row.verdict,
            all(word in _OF_SCORES for word in row.causes),
            tuple(by_part.get(row.result_id, ())),
            decisions.get(row.result_id),
        )
        for row in rows
    )


def verdict_of(part: ScoredPart, thresholds: Thresholds) -> str:
    """The verdict by these thresholds; checks that are not named keep their own."""
    if not part.is_trusted or not part.scores or not _are_finite(part.scores):
        return Verdict.REVIEW.value
    uncertain = False
    for score in part.scores:
        fail, review = thresholds.get(score.check, (score.threshold, score.review_threshold))
        if score.score >= fail:
            return Verdict.FAIL.value
        uncertain = uncertain or score.score >= review
    return Verdict.REVIEW.value if uncertain else Verdict.PASS.value


def effect(parts: Iterable[ScoredPart], thresholds: Thresholds) -> Effect:
    """What would have become of these parts."""
    moves: Counter[tuple[str, str]] = Counter()
    judged = {"accept": 0, "reject": 0}
    false_rejects, escapes = [0, 0], [0, 0]
    unexplained = 0
    for part in parts:
        if verdict_of(part, {}) != part.verdict:
            unexplained += 1
            continue
        both = (part.verdict, verdict_of(part, thresholds))
        moves[both] += 1
        if part.decision is not None:
            judged[part.decision] += 1
        for index, verdict in enumerate(both):
            false_rejects[index] += part.decision == "accept" and verdict == Verdict.FAIL.value
            escapes[index] += part.decision == "reject" and verdict == Verdict.PASS.value
    return Effect(
        dict(moves),
        judged["accept"],
        judged["reject"],
        (false_rejects[0], false_rejects[1]),
        (escapes[0], escapes[1]),
        unexplained,
    )


def _are_finite(scores: Sequence[ScoreView]) -> bool:
    return all(math.isfinite(score.score) for score in scores)
