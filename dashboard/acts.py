"""What the pages write: reviews, labels, audit events and requests, and nothing else.

Reading goes through :mod:`dashboard.data`, whose connections cannot write.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ParamSpec

import streamlit as st
from sqlalchemy import Engine

from dashboard import markup, training
from dashboard.data import Source
from dashboard.recipes import Version
from dashboard.training import Job, Plan
from inspector import rethreshold
from inspector.candidate import install
from inspector.errors import InspectorError
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


def claim(source: Source, user: User, kinds: Collection[str], skipped: Collection[str]) -> str | None:
    """The part that this user is to look at next, as a result id."""
    rules = source.station.review
    return claims.claim_next(
        writer(source), source.station.name, actor(user), rules, now(), kinds=kinds, skipped=skipped
    )


def decide(source: Source, user: User, result_id: str, decision: Decision, cause: str | None) -> None:
    """Record a decision; see :func:`inspector.records.reviews.decide`."""
    rules = source.station.review
    reviews.decide(writer(source), result_id, actor(user), decision, cause, rules, now())


def undo(source: Source, user: User) -> str | None:
    """Take back the user's last decision; the result id of the part, None without one."""
    return reviews.undo(writer(source), source.station.name, actor(user), source.station.review, now())


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
    labels.add_label(writer(source), result_id, actor(user), truth, name, box, now(), finding)


def unmark(source: Source, user: User, label: int) -> None:
    """Take a mark back."""
    labels.remove_label(writer(source), label, actor(user), now())


def ask(source: Source, user: User, kind: RequestKind, arguments: Mapping[str, Any]) -> int:
    """Ask something of the running station; the request's number."""
    return requests.ask(writer(source), source.station.name, kind, user.name, arguments)


def save_thresholds(
    source: Source,
    user: User,
    folder: Path,
    version: int,
    raised: int,
    check: str,
    before: tuple[float, float],
    after: tuple[float, float],
) -> None:
    """Write the recipe's next version and its line in the audit trail: both, or neither.

    Raises as :func:`inspector.rethreshold.save_thresholds`.
    """
    engine = writer(source)
    said = {"check": check, "before": list(before), "after": list(after)}
    with storage_failures(engine.url), engine.begin() as connection:
        subject = f"{folder.name} {raised}"
        audit.append(connection, actor(user), "threshold", subject, now(), fields=said)
        rethreshold.save_thresholds(folder, version, {check: after}, raised)


def begin_training(source: Source, user: User, wanted: Plan) -> None:
    """Start a training and note it. Raises as :func:`dashboard.training.start`."""
    job = training.start(source.config, wanted)
    said = {"check": wanted.check, "job": job.name}
    subject = f"{wanted.recipe_id} {wanted.version}"
    note(source, actor(user), "training", subject, text="started", fields=said)


def end_training(source: Source, user: User, job: Job) -> bool:
    """Stop a training and note it; False when it does not run any more."""
    stopped = training.stop(job)
    if stopped:
        subject = f"{job.plan.recipe_id} {job.plan.version}"
        note(source, actor(user), "training", subject, text="stopped", fields={"job": job.name})
    return stopped


def shadow(source: Source, user: User, candidate: Recipe | None) -> int:
    """Ask the station to let a candidate judge beside it, or to end that; the request's number.

    Raises :class:`~inspector.errors.InspectorError` when the candidate cannot be stored.
    """
    if candidate is None:
        note(source, actor(user), "shadow", source.station.name, text="ended")
        return ask(source, user, "shadow", {"on": False})
    RecipeStore(source.config.recipe_store).keep(candidate)
    version = candidate.text.version
    note(source, actor(user), "shadow", f"{candidate.recipe_id} {version}", text="started")
    wanted = {"on": True, "recipeId": candidate.recipe_id, "recipeVersion": version}
    return ask(source, user, "shadow", wanted)


def promote(source: Source, user: User, candidate: Recipe, job: Job, own: Path | None) -> int:
    """Store and install a candidate and ask the station to change to it; the request's number.

    ``own`` is the recipe's folder in the configuration. Raises as
    :func:`inspector.candidate.install`; then nothing has changed.
    """
    version = candidate.text.version
    said = {"from": job.plan.version, "job": job.name, "hash": candidate.recipe_hash[:16]}
    engine = writer(source)
    with storage_failures(engine.url), engine.begin() as connection:
        subject = f"{candidate.recipe_id} {version}"
        audit.append(connection, actor(user), "promotion", subject, now(), fields=said)
        RecipeStore(source.config.recipe_store).keep(candidate)
        if own is not None:
            install(candidate.path, own, job.plan.version)
    wanted = {"recipeId": candidate.recipe_id, "recipeVersion": version}
    return ask(source, user, "prepareRecipe", wanted)


def roll_back(source: Source, user: User, own: Path, back: Version) -> int:
    """Put an earlier version into the recipe's own folder and ask for it; the request's number.

    What lies in the folder is stored before it is replaced. Raises
    :class:`~inspector.errors.InspectorError` when that cannot be done, and as
    :func:`inspector.candidate.install`; then nothing has changed.
    """
    replaced = load_recipe(own, promises="open")
    subject = f"{own.name} {back.number}"
    engine = writer(source)
    with storage_failures(engine.url), engine.begin() as connection:
        said = {"from": replaced.text.version}
        audit.append(connection, actor(user), "rollback", subject, now(), fields=said)
        RecipeStore(source.config.recipe_store).keep(replaced)
        install(back.folder, own, replaced.text.version)
    wanted = {"recipeId": own.name, "recipeVersion": back.number}
    return ask(source, user, "prepareRecipe", wanted)


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
    engine = writer(source)
    with storage_failures(engine.url), engine.begin() as connection:
        audit.append(connection, who, action, subject, now(), text=text, fields=fields)


def now() -> datetime:
    """The moment of an act."""
    return datetime.now(UTC)


def writer(source: Source) -> Engine:
    """An engine that may write; ``source`` has proven that the database is there and up to date."""
    return _writer(source.config.database_url(source.station))


@st.cache_resource(show_spinner=False, max_entries=32)
def _writer(url: str) -> Engine:
    return open_engine(url)
