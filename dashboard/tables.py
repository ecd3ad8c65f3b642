"""Tables that are read, not searched: nothing in them is cut, long text goes on in the next line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import streamlit as st

from dashboard import markup


def show(columns: Mapping[str, Sequence[str]], height: int | Literal["content"] = "content") -> None:
    """Columns by name, whose cells are shown as they stand, whatever they hold; ``height`` in px."""
    cells = {name: [markup.plain(cell) for cell in column] for name, column in columns.items()}
    st.table(cells, border="horizontal", hide_index=True, height=height)
