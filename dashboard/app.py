"""Start with ``streamlit run dashboard/app.py -- CONFIG [--station S]``.

The environment variable ``INSPECTOR_STATE_DIR`` replaces the configuration's ``state_dir``.
"""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from dashboard import markup, texts
from inspector.errors import InspectorError

STYLE = Path(__file__).with_name("style.css")


def main() -> None:
    """Lay out the frame and run the page that the address names."""
    st.set_page_config(page_title=texts.APP, page_icon="🔎", layout="wide")
    st.html(STYLE)
    live = st.Page(
        "views/live.py",
        title=texts.LIVE,
        icon=":material/monitoring:",
        default=True,
        url_path="home",
    )
    parts = st.Page("views/parts.py", title=texts.PARTS, icon=":material/search:", url_path="parts")

    def alias() -> None:
        st.switch_page(live)

    # Streamlit gives the default page the root address alone; people type this one.
    named = st.Page(alias, url_path="live", visibility="hidden")
    page = st.navigation([live, parts, named], position="top")
    try:
        page.run()
    except InspectorError as error:
        st.html(markup.problem(error))


main()
