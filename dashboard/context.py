"""Which line and station this process shows: its command line, ``-- CONFIG [--station S]``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import NoReturn

import streamlit as st

from dashboard import data, texts
from inspector.config import LineConfig
from inspector.errors import InputError

_STATION = "station"


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """A sentence on the page; ending the process would end it for every browser."""
        raise InputError(message, texts.USAGE_REMEDY)


def line() -> LineConfig:
    """The configuration named on the command line, read again when the file has changed."""
    file = path()
    return _load(file, file.stat().st_mtime_ns if file.exists() else 0)


def path() -> Path:
    """The configuration's file. Raises :class:`InputError` when none is named."""
    named: Path | None = _arguments().config
    if named is None:
        raise InputError(texts.USAGE, texts.USAGE_REMEDY)
    return named


def station(config: LineConfig) -> str:
    """The station of the command line, else the one chosen on the page, else the first."""
    named: str | None = _arguments().station
    if named is not None:
        return named
    names = [station.name for station in config.stations]
    chosen = st.session_state.get(_STATION, names[0])
    return chosen if chosen in names else names[0]


def choose_station(config: LineConfig) -> str:
    """As :func:`station`, with a selection on the page where there is one to make."""
    current = station(config)
    names = [station.name for station in config.stations]
    if len(names) == 1 or _arguments().station is not None:
        return current
    chosen = st.segmented_control(
        texts.CHOOSE_STATION, names, default=current, required=True, label_visibility="collapsed"
    )
    st.session_state[_STATION] = chosen or current
    return chosen or current


def _arguments() -> argparse.Namespace:
    parser = _Parser(prog="dashboard", add_help=False)
    parser.add_argument("config", nargs="?", type=Path)
    parser.add_argument("--station")
    return parser.parse_args(sys.argv[1:])


@st.cache_resource(show_spinner=False, max_entries=4)
def _load(path: Path, modified_ns: int) -> LineConfig:
    return data.load(path)
