"""Parts: find one part, and see everything that is known about it."""

from __future__ import annotations

from datetime import UTC, datetime

import streamlit as st

from dashboard import choosing, context, data, detail, links, markup, texts
from dashboard.data import Found, Source
from dashboard.texts import parts as words
from inspector.domain import Cause, Verdict
from inspector.records.search import Wanted

RESULT = "part"
"""Query parameter of a link to one inspection, a result id."""
_LISTED = "parts_listed"
_TABLE = "parts_table"
_TABLE_PX = 620
_SCAN, _TYPED = "parts_scan", "parts_typed"
_ID_LENGTH = 32


def render() -> None:
    """Run the page."""
    config = context.line()
    source = data.source(config, context.choose_station(config))
    given, said = links.linked(source.zone)
    if said:
        with st.container(horizontal=True, vertical_alignment="center", key="linked"):
            st.html(markup.notice(words.LINKED.format(conditions=said)))
            st.button(words.ALL_PARTS, icon=":material/close:", on_click=links.forget)
    wanted = _filters(source)
    # What the link says holds; what is chosen here narrows it.
    chosen: Wanted = {**wanted, **given}
    found = data.find(source, chosen)
    table, part = st.columns([1, 1.25], gap="medium")
    with table:
        _table(source, found, unfiltered=not any(chosen.values()))
    with part:
        _chosen(source, found)


def _filters(source: Source) -> Wanted:
    with st.container(key="filters"):
        scan, part, span, verdict, cause, recipe = st.columns([1.3, 1.3, 1, 1.3, 1.4, 1.2])
        with st.expander(words.MORE):
            batch, check, low, high = st.columns(4)
    scan.text_input(
        words.SCAN, placeholder=words.SCAN_PLACEHOLDER, max_chars=64, key=_SCAN, on_change=_scanned
    )
    text = part.text_input(
        texts.FIND_PART,
        placeholder=words.TYPE_PLACEHOLDER,
        help=texts.FIND_PART_HELP,
        max_chars=64,
        key=_TYPED,
        on_change=_forget,
    )
    since, until = choosing.time(source, span, datetime.now(UTC), on_change=_forget)
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
    recipe_id, recipe_version = choosing.recipe(source, recipe, on_change=_forget)
    batch_id = batch.text_input(texts.BATCH, max_chars=32, on_change=_forget)
    scored = check.selectbox(
        words.SCORE_OF,
        [None, *data.checks(source)],
        format_func=lambda name: name or texts.ANY,
        on_change=_forget,
    )
    lowest = low.number_input(words.SCORE_FROM, value=0.0, step=0.05, on_change=_forget)
    highest = high.number_input(words.SCORE_TO, value=1.0, step=0.05, on_change=_forget)
    return {
        "part_id": text.strip() or None,
        "since": since,
        "until": until,
        "verdicts": verdicts or None,
        "causes": causes or None,
        "recipe": recipe_id,
        "recipe_version": recipe_version,
        "batch_id": batch_id.strip() or None,
        "score_range": (scored, lowest, highest) if scored else None,
    }


def _table(source: Source, found: Found, *, unfiltered: bool) -> None:
    if not found.parts:
        st.html(
            markup.panel(texts.FOUND_NONE_TITLE, texts.NO_RECORDS if unfiltered else texts.FOUND_NONE)
        )
        return
    shown = len(found.parts)
    counted = texts.FOUND_ONE if found.total == 1 else texts.FOUND.format(count=f"{found.total:,}")
    if found.total > shown:
        template = words.FOUND_MORE if found.more else texts.FOUND_SHOWN
        counted = template.format(count=f"{found.total:,}", shown=shown)
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
        column_config={
            names["verdict"]: st.column_config.TextColumn(width=95),
            names["cause"]: st.column_config.TextColumn(width=150),
        },
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


def _scanned() -> None:
    """A scanner types an id and Enter; the field is empty for the next one at once."""
    st.session_state[_TYPED] = st.session_state[_SCAN].strip()
    st.session_state[_SCAN] = ""
    links.forget()
    _forget()


def _forget() -> None:
    """A new search shows its own part, not that of the link."""
    st.query_params.pop(RESULT, None)


render()
