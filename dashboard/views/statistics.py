"""Statistics: how often, why, and since when."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

import streamlit as st

from dashboard import (
    choosing,
    context,
    data,
    links,
    markup,
    report,
    spans,
    statistics,
    takeaway,
    texts,
    trends,
)
from dashboard.data import Source
from dashboard.markup import Figure
from dashboard.statistics import Answer, Question
from dashboard.texts import statistics as words
from dashboard.wording import known_mistakes, percent
from inspector.records.statistics import Kind

_REPORTS = 21
"""Shifts that a report is offered of."""
_BATCHES = 300


def render() -> None:
    """Run the page."""
    config = context.line()
    source = data.source(config, context.choose_station(config))
    first = statistics.first_part(source)
    if first is None:
        st.html(markup.panel(texts.NO_PARTS_TITLE, texts.NO_RECORDS))
        return
    question = _question(source, first)
    answer = statistics.answer(source, question)
    _kind(source, question, answer)
    if answer.total.parts:
        _figures(answer)
        left, right = st.columns([1, 1], gap="medium")
        with left:
            _causes(source, question, answer)
        with right:
            _trend(source, question, answer)
        left, right = st.columns([1, 1], gap="medium")
        with left:
            _latency(source, question, answer)
        with right:
            _breakdown(source, question)
    else:
        st.html(markup.panel(words.NOTHING_TITLE, words.NOTHING))
    _take_away(source, question, answer)


def _question(source: Source, first: datetime) -> Question:
    with st.container(key="filters"):
        span, kind, recipe, shift, batch, step = st.columns([1.2, 1.6, 1.4, 1, 1.1, 1])
    now = datetime.now(UTC).replace(microsecond=0)
    since, until = choosing.time(source, span, now, default="week")
    # A time without an end ends now: to the next half hour, so that answers can be kept for a while.
    begin, end = since or first, until or spans.soon(now)
    usual: Kind = "simulated" if data.is_simulated(source) else "production"
    chosen_kind = kind.selectbox(
        words.KIND,
        statistics.KINDS,
        index=statistics.KINDS.index(usual),
        format_func=words.KINDS.__getitem__,
    )
    recipe_id, recipe_version = choosing.recipe(source, recipe)
    names = list(dict.fromkeys(one.name for one in source.config.shifts))
    chosen_shift = shift.selectbox(
        words.SHIFT, [None, *names], format_func=lambda name: name or texts.ANY
    )
    chosen_step = step.selectbox(
        words.STEP,
        [None, *spans.STEPS],
        format_func=lambda name: words.STEPS[name] if name else words.STEP_BY_LENGTH,
    )
    question = Question(
        begin,
        max(end, begin),
        chosen_step or spans.step_for(begin, end),
        source.station.name,
        recipe_id,
        recipe_version,
        None,
        chosen_shift,
        chosen_kind,
    )
    batches = statistics.batches(source, question)[:_BATCHES]
    chosen_batch = batch.selectbox(
        words.BATCH,
        [None, *batches],
        format_func=lambda name: texts.ANY if name is None else name or words.NO_BATCH,
    )
    return replace(question, batch_id=chosen_batch)


def _kind(source: Source, question: Question, answer: Answer) -> None:
    if question.kind in words.NOT_PRODUCTION:
        st.html(markup.notice(words.NOT_PRODUCTION[question.kind]))
    since, until = (
        moment.astimezone(source.zone).strftime("%Y-%m-%d %H:%M")
        for moment in (question.since, question.until)
    )
    said = [words.CHOSEN.format(since=since, until=until)]
    others = [
        words.ASIDE_KIND[kind].format(count=f"{count:,}")
        for kind, count in answer.aside.items()
        if count
    ]
    if others:
        said.append(words.ASIDE.format(others=", ".join(others)))
    st.html(markup.heading(". ".join(said)))


def _figures(answer: Answer) -> None:
    total = answer.total
    st.html(
        markup.figures(
            (
                Figure(words.PARTS, f"{total.parts:,}"),
                Figure(words.YIELD, percent(total.passed, total.parts), words.YIELD_NOTE, "pass"),
                Figure(
                    words.FIRST_PASS,
                    percent(total.first_passed, total.first),
                    words.FIRST_PASS_NOTE.format(count=f"{total.first:,}"),
                    "pass",
                ),
                _share(words.FAIL_SHARE, total.failed, total.parts, "fail"),
                _share(words.REVIEW_SHARE, total.review, total.parts, "review"),
            )
        )
    )
    st.html(markup.heading(words.KNOWN))
    st.html(markup.facts(known_mistakes(answer.mistakes)))


def _share(name: str, count: int, of: int, tone: str) -> Figure:
    return Figure(name, percent(count, of), words.OF_PARTS.format(count=f"{count:,}"), tone)


def _age(name: str, value_ms: float | None) -> Figure:
    value = "–" if value_ms is None else texts.MILLISECONDS.format(value=f"{value_ms:.0f}")
    return Figure(name, value, words.AGE_NOTE)


def _causes(source: Source, question: Question, answer: Answer) -> None:
    st.html(markup.heading(words.PARETO))
    if not answer.causes:
        st.caption(words.NO_CAUSES)
        return
    st.caption(words.PARETO_HELP)
    clicked = st.altair_chart(
        trends.pareto(answer.causes), key="pareto", on_select="rerun", selection_mode=trends.CAUSE
    )
    # The same by keyboard, and for whoever cannot hit a bar.
    chosen = st.selectbox(
        words.SHOW_CAUSE,
        [None, *answer.causes],
        format_func=lambda word: texts.CAUSE.get(word, word) if word else words.CHOOSE,
    )
    hit = clicked.selection.get(trends.CAUSE) or []
    cause = chosen or (hit[0].get("cause") if hit else None)
    if cause in answer.causes:
        links.show_parts(question, question.since, question.until, cause)


def _trend(source: Source, question: Question, answer: Answer) -> None:
    st.html(markup.heading(words.TREND))
    st.caption(words.TREND_HELP)
    measure = (
        st.segmented_control(
            words.MEASURE,
            statistics.MEASURES,
            default="fail",
            required=True,
            format_func=words.MEASURES.__getitem__,
            label_visibility="collapsed",
        )
        or "fail"
    )
    chart = statistics.chart_of(answer.trend, measure)
    pieces = [point.piece for point in answer.trend]
    clicked = st.altair_chart(
        trends.control_chart(chart, pieces, question.step, source.zone),
        key="trend",
        on_select="rerun",
        selection_mode=trends.POINT,
    )
    out = sum(group.is_out for group in chart.groups)
    seen = sum(group.of > 0 for group in chart.groups)
    st.caption(words.OUT.format(count=out, of=seen) if out else words.NONE_OUT)
    hit = clicked.selection.get(trends.POINT) or []
    number = hit[0].get("point") if hit else None
    if isinstance(number, int) and 0 <= number < len(pieces):
        piece = pieces[number]
        links.show_parts(question, piece.since, piece.until, verdicts=statistics.VERDICTS[measure])


def _latency(source: Source, question: Question, answer: Answer) -> None:
    st.html(markup.heading(words.LATENCY))
    total = answer.total
    late = words.LATE_NOTE.format(share=percent(total.late, total.parts))
    st.html(
        markup.figures(
            (
                Figure(words.LATE, f"{total.late:,}", late, "alarm" if total.late else ""),
                _age(words.AGE_P50, total.quantile_ms(0.5)),
                _age(words.AGE_P99, total.quantile_ms(0.99)),
            )
        )
    )
    cells = [point.parts for point in answer.trend]
    pieces = [point.piece for point in answer.trend]
    deadline = source.station.deadline_ms
    chart = trends.latencies(cells, pieces, question.step, source.zone, deadline)
    st.altair_chart(chart, key="latency")


def _breakdown(source: Source, question: Question) -> None:
    by = (
        st.segmented_control(
            words.BREAKDOWN,
            statistics.BREAKDOWNS,
            default="recipe",
            required=True,
            format_func=words.BREAKDOWNS.__getitem__,
        )
        or "recipe"
    )
    rows = statistics.breakdown(source, question, by)
    names = sorted(rows, reverse=by == "batch")
    cells = [rows[name] for name in names]
    columns = words.BREAKDOWN_COLUMNS
    shown = {words.BREAKDOWNS[by].capitalize(): [name or words.NO_BATCH for name in names]}
    st.dataframe(
        {
            **shown,
            columns["parts"]: [cell.parts for cell in cells],
            columns["yield"]: [percent(cell.passed, cell.parts) for cell in cells],
            columns["first"]: [percent(cell.first_passed, cell.first) for cell in cells],
            columns["fail"]: [percent(cell.failed, cell.parts) for cell in cells],
            columns["review"]: [percent(cell.review, cell.parts) for cell in cells],
            columns["late"]: [cell.late for cell in cells],
            columns["p50"]: [takeaway.rounded(cell, 0.5) for cell in cells],
            columns["p99"]: [takeaway.rounded(cell, 0.99) for cell in cells],
        },
        hide_index=True,
        height=300,
    )


def _take_away(source: Source, question: Question, answer: Answer) -> None:
    st.html(markup.heading(words.EXPORT))
    with st.container(horizontal=True, vertical_alignment="bottom", key="take_away"):
        st.download_button(
            words.EXPORT_TREND,
            partial(takeaway.trend_csv, source, answer),
            "trend.csv",
            "text/csv",
            on_click="ignore",
            icon=":material/download:",
        )
        st.download_button(
            words.EXPORT_PARTS,
            partial(takeaway.parts_csv, source, question),
            "parts.csv",
            "text/csv",
            on_click="ignore",
            icon=":material/download:",
            help=words.EXPORT_PARTS_HELP.format(count=f"{statistics.EXPORT_LIMIT:,}"),
        )
        shifts = statistics.last_shifts(source, datetime.now(UTC), _REPORTS)
        piece = st.selectbox(
            words.REPORT_SHIFT,
            shifts,
            format_func=lambda one: report.shift_name(one, source.zone),
            width=420,
        )
        if piece is not None:
            st.download_button(
                words.EXPORT_REPORT,
                partial(takeaway.report_of, source, question, piece),
                f"shift-{piece.since.astimezone(source.zone):%Y-%m-%d-%H%M}.html",
                "text/html",
                on_click="ignore",
                icon=":material/print:",
            )


render()
