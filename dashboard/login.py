"""Who is before the screen: logging in and out, and what a role may do.

What a login is, and when it ends: :mod:`dashboard.session`.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dashboard import acts, context, data, markup, session
from dashboard.data import Source
from dashboard.texts import people
from inspector.config import LineConfig
from inspector.errors import InspectorError
from inspector.records.audit import Actor
from inspector.users import Role, User, UserFile

PAGE = "views/login.py"
_TRIES, _PAUSE_S = 5, 60.0


@dataclass(slots=True)
class _Failures:
    """Wrong passwords by name; shared by all browsers."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    at_s: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def are_many(self, name: str) -> bool:
        with self.lock:
            recent = [at for at in self.at_s.get(name, ()) if time.monotonic() - at < _PAUSE_S]
            if recent:
                self.at_s[name] = recent
            else:
                self.at_s.pop(name, None)
            return len(recent) >= _TRIES

    def add(self, name: str) -> None:
        with self.lock:
            self.at_s[name].append(time.monotonic())

    def clear(self, name: str) -> None:
        with self.lock:
            self.at_s.pop(name, None)


def wanted(
    config: LineConfig, needed: Role, why: str = people.NEEDED, *, by_person: bool = True
) -> User | None:
    """The user if he or she has the role; else the page says what is missing, and None is returned."""
    user = session.current(config, by_person=by_person)
    if user is None:
        st.html(markup.panel(people.NEEDED_TITLE, why))
        st.page_link(PAGE, label=people.LOG_IN, icon=":material/login:")
        return None
    if not user.role.covers(needed):
        said = people.ROLE_NEEDED.format(
            needed=people.ROLES[needed.value], name=user.name, role=people.ROLES[user.role.value]
        )
        st.html(markup.panel(people.ROLE_TITLE, said))
        return None
    return user


def may_view(*, by_person: bool = True) -> bool:
    """Whether the page may be shown to whoever is before the screen; else the page says why not.

    ``by_person`` false: a page that refreshes by itself asks, and that keeps no login alive.
    """
    try:
        config = context.line()
    except InspectorError:
        # Without a configuration there is nothing to guard: the page itself says what is wrong.
        return True
    if not config.access.login_to_view:
        return True
    user = wanted(config, Role.OPERATOR, people.NEEDED_TO_VIEW, by_person=by_person)
    return user is not None


def title() -> str:
    """What the menu calls the page on which one logs in."""
    return session.name() or people.LOG_IN


def show() -> None:
    """The page: a form, or who is logged in."""
    config = context.line()
    user = session.current(config)
    if user is None:
        _form(config)
        return
    st.html(markup.panel(people.LOGGED_IN.format(name=user.name), people.RIGHTS[user.role.value]))
    st.caption(people.IDLE.format(minutes=config.access.idle_min))
    source = data.source(config, context.station(config))
    st.button(people.LOG_OUT, icon=":material/logout:", on_click=_leave, args=(source, user))


def _form(config: LineConfig) -> None:
    if session.has_ended():
        st.info(people.ENDED.format(minutes=config.access.idle_min))
    if not UserFile(config.users_file).users():
        command = f"inspector users add {context.path()} NAME --role administrator"
        st.html(markup.panel(people.NEEDED_TITLE, people.NO_USERS.format(command=command)))
        return
    middle = st.columns([1, 1.2, 1])[1]
    with middle, st.form("login", border=True):
        st.html(markup.heading(people.LOG_IN))
        name = st.text_input(people.NAME, max_chars=32, autocomplete="username")
        password = st.text_input(
            people.PASSWORD, type="password", max_chars=200, autocomplete="current-password"
        )
        sent = st.form_submit_button(people.LOG_IN, type="primary", width="stretch")
    if sent and _enter(config, name.strip(), password, middle):
        st.rerun()


def _enter(config: LineConfig, name: str, password: str, place: DeltaGenerator) -> bool:
    failures = _failures()
    if failures.are_many(name):
        place.error(people.TOO_OFTEN)
        return False
    source = data.source(config, context.station(config))
    user = UserFile(config.users_file).check(name, password)
    if user is None:
        failures.add(name)
        acts.note(source, Actor(name[:32], ""), "loginFailed", name)
        place.error(people.WRONG)
        return False
    failures.clear(name)
    acts.note(source, acts.actor(user), "login", user.name)
    session.begin(user)
    return True


@acts.told
def _leave(source: Source, user: User) -> None:
    acts.note(source, acts.actor(user), "logout", user.name)
    session.end()


@st.cache_resource(show_spinner=False)
def _failures() -> _Failures:
    return _Failures()
