"""Control limits, words for figures, and tables to take away."""

from __future__ import annotations

import csv
import io

import pytest

from dashboard.control import p_chart
from dashboard.export import cell, csv_bytes
from dashboard.wording import known_mistakes, percent
from inspector.records.known import Mistakes

# Montgomery, "Introduction to Statistical Quality Control", example 7.1: cans of orange juice
# concentrate, 30 samples of 50; centre 0.2313, limits 0.0524 and 0.4102, samples 15 and 23 beyond.
CANS = (
    12,
    15,
    8,
    10,
    4,
    7,
    16,
    9,
    14,
    10,
    5,
    6,
    17,
    12,
    22,
    8,
    10,
    5,
    13,
    11,
    20,
    18,
    24,
    15,
    9,
    12,
    7,
    13,
    9,
    6,
)


def test_limits_are_those_of_the_textbook() -> None:
    chart = p_chart([(count, 50) for count in CANS])
    assert chart.centre == pytest.approx(0.2313, abs=5e-5)
    assert chart.groups[0].low == pytest.approx(0.0524, abs=1e-4)
    assert chart.groups[0].high == pytest.approx(0.4102, abs=1e-4)
    assert [n + 1 for n, group in enumerate(chart.groups) if group.is_out] == [15, 23]


def test_limits_widen_with_fewer_parts_and_stay_shares() -> None:
    chart = p_chart([(1, 100), (0, 1), (0, 0), (99, 10_000)])
    assert [group.share for group in chart.groups] == [0.01, 0.0, None, 0.0099]
    assert chart.groups[1].high > chart.groups[0].high > chart.groups[3].high
    assert all(0 <= group.low <= group.high <= 1 for group in chart.groups)
    assert not any(group.is_out for group in chart.groups)


def test_no_part_at_all() -> None:
    assert p_chart([]).groups == ()
    assert p_chart([(0, 0)]).centre == 0


@pytest.mark.parametrize(
    ("count", "of", "text"),
    [
        (0, 0, "–"),
        (0, 5, "0.00 %"),
        (5, 5, "100.00 %"),
        (1, 3, "33.33 %"),
        (1, 1_000_000, "0.01 %"),
        (999_999, 1_000_000, "99.99 %"),
    ],
)
def test_all_and_none_are_said_of_all_and_none_alone(count: int, of: int, text: str) -> None:
    assert percent(count, of) == text


def test_mistakes_have_exact_bounds() -> None:
    facts = dict(known_mistakes(Mistakes(passed=60, faulty_shown=20, failed=4, falsely_rejected=1)))
    # 1 - 0.05 ** (1 / 60) and 1 - 0.05 ** (1 / 20)
    assert "0 of 60 were faulty, at most 4.9 % with 95 % confidence" in facts.values()
    assert "0 of 20 escaped (PASS), at most 14 % with 95 % confidence" in facts.values()
    assert "1 of 4 were good, at most 75 % with 95 % confidence" in facts.values()


def test_before_the_first_review_and_challenge() -> None:
    assert [fact.value for fact in known_mistakes(Mistakes())] == [
        "No reviews yet",
        "No challenge run yet",
    ]


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "  =1", '=HYPERLINK("http://x")']
)
def test_a_spreadsheet_runs_nothing(text: str) -> None:
    assert str(cell(text)).startswith("'")


def test_numbers_and_ids_stay_what_they_are() -> None:
    assert [cell(value) for value in (-1.5, 7, None, "A-10", "x=1")] == [-1.5, 7, None, "A-10", "x=1"]


def test_csv_reads_back() -> None:
    data = csv_bytes(("part", "score"), [('a"b,c', -0.5), ("=x\ny", None)])
    assert data.startswith(b"\xef\xbb\xbf")
    rows = list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")))
    assert rows == [["part", "score"], ['a"b,c', "-0.5"], ["'=x\ny", ""]]
