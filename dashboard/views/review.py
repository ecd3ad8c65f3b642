"""Review: decide about parts one after the other, and see how far people and station agree."""

from __future__ import annotations

import streamlit as st

from dashboard import agreeing, context, data, reviewing
from dashboard.texts import review as words


def render() -> None:
    """Run the page."""
    config = context.line()
    source = data.source(config, context.choose_station(config))
    head = st.container(horizontal=True, vertical_alignment="center", gap="large")
    section = head.segmented_control(
        words.SECTION,
        list(words.SECTIONS),
        default="queue",
        required=True,
        format_func=words.SECTIONS.__getitem__,
        key="review_section",
        label_visibility="collapsed",
    )
    if section == "agreement":
        agreeing.show(source, head)
    else:
        reviewing.show(source, head)


render()
