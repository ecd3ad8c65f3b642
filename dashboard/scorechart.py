"""Scores of good and faulty parts with the thresholds drawn over them. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import altair as alt
import numpy as np

from dashboard import charts
from dashboard.texts import recipes as words

_BINS = 48
_COLOURS = {"good": charts.PASS, "open": charts.REVIEW, "faulty": charts.FAIL}
_TEXT = "#eef3f7"


def histogram(
    scores: Mapping[str, Sequence[float]], fail: float, review: float, height_px: int = 300
) -> charts.Chart:
    """Bars by group (``good``, ``open``, ``faulty``) over the score, and a line at each threshold.

    The count axis is logarithmic above one, so that three faulty parts are seen beside thousands of
    good ones.
    """
    values = np.array([score for group in scores.values() for score in group] or [0.0, fail])
    low = min(float(values.min()), review)
    high = max(float(values.max()), fail)
    margin = 0.03 * (high - low) or 0.5
    edges = np.linspace(low - margin, high + margin, _BINS + 1)
    bars = []
    for group in _COLOURS:
        counts, _ = np.histogram(scores.get(group, ()), edges)
        bars += [
            {
                "from": float(edges[index]),
                "to": float(edges[index + 1]),
                "parts": int(count),
                "group": words.GROUPS[group],
            }
            for index, count in enumerate(counts)
            if count
        ]
    names = [words.GROUPS[group] for group in _COLOURS]
    x = alt.X("from:Q", title=words.SCORE, scale=alt.Scale(domain=[edges[0], edges[-1]], nice=False))
    drawn = (
        alt.Chart(alt.InlineData(values=bars))
        .mark_bar(opacity=0.75)
        .encode(
            x=x,
            x2="to:Q",
            y2=alt.datum(0),
            y=alt.Y(
                "parts:Q",
                title=words.PARTS,
                stack=None,
                scale=alt.Scale(type="symlog"),
                axis=alt.Axis(tickCount=6),
            ),
            color=alt.Color(
                "group:N",
                title=None,
                scale=alt.Scale(domain=names, range=list(_COLOURS.values())),
                legend=alt.Legend(orient="top", labelFontSize=14),
            ),
            tooltip=["group:N", "parts:Q", "from:Q", "to:Q"],
        )
    )
    lines = [{"at": fail, "text": words.LINE_FAIL.format(value=fail), "row": 0}]
    if review < fail:
        lines.append({"at": review, "text": words.LINE_REVIEW.format(value=review), "row": 1})
    marks = alt.Chart(alt.InlineData(values=lines))
    dashes = alt.StrokeDash("row:N", legend=None, scale=alt.Scale(range=[[1, 0], [6, 4]]))
    rules = marks.mark_rule(color=_TEXT, strokeWidth=2).encode(
        x="at:Q", strokeDash=dashes, tooltip="text:N"
    )
    return alt.layer(drawn, rules).properties(height=height_px)
