"""Charts hold the numbers they were given."""

from __future__ import annotations

from typing import Any

from dashboard import charts
from inspector.records.views import ScoreView


def _rows(chart: charts.Chart) -> list[dict[str, Any]]:
    (rows,) = chart.to_dict()["datasets"].values()
    return list(rows)


def test_scores_of_any_scale_are_shares_of_their_threshold() -> None:
    scores = (ScoreView("label", 12.0, 10.0, 8.0), ScoreView("caps", 0.45, 0.5, 0.4))
    rows = _rows(charts.score_bars((*scores, ScoreView("face", 0.1, 0.5, 0.5))))
    assert [(row["check"], round(row["share"], 3), row["verdict"]) for row in rows] == [
        ("label", 1.2, "FAIL"),
        ("caps", 0.9, "REVIEW"),
        ("face", 0.2, "PASS"),
    ]
    assert rows[0]["review"] == 0.8


def test_axis_reaches_a_score_far_beyond_its_threshold() -> None:
    chart = charts.score_bars([ScoreView("label", 90.0, 10.0, 10.0)]).to_dict()
    assert chart["layer"][0]["encoding"]["x"]["scale"]["domain"][1] > 9


def test_a_threshold_of_zero_divides_nothing() -> None:
    (row,) = _rows(charts.score_bars([ScoreView("label", 1.0, 0.0, 0.0)]))
    assert (row["share"], row["verdict"]) == (0.0, "FAIL")


def test_stages_add_up_to_the_whole_time() -> None:
    stages = charts.stages({"quality": 1.0, "caps": 5.5}, 4.0, 8.0)
    assert list(stages) == ["picture", "quality", "caps", "everything else"]
    assert sum(stages.values()) == 12.0
    rows = _rows(charts.stage_bars(stages))
    assert [row["ms"] for row in rows] == [4.0, 1.0, 5.5, 1.5]


def test_stages_that_ran_at_the_same_time_leave_no_rest() -> None:
    assert list(charts.stages({"a": 5.0, "b": 5.0}, 1.0, 6.0)) == ["picture", "a", "b"]
