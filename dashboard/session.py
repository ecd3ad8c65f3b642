"""Who is before the screen. A login lives in the browser's session.

It ends with that session, by logging out, or when nothing is done for a while.
"""

from __future__ import annotations

import time

import streamlit as st

from inspector.config import LineConfig
from inspector.users import User, UserFile

_USER, _SEEN, _ENDED = "login_user", "login_seen_s", "login_ended"


def current(config: LineConfig, *, by_person: bool = True) -> User | None:
    """Who is logged in, with the role that the file of users gives at this moment.

    ``by_person``: somebody does something, so that the time in which nothing is done begins anew.
    """
    name = st.session_state.get(_USER)
    if name is None:
        return None
    idle_s = time.monotonic() - st.session_state[_SEEN]
    role = UserFile(config.users_file).role(name)
    if role is None or idle_s > config.access.idle_min * 60:
        st.session_state[_ENDED] = role is not None
        del st.session_state[_USER]
        return None
    if by_person:
        st.session_state[_SEEN] = time.monotonic()
    return User(name, role)


def name() -> str:
    """Of who is logged in, as far as this session remembers; empty: nobody."""
    return str(st.session_state.get(_USER, ""))


def begin(user: User) -> None:
    """The password was right."""
    st.session_state[_USER] = user.name
    st.session_state[_SEEN] = time.monotonic()


def end() -> None:
    """Log out."""
    st.session_state.pop(_USER, None)


def has_ended() -> bool:
    """Whether the last login ended because nothing was done; told once."""
    return bool(st.session_state.pop(_ENDED, False))
