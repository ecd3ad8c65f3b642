"""The queue, decisions, undo, labels, and the trail of it all."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from factory import START, STATION, Recording, inspection
from sqlalchemy import Engine, insert, select, text, update
from sqlalchemy.exc import DBAPIError

from inspector.config import Evidence, Reviewing
from inspector.domain import Cause
from inspector.errors import InputError
from inspector.records.agreement import agreement, between_reviewers, disagreements, with_station
from inspector.records.audit import AUDIT, Actor, append, trail
from inspector.records.claims import KINDS, claim_next, release, waiting
from inspector.records.database import open_engine
from inspector.records.evidence import EvidenceStore
from inspector.records.labels import add_label, known_names, labels, remove_label
from inspector.records.reviews import CLAIM, decide, drawn, reviews, undo
from inspector.records.tables import EVIDENCE, INSPECTION

ANNA, BEN = Actor("anna", "operator"), Actor("ben", "engineer")
ALONE = Reviewing(blind_share=0, sample_fail=0, sample_pass=0)
NOW = START + timedelta(hours=1)


@pytest.fixture
def write(url: str, start: Recording, tmp_path: Path) -> Iterator[Engine]:
    """A writing engine on five REVIEW parts, two FAIL and three PASS, all with a picture."""
    recorder = start(
        evidence=EvidenceStore(
            tmp_path / "pictures", Evidence(pass_share=1.0, keep_days=1e5, keep_days_notable=1e5)
        )
    )
    causes = [Cause.UNCERTAIN] * 5 + [Cause.MISSING] * 2 + [Cause.NONE] * 3
    for n, cause in enumerate(causes, 1):
        recorder.record(inspection(n, cause=cause))
    assert recorder.flush(20)
    engine = open_engine(url)
    yield engine
    engine.dispose()


def _next(engine: Engine, actor: Actor, rules: Reviewing = ALONE, now: datetime = NOW) -> str | None:
    return claim_next(engine, STATION, actor, rules, now)


def _number(result_id: str | None) -> int:
    assert result_id is not None
    return int(result_id.split("-")[1])


def test_the_oldest_review_comes_first_and_stays_until_it_is_decided(write: Engine) -> None:
    first = _next(write, ANNA)
    assert _number(first) == 1
    assert _next(write, ANNA) == first
    decide(write, str(first), ANNA, "accept", None, ALONE, NOW)
    assert _number(_next(write, ANNA)) == 2


def test_two_reviewers_never_get_the_same_part(write: Engine, url: str) -> None:
    """Eight people at once, each decides what it gets until nothing waits."""
    decided: list[tuple[str, str]] = []
    lock = threading.Lock()

    def work(name: str) -> None:
        engine = open_engine(url)
        actor = Actor(name, "operator")
        while (part := claim_next(engine, STATION, actor, ALONE, NOW)) is not None:
            decide(engine, part, actor, "reject", "Defect", ALONE, NOW)
            with lock:
                decided.append((part, name))
        engine.dispose()

    people = [threading.Thread(target=work, args=(f"p{n}",)) for n in range(8)]
    for one in people:
        one.start()
    for one in people:
        one.join(60)
    assert sorted(_number(part) for part, _ in decided) == [1, 2, 3, 4, 5]
    assert len(reviews(write)) == 5


def test_a_claim_runs_out(write: Engine) -> None:
    first = str(_next(write, ANNA))
    assert _next(write, BEN) != first
    later = NOW + timedelta(minutes=ALONE.claim_min, seconds=1)
    release(write, STATION, BEN)
    assert _next(write, BEN, now=later) == first
    with pytest.raises(InputError, match="not yours to decide"):
        decide(write, first, ANNA, "accept", None, ALONE, later)
    assert reviews(write) == ()
    assert trail(write) == ()


def test_a_decision_holds_once(write: Engine) -> None:
    part = str(_next(write, ANNA))
    decide(write, part, ANNA, "reject", "Missing", ALONE, NOW)
    with pytest.raises(InputError, match="not yours"):
        decide(write, part, ANNA, "accept", None, ALONE, NOW)
    (one,) = reviews(write)
    assert (one.user, one.decision, one.cause, one.is_blind) == ("anna", "reject", "Missing", False)


@pytest.mark.parametrize(
    ("decision", "cause"),
    [("accept", "Defect"), ("reject", None), ("reject", "Blur"), ("perhaps", None)],
)
def test_what_is_no_decision(write: Engine, decision: str, cause: str | None) -> None:
    part = str(_next(write, ANNA))
    with pytest.raises(InputError):
        decide(write, part, ANNA, decision, cause, ALONE, NOW)  # type: ignore[arg-type]
    assert reviews(write) == ()
    assert _next(write, ANNA) == part


def test_skipping_leaves_the_part_to_others(write: Engine) -> None:
    first = str(_next(write, ANNA))
    second = claim_next(write, STATION, ANNA, ALONE, NOW, skipped={first})
    assert _number(second) == 2
    assert _next(write, BEN) == first


def test_undo_brings_the_part_back(write: Engine) -> None:
    part = str(_next(write, ANNA))
    decide(write, part, ANNA, "accept", None, ALONE, NOW)
    assert _number(_next(write, ANNA)) == 2
    assert undo(write, STATION, ANNA, ALONE, NOW) == part
    assert reviews(write) == ()
    assert _next(write, ANNA) == part
    assert _number(_next(write, BEN)) == 2, "the part that came after is free again"
    assert undo(write, STATION, BEN, ALONE, NOW) is None
    assert [act.action for act in trail(write)] == ["undo", "decision"]


def test_samples_of_fail_and_pass_are_offered_for_audit(write: Engine) -> None:
    every = Reviewing(blind_share=0, sample_fail=1, sample_pass=1)
    assert waiting(write, STATION, ANNA, every, NOW) == {"REVIEW": 5, "FAIL": 2, "PASS": 3, "second": 0}
    found = []
    while (part := _next(write, ANNA, every)) is not None:
        found.append(_number(part))
        decide(write, part, ANNA, "accept", None, every, NOW)
    assert found == list(range(1, 11))
    late = NOW + timedelta(days=8)
    assert waiting(write, STATION, None, every, late) == {"REVIEW": 0, "FAIL": 0, "PASS": 0}


def test_a_sample_is_its_share_and_needs_a_picture(write: Engine, start: Recording) -> None:
    start().record(inspection(11))  # this recorder keeps no pictures
    recorder = start()
    for n in range(12, 412):
        recorder.record(inspection(n, pictures=0))
    assert recorder.flush(30)
    assert waiting(write, STATION, None, Reviewing(sample_pass=1.0), NOW)["PASS"] == 3
    with write.begin() as connection:
        rows = connection.execute(
            select(INSPECTION.c.result_id).where(INSPECTION.c.seq >= 12)
        ).scalars()
        picture = {"name": "frame-0.jpg", "kind": "picture", "path": "x", "bytes": 1, "verdict": "PASS"}
        values = [{**picture, "result_id": r, "station": STATION, "created_at": NOW} for r in rows]
        connection.execute(insert(EVIDENCE), values)
    share = waiting(write, STATION, None, Reviewing(sample_pass=0.25), NOW)["PASS"]
    assert 95 <= share <= 106, "a quarter of 403, evenly spread"


def test_kinds_narrow_the_queue(write: Engine) -> None:
    every = Reviewing(blind_share=0, sample_fail=1, sample_pass=1)
    assert _number(claim_next(write, STATION, ANNA, every, NOW, kinds=["PASS"])) == 8
    assert _number(claim_next(write, STATION, ANNA, every, NOW, kinds=["FAIL"])) == 6
    assert claim_next(write, "another", ANNA, every, NOW) is None


def test_a_blind_second_decides_what_another_has_decided(write: Engine) -> None:
    rules = Reviewing(blind_share=1, sample_fail=0, sample_pass=0)
    for _ in range(5):
        decide(write, str(_next(write, ANNA, rules)), ANNA, "accept", None, rules, NOW)
    assert _next(write, ANNA, rules) is None, "nobody is his own second"
    assert waiting(write, STATION, BEN, rules, NOW)["second"] == 5
    for decision, cause in [("accept", None)] * 4 + [("reject", "Defect")]:
        part = str(_next(write, BEN, rules))
        decide(write, part, BEN, decision, cause, rules, NOW)  # type: ignore[arg-type]
    assert _next(write, BEN, rules) is None
    assert _next(write, Actor("eve", "operator"), rules) is None, "twice is enough"
    both = between_reviewers(write, STATION, START)
    assert both.counts == ((4, 1), (0, 0))
    (one,) = disagreements(write, STATION, START)
    assert (one.first, one.second, one.reviewers) == ("accept", "reject", "anna, ben")


def test_what_another_looks_at_is_not_undone_meanwhile(write: Engine) -> None:
    rules = Reviewing(blind_share=1, sample_fail=0, sample_pass=0)
    part = str(_next(write, ANNA, rules))
    decide(write, part, ANNA, "accept", None, rules, NOW)
    while str(_next(write, BEN, rules)) != part:
        decide(write, str(_next(write, BEN, rules)), BEN, "accept", None, rules, NOW)
    with pytest.raises(InputError, match="the decision stands"):
        undo(write, STATION, ANNA, rules, NOW)
    assert [one.user for one in reviews(write, result_id=part)] == ["anna"]


def test_a_second_is_not_told_what_the_first_decided(write: Engine) -> None:
    rules = Reviewing(blind_share=1, sample_fail=1, sample_pass=0)
    for _ in range(5):
        part = str(_next(write, ANNA, rules))
        decide(write, part, ANNA, "accept", None, rules, NOW)
    assert disagreements(write, STATION, START) == ()


def test_the_share_that_goes_to_a_second(write: Engine) -> None:
    assert not any(drawn(f"r{n}", 0.0) for n in range(100))
    assert all(drawn(f"r{n}", 1.0) for n in range(100))
    assert 150 < sum(drawn(f"r{n}", 0.05) for n in range(4000)) < 250


def test_labels_are_kept_replaced_and_removed(write: Engine) -> None:
    part = f"{0xDEADBEEF:08x}-6"
    add_label(write, part, ANNA, "faulty", "cap", (10, 12, 20, 30), NOW, finding=0)
    add_label(write, part, ANNA, "good", "cap", (10, 12, 20, 30), NOW, finding=0)
    add_label(write, part, ANNA, "faulty", " <b>scratch</b> ", (1, 1, 5, 6), NOW)
    found = labels(write, result_id=part)
    assert [(one.truth, one.name, one.finding) for one in found] == [
        ("good", "cap", 0),
        ("faulty", "<b>scratch</b>", None),
    ]
    assert found[1].box == (1, 1, 5, 6)
    assert known_names(write, STATION) == ("<b>scratch</b>", "cap")
    assert known_names(write, "another") == ()
    remove_label(write, found[1].id, ANNA, NOW)
    remove_label(write, found[1].id, ANNA, NOW)
    assert len(labels(write, station=STATION)) == 1
    assert [act.action for act in trail(write)] == ["unlabel", "label", "label", "label"]


@pytest.mark.parametrize(
    ("name", "box"),
    [
        ("", (1, 1, 5, 5)),
        ("x" * 33, (1, 1, 5, 5)),
        ("a\nb", (1, 1, 5, 5)),
        ("dent", (5, 5, 5, 9)),
        ("dent", (1, 1, 65, 9)),
        ("dent", (-1, 1, 5, 9)),
        ("dent", (float("nan"), 1, 5, 9)),
    ],
)
def test_what_is_no_label(write: Engine, name: str, box: tuple[float, float, float, float]) -> None:
    with pytest.raises(InputError):
        add_label(write, f"{0xDEADBEEF:08x}-6", ANNA, "faulty", name, box, NOW)
    assert labels(write) == ()


def test_the_audit_trail_is_append_only(write: Engine) -> None:
    with write.begin() as connection:
        append(connection, ANNA, "login", "anna", NOW, text="<b>")
    for statement in (update(AUDIT).values(user="eve"), text("DELETE FROM audit")):
        with pytest.raises(DBAPIError, match="append-only"), write.begin() as connection:
            connection.execute(statement)
    (act,) = trail(write)
    assert (act.user, act.role, act.action, act.text, act.at) == (
        "anna",
        "operator",
        "login",
        "<b>",
        NOW,
    )
    assert trail(write, actions=["decision"]) == ()
    assert trail(write, user="ben") == ()
    assert trail(write, since=NOW + timedelta(seconds=1)) == ()


def test_a_failure_between_leaves_no_half_decision(
    write: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = str(_next(write, ANNA))

    def broken(*_: object, **__: object) -> int:
        raise RuntimeError("power")

    with monkeypatch.context() as patch:
        patch.setattr("inspector.records.audit.append", broken)
        with pytest.raises(RuntimeError):
            decide(write, part, ANNA, "accept", None, ALONE, NOW)
    assert reviews(write) == ()
    with write.connect() as connection:
        assert connection.execute(select(CLAIM.c.user)).scalars().all() == ["anna"]


def test_challenge_parts_are_for_nobody(write: Engine, start: Recording) -> None:
    recorder = start()
    recorder.record(inspection(50, cause=Cause.UNCERTAIN, challenge="faulty"))
    assert recorder.flush(20)
    assert waiting(write, STATION, None, ALONE, NOW)["REVIEW"] == 5


def test_agreement_of_a_table_from_the_literature() -> None:
    """Fleiss, Levin and Paik's kind of table: by hand, kappa = (0.70 - 0.50) / (1 - 0.50)."""
    found = agreement(((20, 5), (10, 15)))
    assert found.observed == pytest.approx(0.70)
    assert found.kappa == pytest.approx(0.40)
    # the usual interval, 0.40 +- 1.96 * 0.129, as the size is moderate
    assert found.low == pytest.approx(0.15, abs=0.04)
    assert found.high == pytest.approx(0.65, abs=0.04)
    assert found.parts == 50


