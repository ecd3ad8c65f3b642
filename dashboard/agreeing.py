"""How far reviewers agree with each other, and with the station."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dashboard import acts, markup, texts
from dashboard.data import Source
from dashboard.markup import Figure
from dashboard.texts import review as words
from inspector.records import agreement, statistics
from inspector.records.agreement import Agreement

_GOOD, _AIM = 0.75, 0.90
"""AIAG, Measurement Systems Analysis, 4th edition: a kappa above 0.75 is good agreement."""


def show(source: Source, head: DeltaGenerator) -> None:
    """Both agreements in a time chosen in ``head``, and the parts on which somebody differs."""
    days = head.segmented_control(
        words.SINCE,
        list(words.SPANS),
        default=30,
        required=True,
        format_func=words.SPANS.__getitem__,
        key="agreement_days",
        label_visibility="collapsed",
    )
    span = timedelta(days=days or 30)
    people, machine = _agreements(source.key, span, source)
    left, right = st.columns(2, gap="medium")
    decisions = list(words.TABLE.values())
    with left:
        seconds = [words.TABLE_SECOND.format(decision=decision) for decision in decisions]
        _one(words.PEOPLE, words.PEOPLE_HELP, people, words.TABLE_FIRST, decisions, seconds)
    with right:
        persons = [words.TABLE_PERSON.format(decision=decision) for decision in decisions]
        verdicts = [f"{texts.VERDICT_SYMBOL[verdict]} {verdict}" for verdict in ("PASS", "FAIL")]
        _one(words.MACHINE, words.MACHINE_HELP, machine, words.TABLE_STATION, verdicts, persons)
    st.caption(words.KAPPA_HELP)
    _differences(source, acts.now() - span)


@st.cache_data(show_spinner=False, ttl=20, max_entries=32)
def _agreements(key: tuple[str, ...], span: timedelta, _source: Source) -> tuple[Agreement, Agreement]:
    since, engine, station = acts.now() - span, _source.engine, _source.station.name
    counted = statistics.counters(engine, station, since)
    return (
        agreement.between_reviewers(engine, station, since),
        agreement.with_station(engine, station, since, (counted.passed, counted.failed)),
    )


def _one(
    title: str, about: str, found: Agreement, corner: str, rows: Sequence[str], columns: Sequence[str]
) -> None:
    st.html(markup.heading(title))
    st.caption(about)
    kappa, note, tone = words.KAPPA_UNKNOWN, "", ""
    if found.kappa is not None:
        kappa = f"{found.kappa:.2f}"
        note = words.KAPPA_RANGE.format(low=found.low, high=found.high)
        tone = "pass" if found.kappa >= _AIM else "review" if found.kappa >= _GOOD else "fail"
    agreed = f"{100 * found.observed:.1f} %" if found.parts else words.KAPPA_UNKNOWN
    st.html(
        markup.figures(
            (
                Figure(words.KAPPA, kappa, note, tone),
                Figure(words.AGREED, agreed, words.AGREED_OF.format(parts=f"{found.parts:,}")),
            )
        )
    )
    table = {corner: list(rows)}
    counts = {name: [row[index] for row in found.counts] for index, name in enumerate(columns)}
    st.dataframe({**table, **counts}, hide_index=True)


def _differences(source: Source, since: datetime) -> None:
    st.html(markup.heading(words.DIFFER))
    found = agreement.disagreements(source.engine, source.station.name, since)
    if not found:
        st.caption(words.DIFFER_NONE)
        return
    names = words.DIFFER_COLUMNS
    said = {"accept": words.TABLE["accept"], "reject": words.TABLE["reject"]}
    table = st.dataframe(
        {
            names["at"]: [markup.instant(one.at, source.zone) for one in found],
            names["part"]: [one.part_id for one in found],
            names["first"]: [said.get(one.first, one.first) for one in found],
            names["second"]: [said.get(one.second, one.second) for one in found],
            names["who"]: [one.reviewers for one in found],
        },
        hide_index=True,
        key="differences",
        on_select="rerun",
        selection_mode="single-row",
    )
    if rows := table.selection.rows:
        st.switch_page("views/parts.py", query_params={"part": found[rows[0]].result_id})
