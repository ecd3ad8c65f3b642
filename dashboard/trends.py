"""Charts of many parts as pure functions: causes, shares with control limits, times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

import altair as alt

from dashboard import texts
from dashboard.charts import FAIL, REVIEW, Chart
from dashboard.control import ControlChart
from dashboard.spans import Named, Step
from dashboard.texts import station
from dashboard.texts import statistics as words
from inspector.config import Drift
from inspector.domain import Cause
from inspector.records.statistics import Tallied

CAUSE, POINT = "cause", "point"
"""Names of what is clicked: a bar's cause, a point's number."""
_BAR = {"FAIL": FAIL, "REVIEW": REVIEW}
_LINE, _TEXT, _SOFT = "#6ebeff", "#eef3f7", "#a9b8c5"
_HEIGHT_PX = 300


def pareto(causes: Mapping[str, int]) -> Chart:
    """A bar a cause, most frequent first, and how the bars add up."""
    total, added = sum(causes.values()), 0
    rows = []
    for word, count in causes.items():
        added += count
        rows.append(
            {
                "cause": word,
                "name": texts.CAUSE.get(word, word),
                "count": count,
                "added": added / total,
                "verdict": verdict_of(word),
            }
        )
    base = alt.Chart(alt.InlineData(values=rows))
    x = alt.X(
        "name:N", title=None, sort=None, axis=alt.Axis(labelAngle=-35, labelLimit=150, labelFontSize=13)
    )
    bars = (
        base.mark_bar(cursor="pointer")
        .encode(
            x=x,
            y=alt.Y("count:Q", title=words.PARTS_AXIS, axis=alt.Axis(tickMinStep=1)),
            color=alt.Color(
                "verdict:N",
                scale=alt.Scale(domain=list(_BAR), range=list(_BAR.values())),
                legend=None,
            ),
            tooltip=["name:N", "count:Q", alt.Tooltip("added:Q", format=".1%")],
        )
        .add_params(alt.selection_point(name=CAUSE, fields=["cause"]))
    )
    numbers = base.mark_text(dy=-8, color=_TEXT, fontSize=13).encode(x=x, y="count:Q", text="count:Q")
    line = base.mark_line(color=_SOFT, point=alt.OverlayMarkDef(color=_SOFT)).encode(
        x=x,
        y=alt.Y(
            "added:Q",
            title=words.CUMULATIVE,
            scale=alt.Scale(domain=[0, 1]),
            axis=alt.Axis(format="%", grid=False),
        ),
    )
    layers: Chart = alt.layer(alt.layer(bars, numbers), line).resolve_scale(y="independent")
    return layers.properties(height=_HEIGHT_PX + 60)


def control_chart(chart: ControlChart, pieces: Sequence[Named], step: Step, zone: ZoneInfo) -> Chart:
    """Shares in their order, the limits of each, and what lies beyond them marked."""
    rows = [
        {
            "point": number,
            "time": local(piece.since, zone),
            "name": label(piece, step, zone),
            "share": group.share,
            "count": group.count,
            "of": group.of,
            "low": group.low if group.of else None,
            "high": group.high if group.of else None,
            "centre": chart.centre,
            "out": group.is_out,
        }
        for number, (piece, group) in enumerate(zip(pieces, chart.groups, strict=True))
    ]
    base = alt.Chart(alt.InlineData(values=rows))
    x = alt.X("time:T", title=None, axis=alt.Axis(labelFontSize=13, format=_format(step), tickCount=6))
    y = alt.Y("share:Q", title=words.SHARE_AXIS, axis=alt.Axis(format="%"))
    limit = base.mark_line(color=REVIEW, strokeDash=[6, 4], interpolate="step")
    low, high = (limit.encode(x=x, y=f"{name}:Q") for name in ("low", "high"))
    centre = base.mark_line(color=_SOFT).encode(x=x, y="centre:Q")
    line = base.mark_line(color=_LINE, strokeWidth=2).encode(x=x, y=y)
    points = (
        base.transform_filter("datum.share !== null")
        .mark_point(filled=True, opacity=1, cursor="pointer")
        .encode(
            x=x,
            y=y,
            shape=alt.Shape(
                "out:N",
                scale=alt.Scale(domain=[False, True], range=["circle", "diamond"]),
                legend=None,
            ),
            size=alt.Size("out:N", scale=alt.Scale(domain=[False, True], range=[60, 220]), legend=None),
            color=alt.Color(
                "out:N", scale=alt.Scale(domain=[False, True], range=[_LINE, FAIL]), legend=None
            ),
            tooltip=["name:N", "count:Q", "of:Q", alt.Tooltip("share:Q", format=".2%")],
        )
        .add_params(alt.selection_point(name=POINT, fields=["point"], nearest=True))
    )
    return alt.layer(low, high, centre, line, points).properties(height=_HEIGHT_PX)


def latencies(
    cells: Sequence[Tallied],
    pieces: Sequence[Named],
    step: Step,
    zone: ZoneInfo,
    deadline_ms: float,
) -> alt.VConcatChart:
    """Ages of the verdicts against the deadline, and below them how many missed it."""
    ages, missed = [], []
    for piece, cell in zip(pieces, cells, strict=True):
        time = local(piece.since, zone)
        for series, share in (("p50", 0.5), ("p99", 0.99)):
            ages.append({"time": time, "series": series, "ms": cell.quantile_ms(share)})
        missed.append({"time": time, "name": label(piece, step, zone), "late": cell.late})
    axis = alt.Axis(labelFontSize=13, format=_format(step), tickCount=6)
    lines = (
        alt.Chart(alt.InlineData(values=ages))
        .mark_line(point=True)
        .encode(
            x=alt.X("time:T", title=None, axis=axis),
            y=alt.Y("ms:Q", title=words.LATENCY_AXIS),
            color=alt.Color(
                "series:N", scale=alt.Scale(range=[_LINE, REVIEW]), legend=alt.Legend(title=None)
            ),
            tooltip=["series:N", alt.Tooltip("ms:Q", format=".1f")],
        )
    )
    rule = (
        alt.Chart(alt.InlineData(values=[{"deadline": deadline_ms}]))
        .mark_rule(color=FAIL, strokeWidth=2)
        .encode(y="deadline:Q")
    )
    bars = (
        alt.Chart(alt.InlineData(values=missed))
        .mark_bar(color=FAIL)
        .encode(
            x=alt.X("time:T", title=None, axis=axis),
            y=alt.Y("late:Q", title=words.LATE_AXIS, axis=alt.Axis(tickMinStep=1, tickCount=3)),
            tooltip=["name:N", "late:Q"],
        )
    )
    upper = alt.layer(lines, rule).properties(height=220, width="container")
    return alt.vconcat(upper, bars.properties(height=80, width="container"))


def drift_course(
    times: Sequence[datetime], values: Sequence[float], zone: ZoneInfo, rules: Drift
) -> Chart:
    """How far one measure had moved, with the usual limits."""
    rows = [{"time": local(at, zone), "psi": value} for at, value in zip(times, values, strict=True)]
    line = (
        alt.Chart(alt.InlineData(values=rows))
        .mark_line(color=_LINE, point=True)
        .encode(
            x=alt.X("time:T", title=None, axis=alt.Axis(labelFontSize=13, tickCount=6)),
            y=alt.Y("psi:Q", title=station.DRIFT_AXIS),
            tooltip=["time:T", alt.Tooltip("psi:Q", format=".3f")],
        )
    )
    limits = [{"limit": rules.watch_psi, "level": "watch"}, {"limit": rules.act_psi, "level": "act"}]
    colour = alt.Color(
        "level:N", scale=alt.Scale(domain=["watch", "act"], range=[REVIEW, FAIL]), legend=None
    )
    marks = (
        alt.Chart(alt.InlineData(values=limits))
        .mark_rule(strokeDash=[6, 4], strokeWidth=2)
        .encode(y="limit:Q", color=colour)
    )
    chart: Chart = alt.layer(line, marks)
    return chart.properties(height=200)


def verdict_of(cause: str) -> str:
    """The verdict that a cause leads to; of an unknown one the careful one."""
    try:
        return Cause.named(cause).verdict.value
    except KeyError:
        # A newer version has recorded it.
        return "REVIEW"


def label(piece: Named, step: Step, zone: ZoneInfo) -> str:
    """What people call that time."""
    start = piece.since.astimezone(zone)
    if step == "hour":
        return f"{start:%Y-%m-%d %H:%M}"
    return f"{start:%Y-%m-%d} {piece.name}".strip()


def local(moment: datetime, zone: ZoneInfo) -> str:
    """The plant's time without its zone: charts would else show that of the browser."""
    return moment.astimezone(zone).replace(tzinfo=None).isoformat(timespec="seconds")


def _format(step: Step) -> str:
    return "%d %b %H:%M" if step == "hour" else "%d %b"
