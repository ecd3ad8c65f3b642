"""Thresholds on the scores of recorded parts, and what moving them would have changed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from dashboard import acts, answers, markup, recipes, scorechart, session, texts
from dashboard.data import Source
from dashboard.markup import Figure
from dashboard.recipes import Version
from dashboard.texts import recipes as words
from inspector.records import whatif
from inspector.records.whatif import Effect, ScoredPart
from inspector.users import Role, User

_LIMIT = 3000
_STEPS = 400
_VERDICTS = ("PASS", "FAIL", "REVIEW")


@dataclass(frozen=True, slots=True)
class _Move:
    """FAIL and REVIEW threshold of a check, in use and wanted."""

    check: str
    used: tuple[float, float]
    wanted: tuple[float, float]


def show(source: Source, recipe_id: str, version: Version, *, is_active: bool) -> None:
    """The check's scores, its thresholds, and their effect."""
    parts = _parts(source.key, recipe_id, version.number, source)
    checks = list(dict.fromkeys(score.check for part in parts for score in part.scores))
    if not checks:
        st.html(markup.panel(words.SECTIONS["thresholds"], words.NO_SCORES))
        return
    check = st.segmented_control(
        words.CHECK, checks, default=checks[0], required=True, key=f"check_{recipe_id}_{version.number}"
    )
    check = check or checks[0]
    used = _thresholds(parts, check)
    left, right = st.columns([1.5, 1], gap="medium")
    with left:
        fail, review = _chosen(parts, check, used[0], f"{recipe_id}_{version.number}_{check}")
        move = _Move(check, used[0], (fail, review))
        groups = _groups(parts, check)
        st.altair_chart(scorechart.histogram(groups, fail, review), key="score_histogram")
        decided = sum(part.decision is not None for part in parts)
        said = {"parts": f"{len(parts):,}", "decided": f"{decided:,}", "limit": f"{_LIMIT:,}"}
        st.caption(words.GROUPS_HELP.format(**said))
    with right, st.container(key="effect"):
        st.html(markup.heading(words.EFFECT))
        if len(used) > 1:
            st.html(markup.panel(check, words.BY_CLASS))
            return
        moved = move.wanted != move.used
        _effect(whatif.effect(parts, {check: move.wanted} if moved else {}), moved=moved)
        _save(source, recipe_id, version, move, is_active=is_active)


@st.cache_data(show_spinner=False, ttl=10, max_entries=8)
def _parts(
    key: tuple[str, ...], recipe_id: str, version: int, _source: Source
) -> tuple[ScoredPart, ...]:
    return whatif.scored_parts(_source.engine, _source.station.name, recipe_id, version, _LIMIT)


def _thresholds(parts: tuple[ScoredPart, ...], check: str) -> list[tuple[float, float]]:
    """The pairs with which this check has judged, the newest first."""
    pairs = (
        (score.threshold, score.review_threshold)
        for part in parts
        for score in part.scores
        if score.check == check
    )
    return list(dict.fromkeys(pairs))


def _groups(parts: tuple[ScoredPart, ...], check: str) -> dict[str, list[float]]:
    """Finite scores by what is known of the part."""
    groups: dict[str, list[float]] = {"good": [], "faulty": [], "open": []}
    for part in parts:
        group = {"accept": "good", "reject": "faulty"}.get(part.decision or "")
        group = group or {"PASS": "good", "FAIL": "faulty"}.get(part.verdict, "open")
        groups[group] += [
            score.score for score in part.scores if score.check == check and math.isfinite(score.score)
        ]
    return groups


def _chosen(
    parts: tuple[ScoredPart, ...], check: str, used: tuple[float, float], key: str
) -> tuple[float, float]:
    """FAIL and REVIEW threshold, as the slider has them; exactly those in use until it is moved."""
    fail, review = used
    known = [s.score for p in parts for s in p.scores if s.check == check and math.isfinite(s.score)]
    high = max([fail * 1.25, *known])
    low = min([review * 0.5, *known, high])
    step = 10.0 ** math.floor(math.log10((high - low) / _STEPS)) if high > low else 0.01
    digits = max(0, -round(math.log10(step)))

    def rounded(value: float) -> float:
        return round(value, digits)

    bottom = max(step, rounded(math.floor(low / step) * step))
    top = max(rounded(math.ceil(high / step) * step), bottom + step)
    shown = (rounded(review), rounded(fail))
    chosen: tuple[float, float] = st.slider(
        words.THRESHOLDS, bottom, top, shown, step=step, format=f"%.{digits}f", key=f"slider_{key}"
    )
    if chosen == shown:
        return used
    return (fail if chosen[1] == shown[1] else chosen[1]), (
        review if chosen[0] == shown[0] else chosen[0]
    )


def _effect(found: Effect, *, moved: bool) -> None:
    def both(before: int, after: int) -> str:
        return words.BEFORE_AFTER.format(before=before, after=after) if moved else f"{before:,}"

    st.html(
        markup.figures(
            [
                Figure(
                    f"{texts.VERDICT_SYMBOL[verdict]} {verdict}",
                    both(found.total(verdict, after=False), found.total(verdict, after=True)),
                    "",
                    verdict.lower(),
                )
                for verdict in _VERDICTS
            ]
        )
    )
    good = words.OF_KNOWN.format(count=found.good)
    faulty = words.OF_KNOWN.format(count=found.faulty)
    worse = found.escapes[1] > found.escapes[0]
    st.html(
        markup.figures(
            (
                Figure(words.ESCAPES, both(*found.escapes), faulty, "alarm" if worse else ""),
                Figure(words.FALSE_REJECTS, both(*found.false_rejects), good),
            )
        )
    )
    if not moved:
        st.caption(words.EFFECT_NONE)
    else:
        sentences = [
            words.MOVED.format(count=count, before=before, after=after)
            for (before, after), count in sorted(found.moves.items())
            if before != after
        ]
        st.html(markup.bullets(sentences or [words.MOVED_NONE]))
    if found.unexplained:
        st.caption(words.UNEXPLAINED.format(count=found.unexplained))


def _save(source: Source, recipe_id: str, version: Version, move: _Move, *, is_active: bool) -> None:
    user = session.current(source.config)
    if user is None or not user.role.covers(Role.ENGINEER):
        st.caption(words.SAVE_NEEDS)
        return
    folder = recipes.own_folder(source.config, recipe_id)
    if folder is None:
        st.caption(words.SAVE_NO_FOLDER)
        return
    found = recipes.text_of(folder).version
    if found != version.number:
        st.caption(words.SAVE_AGAIN.format(found=found, shown=version.number))
        return
    newest = recipes.versions(source.config, recipe_id)[-1].number
    raised = max(newest, version.number) + 1
    st.button(
        words.SAVE.format(version=raised),
        type="primary",
        width="stretch",
        disabled=move.wanted == move.used,
        key="save_thresholds",
        on_click=_write,
        args=(source, user, folder, version, raised, move, is_active),
    )


@acts.told
def _write(
    source: Source,
    user: User,
    folder: Path,
    version: Version,
    raised: int,
    move: _Move,
    is_active: bool,
) -> None:
    number = acts.save_thresholds(
        source,
        user,
        folder,
        version.number,
        raised,
        move.check,
        move.used,
        move.wanted,
        change=is_active,
    )
    if number is None:
        acts.say(words.SAVED_ONLY.format(version=raised))
        return
    answers.expect("recipes", words.CHANGE.format(version=raised), number)
    acts.say(words.SAVED.format(version=raised))
