"""Live: the station as the PLC sees it, and the part that was judged last."""

from __future__ import annotations

import streamlit as st

from dashboard import bar, context, data, login, markup, texts
from dashboard.data import Snapshot, Source
from dashboard.markup import Figure
from dashboard.reasons import reason
from inspector.config import LineConfig
from inspector.errors import InspectorError
from inspector.records.views import PartRecord

REFRESH_S = 0.5


@st.fragment(run_every=REFRESH_S)
def watch(config: LineConfig, name: str) -> None:
    """The whole page; runs by itself twice a second, and recovers when the database comes back."""
    if not login.may_view(by_person=False):
        return
    try:
        source = data.source(config, name)
        seen = data.snapshot(source)
    except InspectorError as error:
        bar.unknown(config, name, error)
        return
    bar.show(
        source, seen.state, seen.now, simulated=seen.last is not None and seen.last.summary.is_simulated
    )
    if seen.last is None:
        st.html(markup.panel(texts.NO_PARTS_TITLE, texts.NO_PARTS))
        return
    old = _outdated(source, seen)
    left, right = st.columns([1.12, 1], gap="medium")
    with left:
        _picture(source, seen.last, old)
    with right:
        _verdict(source, seen.last, live=not old)
        _figures(source, seen)
    st.html(markup.heading(texts.LAST_PARTS.format(count=len(seen.recent))))
    st.html(markup.strip(seen.recent, data.STRIP, live=not old))


def _outdated(source: Source, seen: Snapshot) -> str:
    """What to write over a picture that is not of now; empty while all is live."""
    if seen.silent_since is not None:
        since = markup.clock(seen.silent_since, source.zone)
        return texts.OLD_PICTURE.format(since=since)
    if seen.state is None or not seen.state.online:
        return texts.OLD_PICTURE_STOPPED
    return texts.OLD_PICTURE_CAMERA if seen.lost_cameras else ""


def _picture(source: Source, last: PartRecord, old: str) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        boxes = st.toggle(texts.OVERLAYS, value=True, key="live_boxes")
        heat = st.toggle(texts.HEAT, value=False, key="live_heat", disabled=not data.has_heat(last))
    shown = data.picture(source, last, boxes=boxes, heat=heat)
    with st.container(key="picture_old" if old else "picture_live"):
        if shown.data is None:
            st.html(markup.panel(last.summary.part_id, shown.note))
        else:
            st.image(shown.data, width="stretch")
        if old:
            st.html(markup.stamp(old))


def _verdict(source: Source, last: PartRecord, *, live: bool) -> None:
    part = last.summary
    sentence = reason(last, data.noun(source, last))
    st.html(markup.verdict_band(part.verdict, sentence, live=live))
    recipe = texts.RECIPE_VERSION.format(recipe=part.recipe_id, version=part.recipe_version)
    st.html(
        markup.facts(
            (
                (texts.PART, part.part_id),
                (texts.INSPECTED, markup.clock(part.created_at, source.zone)),
                (texts.RECIPE, recipe),
            )
        )
    )


def _figures(source: Source, seen: Snapshot) -> None:
    counted, latency = seen.counters, seen.latency
    since = seen.shift.start.astimezone(source.zone).strftime("%H:%M")
    st.html(markup.heading(texts.COUNTERS.format(shift=seen.shift.name, since=since)))

    def share(count: int) -> str:
        return f"{100 * count / counted.parts:.1f} %" if counted.parts else ""

    st.html(
        markup.figures(
            (
                Figure("✔ PASS", f"{counted.passed:,}", share(counted.passed), "pass"),
                Figure("✖ FAIL", f"{counted.failed:,}", share(counted.failed), "fail"),
                Figure("? REVIEW", f"{counted.review:,}", share(counted.review), "review"),
                Figure(texts.PARTS_TOTAL, f"{counted.parts:,}"),
            )
        )
    )
    within = texts.DEADLINE_OF.format(deadline=f"{seen.deadline_ms:g}")
    st.html(
        markup.figures(
            (
                Figure(texts.PER_MINUTE, f"{seen.per_minute}"),
                _time(texts.LATENCY_P50, latency.p50_ms, seen.deadline_ms, within),
                _time(texts.LATENCY_P99, latency.p99_ms, seen.deadline_ms, within),
                Figure(
                    texts.MISSED,
                    f"{latency.missed}",
                    texts.MISSED_OF.format(parts=f"{latency.parts:,}"),
                    "alarm" if latency.missed else "",
                ),
            )
        )
    )


def _time(name: str, value_ms: float, deadline_ms: float, note: str) -> Figure:
    tone = "alarm" if value_ms >= deadline_ms else ""
    return Figure(name, texts.MILLISECONDS.format(value=f"{value_ms:.0f}"), note, tone)


def render() -> None:
    """Run the page."""
    config = context.line()
    watch(config, context.choose_station(config))


render()
