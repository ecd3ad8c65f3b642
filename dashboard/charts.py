"""Charts as pure functions: records in, Altair charts out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import altair as alt

from dashboard import texts
from inspector.records.views import ScoreView

Chart: TypeAlias = alt.LayerChart | alt.FacetChart

PASS, FAIL, REVIEW = "#1fb58f", "#ff6b45", "#ffc928"
"""Bars on the dark ground; told apart by brightness too."""
_STAGE = "#6ebeff"
_TEXT = "#eef3f7"
_ROW_PX = 36
_AXIS_PX = 64
"""Streamlit counts the axis and its title as part of the height."""
SCORE_END = 1.5
"""Where the axis ends unless a score lies beyond."""


def score_bars(scores: Sequence[ScoreView]) -> Chart:
    """A bar a check, as a share of its threshold, so that checks of any scale stand side by side.

    A line marks the threshold, a dashed one the review threshold where it differs.
    """
    rows = [_score_row(score, position) for position, score in enumerate(scores)]
    end = max([SCORE_END, *(row["share"] * 1.2 for row in rows)])
    names = [row["check"] for row in rows]
    y = alt.Y("check:N", title=None, sort=names, axis=alt.Axis(labelLimit=240))
    base = alt.Chart(alt.InlineData(values=rows))
    bars = base.mark_bar(height=18).encode(
        x=alt.X(
            "share:Q",
            title=texts.SCORE_AXIS,
            scale=alt.Scale(domain=[0, end]),
            axis=alt.Axis(format="%", tickCount=6),
        ),
        y=y,
        color=alt.Color(
            "verdict:N",
            scale=alt.Scale(domain=["PASS", "FAIL", "REVIEW"], range=[PASS, FAIL, REVIEW]),
            legend=None,
        ),
        tooltip=["check:N", "score:Q", "threshold:Q", "reviewThreshold:Q", "verdict:N"],
    )
    labels = base.mark_text(align="left", dx=6, color=_TEXT, fontSize=13).encode(
        x="share:Q", y=y, text="text:N"
    )
    threshold = base.mark_tick(thickness=3, size=30, color=_TEXT).encode(x="one:Q", y=y)
    review = (
        base.transform_filter("datum.review < 1")
        .mark_tick(thickness=2, size=30, color=REVIEW)
        .encode(x="review:Q", y=y)
    )
    layers = alt.layer(bars, threshold, review, labels)
    return layers.properties(height=max(1, len(rows)) * _ROW_PX + _AXIS_PX)


def stage_bars(stages: Mapping[str, float]) -> Chart:
    """Milliseconds by stage, in the order given."""
    rows = [{"stage": name, "ms": ms, "text": f"{ms:.1f}"} for name, ms in stages.items()]
    y = alt.Y("stage:N", title=None, sort=list(stages), axis=alt.Axis(labelLimit=240))
    base = alt.Chart(alt.InlineData(values=rows))
    bars = base.mark_bar(height=18, color=_STAGE).encode(
        x=alt.X("ms:Q", title=texts.TIME_AXIS, axis=alt.Axis(tickCount=6)),
        y=y,
        tooltip=["stage:N", "ms:Q"],
    )
    labels = base.mark_text(align="left", dx=6, color=_TEXT, fontSize=13).encode(
        x="ms:Q", y=y, text="text:N"
    )
    return alt.layer(bars, labels).properties(height=max(1, len(rows)) * _ROW_PX + _AXIS_PX)


def stages(
    recorded: Mapping[str, float], acquisition_ms: float, processing_ms: float
) -> dict[str, float]:
    """All stages of a part in their order; what no stage accounts for is named as such."""
    rest = processing_ms - sum(recorded.values())
    complete = {texts.STAGES["acquisition"]: acquisition_ms, **recorded}
    if rest > 0:
        complete[texts.STAGES["rest"]] = rest
    return {name: round(ms, 3) for name, ms in complete.items()}


def _score_row(score: ScoreView, position: int) -> dict[str, Any]:
    limit = score.threshold
    share = score.score / limit if limit > 0 else 0.0
    review = score.review_threshold / limit if limit > 0 else 1.0
    verdict = "FAIL" if score.score >= limit else "REVIEW"
    if score.score < min(limit, score.review_threshold):
        verdict = "PASS"
    return {
        "position": position,
        "check": score.check,
        "score": score.score,
        "threshold": limit,
        "reviewThreshold": score.review_threshold,
        "share": max(0.0, share),
        "review": review,
        "one": 1.0,
        "verdict": verdict,
        "text": f"{score.score:.3g} / {limit:.3g}",
    }
