"""Recipes: what is active where, thresholds on recorded scores, history, model cards."""

from __future__ import annotations

from collections.abc import Iterator

import streamlit as st

from dashboard import answers, context, data, history, markup, recipes, rethresholding, texts
from dashboard.data import Source
from dashboard.recipes import Version
from dashboard.texts import recipes as words
from inspector.bundle import Card
from inspector.config import LineConfig
from inspector.errors import InspectorError
from inspector.records import queries
from inspector.records.views import StationState


def render() -> None:
    """Run the page."""
    config = context.line()
    source = data.source(config, context.choose_station(config))
    states = dict(_states(config))
    _active(source, states)
    known = recipes.recipe_ids(config)
    own = states.get(source.station.name)
    if not known:
        st.html(markup.panel(words.NO_RECIPE_TITLE, words.NO_RECIPE))
        return
    left, middle, right = st.columns([1, 1, 1.4], vertical_alignment="bottom")
    usual = own.recipe_id if own is not None else source.station.recipe.name
    recipe_id = left.selectbox(
        words.CHOOSE, known, index=known.index(usual) if usual in known else 0, key="recipes_chosen"
    )
    found = recipes.versions(config, recipe_id)
    if not found:
        st.html(markup.panel(words.NO_RECIPE_TITLE, words.NO_RECIPE))
        return
    active = own.recipe_version if own is not None and own.recipe_id == recipe_id else None
    version = middle.selectbox(
        words.VERSION,
        found[::-1],
        index=next((i for i, one in enumerate(found[::-1]) if one.number == active), 0),
        format_func=lambda one: history.named(one, active),
        key=f"version_{recipe_id}",
    )
    section = right.segmented_control(
        words.SECTION,
        list(words.SECTIONS),
        default="thresholds",
        required=True,
        format_func=words.SECTIONS.__getitem__,
        key="recipes_section",
        label_visibility="collapsed",
    )
    answers.show("recipes", source)
    try:
        if section == "history":
            history.show(source, recipe_id, found, version)
        elif section == "models":
            _models(version)
        else:
            rethresholding.show(source, recipe_id, version, is_active=active is not None)
    except InspectorError as error:
        # A damaged version is told beside the others, which can still be chosen.
        st.html(markup.problem(error))


def _states(config: LineConfig) -> Iterator[tuple[str, StationState]]:
    for station in config.stations:
        state = queries.state(data.source(config, station.name).engine, station.name)
        if state is not None and state.recipe_id:
            yield station.name, state


def _active(source: Source, states: dict[str, StationState]) -> None:
    st.html(markup.heading(words.ACTIVE))
    if not states:
        st.caption(words.ACTIVE_NONE)
        return
    names = words.ACTIVE_COLUMNS
    st.dataframe(
        {
            names["station"]: list(states),
            names["recipe"]: [state.recipe_id for state in states.values()],
            names["version"]: [str(state.recipe_version) for state in states.values()],
            names["state"]: [texts.STATE.get(state.state, state.state) for state in states.values()],
            names["said"]: [markup.instant(state.updated_at, source.zone) for state in states.values()],
        },
        hide_index=True,
    )


def _models(version: Version) -> None:
    cards = list(recipes.cards(version.folder))
    if not cards:
        st.caption(words.NO_MODELS)
        return
    for column, (name, card) in zip(st.columns(len(cards), gap="medium"), cards, strict=True):
        with column:
            st.html(markup.heading(name))
            st.html(markup.facts(_facts(card)))
            _metrics(card)
            if card.calibration:
                st.html(markup.heading(words.CALIBRATION))
                st.html(markup.facts((key, _number(value)) for key, value in card.calibration.items()))
            if card.training:
                st.html(markup.heading(words.TRAINING))
                st.html(markup.bullets(card.training))
            for report in recipes.reports(version.folder, name):
                st.download_button(
                    markup.plain(words.REPORT.format(name=report.name)),
                    data=report.read_bytes,
                    file_name=report.name,
                    mime="text/html",
                    key=f"report_{name}_{report.name}",
                    icon=":material/download:",
                )


def _facts(card: Card) -> Iterator[tuple[str, str]]:
    names = words.CARD_FACTS
    yield names["task"], card.task
    yield names["architecture"], card.architecture
    if card.labels:
        yield names["labels"], ", ".join(card.labels)
    yield names["input"], f"{card.input.width} × {card.input.height}, {card.input.fit}"
    yield names["data"], card.data.source
    split = ", ".join(f"{name} {count:,}" for name, count in card.data.split.items())
    yield names["split"], split
    networks = dict.fromkeys(f"{file.runtime} {file.precision}" for file in card.files)
    yield names["precision"], ", ".join(networks)
    yield names["licence"], card.licence
    yield names["command"], card.command


def _metrics(card: Card) -> None:
    plain = {name: value for name, value in card.metrics.items() if isinstance(value, float)}
    if not plain:
        st.caption(words.NO_METRICS)
        return
    names = words.METRIC_COLUMNS
    bounds = [card.metrics.get(f"{name}_ci95") for name in plain]
    st.dataframe(
        {
            names["name"]: list(plain),
            names["value"]: [f"{value:.4f}" for value in plain.values()],
            names["bounds"]: [
                f"{pair[0]:.4f} … {pair[1]:.4f}" if isinstance(pair, tuple) else "" for pair in bounds
            ],
        },
        hide_index=True,
    )


def _number(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:g}"


render()
