"""Counts over any span, from the tally and from the parts beside it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from factory import BOOT, START, STATION, inspection
from sqlalchemy import Engine, func, insert, select, text

from inspector.challenge import ChallengePart, ChallengeRun
from inspector.config import Records
from inspector.contract import record_fields
from inspector.domain import Cause, Inspection, RecipeRef, Verdict
from inspector.records import aggregates
from inspector.records.aggregates import TALLY, age_class, class_bounds
from inspector.records.challenges import insert_run
from inspector.records.database import open_engine, upgrade
from inspector.records.known import Mistakes, mistakes
from inspector.records.queries import find
from inspector.records.recorder import DatabaseRecorder
from inspector.records.reviews import REVIEW
from inspector.records.rows import insert_records
from inspector.records.statistics import Scope, Span, Tallied, tallied, total

MINUTE = timedelta(minutes=1)
_CAUSES = (Cause.NONE, Cause.NONE, Cause.MISSING, Cause.BLUR, Cause.NONE, Cause.DEADLINE_MISSED)


def _made() -> list[Inspection]:
    """Five hours of parts, 7 minutes apart; each fifth part id comes a second time."""
    return [
        inspection(
            n,
            cause=_CAUSES[n % len(_CAUSES)],
            part_id=f"part-{n - (n % 5 == 4):05d}",
            created=START + 7 * n * MINUTE,
            age_ms=20.0 + 11 * n,
            batch_id=f"b{n // 20}" if n % 2 else None,
            simulated=n < 6,
            challenge="faulty" if n % 13 == 12 else None,
            version=1 + n // 30,
        )
        for n in range(43)
    ]


@pytest.fixture(scope="module")
def made() -> list[Inspection]:
    return _made()


@pytest.fixture(scope="module")
def counted(tmp_path_factory: pytest.TempPathFactory, made: list[Inspection]) -> Iterator[Engine]:
    folder = tmp_path_factory.mktemp("counted")
    url = f"sqlite:///{folder / 'records.db'}"
    recorder = DatabaseRecorder(url, STATION, folder, config=Records(flush_ms=5, batch=4)).start()
    for one in made:
        recorder.record(one)
    recorder.close()
    engine = open_engine(url)
    yield engine
    engine.dispose()


def _count(made: list[Inspection], span: Span) -> tuple[int, ...]:
    """Production parts, passed, failed, in review, first attempts, those that passed, late."""
    inside = [
        one
        for one in made
        if (span.since is None or one.created >= span.since)
        and (span.until is None or one.created < span.until)
        and not one.simulated
        and one.trigger.challenge is None
    ]
    first = [one for one in inside if one.seq % 5 != 4]
    by = [sum(one.verdict is verdict for one in inside) for verdict in Verdict]
    late = sum(
        one.age_s > one.trigger.deadline_s or one.judgement.cause is Cause.DEADLINE_MISSED
        for one in inside
    )
    return (len(inside), *by, len(first), sum(o.verdict is Verdict.PASS for o in first), late)


def _figures(cell: Tallied) -> tuple[int, ...]:
    return (
        cell.parts,
        cell.passed,
        cell.failed,
        cell.review,
        cell.first,
        cell.first_passed,
        cell.late,
    )


@pytest.mark.parametrize(
    ("since", "until"),
    [
        (None, None),
        (0, 60),
        (30, 300),
        (13, 287),
        (31, 59),
        (14, 21),
        (29, 31),
        (None, 100),
        (77, None),
        (300, 200),
        (1000, 2000),
    ],
)
def test_a_span_counts_what_lies_in_it_and_no_more(
    counted: Engine, made: list[Inspection], since: int | None, until: int | None
) -> None:
    span = Span(
        None if since is None else START + since * MINUTE,
        None if until is None else START + until * MINUTE,
    )
    (cell,) = total(counted, Scope(STATION, kind="production"), [span], ages=True)
    assert _figures(cell) == _count(made, span)
    assert cell.ages.total() == cell.parts


def test_neighbouring_spans_share_no_part(counted: Engine, made: list[Inspection]) -> None:
    edges = [START + minutes * MINUTE for minutes in (-5, 7, 30, 31, 90, 111, 180, 400)]
    spans = [Span(a, b) for a, b in pairwise(edges)]
    cells = total(counted, Scope(STATION, kind="production"), spans)
    assert [_figures(cell) for cell in cells] == [_count(made, span) for span in spans]
    assert sum(cell.parts for cell in cells) == _count(made, Span())[0] > 0


def test_by_recipe_batch_and_cause(counted: Engine, made: list[Inspection]) -> None:
    scope = Scope(STATION)
    span = Span(START + 10 * MINUTE, START + 285 * MINUTE)
    inside = [one for one in made if span.since <= one.created < span.until]  # type: ignore[operator]
    (by_batch,) = tallied(counted, scope, [span], ("batch_id",))
    assert {key[0]: cell.parts for key, cell in by_batch.items()} == {
        name: sum((one.trigger.batch_id or "") == name for one in inside) for name in ("", "b0", "b1")
    }
    for batch in ("", "b1"):
        listed = find(counted, limit=100, batch_id=batch, since=span.since, until=span.until)
        assert len(listed) == by_batch[(batch,)].parts, "the parts behind a figure"
    (by_cause,) = tallied(counted, scope, [span], ("cause", "recipe_version"))
    assert by_cause["Missing", 1].parts == sum(
        one.judgement.cause is Cause.MISSING and one.recipe.version == 1 for one in inside
    )
    assert total(counted, Scope(STATION, batch_id=""), [span])[0].parts == by_batch[("",)].parts
    assert total(counted, Scope(STATION, recipe="soap", recipe_version=2), [span])[0].parts == sum(
        one.recipe.version == 2 for one in inside
    )
    assert total(counted, Scope("nowhere"))[0] == Tallied()


def test_simulated_and_challenge_parts_stand_apart(counted: Engine, made: list[Inspection]) -> None:
    challenged = sum(one.trigger.challenge is not None for one in made)
    assert total(counted, Scope(kind="challenge"))[0].parts == challenged == 3
    assert total(counted, Scope(kind="simulated"))[0].parts == 6
    assert total(counted, Scope())[0].parts == len(made)


@pytest.mark.parametrize("own", [True, False], ids=["upsert", "any database"])
def test_a_record_that_comes_twice_counts_once(
    tmp_path: Path, own: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not own:
        monkeypatch.setattr(aggregates, "UPSERTS", {})
    url = f"sqlite:///{tmp_path / 'records.db'}"
    upgrade(url)
    engine = open_engine(url)
    fields = [record_fields(inspection(n)) for n in range(3)]
    for batch in (fields[:2], fields, fields[1:]):
        with engine.begin() as connection:
            insert_records(connection, STATION, batch)
    assert total(engine, Scope(STATION))[0].parts == 3
    with engine.connect() as connection:
        assert connection.execute(select(TALLY.c.parts)).scalars().all() == [3]
    engine.dispose()


def test_a_failed_transaction_counts_nothing(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'records.db'}"
    upgrade(url)
    engine = open_engine(url)
    with engine.connect() as connection:
        transaction = connection.begin()
        insert_records(connection, STATION, [record_fields(inspection(1))])
        transaction.rollback()
    assert total(engine, Scope(STATION))[0].parts == 0
    engine.dispose()


def test_the_migration_counts_what_was_there_before(tmp_path: Path, made: list[Inspection]) -> None:
    url = f"sqlite:///{tmp_path / 'records.db'}"
    upgrade(url)
    engine = open_engine(url)
    with engine.begin() as connection:
        insert_records(connection, STATION, [record_fields(one) for one in made])
    with engine.begin() as connection:
        before = connection.execute(select(TALLY)).all()
        for name in ("verdict", "cause", "batch_id"):
            connection.execute(text(f"DROP INDEX ix_inspection_station_{name}_created_at"))
        connection.execute(
            text("CREATE INDEX ix_inspection_verdict_created_at ON inspection (verdict, created_at)")
        )
        connection.execute(text("DROP TABLE tally"))
        connection.execute(text("DROP TABLE shadow"))  # of a later revision
        connection.execute(text("UPDATE alembic_version SET version_num = '0005'"))
    engine.dispose()
    assert upgrade(url) == "0005"
    with engine.connect() as connection:
        after = connection.execute(select(TALLY)).all()
        assert connection.execute(select(func.sum(TALLY.c.parts))).scalar_one() == len(made)
    assert sorted(map(tuple, after)) == sorted(map(tuple, before))
    engine.dispose()


@pytest.mark.parametrize("age_ms", [0.0, 0.01, 0.5, 1.0, 44.9, 45.0, 500.0, 123_456.0])
def test_an_age_lies_in_its_class(age_ms: float) -> None:
    low, high = class_bounds(age_class(age_ms))
    assert age_ms < high
    assert low <= age_ms or age_ms < 0.2, "the lowest class holds all that is shorter"
    assert high / low < 1.2


def test_quantiles_of_ages() -> None:
    cell = Tallied()
    assert cell.quantile_ms(0.5) is None
    for age_ms in range(1, 1001):
        cell.take("PASS", True, False, age_class(float(age_ms)), 1)
    for share in (0.1, 0.5, 0.9, 0.99):
        assert cell.quantile_ms(share) == pytest.approx(1000 * share, rel=0.1)


def test_known_mistakes(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'records.db'}"
    upgrade(url)
    engine = open_engine(url)
    causes = [
        Cause.NONE,
        Cause.NONE,
        Cause.MISSING,
        Cause.UNCERTAIN,
        Cause.NONE,
        Cause.NONE,
        Cause.NONE,
    ]
    with engine.begin() as connection:
        records = [record_fields(inspection(n, cause=cause)) for n, cause in enumerate(causes)]
        insert_records(connection, STATION, records)
        plain = {"station": STATION, "user": "eva", "is_blind": False, "wants_second": False}
        plain["created_at"] = START
        for n, changes in enumerate(
            (
                {"decision": "reject", "cause": "Defect"},
                {"decision": "accept"},
                {"decision": "accept"},
                {"decision": "accept"},
                {"decision": "reject", "undone_at": START},
                {"decision": "reject", "is_blind": True},
            )
        ):
            row = {**plain, "result_id": f"{BOOT:08x}-{n}", **changes}
            connection.execute(insert(REVIEW).values(**row))
        insert_run(
            connection,
            ChallengeRun(
                STATION,
                START + MINUTE,
                "eva",
                "cli",
                RecipeRef("soap", 1, "0" * 16, "0" * 16),
                (
                    ChallengePart("a", "faulty", "PASS", "None"),
                    ChallengePart("b", "faulty", "FAIL", "Missing"),
                    ChallengePart("c", "good", "FAIL", "Defect"),
                    ChallengePart("d", "good", "PASS", "None"),
                    ChallengePart("e", "faulty", "REVIEW", "CameraFault"),
                ),
            ),
        )
    everything = Mistakes(2, 1, 1, 1, 1, 1, 2, 1, 2, 1)
    assert mistakes(engine, Scope(STATION, kind="production"), Span()) == everything
    late = Span(START + 2 * timedelta(seconds=1), datetime(2030, 1, 1, tzinfo=UTC))
    assert mistakes(engine, Scope(STATION), late).passed == 0
    assert mistakes(engine, Scope(STATION), late).failed == 1
    assert mistakes(engine, Scope("nowhere"), Span()) == Mistakes()
    assert mistakes(engine, Scope(STATION, recipe="other"), Span()) == Mistakes()
    engine.dispose()
