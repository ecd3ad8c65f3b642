"""Parts: find one part, and see everything that is known about it."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import streamlit as st

from dashboard import context, data, detail, markup, texts
from dashboard.data import Found, Source
from inspector.domain import Cause, Verdict
from inspector.records.queries import Wanted

RESULT = "part"
"""Query parameter of a link to one inspection, a result id."""
_LISTED = "parts_listed"
_TABLE = "parts_table"
_TABLE_PX = 620
_ID_LENGTH = 32


def render() -> None:
    """Run the page."""
    config = context.line()
    source = data.source(config, context.choose_station(config))
    wanted = _filters(source)
    found = data.find(source, wanted)
    table, chosen = st.columns([1, 1.25], gap="medium")
    with table:
        _table(source, found, unfiltered=not any(wanted.values()))
    with chosen:
        _chosen(source, found)


def _filters(source: Source) -> Wanted:
    with st.container(key="filters"):
        part, span, verdict, cause, recipe = st.columns([1.5, 1, 1.4, 1.6, 1.2])
    text = part.text_input(
        texts.FIND_PART,
        placeholder=texts.FIND_PART_PLACEHOLDER,
        help=texts.FIND_PART_HELP,
        max_chars=64,
        on_change=_forget,
    )
    chosen = span.selectbox(
        texts.FIND_TIME, list(texts.SPANS), format_func=texts.SPANS.__getitem__, on_change=_forget
    )
    verdicts = verdict.multiselect(
        texts.FIND_VERDICT, [v.value for v in Verdict], placeholder=texts.ANY, on_change=_forget
    )
    causes = cause.multiselect(
        texts.FIND_CAUSE,
        [c.word for c in Cause if c is not Cause.NONE],
        format_func=lambda word: texts.CAUSE[word],
        placeholder=texts.ANY,
        on_change=_forget,
    )
    used = [(use.recipe_id, use.recipe_version) for use in data.recipes(source)]
    chosen_recipe = recipe.selectbox(
        texts.FIND_RECIPE,
        [None, *used],
        format_func=lambda use: (
            texts.RECIPE_VERSION.format(recipe=use[0], version=use[1]) if use else texts.ANY
        ),
        on_change=_forget,
    )
    since, until = _times(source, chosen)
    return {
        "part_id": text.strip() or None,
        "since": since,
        "until": until,
        "verdicts": verdicts or None,
        "causes": causes or None,
        "recipe": chosen_recipe[0] if chosen_recipe else None,
        "recipe_version": chosen_recipe[1] if chosen_recipe else None,
    }


def _times(source: Source, span: str) -> tuple[datetime | None, datetime | None]:
    now = datetime.now(UTC)
    today = now.astimezone(source.zone).date()

    def midnight(day: date) -> datetime:
        return datetime.combine(day, time(), source.zone)

    if span == "days":
        days = st.date_input(texts.FIND_FROM_TO, (today, today), on_change=_forget)
        # While only the first day has been clicked there is one element.
        chosen = days if isinstance(days, tuple) else (days,)
        if not chosen:
            return None, None
        return midnight(chosen[0]), midnight(chosen[-1] + timedelta(days=1))
    starts = {
        "hour": now - timedelta(hours=1),
        "shift": data.current_shift(source.config.shifts, source.zone, now).start,
        "today": midnight(today),
        "week": now - timedelta(days=7),
    }
    return starts.get(span), None


def _table(source: Source, found: Found, *, unfiltered: bool) -> None:
    if not found.parts:
        st.html(
            markup.panel(texts.FOUND_NONE_TITLE, texts.NO_RECORDS if unfiltered else texts.FOUND_NONE)
        )
        return
    shown = len(found.parts)
    counted = texts.FOUND_ONE if found.total == 1 else texts.FOUND.format(count=f"{found.total:,}")
    if found.total > shown:
        counted = texts.FOUND_SHOWN.format(count=f"{found.total:,}", shown=shown)
    st.html(markup.heading(counted))
    st.session_state[_LISTED] = [part.result_id for part in found.parts]
    names = texts.COLUMNS
    st.dataframe(
        {
            names["verdict"]: [
                f"{texts.VERDICT_SYMBOL.get(part.verdict, '')} {part.verdict}" for part in found.parts
            ],
            names["part"]: [part.part_id for part in found.parts],
            names["time"]: [markup.instant(part.created_at, source.zone) for part in found.parts],
            names["cause"]: [texts.CAUSE.get(part.cause, part.cause) for part in found.parts],
            names["attempt"]: [part.attempt for part in found.parts],
            names["recipe"]: [f"{part.recipe_id} {part.recipe_version}" for part in found.parts],
            names["age"]: [round(part.age_ms, 1) for part in found.parts],
        },
        height=_TABLE_PX,
        hide_index=True,
        key=_TABLE,
        on_select=_choose,
        selection_mode="single-row",
    )


def _chosen(source: Source, found: Found) -> None:
    result_id = st.query_params.get(RESULT, "")[:_ID_LENGTH]
    if not result_id and len(found.parts) == 1:
        result_id = found.parts[0].result_id
    if not result_id:
        if found.parts:
            st.html(markup.panel(texts.PARTS, texts.CHOOSE_PART))
        return
    record = data.record(source, result_id)
    if record is None:
        st.html(markup.panel(texts.PARTS, texts.UNKNOWN_PART.format(result=result_id)))
        return
    detail.show(source, record, RESULT)


def _choose() -> None:
    rows = st.session_state[_TABLE].selection.rows
    listed = st.session_state.get(_LISTED, [])
    if rows and rows[0] < len(listed):
        st.query_params[RESULT] = listed[rows[0]]
    else:
        _forget()


def _forget() -> None:
    """A new search shows its own part, not that of the link."""
    st.query_params.pop(RESULT, None)


render()
