"""A trained candidate beside the active version: figures, shadow run, promotion."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import streamlit as st

from dashboard import acts, answers, data, markup, recipes, tables, texts, training
from dashboard.data import Source
from dashboard.markup import Figure
from dashboard.recipes import Version
from dashboard.texts import train as words
from dashboard.training import REPORTS, Job
from inspector.bundle import read_card
from inspector.errors import InspectorError
from inspector.recipe import Recipe, load_recipe
from inspector.records import shadow
from inspector.users import User

_POLL_S = 1.0
_SHOWN = 100


def show(source: Source, user: User | None, job: Job, active: Version) -> None:
    """Everything about the candidate that a job has made."""
    candidate = _load(str(job.recipe))
    version = candidate.text.version
    st.html(markup.heading(words.CANDIDATE.format(recipe=candidate.recipe_id, version=version)))
    if active.number != job.plan.version:
        st.caption(words.CANDIDATE_OLD.format(version=active.number))
    _figures(job, active)
    _reports(job)
    if version != active.number:
        st.html(markup.heading(words.SHADOW))
        st.caption(words.SHADOW_HELP)
        _shadow(source, candidate)
        if user is not None:
            _buttons(source, user, candidate, job)
            _promote(source, user, candidate, job)
    answers.show("train", source)


@st.cache_resource(show_spinner=False, max_entries=8)
def _load(folder: str) -> Recipe:
    """A job's recipe, which does not change any more."""
    return load_recipe(Path(folder))


def _figures(job: Job, active: Version) -> None:
    before, after = (training.report(job, which) for which in ("active", "candidate"))
    told = {
        words.FIGURES[name]: (_value(name, before.get(name)), _value(name, after.get(name)))
        for name in words.FIGURES
        if name in before or name in after
    }
    if told:
        _beside(told, active)
    with st.expander(words.ALL_FIGURES, expanded=not told):
        _beside(dict(_stated(job, active)) | dict(_measured(before, after)), active)
    card = read_card(job.recipe / job.plan.model)
    if card.training:
        with st.expander(words.CHOSEN):
            st.html(markup.bullets(card.training))


def _beside(rows: Mapping[str, tuple[str, str]], active: Version) -> None:
    names = words.COMPARED
    tables.show(
        {
            names["name"]: list(rows),
            names["active"].format(version=active.number): [pair[0] for pair in rows.values()],
            names["candidate"]: [pair[1] for pair in rows.values()],
        }
    )


def _stated(job: Job, active: Version) -> Iterator[tuple[str, tuple[str, str]]]:
    """What the two cards state, side by side."""
    cards = [read_card(folder / job.plan.model) for folder in (active.folder, job.recipe)]
    before, after = (
        {
            **{name: value for name, value in card.metrics.items() if isinstance(value, float)},
            **{name: value for name, value in card.calibration.items() if name != "note"},
            **{name: float(count) for name, count in card.data.split.items()},
        }
        for card in cards
    )
    for name in dict.fromkeys([*before, *after]):
        yield words.COMPARED_MODEL.format(name=name), _pair(before.get(name), after.get(name))


def _measured(
    before: Mapping[str, float], after: Mapping[str, float]
) -> Iterator[tuple[str, tuple[str, str]]]:
    """What the two evaluations gave."""
    for name in dict.fromkeys([*before, *after]):
        yield words.COMPARED_MEASURED.format(name=name), _pair(before.get(name), after.get(name))


def _value(name: str, value: float | None) -> str:
    if value is None:
        return ""
    return f"{100 * value:.1f} %" if name in words.SHARES else f"{value:.4g}"


def _pair(before: float | str | None, after: float | str | None) -> tuple[str, str]:
    def text(value: float | str | None) -> str:
        return "" if value is None else value if isinstance(value, str) else f"{value:.5g}"

    return text(before), text(after)


def _reports(job: Job) -> None:
    pages = {
        which: page
        for which, name in REPORTS.items()
        if (page := (job.folder / name).with_suffix(".html")).is_file()
    }
    if not pages:
        st.caption(words.NO_FAULTY)
        return
    for column, (which, page) in zip(st.columns(len(pages)), pages.items(), strict=True):
        column.download_button(
            words.REPORT.format(which=words.REPORTS[which]),
            data=page.read_bytes,
            file_name=page.name,
            mime="text/html",
            key=f"train_report_{which}",
            icon=":material/download:",
            width="stretch",
        )