def test_agreement_on_everything_is_not_certain() -> None:
    few, many = agreement(((5, 0), (0, 5))), agreement(((500, 0), (0, 500)))
    assert few.kappa == many.kappa == pytest.approx(1.0)
    assert few.low < 0.75 < 0.98 < many.low
    nothing = agreement(((0, 0), (0, 0)))
    assert nothing.kappa is None
    assert agreement(((9, 0), (0, 0))).kappa is None, "chance explains all of it"
    assert -1 <= nothing.low < nothing.high <= 1


def test_agreement_with_a_station_weighs_what_was_sampled() -> None:
    """Half of 10,000 parts rightly failed looks the same as one in a hundred, sampled evenly."""
    counts = ((95, 5), (5, 95))
    even = agreement(counts, population=(5000, 5000))
    rare = agreement(counts, population=(9900, 100))
    assert even.kappa == pytest.approx(0.90)
    # by hand: agreement 0.95, chance 0.99 * 0.941 + 0.01 * 0.059
    assert rare.observed == pytest.approx(0.95)
    assert rare.kappa == pytest.approx((0.95 - 0.93218) / (1 - 0.93218), abs=1e-3)
    assert agreement(((9, 1), (0, 0)), population=(900, 100)).kappa is None, "FAIL was not looked at"


def test_agreement_between_station_and_reviews(write: Engine) -> None:
    every = Reviewing(blind_share=0, sample_fail=1, sample_pass=1)
    while (part := _next(write, ANNA, every)) is not None:
        # 6 is a FAIL, 9 a PASS
        wrong = _number(part) == 9
        decide(write, part, ANNA, *(("reject", "Defect") if wrong else ("accept", None)), every, NOW)  # type: ignore[arg-type]
    found = with_station(write, STATION, START, (3, 2))
    assert found.counts == ((2, 1), (2, 0))
    kinds = {(one.first, one.second) for one in disagreements(write, STATION, START)}
    assert kinds == {("PASS", "reject"), ("FAIL", "accept")}
    assert KINDS == ("REVIEW", "FAIL", "PASS")
