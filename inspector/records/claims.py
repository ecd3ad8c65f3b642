"""Which part a reviewer sees next, and that nobody else has it.

A part that waits is *claimed* before it is shown; a claim that is not used runs out. Waiting are every
REVIEW, a sample of FAIL and PASS for audit, and what a second person shall decide once more, blind.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    Connection,
    Engine,
    Select,
    and_,
    delete,
    exists,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from inspector.config import Reviewing
from inspector.domain import Verdict
from inspector.records.audit import Actor
from inspector.records.database import reading, storage_failures
from inspector.records.reviews import CLAIM, REVIEW, hold, let_go
from inspector.records.tables import EVIDENCE, INSPECTION

KINDS = ("REVIEW", "FAIL", "PASS")
"""Verdicts of the station that are looked at, the most urgent first."""
COUNT_LIMIT = 1000
"""Waiting parts are counted up to here."""
_KNUTH = 2654435761
_TRIES = 5


def claim_next(
    engine: Engine,
    station: str,
    actor: Actor,
    rules: Reviewing,
    now: datetime,
    *,
    kinds: Collection[str] = KINDS,
    skipped: Collection[str] = (),
) -> str | None:
    """The result id of the oldest part that waits for this person, claimed; None when none waits.

    ``kinds`` are the station's verdicts to choose from. A part that the person has claimed already
    comes again, unless it is among ``skipped``.
    """
    until = now + timedelta(minutes=rules.claim_min)
    for _ in range(_TRIES):
        try:
            with storage_failures(engine.url), engine.begin() as connection:
                connection.execute(delete(CLAIM).where(CLAIM.c.expires_at <= now))
                held = _held(connection, station, actor, kinds, skipped)
                if held is not None:
                    mine = CLAIM.c.result_id == held
                    connection.execute(update(CLAIM).where(mine).values(expires_at=until))
                    return held
                let_go(connection, station, actor)
                chosen = _oldest(connection, station, actor, rules, now, kinds, skipped)
                if chosen is not None:
                    hold(connection, chosen, station, actor, until)
                return chosen
        except IntegrityError:
            # Where writers run side by side another one claimed it in the same moment: take the next.
            continue
    return None


def release(engine: Engine, station: str, actor: Actor) -> None:
    """Give back what the person has claimed."""
    with storage_failures(engine.url), engine.begin() as connection:
        let_go(connection, station, actor)


def waiting(
    engine: Engine, station: str, actor: Actor | None, rules: Reviewing, now: datetime
) -> dict[str, int]:
    """Parts that nobody has decided, by verdict; at most :data:`COUNT_LIMIT` each.

    ``second`` are those that wait for this person as a blind second reviewer.
    """
    queries = {verdict: _first_time(station, verdict, rules, now) for verdict in KINDS}
    if actor is not None:
        queries["second"] = _second_time(station, actor)
    with reading(engine) as connection:
        return {
            name: int(
                connection.execute(
                    select(func.count()).select_from(query.limit(COUNT_LIMIT).subquery())
                ).scalar_one()
            )
            for name, query in queries.items()
        }


def _held(
    connection: Connection, station: str, actor: Actor, kinds: Collection[str], skipped: Collection[str]
) -> str | None:
    query = (
        select(CLAIM.c.result_id)
        .join(INSPECTION, INSPECTION.c.result_id == CLAIM.c.result_id)
        .where(
            CLAIM.c.station == station,
            CLAIM.c.user == actor.name,
            INSPECTION.c.verdict.in_(kinds),
            CLAIM.c.result_id.not_in(skipped),
        )
        .limit(1)
    )
    held: str | None = connection.execute(query).scalar()
    return held


def _oldest(
    connection: Connection,
    station: str,
    actor: Actor,
    rules: Reviewing,
    now: datetime,
    kinds: Collection[str],
    skipped: Collection[str],
) -> str | None:
    free = and_(
        INSPECTION.c.result_id.not_in(skipped),
        ~exists().where(CLAIM.c.result_id == INSPECTION.c.result_id),
    )
    queries = [_first_time(station, kind, rules, now) for kind in kinds]
    queries.append(_second_time(station, actor).where(INSPECTION.c.verdict.in_(kinds)))
    found = []
    for query in queries:
        order = (INSPECTION.c.created_at, INSPECTION.c.id)
        row = connection.execute(query.where(free).order_by(*order).limit(1)).first()
        if row is not None:
            found.append((row.created_at, row.id, str(row.result_id)))
    return min(found)[2] if found else None


def _first_time(station: str, verdict: str, rules: Reviewing, now: datetime) -> Select[Any]:
    """Parts of that verdict which nobody has decided: every REVIEW, of the others a sample."""
    table = INSPECTION.c
    first = and_(
        REVIEW.c.result_id == table.result_id,
        REVIEW.c.undone_at.is_(None),
        REVIEW.c.is_blind.is_(False),
    )
    query = select(table.id, table.result_id, table.created_at).where(
        table.verdict == verdict,
        table.station == station,
        table.is_challenge.is_(False),
        ~exists().where(first),
    )
    if verdict == Verdict.REVIEW.value:
        return query
    share = rules.sample_fail if verdict == Verdict.FAIL.value else rules.sample_pass
    picture = and_(
        EVIDENCE.c.result_id == table.result_id,
        EVIDENCE.c.kind == "picture",
        EVIDENCE.c.removed_at.is_(None),
    )
    return query.where(
        table.created_at >= now - timedelta(days=rules.sample_days),
        # Multiples of the golden ratio: evenly spread, and in step with no period of the line.
        (table.id * _KNUTH) % 2**32 < share * 2**32,
        exists().where(picture),
    )


def _second_time(station: str, actor: Actor) -> Select[Any]:
    """Parts that another person has decided and that were drawn to be decided once more."""
    table = INSPECTION.c
    first, other = REVIEW.alias("first"), REVIEW.alias("other")
    done = and_(
        other.c.result_id == first.c.result_id,
        other.c.undone_at.is_(None),
        or_(other.c.is_blind.is_(True), other.c.user == actor.name),
    )
    return (
        select(table.id, table.result_id, table.created_at)
        .join(first, first.c.result_id == table.result_id)
        .where(
            first.c.station == station,
            first.c.wants_second.is_(True),
            first.c.is_blind.is_(False),
            first.c.undone_at.is_(None),
            ~exists().where(done),
        )
    )
