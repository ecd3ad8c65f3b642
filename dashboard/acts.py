"""What the pages write: reviews, labels, audit events and requests, and nothing else.

Reading goes through :mod:`dashboard.data`, whose connections cannot write.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ParamSpec

import streamlit as st
from sqlalchemy import Connection, Engine

from dashboard import markup, session, training
from dashboard.data import Source
from dashboard.recipes import Version
from dashboard.texts import people
from dashboard.training import Job, Plan
from inspector.candidate import install, prove_base
from inspector.candidate import save_thresholds as replace_thresholds
from inspector.errors import InputError, InspectorError
from inspector.recipe import Recipe, load_recipe
from inspector.records import audit, claims, labels, requests, reviews
from inspector.records.audit import Action, Actor
from inspector.records.database import open_engine, storage_failures
from inspector.records.labels import Truth
from inspector.records.requests import RequestKind
from inspector.records.reviews import Decision
from inspector.records.store import RecipeStore
from inspector.records.views import PixelBox
from inspector.users import User

P = ParamSpec("P")


def told(act: Callable[P, None]) -> Callable[P, None]:
    """For what a click does: whatever goes wrong is a sentence, and the page goes on."""

    @functools.wraps(act)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            act(*args, **kwargs)
        except InspectorError as error:
            say(f"{str(error).rstrip('.')}.", good=False)

    return wrapped


def say(sentence: str, *, good: bool = True) -> None:
    """What came of a click, in the corner of the page."""
    st.toast(markup.plain(sentence), icon="✅" if good else "⚠️", duration="short" if good else "long")


def confirmed(
    sure: str, label: str, key: str, act: Callable[P, None], *args: P.args, **kwargs: P.kwargs
) -> None:
    """A button that does ``act`` once somebody has ticked that they are ``sure``."""
    st.button(
        label,
        type="primary",
        width="stretch",
        disabled=not st.checkbox(sure, key=f"sure_{key}"),
        key=key,
        on_click=functools.partial(act, *args, **kwargs),
    )


def actor(user: User) -> Actor:
    """The user as the records name one who acts."""
    return Actor(user.name, user.role.value)


def acting(source: Source, user: User) -> Actor:
    """As :func:`actor`, of one who is still logged in, in the same role.

    A button remembers the user of the page's last run, and that may be hours ago. Raises
    :class:`InputError` when the login has ended.
    """
    if session.current(source.config) != user:
        raise InputError(people.NO_LONGER, people.LOG_IN_AGAIN)
    return actor(user)


def claim(source: Source, user: User, kinds: Collection[str], skipped: Collection[str]) -> str | None:
    """The part that this user is to look at next, as a result id."""
    rules = source.station.review
    return claims.claim_next(
        writer(source), source.station.name, actor(user), rules, now(), kinds=kinds, skipped=skipped
    )


def decide(source: Source, user: User, result_id: str, decision: Decision, cause: str | None) -> None:
    """Record a decision; see :func:`inspector.records.reviews.decide`."""
    rules = source.station.review
    reviews.decide(writer(source), result_id, acting(source, user), decision, cause, rules, now())


def undo(source: Source, user: User) -> str | None:
    """Take back the user's last decision; the result id of the part, None without one."""
    return reviews.undo(
        writer(source), source.station.name, acting(source, user), source.station.review, now()
    )


def mark(
    source: Source,
    user: User,
    result_id: str,
    truth: Truth,
    name: str,
    box: PixelBox,
    finding: int | None = None,
) -> None:
    """Mark a region for training; see :func:`inspector.records.labels.add_label`."""
    labels.add_label(writer(source), result_id, acting(source, user), truth, name, box, now(), finding)


def unmark(source: Source, user: User, label: int) -> None:
    """Take a mark back."""
    labels.remove_label(writer(source), label, acting(source, user), now())


def challenge(source: Source, user: User) -> int:
    """Ask for a challenge run; the request's number."""
    with _noted(source, acting(source, user), "challenge", source.station.name) as connection:
        return _ask(connection, source, user, "challenge", {})


def save_thresholds(
    source: Source,
    user: User,
    folder: Path,
    version: int,
    raised: int,
    check: str,
    before: tuple[float, float],
    after: tuple[float, float],
    *,
    change: bool,
) -> int | None:
    """Write the recipe's next version and, with ``change``, ask for it; the request's number.

    Raises as :func:`inspector.candidate.save_thresholds`; then nothing has changed.
    """
    said = {"check": check, "before": list(before), "after": list(after)}
    with _noted(
        source, acting(source, user), "threshold", f"{folder.name} {raised}", fields=said
    ) as connection:
        number = _change(connection, source, user, folder.name, raised) if change else None
        replace_thresholds(folder, version, {check: after}, raised)
        return number


def begin_training(source: Source, user: User, wanted: Plan) -> None:
    """Start a training. Raises as :func:`dashboard.training.start`."""
    folder = training.fresh(source.config)
    said = {"check": wanted.check, "job": folder.name}
    subject = f"{wanted.recipe_id} {wanted.version}"
    with _noted(source, acting(source, user), "training", subject, text="started", fields=said):
        training.start(source.config, wanted, folder)


