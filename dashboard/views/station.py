"""Station: whether camera, computer and models are still as they should be."""

from __future__ import annotations

from datetime import UTC, datetime

import streamlit as st

from dashboard import (
    acts,
    alarms,
    bar,
    context,
    data,
    login,
    markup,
    session,
    station,
    tables,
    texts,
    trends,
)
from dashboard.data import Source
from dashboard.markup import Figure
from dashboard.texts import station as words
from inspector.config import LineConfig
from inspector.errors import InspectorError
from inspector.records.views import StationState
from inspector.users import Role, User

REFRESH_S = 2.0
_LEAST_DISK = 0.1
"""Free share of a disk below which it is told."""
_HOT = 80.0
"""Degrees Celsius."""
_SCORE = "score:"
_LEVELS = ("error", "warning", "info")


def render() -> None:
    """Run the page."""
    config = context.line()
    name = context.choose_station(config)
    _now(config, name)
    source = data.source(config, name)
    left, right = st.columns([1, 1], gap="medium")
    with left:
        _drift(source)
    with right:
        _challenges(source)
    _events(source)


@st.fragment(run_every=REFRESH_S)
def _now(config: LineConfig, name: str) -> None:
    """What changes by the second; runs by itself, and recovers when the database comes back."""
    if not login.may_view(by_person=False):
        return
    try:
        source = data.source(config, name)
        state = data.state(source)
    except InspectorError as error:
        bar.unknown(config, name, error)
        return
    now = datetime.now(UTC)
    bar.show(source, state, now)
    st.html(markup.figures((_heartbeat(source, state, now), _temperature(), *_disks(source))))
    st.html(markup.heading(words.CAMERAS))
    st.html(markup.facts(_cameras(state)))


def _heartbeat(source: Source, state: StationState | None, now: datetime) -> Figure:
    if state is None:
        return Figure(words.HEARTBEAT, words.HEARTBEAT_NEVER, tone="alarm")
    age_s = max(0.0, (now - state.updated_at).total_seconds())
    since = words.HEARTBEAT_SINCE.format(moment=markup.instant(state.updated_at, source.zone))
    if not state.online:
        return Figure(words.HEARTBEAT, words.HEARTBEAT_STOPPED, since, "alarm")
    silent = alarms.silent_since(state, now) is not None
    value = words.HEARTBEAT_AGO.format(seconds=f"{age_s:,.0f}")
    return Figure(words.HEARTBEAT, value, since if silent else "", "alarm" if silent else "pass")


def _temperature() -> Figure:
    celsius = station.temperature()
    if celsius is None:
        return Figure(words.TEMPERATURE, words.NOT_KNOWN, words.MACHINE)
    value = words.TEMPERATURE_VALUE.format(celsius=celsius)
    return Figure(words.TEMPERATURE, value, words.TEMPERATURE_NOTE, "alarm" if celsius >= _HOT else "")


def _disks(source: Source) -> list[Figure]:
    folders = {
        "state": source.config.state_dir,
        "evidence": source.config.evidence_dir(source.station),
    }
    return [_disk(words.DISKS[key], station.disk(folder)) for key, folder in folders.items()]


def _disk(what: str, disk: station.Disk | None) -> Figure:
    name = words.DISK.format(what=what)
    if disk is None:
        return Figure(name, words.NOT_KNOWN, words.NO_FOLDER)
    value = words.DISK_VALUE.format(gigabytes=disk.free_bytes / 1e9)
    note = words.DISK_NOTE.format(share=100 * disk.share, total=disk.total_bytes / 1e9)
    return Figure(name, value, note, "alarm" if disk.share < _LEAST_DISK else "")


def _cameras(state: StationState | None) -> list[tuple[str, str]]:
    cameras = state.cameras if state else {}
    if not cameras:
        return [(words.CAMERAS, words.NO_CAMERAS)]
    return [
        (name, words.CAMERA_LOST if word == "lost" else texts.CAMERA_STATE.get(word, word))
        for name, word in sorted(cameras.items())
    ]


