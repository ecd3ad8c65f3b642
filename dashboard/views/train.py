"""Train: from what people have decided to a candidate, its shadow run, and its promotion."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import streamlit as st

from dashboard import acts, candidates, context, data, markup, recipes, session, training
from dashboard.data import Source
from dashboard.markup import Figure
from dashboard.recipes import Version
from dashboard.texts import train as words
from dashboard.training import Job
from inspector.calibration import CALIBRATION_FILE
from inspector.checkspecs import AnomalySpec
from inspector.errors import InspectorError
from inspector.records.collected import Counts, counted
from inspector.records.views import StationState
from inspector.users import Role, User

_POLL_S = 1.0
_LEAST_PARTS, _USUAL_PARTS, _MOST_PARTS = 10, 200, 2000
_USUAL_MINUTES = 30.0


def render() -> None:
    """Run the page."""
    config = context.line()
    source = data.source(config, context.choose_station(config))
    state = data.state(source)
    found = () if state is None else recipes.versions(config, state.recipe_id)
    active = next((one for one in found if state and one.number == state.recipe_version), None)
    if state is None or active is None:
        st.html(markup.panel(words.NO_STATE_TITLE, words.NO_STATE))
        return
    user = session.current(config)
    engineer = user if user is not None and user.role.covers(Role.ENGINEER) else None
    _collected(counted(source.engine, source.station.name, state.recipe_id), state.recipe_id)
    left, right = st.columns([1, 1.5], gap="medium")
    with left:
        if engineer is None:
            st.html(markup.panel(words.START_TITLE, words.NEEDS))
        else:
            _start(source, engineer, state, active, found[-1].number)
        job = _choose(source, state.recipe_id)
        if job is not None:
            _job(source, engineer, job.folder.name)
    with right:
        if job is None or job.state != "done":
            st.caption(words.CANDIDATE_NONE)
            return
        try:
            candidates.show(source, engineer, job, active)
        except InspectorError as error:
            # A damaged candidate is told beside the others, which can still be chosen.
            st.html(markup.problem(error))


def _collected(found: Counts, recipe_id: str) -> None:
    st.html(markup.heading(words.COLLECTED.format(recipe=recipe_id)))
    by_people = words.GOOD_NOTE.format(count=f"{found.good_by_person:,}")
    st.html(
        markup.figures(
            (
                Figure(words.GOOD, f"{found.good:,}", by_people),
                Figure(words.FAULTY, f"{found.faulty:,}", words.FAULTY_NOTE),
                Figure(words.CORRECTED, f"{found.corrects:,}", words.CORRECTED_NOTE),
                Figure(words.MARKS, f"{found.marks:,}"),
            )
        )
    )
    st.caption(words.COLLECTED_HELP)


def _start(source: Source, user: User, state: StationState, active: Version, newest: int) -> None:
    text = recipes.text_of(active.folder)
    checks = training.trainable(text)
    if not checks:
        st.html(markup.panel(words.START_TITLE, words.NO_CHECK))
        return
    names = sorted(checks, key=lambda name: not isinstance(checks[name], AnomalySpec))
    busy = training.running(source.config) is not None
    with st.container(border=True, key="train_start"):
        check = st.segmented_control(
            words.CHECK, names, default=names[0], required=True, key="train_check"
        )
        spec = checks[check or names[0]]
        most = st.number_input(
            words.MOST, _LEAST_PARTS, _MOST_PARTS, _USUAL_PARTS, help=words.MOST_HELP, key="train_most"
        )
        minutes = _USUAL_MINUTES
        if not isinstance(spec, AnomalySpec):
            minutes = st.number_input(
                words.MINUTES, 1.0, 600.0, minutes, help=words.MINUTES_HELP, key="train_minutes"
            )
        if busy:
            st.caption(words.BUSY)
        wanted = training.plan(
            source.config,
            context.path(),
            source.station,
            active.folder,
            state.recipe_id,
            spec,
            version=active.number,
            raised=newest + 1,
            is_calibrated=text.stated is not None or (active.folder / CALIBRATION_FILE).is_file(),
            most=int(most),
            minutes=float(minutes),
            user=user.name,
        )
        st.button(
            words.START.format(recipe=state.recipe_id, version=active.number),
            type="primary",
            width="stretch",
            disabled=busy,
            key="train_begin",
            on_click=_begin,
            args=(source, user, wanted),
        )


@acts.told
def _begin(source: Source, user: User, wanted: training.Plan) -> None:
    acts.begin_training(source, user, wanted)
    st.session_state.pop("train_job", None)
    acts.say(words.STARTED)


def _choose(source: Source, recipe_id: str) -> Job | None:
    found = training.jobs(source.config, source.station.name, recipe_id)
    if not found:
        st.caption(words.NO_JOBS)
        return None
    if len(found) == 1:
        return found[0]

    def named(name: str) -> str:
        job = next(one for one in found if one.name == name)
        moment = markup.instant(datetime.fromisoformat(job.plan.created), source.zone)
        return words.JOB_NAME.format(moment=moment, check=job.plan.check, user=job.plan.user)

    names = [job.name for job in found]
    chosen = st.selectbox(words.JOB, names, format_func=named, key="train_job")
    return next(one for one in found if one.name == chosen)


def _job(source: Source, user: User | None, name: str) -> None:
    """How far a training is; looked at again and again while it runs."""
    job = _read(source, name)
    if job.state != "running":
        _told(job)
        return
    _running(source, name)
    if user is not None:
        st.button(
            words.STOP, key="train_stop", width="stretch", on_click=_stop, args=(source, user, job)
        )


@st.fragment(run_every=_POLL_S)
def _running(source: Source, name: str) -> None:
    job = _read(source, name)
    if job.state != "running":
        st.rerun()
    _told(job)


def _read(source: Source, name: str) -> Job:
    return training.read(source.config.state_dir / "training" / name)


def _told(job: Job) -> None:
    step = job.progress.step if job.progress else ""
    elapsed = timedelta(seconds=round(job.elapsed_s(datetime.now(UTC))))
    said = words.STATES[job.state].format(time=elapsed, step=words.STEPS.get(step, words.NO_STEP))
    if job.state == "running":
        share = (job.progress.number if job.progress else 0) / (len(job.plan.steps) + 1)
        st.progress(min(1.0, share), text=markup.plain(said))
    else:
        tell = st.success if job.state == "done" else st.error
        tell(markup.plain(said))
    log = training.log_tail(job)
    with st.expander(words.LOG, expanded=job.state not in ("done", "running")):
        st.code(log or " ", language=None, wrap_lines=True, height=220)


@acts.told
def _stop(source: Source, user: User, job: Job) -> None:
    acts.say(words.STOPPED if acts.end_training(source, user, job) else words.NOT_RUNNING)


render()