@st.fragment(run_every=_POLL_S)
def _shadow(source: Source, candidate: Recipe) -> None:
    """The run as it stands; recovers when the database comes back."""
    try:
        _run(source, candidate)
    except InspectorError as error:
        st.html(markup.problem(error))


def _run(source: Source, candidate: Recipe) -> None:
    state = data.state(source)
    counters = state.counters if state is not None and state.online else {}
    version = candidate.text.version
    current = counters.get("shadow_version")
    if current == version:
        judged, dropped = counters["shadow_judged"], counters["shadow_dropped"]
        st.caption(words.SHADOW_RUNS.format(judged=f"{judged:,}", dropped=f"{dropped:,}"))
    else:
        other = words.SHADOW_OTHER.format(version=current) if current else words.SHADOW_OFF
        st.caption(other)
    _tally(source, candidate.recipe_id, version)


def _tally(source: Source, recipe_id: str, version: int) -> None:
    station = source.station.name
    tally = shadow.shadow_tally(source.engine, station, recipe_id, version)
    parts = sum(one.parts for one in tally)
    if not parts:
        st.caption(words.SHADOW_NONE)
        return
    agreed = sum(one.parts for one in tally if one.verdict == one.station_verdict)
    figures = [
        Figure(words.SHADOW_PARTS, f"{parts:,}"),
        Figure(words.SHADOW_AGREED, f"{agreed:,}"),
        Figure(words.SHADOW_DIFFERS, f"{parts - agreed:,}"),
    ]
    st.html(markup.figures(figures))
    st.html(
        markup.chips(
            words.SHADOW_PAIR.format(
                station=one.station_verdict, candidate=one.verdict, count=f"{one.parts:,}"
            )
            for one in tally
        )
    )
    found = shadow.shadow_differences(source.engine, station, recipe_id, version, _SHOWN)
    if not found:
        return
    st.caption(words.SHADOW_LIST)
    names = words.SHADOW_COLUMNS
    tables.show(
        {
            names["at"]: [markup.instant(one.at, source.zone) for one in found],
            names["part"]: [one.part_id or one.result_id for one in found],
            names["station"]: [_said(one.station_verdict, one.station_cause) for one in found],
            names["candidate"]: [_said(one.verdict, one.cause) for one in found],
            names["scores"]: [
                ", ".join(f"{check} {score:.4g}" for check, score in one.scores.items())
                for one in found
            ],
        }
    )


def _said(verdict: str, cause: str) -> str:
    symbol = texts.VERDICT_SYMBOL.get(verdict, texts.UNKNOWN_SYMBOL)
    return f"{symbol} {verdict}, {texts.CAUSE.get(cause, cause)}"


def _buttons(source: Source, user: User, candidate: Recipe, job: Job) -> None:
    left, right = st.columns(2)
    left.button(
        words.SHADOW_START, width="stretch", on_click=_begin_shadow, args=(source, user, candidate, job)
    )
    right.button(words.SHADOW_STOP, width="stretch", on_click=_end_shadow, args=(source, user))


@acts.told
def _begin_shadow(source: Source, user: User, candidate: Recipe, job: Job) -> None:
    own = recipes.own_folder(source.config, candidate.recipe_id)
    answers.expect("train", words.SHADOW_START, acts.shadow(source, user, candidate, job, own))


@acts.told
def _end_shadow(source: Source, user: User) -> None:
    answers.expect("train", words.SHADOW_STOP, acts.end_shadow(source, user))


def _promote(source: Source, user: User, candidate: Recipe, job: Job) -> None:
    version = candidate.text.version
    st.caption(words.PROMOTE_HELP)
    acts.confirmed(
        words.PROMOTE_SURE.format(version=version),
        words.PROMOTE.format(version=version),
        f"promote_{job.name}",
        _install,
        source,
        user,
        candidate,
        job,
    )


@acts.told
def _install(source: Source, user: User, candidate: Recipe, job: Job) -> None:
    own = recipes.own_folder(source.config, candidate.recipe_id)
    version = candidate.text.version
    number = acts.promote(source, user, candidate, job, own)
    answers.expect("train", words.PROMOTE.format(version=version), number)
    acts.say(words.PROMOTED.format(version=version))
