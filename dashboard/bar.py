"""The station's line at the top of a page, and its alarms."""

from __future__ import annotations

from datetime import datetime

import streamlit as st

from dashboard import alarms, markup
from dashboard.data import Source
from inspector.config import LineConfig
from inspector.errors import InspectorError
from inspector.records.views import StationState


def show(source: Source, state: StationState | None, now: datetime, *, simulated: bool = False) -> None:
    """The station as the PLC sees it, and what is wrong with it now."""
    line, name = source.config.line, source.station.name
    silent = alarms.silent_since(state, now) is not None
    st.html(markup.station_bar(line, name, state, silent=silent, simulated=simulated))
    if told := list(alarms.sentences(state, name, source.zone, now)):
        st.html(markup.alarms(told))


def unknown(config: LineConfig, name: str, error: InspectorError) -> None:
    """Nothing is known of the station now, and why."""
    st.html(markup.station_bar(config.line, name, None, silent=True, simulated=False))
    st.html(markup.problem(error))
