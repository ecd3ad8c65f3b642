"""The Statistics page, its tables and the shift report, over recorded parts."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from people import opened, press, words_of
from shift import STATION, Shift

from dashboard import data, spans, statistics, takeaway
from dashboard.data import Source
from dashboard.statistics import Question
from inspector.domain import Inspection, Verdict
from inspector.sim.scene import FaultKind

HOSTILE = "<script>x()</script>"


@pytest.fixture
def source(empty: Shift) -> Source:
    return data.source(empty.config, STATION)


def _question(source: Source, **changes: object) -> Question:
    now = datetime.now(UTC)
    since = now - timedelta(hours=5)
    fields: dict[str, object] = {"station": STATION, "kind": "simulated", **changes}
    return Question(since, spans.soon(now), "hour", **fields)  # type: ignore[arg-type]


def _rows(table: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(table.decode("utf-8-sig"), newline="")))


def _production(empty: Shift, count: int = 12) -> list[Inspection]:
    made = [replace(empty.inspect(n), simulated=False) for n in range(1, count + 1)]
    empty.add(made)
    return made


def test_figures_are_those_of_the_parts(filled: Shift, monkeypatch: pytest.MonkeyPatch) -> None:
    page = opened(monkeypatch, filled.config_path, "statistics")
    words = words_of(page)
    for piece in (
        "Parts 60",
        "Yield",
        "First-pass yield",
        "REVIEW 8.33 %",
        "5 parts",
        "No reviews yet",
    ):
        assert piece in words
    # All of the shift's parts are simulated, and the page says so before any figure.
    assert page.selectbox[1].value == "simulated"
    assert words.index("No figure below is of production") < words.index("Parts 60")
    page.selectbox[1].set_value("production").run()
    words = words_of(page)
    assert "No part of this kind was inspected" in words
    assert "Not counted here: 60 simulated or commissioning parts." in words


def test_conditions_narrow_the_figures(filled: Shift, monkeypatch: pytest.MonkeyPatch) -> None:
    page = opened(monkeypatch, filled.config_path, "statistics")
    page.selectbox[0].set_value("shift").run()
    page.selectbox[2].set_value(("pump-cover", 3)).run()
    page.selectbox[3].set_value("early").run()
    page.selectbox[4].set_value("B-2231").run()
    page.selectbox[5].set_value("hour").run()
    assert not page.exception
    assert "Parts 60" in words_of(page)
    assert page.selectbox[4].options == ["any", "B-2231"]


def test_a_cause_leads_to_its_parts(filled: Shift, monkeypatch: pytest.MonkeyPatch) -> None:
    page = opened(monkeypatch, filled.config_path, "statistics")
    choice = next(box for box in page.selectbox if box.label == "Show the parts of a cause")
    assert choice.options[0] == "choose"
    choice.set_value("Missing").run()
    assert not page.exception
    words = words_of(page)
    assert "Only these:" in words
    assert "something missing" in words
    assert set(page.dataframe[0].value["Cause"]) == {"something missing"}
    counted = re.search(r"(\d+) parts found", words)
    assert counted is not None
    assert int(counted[1]) == len(page.dataframe[0].value) > 1


def test_a_link_narrows_until_it_is_taken_away(filled: Shift, monkeypatch: pytest.MonkeyPatch) -> None:
    page = opened(monkeypatch, filled.config_path, "parts")
    for name, value in {"verdict": "FAIL,REVIEW", "batch": "B-2231", "kind": "simulated"}.items():
        page.query_params[name] = value
    page.run()
    assert set(page.dataframe[0].value["Verdict"]) == {"✖ FAIL", "? REVIEW"}
    assert "Only these: FAIL, REVIEW; Batch B-2231; Simulated and commissioning" in words_of(page)
    press(page, "All parts")
    assert "60 parts found" in words_of(page)


@pytest.mark.parametrize(
    "query",
    [
        {"since": "yesterday", "until": "now", "kind": HOSTILE, "version": "x"},
        {"cause": HOSTILE, "batch": HOSTILE, "recipe": HOSTILE, "verdict": HOSTILE},
        {"since": "2026-01-01T00:00:00", "until": "9999"},
    ],
    ids=["no times", "markup", "no zone"],
)
def test_an_address_written_by_hand_does_no_harm(
    query: dict[str, str], filled: Shift, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = opened(monkeypatch, filled.config_path, "parts")
    for name, value in query.items():
        page.query_params[name] = value
    page.run()
    assert not page.exception
    assert "<script" not in " ".join(str(item.proto.body) for item in page.get("html"))


def test_comparisons(filled: Shift, monkeypatch: pytest.MonkeyPatch) -> None:
    page = opened(monkeypatch, filled.config_path, "statistics")
    for by, name in (("batch", "B-2231"), ("shift", "early"), ("station", STATION)):
        control = next(one for one in page.get("button_group") if one.label == "Compare by")
        control.set_value(by).run()
        assert not page.exception
        table = page.dataframe[0].value
        assert list(table.iloc[:, 0]) == [name]
        assert list(table["Parts"]) == [60]


def test_before_the_first_part(empty: Shift, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "No part has been inspected yet" in words_of(
        opened(monkeypatch, empty.config_path, "statistics")
    )


def test_production_is_never_mixed(empty: Shift, source: Source) -> None:
    made = _production(empty)
    challenge = replace(made[0].trigger, part_id="CH-1", challenge="faulty")
    empty.add(
        [
            empty.inspect(101),
            replace(empty.inspect(102), simulated=False, trigger=challenge),
        ]
    )
    answer = statistics.answer(source, _question(source, kind="production"))
    assert answer.total.parts == 12
    assert answer.aside == {"simulated": 1, "challenge": 1}
    assert sum(point.parts.parts for point in answer.trend) == 12
    assert answer.causes == {
        cause: sum(one.judgement.cause.word == cause for one in made) for cause in answer.causes
    }


def test_first_pass_yield_counts_first_attempts(empty: Shift, source: Source) -> None:
    now = datetime.now(UTC)
    bad = empty.inspect(1, now, FaultKind.MISSING_SCREW)
    again = replace(empty.inspect(2, now, FaultKind.GOOD), trigger=bad.trigger)
    empty.add([bad, again, empty.inspect(4, now, FaultKind.GOOD)])
    total = statistics.answer(source, _question(source)).total
    assert (total.parts, total.passed, total.first, total.first_passed) == (3, 2, 2, 1)


def test_tables_hold_the_same_parts(empty: Shift, source: Source) -> None:
    made = _production(empty)
    formula = replace(made[0].trigger, part_id="=1+1", batch_id="@x")
    empty.add([replace(empty.inspect(50), simulated=False, trigger=formula)])
    question = _question(source, kind="production")
    parts = _rows(takeaway.parts_csv(source, question))
    assert len(parts) == 13
    assert [row["part"] for row in parts if row["part"].endswith("1+1")] == ["'=1+1"]
    assert {row["batch"] for row in parts} == {"B-2231", "'@x"}
    assert {row["recipe hash"] for row in parts} == {"9f2c41d07be85a16"}
    trend = _rows(takeaway.trend_csv(source, statistics.answer(source, question)))
    assert sum(int(row["parts"]) for row in trend) == 13
    assert sum(int(row["fail"]) for row in trend) == sum(row["verdict"] == "FAIL" for row in parts)


def test_the_shift_report_stands_alone_and_escapes(empty: Shift, source: Source) -> None:
    made = _production(empty)
    odd = replace(made[0].recipe, recipe_id="<b>soap</b>")
    made.append(replace(empty.inspect(60), simulated=False, recipe=odd))
    empty.add(made[-1:])
    empty.warn(HOSTILE)
    (running,) = statistics.last_shifts(source, datetime.now(UTC), 1)
    page = takeaway.report_of(source, _question(source, kind="production"), running).decode()
    assert "<b>13</b><span>Parts</span>" in page
    failed = sum(one.verdict is Verdict.FAIL for one in made)
    assert f"<td>✖ FAIL</td><td>{failed}</td>" in page
    assert "The shift is still running" in page
    assert "of production." not in page
    for escaped in ("&lt;b&gt;soap&lt;/b&gt;", "&lt;script&gt;x()&lt;/script&gt;"):
        assert escaped in page
    assert HOSTILE not in page
    # Nothing is fetched from elsewhere, and it has a size to print on.
    assert not re.search(r"(src|href)\s*=|url\(|@import", page)
    assert "@page { size: A4" in page
    assert page.count("<svg") == 1
    simulated = takeaway.report_of(source, _question(source), running).decode()
    assert "No figure below is of production." in simulated


def test_parts_that_came_too_late_are_counted(empty: Shift, source: Source) -> None:
    late = replace(empty.inspect(1, fault=FaultKind.GOOD), age_s=0.9)
    empty.add([late, empty.inspect(2, fault=FaultKind.GOOD)])
    total = statistics.answer(source, _question(source)).total
    assert total.late == 1
    assert (total.quantile_ms(0.99) or 0) > 500
