"""What the station makes of a page's last request, told on that page until the next one."""

from __future__ import annotations

from typing import Literal

import streamlit as st

from dashboard import markup, texts
from dashboard.data import Source
from inspector.records import requests

Page = Literal["recipes", "train"]

_POLL_S = 1.0


def expect(page: Page, act: str, number: int) -> None:
    """Tell from now on what becomes of the request of that number; ``act`` names it to a person."""
    st.session_state[_key(page)] = (act, number)


def show(page: Page, source: Source) -> None:
    """Tell it where the page stands now; nothing when this page has asked for nothing."""
    if _key(page) in st.session_state:
        _watch(page, source)


@st.fragment(run_every=_POLL_S)
def _watch(page: Page, source: Source) -> None:
    act, number = st.session_state[_key(page)]
    found = requests.request(source.engine, number)
    if found is None or found.outcome is None:
        st.info(texts.ASKED.format(act=markup.plain(act)))
        return
    template = texts.ANSWER.get(found.outcome, texts.ANSWER["failed"])
    said = template.format(act=markup.plain(act), text=markup.plain(found.text))
    (st.success if found.outcome == "done" else st.error)(said)


def _key(page: Page) -> str:
    return f"{page}_asked"