def end_training(source: Source, user: User, job: Job) -> bool:
    """Stop a training and note it; False when it does not run any more."""
    who = acting(source, user)
    stopped = training.stop(job)
    if stopped:
        subject = f"{job.plan.recipe_id} {job.plan.version}"
        note(source, who, "training", subject, text="stopped", fields={"job": job.name})
    return stopped


def end_shadow(source: Source, user: User) -> int:
    """Ask the station to end the shadow run; the request's number."""
    with _noted(
        source, acting(source, user), "shadow", source.station.name, text="ended"
    ) as connection:
        return _ask(connection, source, user, "shadow", {"on": False})


def shadow(source: Source, user: User, candidate: Recipe, job: Job, own: Path | None) -> int:
    """Ask the station to let a candidate judge beside it; the request's number.

    Raises :class:`~inspector.errors.InspectorError` when the candidate cannot be stored, or when the
    recipe's folder ``own`` holds another version than it was made from; then nothing has changed.
    """
    version = candidate.text.version
    subject = f"{candidate.recipe_id} {version}"
    _keep(source, user, candidate, own, job.plan.version)
    with _noted(source, acting(source, user), "shadow", subject, text="started") as connection:
        wanted = {"on": True, "recipeId": candidate.recipe_id, "recipeVersion": version}
        return _ask(connection, source, user, "shadow", wanted)


def promote(source: Source, user: User, candidate: Recipe, job: Job, own: Path | None) -> int:
    """Store and install a candidate and ask the station to change to it; the request's number.

    ``own`` is the recipe's folder in the configuration. Raises as
    :func:`inspector.candidate.install`; then nothing has changed.
    """
    recipe_id, version = candidate.recipe_id, candidate.text.version
    said = {"from": job.plan.version, "job": job.name, "hash": candidate.recipe_hash[:16]}
    _keep(source, user, candidate, own, job.plan.version)
    with _noted(
        source, acting(source, user), "promotion", f"{recipe_id} {version}", fields=said
    ) as connection:
        number = _change(connection, source, user, recipe_id, version)
        if own is not None:
            install(candidate.path, own, job.plan.version)
        return number


def roll_back(source: Source, user: User, own: Path, back: Version) -> int:
    """Put an earlier version into the recipe's own folder and ask for it; the request's number.

    What lies in the folder is stored before it is replaced. Raises
    :class:`~inspector.errors.InspectorError` when that cannot be done, and as
    :func:`inspector.candidate.install`; then nothing has changed.
    """
    replaced = load_recipe(own, promises="open")
    _keep(source, user, replaced, own, replaced.text.version)
    said = {"from": replaced.text.version}
    with _noted(
        source, acting(source, user), "rollback", f"{own.name} {back.number}", fields=said
    ) as connection:
        number = _change(connection, source, user, own.name, back.number)
        install(back.folder, own, replaced.text.version)
        return number


def note(
    source: Source,
    who: Actor,
    action: Action,
    subject: str,
    *,
    text: str = "",
    fields: Mapping[str, Any] | None = None,
) -> None:
    """A line of the audit trail."""
    with _noted(source, who, action, subject, text=text, fields=fields):
        pass


@contextmanager
def _noted(
    source: Source,
    who: Actor,
    action: Action,
    subject: str,
    *,
    text: str = "",
    fields: Mapping[str, Any] | None = None,
) -> Iterator[Connection]:
    """A transaction for an act and its line in the audit trail: both, or neither.

    It begins by writing, so that files are only touched where the database takes the act.
    """
    engine = writer(source)
    with storage_failures(engine.url), engine.begin() as connection:
        audit.append(connection, who, action, subject, now(), text=text, fields=fields)
        yield connection


def _keep(source: Source, user: User, recipe: Recipe, own: Path | None, version: int) -> None:
    """Store a recipe before anything is written, for bundles are copied longer than others may wait."""
    acting(source, user)
    if own is not None:
        prove_base(own, version)
    RecipeStore(source.config.recipe_store).keep(recipe)


def _change(connection: Connection, source: Source, user: User, recipe_id: str, version: int) -> int:
    wanted = {"recipeId": recipe_id, "recipeVersion": version}
    return _ask(connection, source, user, "prepareRecipe", wanted)


def _ask(
    connection: Connection, source: Source, user: User, kind: RequestKind, wanted: Mapping[str, Any]
) -> int:
    """The number of the request that the running station will find."""
    return requests.put(connection, source.station.name, kind, user.name, wanted)


def now() -> datetime:
    """The moment of an act."""
    return datetime.now(UTC)


def writer(source: Source) -> Engine:
    """An engine that may write; ``source`` has proven that the database is there and up to date."""
    return _writer(source.config.database_url(source.station))


@st.cache_resource(show_spinner=False, max_entries=32)
def _writer(url: str) -> Engine:
    return open_engine(url)
