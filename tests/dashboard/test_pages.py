"""Both pages as Streamlit's own test harness runs them."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path

import pytest
from shift import BOOT, Shift
from sqlalchemy import text
from streamlit.testing.v1 import AppTest

from inspector.records.database import open_engine
from inspector.sim.scene import FaultKind

APP = Path(__file__).resolve().parents[2] / "dashboard" / "app.py"


def _open(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> AppTest:
    monkeypatch.setattr(sys, "argv", [str(APP), *(str(item) for item in arguments)])
    return AppTest.from_file(str(APP), default_timeout=30)


def _live(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> str:
    page = _open(monkeypatch, *arguments).run()
    assert not page.exception
    return _words(page)


def _parts(monkeypatch: pytest.MonkeyPatch, config: Path, result: str = "") -> AppTest:
    page = _open(monkeypatch, config).run()
    page.switch_page("views/parts.py")
    if result:
        page.query_params["part"] = result
    page.run()
    assert not page.exception
    return page


def _html(page: AppTest) -> str:
    return " ".join(str(item.proto.body) for item in page.get("html"))


def _words(page: AppTest) -> str:
    """What stands on the page, without tags."""
    plain = re.sub(r"<[^>]+>", " ", re.sub(r"<style>.*?</style>", "", _html(page), flags=re.S))
    return " ".join(unescape(plain).split())


def _count(page: AppTest, kind: str) -> int:
    return len(list(page.get(kind)))


def _has_all(words: str, expected: Iterable[str]) -> None:
    for piece in expected:
        assert piece in words, f"'{piece}' is not in: {words}"


def test_live_shows_the_last_part_and_the_shift(filled: Shift, monkeypatch: pytest.MonkeyPatch) -> None:
    filled.report()
    page = _open(monkeypatch, filled.config_path).run()
    assert not page.exception
    words = _words(page)
    expected = ["✖ FAIL", "Unlike a good part", "of the cover.", "PC-004060", "Ready", "Simulated"]
    _has_all(words, [*expected, "Health good", "Camera top: live", "pump-cover version 3"])
    _has_all(words, ["Parts 60", "Latency p99", "deadline 500 ms", "of the last 60"])
    assert re.search(r"✔ PASS 3\d 6\d\.\d %", words)
    assert _html(page).count('class="tile ') == 20
    assert f"parts?part={BOOT:08x}-60" in _html(page)
    assert _count(page, "image") == 1
    assert "not responding" not in words


def test_live_names_the_state_as_the_plc_sees_it(empty: Shift, monkeypatch: pytest.MonkeyPatch) -> None:
    empty.fill(2)
    changes = {"state": "Error", "mode": "commissioning", "health": "act", "clock_synced": False}
    empty.report(**changes, error_code=17, error_text="the disk is full", cameras={"top": "lost"})
    words = _live(monkeypatch, empty.config_path)
    _has_all(words, ["Error 17: the disk is full", "Commissioning", "Health: act now"])
    _has_all(words, ["Camera top gives no pictures.", "Clock not synchronised", "not live"])


def test_live_before_the_first_part(empty: Shift, monkeypatch: pytest.MonkeyPatch) -> None:
    words = _live(monkeypatch, empty.config_path)
    _has_all(words, ["No part inspected yet", "cover-1 has not reported its state yet"])


def test_live_never_shows_an_old_picture_as_live(empty: Shift, monkeypatch: pytest.MonkeyPatch) -> None:
    empty.fill(2)
    empty.age_state(timedelta(seconds=30))
    page = _open(monkeypatch, empty.config_path).run()
    words = _words(page)
    assert re.search(r"The station is not responding since \d\d:\d\d:\d\d\.", words)
    assert re.search(r"Last picture before \d\d:\d\d:\d\d, not live", words)
    assert 'class="verdict pass old"' in _html(page)
    assert "Ready" not in words


def test_live_says_when_the_station_was_stopped(empty: Shift, monkeypatch: pytest.MonkeyPatch) -> None:
    empty.fill(1)
    empty.report(online=False, state="Preoperational")
    words = _live(monkeypatch, empty.config_path)
    _has_all(words, ["The station has been stopped.", "before the station stopped, not live"])


def test_no_database_yet(empty: Shift, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INSPECTOR_STATE_DIR", str(tmp_path / "elsewhere"))
    words = _live(monkeypatch, empty.config_path)
    _has_all(words, ["no database", "elsewhere", "Start the line once."])


def test_database_of_a_newer_version(empty: Shift, monkeypatch: pytest.MonkeyPatch) -> None:
    empty.fill(1)
    empty.close()
    engine = open_engine(empty.url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    words = _live(monkeypatch, empty.config_path)
    _has_all(words, ["newer", "9999"])
    page = _parts(monkeypatch, empty.config_path)
    _has_all(_words(page), ["newer", "9999"])


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "No line was named. Start it with: streamlit run"),
        (("--station",), "expected one argument"),
        (("{config}", "--station", "x<b>y"), "has no station 'x<b>y'. Choose one of: cover-1"),
        (("absent.yaml",), "absent.yaml"),
    ],
)
def test_a_wrong_command_line_is_a_sentence(
    arguments: tuple[str, ...], sentence: str, filled: Shift, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = [item.format(config=filled.config_path) for item in arguments]
    assert sentence in _live(monkeypatch, *given)


def test_parts_finds_by_a_piece_of_the_id(filled: Shift, monkeypatch: pytest.MonkeyPatch) -> None:
    page = _parts(monkeypatch, filled.config_path)
    assert "60 parts found" in _words(page)
    page.text_input[0].set_value("*4048").run()
    words = _words(page)
    _has_all(words, ["1 part found", "✖ FAIL", "Screw missing", "PC-004048", "9f2c41d07be85a16"])
    assert _count(page, "image") == 1
    findings = page.dataframe[1].value
    assert list(findings["Check"]) == ["screws"]
    assert list(findings["Counts"]) == ["yes"]


def test_parts_by_verdict_cause_recipe_and_time(filled: Shift, monkeypatch: pytest.MonkeyPatch) -> None:
    page = _parts(monkeypatch, filled.config_path)
    page.multiselect[0].set_value(["FAIL"]).run()
    verdicts = set(page.dataframe[0].value["Verdict"])
    assert verdicts == {"✖ FAIL"}
    page.multiselect[1].set_value(["Missing"]).run()
    assert set(page.dataframe[0].value["Cause"]) == {"something missing"}
    page.selectbox[1].set_value(("pump-cover", 3)).run()
    page.selectbox[0].set_value("hour").run()
    assert len(page.dataframe[0].value) > 0
    page.selectbox[0].set_value("days").run()
    assert not page.exception
    page.text_input[0].set_value("nothing like it").run()
    assert "No part matches" in _words(page)


def test_a_link_opens_one_part(filled: Shift, monkeypatch: pytest.MonkeyPatch) -> None:
    page = _parts(monkeypatch, filled.config_path, f"{BOOT:08x}-55")
    words = _words(page)
    _has_all(words, ["? REVIEW", "too blurred", "PC-004055", "B-2231", "top, frame 1375"])
    # Another search shows its own part.
    page.text_input[0].set_value("PC-004048").run()
    assert "? REVIEW" not in _words(page)
    assert "PC-004048" in _words(page)


@pytest.mark.parametrize("result", ["../../etc/passwd", "<img src=x>", "x" * 500, "5eed0001-999"])
def test_a_link_to_nothing_is_a_sentence(
    result: str, filled: Shift, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = _parts(monkeypatch, filled.config_path, result)
    assert "There is no inspection with the result id" in _words(page)
    assert "<img" not in _html(page)


def test_attempts_of_a_part_are_linked(empty: Shift, monkeypatch: pytest.MonkeyPatch) -> None:
    now = datetime.now(UTC)
    first = empty.inspect(1, now, FaultKind.GOOD)
    second = replace(empty.inspect(2, now, FaultKind.MISSING_SCREW), trigger=first.trigger)
    empty.add([first, second])
    page = _parts(monkeypatch, empty.config_path, second.result_id)
    _has_all(_words(page), ["Attempts of this part", "1. ✔ PASS", "2. ✖ FAIL, something missing"])
    assert f'href="?part={first.result_id}"' in _html(page)
    assert f'href="?part={second.result_id}"' not in _html(page)


def test_parts_before_the_first_part(empty: Shift, monkeypatch: pytest.MonkeyPatch) -> None:
    page = _parts(monkeypatch, empty.config_path)
    assert "No part has been inspected yet" in _words(page)


def test_a_picture_that_is_gone_is_a_sentence(empty: Shift, monkeypatch: pytest.MonkeyPatch) -> None:
    (made,) = empty.fill(1)
    folder = empty.config.evidence_dir(empty.station)
    for file in folder.rglob("*.*"):
        file.write_bytes(b"damaged") if file.suffix == ".json" else file.unlink()
    page = _parts(monkeypatch, empty.config_path, made.result_id)
    assert "The picture is missing from the evidence folder." in _words(page)
    assert _count(page, "image") == 0