def _drift(source: Source) -> None:
    st.html(markup.heading(words.DRIFT))
    readings = station.drift_now(source)
    if not readings:
        st.caption(words.DRIFT_NONE)
        return
    st.caption(words.DRIFT_HELP)
    names = words.DRIFT_COLUMNS
    seen = [view.reading for view in readings]
    tables.show(
        {
            names["measure"]: [_measure(one.measure) for one in seen],
            names["level"]: [words.LEVEL.get(one.health, one.health) for one in seen],
            names["index"]: [f"{one.psi:.3g}" for one in seen],
            names["median"]: [f"{one.median:.4g}" for one in seen],
            names["reference"]: [f"{one.reference_median:.4g}" for one in seen],
            names["against"]: [one.reference for one in seen],
            names["parts"]: [f"{one.n:,}" for one in seen],
            names["at"]: [markup.instant(view.at, source.zone) for view in readings],
        },
    )
    # What has moved most comes first.
    order = sorted(seen, key=lambda one: -one.psi)
    measure = st.selectbox(
        words.DRIFT_MEASURE, [one.measure for one in order], format_func=_measure, key="drift_measure"
    )
    if measure is not None:
        course = station.drift_course(source, measure, datetime.now(UTC))
        times = [view.at for view in course]
        values = [view.reading.psi for view in course]
        st.altair_chart(
            trends.drift_course(times, values, source.zone, source.station.drift), key="drift"
        )


def _measure(name: str) -> str:
    if name.startswith(_SCORE):
        return words.SCORE_OF.format(check=name.removeprefix(_SCORE))
    return name.replace("_", " ")


def _challenges(source: Source) -> None:
    st.html(markup.heading(words.CHALLENGES))
    _start(source)
    runs = station.challenge_runs(source)
    if not runs:
        st.caption(words.NO_CHALLENGES)
    else:
        names = words.CHALLENGE_COLUMNS
        tables.show(
            {
                names["at"]: [markup.instant(run.at, source.zone) for run in runs],
                names["passed"]: [words.PASSED if run.passed else words.FAILED for run in runs],
                names["text"]: [run.text for run in runs],
                names["recipe"]: [f"{run.recipe.recipe_id} {run.recipe.version}" for run in runs],
                names["operator"]: [run.operator for run in runs],
            },
        )
    if asked := station.asked(source):
        st.html(markup.heading(words.REQUESTS))
        names = words.REQUEST_COLUMNS
        tables.show(
            {
                names["at"]: [markup.instant(one.requested_at, source.zone) for one in asked],
                names["kind"]: [words.REQUEST_KINDS.get(one.kind, one.kind) for one in asked],
                names["user"]: [one.user for one in asked],
                names["outcome"]: [
                    words.OUTCOMES.get(one.outcome, one.outcome)
                    if one.outcome
                    else words.TAKEN
                    if one.taken_at
                    else words.WAITING
                    for one in asked
                ],
                names["text"]: [one.text for one in asked],
            },
        )


def _start(source: Source) -> None:
    if source.station.challenge.parts is None:
        st.caption(words.CHALLENGE_NO_PARTS)
        return
    state = data.state(source)
    if state is None or not state.online or alarms.silent_since(state, datetime.now(UTC)):
        st.caption(words.CHALLENGE_OFFLINE)
        return
    user = session.current(source.config)
    if user is None or not user.role.covers(Role.OPERATOR):
        st.page_link(login.PAGE, label=words.CHALLENGE_NEEDS, icon=":material/login:")
        return
    with st.container(key="challenge_start"):
        st.button(
            words.CHALLENGE_START,
            icon=":material/verified:",
            type="primary",
            help=words.CHALLENGE_HELP,
            on_click=_ask,
            args=(source, user),
        )


@acts.told
def _ask(source: Source, user: User) -> None:
    acts.challenge(source, user)
    acts.say(words.CHALLENGE_ASKED)


def _events(source: Source) -> None:
    st.html(markup.heading(words.EVENTS))
    levels = st.pills(
        words.EVENTS_LEVELS,
        _LEVELS,
        selection_mode="multi",
        default=_LEVELS[:2],
        format_func=words.EVENT_LEVEL.__getitem__,
        label_visibility="collapsed",
    )
    found = data.events(source, levels or _LEVELS)
    if not found:
        st.caption(words.NO_EVENTS)
        return
    names = words.EVENT_COLUMNS
    tables.show(
        {
            names["at"]: [markup.instant(event.at, source.zone) for event in found],
            names["level"]: [words.EVENT_LEVEL.get(event.level, event.level) for event in found],
            names["event"]: [event.event for event in found],
            names["text"]: [event.text for event in found],
        },
        height=320,
    )


render()
