"""The Review page: one part after the other, decided by one click, and all of it recorded."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from people import add_users, locked, opened, press, toasts, words_of
from shift import STATION, Shift
from sqlalchemy import Engine, text

from dashboard import reviewing
from inspector.domain import Box, Finding, FindingKind
from inspector.records.audit import trail
from inspector.records.database import open_engine
from inspector.records.labels import labels
from inspector.records.reviews import reviews


@pytest.fixture
def line(empty: Shift, monkeypatch: pytest.MonkeyPatch) -> Shift:
    """Parts 9 to 12: FAIL, PASS, REVIEW, FAIL; every one of them is offered; nobody has to wait."""
    config = empty.config_path.read_text()
    rules = "    review: {sample_fail: 1, sample_pass: 1, blind_share: 1}\n"
    empty.config_path.write_text(config + rules)
    add_users(empty)
    empty.add([empty.inspect(n) for n in range(9, 13)])
    monkeypatch.setattr(reviewing, "LEAST_LOOK_S", 0.0)
    return empty


def test_nobody_decides_without_a_login(line: Shift, monkeypatch: pytest.MonkeyPatch) -> None:
    page = opened(monkeypatch, line.config_path, "review")
    assert "Log in to go on" in words_of(page)
    assert not page.button
    assert not list(page.get("imgs"))


def test_parts_are_decided_one_after_the_other(
    line: Shift, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = opened(monkeypatch, line.config_path, "review", "anna")
    words = words_of(page)
    for piece in ("PC-004009", "✖ FAIL", "REVIEW: 1 waiting", "FAIL: 2 waiting", "PASS: 1 waiting"):
        assert piece in words
    assert "A good part of this recipe" in words
    press(page, "✔ Accept")
    assert "PC-004009 accepted" in toasts(page)
    assert "PC-004010" in words_of(page)
    press(page, "✖ Missing")
    assert "PC-004010 rejected: missing" in toasts(page)
    assert "PC-004011" in words_of(page)
    press(page, "✖ Reject")
    press(page, "Undo")
    assert "PC-004011" in words_of(page), "the part that was decided last is back"
    press(page, "Skip")
    assert "PC-004012" in words_of(page)
    press(page, "✔ Accept")
    assert "PC-004011" in words_of(page), "what was skipped comes again at the end"
    press(page, "✔ Accept")
    assert "Nothing waits" in words_of(page)

    found = [(one.result_id[9:], one.decision, one.cause) for one in reviews(engine)]
    assert found == [
        ("9", "accept", None),
        ("10", "reject", "Missing"),
        ("12", "accept", None),
        ("11", "accept", None),
    ]
    acts = [act.action for act in trail(engine)]
    assert acts[::-1] == ["login", "decision", "decision", "decision", "undo", "decision", "decision"]
    with engine.connect() as connection:
        query = text("SELECT count(*) FROM outbox WHERE event LIKE '%disposition%'")
        assert connection.execute(query).scalar_one() == 6, "five decisions and what was undone"


def test_a_second_person_decides_blind(line: Shift, monkeypatch: pytest.MonkeyPatch) -> None:
    press(opened(monkeypatch, line.config_path, "review", "anna"), "✖ Wrong part")
    page = opened(monkeypatch, line.config_path, "review", "ben")
    words = words_of(page)
    assert "PC-004009" in words, "anna has the next one; this one waits for a second opinion"
    assert "Second opinion: another person has decided" in words
    assert "rong" not in words, "how anna decided is not said"
    press(page, "✔ Accept")
    page.segmented_control(key="review_section").set_value("agreement").run()
    words = words_of(page)
    assert "Between reviewers" in words
    assert "of 1 parts" in words
    assert "not known yet" not in words.split("Between reviewers and the station")[0].split("Agreed")[1]


def test_two_browsers_get_different_parts(line: Shift, monkeypatch: pytest.MonkeyPatch) -> None:
    first = opened(monkeypatch, line.config_path, "review", "anna")
    second = opened(monkeypatch, line.config_path, "review", "eve")
    assert "PC-004009" in words_of(first)
    assert "PC-004010" in words_of(second)


def test_a_key_that_comes_too_soon_decides_nothing(
    line: Shift, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reviewing, "LEAST_LOOK_S", 3600.0)
    page = opened(monkeypatch, line.config_path, "review", "anna")
    press(page, "✔ Accept")
    assert "too quick" in toasts(page)
    assert "PC-004009" in words_of(page)
    assert reviews(engine) == ()


def test_a_part_that_another_has_taken_over_is_not_decided_twice(
    line: Shift, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = opened(monkeypatch, line.config_path, "review", "anna")
    writer = open_engine(line.url)
    with writer.begin() as connection:
        connection.execute(text("UPDATE claim SET user = 'eve'"))
    writer.dispose()
    press(page, "✔ Accept")
    assert "not yours to decide any more" in toasts(page)
    assert "PC-004010" in words_of(page)
    assert reviews(engine) == ()


def test_mistakes_are_marked_for_training(
    line: Shift, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = opened(monkeypatch, line.config_path, "review", "anna")
    page.toggle(key="mark_open").set_value(True).run()
    assert not page.exception
    result = "5eed0001-9"
    finding = page.segmented_control(key=f"mark_{result}_0")
    finding.set_value("good").run()
    (mark,) = labels(engine, result_id=result)
    assert (mark.user, mark.truth, mark.name, mark.finding) == ("anna", "good", "anomaly", 0)
    page.segmented_control(key=f"mark_{result}_0").set_value("faulty").run()
    assert [one.truth for one in labels(engine, result_id=result)] == ["faulty"]
    press(page, "✖ Remove")
    assert labels(engine) == ()
    page.slider(key=f"mark_x_{result}").set_range(10, 60)
    page.slider(key=f"mark_y_{result}").set_range(20, 90)
    page.run()
    press(page, "Add this box")
    (mark,) = labels(engine, result_id=result)
    assert (mark.truth, mark.box, mark.finding) == ("faulty", (10, 20, 60, 90), None)


def test_what_stands_in_the_records_is_shown_as_text(
    line: Shift, monkeypatch: pytest.MonkeyPatch
) -> None:
    evil = "<img src=x onerror=alert(1)> :red[x] $a$"
    part = line.inspect(9)
    trigger = replace(part.trigger, part_id=evil[:32])
    finding = Finding("c", FindingKind.DEFECT, "<b>bold</b>", 0.9, 0.5, Box(5, 5, 50, 50))
    line.add([replace(part, result_id="5eed0001-8", seq=8, trigger=trigger, findings=(finding,))])
    page = opened(monkeypatch, line.config_path, "review", "anna")
    for _ in range(5):
        if evil[:20] in words_of(page):
            break
        press(page, "Skip")
    raw = " ".join(str(item.proto.body) for item in page.get("html"))
    assert "&lt;img src=x" in raw
    assert "<img" not in raw
    assert "<b>bold" not in raw
    page.toggle(key="mark_open").set_value(True).run()
    assert not page.exception
    press(page, "✔ Accept")
    assert "<img src=x onerror" in toasts(page)
    assert all("\\<img" in str(item.value) for item in page.toast)


def test_an_evidence_file_that_is_missing_is_a_sentence(
    line: Shift, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in (line.config.evidence_dir(line.station)).rglob("*"):
        if path.is_file():
            path.unlink()
    page = opened(monkeypatch, line.config_path, "review", "anna")
    assert "The picture is missing from the evidence folder." in words_of(page)
    press(page, "✔ Accept")
    assert "accepted" in toasts(page)


def test_a_path_out_of_the_evidence_folder_is_never_opened(
    line: Shift, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = line.config.evidence_dir(line.station).parent / "secret.jpg"
    picture = next(line.config.evidence_dir(line.station).rglob("frame-0.jpg"))
    secret.write_bytes(picture.read_bytes())
    writer = open_engine(line.url)
    with writer.begin() as connection:
        connection.execute(text("UPDATE evidence SET path = '../secret.jpg' WHERE kind = 'picture'"))
    writer.dispose()
    page = opened(monkeypatch, line.config_path, "review", "anna")
    assert "The picture is missing from the evidence folder." in words_of(page)
    assert not list(page.get("imgs"))


def test_a_locked_database_is_a_sentence(line: Shift, monkeypatch: pytest.MonkeyPatch) -> None:
    page = opened(monkeypatch, line.config_path, "review", "anna")
    with locked(line, monkeypatch):
        press(page, "✔ Accept")
        assert "is locked by another program" in toasts(page) + words_of(page)
    page.run()
    assert "PC-004009" in words_of(page), "nothing was decided, and the part is still there"


def test_what_an_idle_login_presses_is_not_done(
    line: Shift, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = opened(monkeypatch, line.config_path, "review", "anna")
    page.session_state["login_seen_s"] -= timedelta(minutes=31).total_seconds()
    press(page, "✔ Accept")
    assert "You are no longer logged in" in toasts(page)
    assert reviews(engine) == ()


def test_an_idle_login_ends(line: Shift, monkeypatch: pytest.MonkeyPatch) -> None:
    page = opened(monkeypatch, line.config_path, "review", "anna")
    page.session_state["login_seen_s"] -= timedelta(minutes=31).total_seconds()
    page.run()
    assert "Log in to go on" in words_of(page)


def test_the_empty_line(empty: Shift, monkeypatch: pytest.MonkeyPatch) -> None:
    add_users(empty)
    page = opened(monkeypatch, empty.config_path, "review", "anna")
    assert "Nothing waits" in words_of(page)
    press(page, "Undo")
    assert "no decision of yours" in toasts(page)
    assert STATION == "cover-1"
