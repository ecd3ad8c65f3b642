"""Start with ``streamlit run dashboard/app.py -- CONFIG [--station S]``.

The environment variable ``INSPECTOR_STATE_DIR`` replaces the configuration's ``state_dir``.
"""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from dashboard import login, markup, texts
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
    review = st.Page(
        "views/review.py", title=texts.REVIEW, icon=":material/fact_check:", url_path="review"
    )
    parts = st.Page("views/parts.py", title=texts.PARTS, icon=":material/search:", url_path="parts")
    statistics = st.Page(
        "views/statistics.py",
        title=texts.STATISTICS,
        icon=":material/query_stats:",
        url_path="statistics",
    )
    station = st.Page(
        "views/station.py", title=texts.STATION_PAGE, icon=":material/videocam:", url_path="station"
    )
    recipes = st.Page(
        "views/recipes.py", title=texts.RECIPES, icon=":material/tune:", url_path="recipes"
    )
    train = st.Page(
        "views/train.py", title=texts.TRAIN, icon=":material/model_training:", url_path="train"
    )
    person = st.Page(login.PAGE, title=login.title(), icon=":material/person:", url_path="login")

    def alias() -> None:
        st.switch_page(live)

    # Streamlit gives the default page the root address alone; people type this one.
    named = st.Page(alias, url_path="live", visibility="hidden")
    page = st.navigation(
        [live, review, statistics, parts, station, recipes, train, person, named], position="top"
    )
    try:
        if page == person or login.may_view():
            page.run()
    except InspectorError as error:
        st.html(markup.problem(error))


main()
