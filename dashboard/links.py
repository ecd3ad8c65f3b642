"""From a figure to the parts behind it: the address of the Parts page carries the conditions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NoReturn
from zoneinfo import ZoneInfo

import streamlit as st

from dashboard import texts
from dashboard.statistics import Question
from dashboard.texts import statistics as words
from inspector.records.search import Wanted

PARTS_PAGE = "views/parts.py"
_KEYS = ("since", "until", "cause", "verdict", "recipe", "version", "batch", "unbatched", "kind")


def show_parts(
    question: Question,
    since: datetime,
    until: datetime,
    cause: str | None = None,
    verdicts: Sequence[str] = (),
) -> NoReturn:
    """Go to the Parts page, to those parts of the question."""
    conditions = {
        "since": since.isoformat(),
        "until": until.isoformat(),
        "cause": cause,
        "verdict": ",".join(verdicts),
        "recipe": question.recipe,
        "version": None if question.recipe_version is None else str(question.recipe_version),
        "batch": question.batch_id,
        "unbatched": "1" if question.batch_id == "" else None,
        "kind": question.kind,
    }
    st.switch_page(
        PARTS_PAGE, query_params={name: value for name, value in conditions.items() if value}
    )


def linked(zone: ZoneInfo) -> tuple[Wanted, str]:
    """The conditions of the address, and what they are in words; both empty without any.

    What somebody has written there by hand and is none is left out.
    """
    given = {name: st.query_params[name][:64] for name in _KEYS if st.query_params.get(name)}
    wanted: Wanted = {}
    said: list[str] = []
    since, until = (_moment(given.get(name, "")) for name in ("since", "until"))
    if since and until:
        wanted["since"], wanted["until"] = since, until
        both = (f"{moment.astimezone(zone):%Y-%m-%d %H:%M}" for moment in (since, until))
        said.append(words.CHOSEN.format(since=next(both), until=next(both)))
    if cause := given.get("cause"):
        wanted["causes"] = [cause]
        said.append(texts.CAUSE.get(cause, cause))
    if verdict := given.get("verdict"):
        wanted["verdicts"] = verdict.split(",")
        said.append(verdict.replace(",", ", "))
    if recipe := given.get("recipe"):
        wanted["recipe"] = recipe
        version = given.get("version", "")
        if version.isdecimal():
            wanted["recipe_version"] = int(version)
        said.append(f"{recipe} {version}".strip())
    if batch := given.get("batch"):
        wanted["batch_id"] = batch
        said.append(f"{texts.BATCH} {batch}")
    elif given.get("unbatched"):
        wanted["batch_id"] = ""
        said.append(words.NO_BATCH)
    if (kind := given.get("kind")) in words.KINDS:
        wanted["challenge"] = kind == "challenge"
        if kind != "challenge":
            wanted["simulated"] = kind == "simulated"
        said.append(words.KINDS[str(kind)])
    return wanted, "; ".join(said)


def forget() -> None:
    """All parts again."""
    for name in _KEYS:
        st.query_params.pop(name, None)


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        # Not given, or no time.
        return None
    return moment if moment.tzinfo else None
