"""The versions of a recipe: since when, what distinguishes two of them, and the way back to one."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from dashboard import acts, answers, data, markup, recipes, session
from dashboard.data import Source
from dashboard.recipes import Version
from dashboard.texts import recipes as words
from inspector.users import Role, User


def show(source: Source, recipe_id: str, found: tuple[Version, ...], chosen: Version) -> None:
    """All versions, the difference between two, and going back to the ``chosen`` one."""
    _table(source, recipe_id, found)
    if len(found) < 2:
        st.caption(words.ONE_VERSION)
        return
    _difference(recipe_id, found)
    st.html(markup.heading(words.BACK_TITLE))
    _back(source, recipe_id, chosen)


def named(version: Version, active: int | None) -> str:
    """A version in words."""
    if version.number == active:
        return words.VERSION_ACTIVE.format(version=version.number)
    template = words.VERSION_OF if version.is_stored else words.VERSION_FOLDER
    return template.format(version=version.number)


def _table(source: Source, recipe_id: str, found: tuple[Version, ...]) -> None:
    used = {
        use.recipe_version: use.recipe_hash
        for use in data.recipes(source)
        if use.recipe_id == recipe_id
    }
    names = words.HISTORY_COLUMNS
    newest = found[::-1]
    st.dataframe(
        {
            names["version"]: [named(one, None) for one in newest],
            names["hash"]: [used.get(one.number, "") for one in newest],
            names["stored"]: [markup.instant(one.since, source.zone) for one in newest],
        },
        hide_index=True,
    )


def _difference(recipe_id: str, found: tuple[Version, ...]) -> None:
    left, right = st.columns(2)
    numbers = [one.number for one in found]
    old = left.selectbox(words.COMPARE_OLD, numbers, index=len(found) - 2, key=f"old_{recipe_id}")
    new = right.selectbox(words.COMPARE_NEW, numbers, index=len(found) - 1, key=f"new_{recipe_id}")
    by_number = {one.number: one for one in found}
    changed = recipes.difference(by_number[old], by_number[new])
    st.html(markup.heading(words.DIFFERENCE))
    if changed.text:
        st.code(changed.text, language="diff", wrap_lines=True)
    else:
        st.caption(words.SAME)
    models = words.MODELS_CHANGED.format(names=", ".join(changed.models))
    said = [models if changed.models else words.MODELS_SAME]
    if changed.files:
        said.append(words.FILES_CHANGED.format(names=", ".join(changed.files)))
    st.html(markup.bullets(said))


def _back(source: Source, recipe_id: str, chosen: Version) -> None:
    own = recipes.own_folder(source.config, recipe_id)
    user = session.current(source.config)
    if own is None:
        st.caption(words.BACK_NO_FOLDER)
    elif recipes.text_of(own).version == chosen.number:
        st.caption(words.BACK_CHOOSE)
    elif user is None or not user.role.covers(Role.ENGINEER):
        st.caption(words.BACK_NEEDS)
    else:
        st.caption(words.BACK_HELP)
        number = chosen.number
        acts.confirmed(
            words.BACK_SURE.format(version=number),
            words.BACK.format(version=number),
            f"back_{recipe_id}_{number}",
            _roll_back,
            source,
            user,
            own,
            chosen,
        )


@acts.told
def _roll_back(source: Source, user: User, own: Path, chosen: Version) -> None:
    number = acts.roll_back(source, user, own, chosen)
    answers.expect("recipes", words.BACK.format(version=chosen.number), number)
    acts.say(words.BACK_DONE.format(version=chosen.number))
