"""A shift's records, and the dashboard that shows them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st
from browser import browsing
from playwright.sync_api import Page
from shift import Shift
from sqlalchemy import Engine

from inspector.records.database import open_engine


@pytest.fixture(autouse=True)
def _fresh_caches() -> Iterator[None]:
    """No answer of another test's database."""
    yield
    st.cache_data.clear()
    st.cache_resource.clear()


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shift]:
    """Sixty parts; shared, so add nothing."""
    shift = Shift(tmp_path_factory.mktemp("filled"))
    shift.fill(60)
    yield shift
    shift.close()


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Shift]:
    """A line that has not inspected anything yet; the test's own."""
    shift = Shift(tmp_path)
    yield shift
    shift.close()


@pytest.fixture
def engine(line: Shift) -> Iterator[Engine]:
    """Reads the records of ``line``, a fixture of the module's own."""
    engine = open_engine(line.url, readonly=True)
    yield engine
    engine.dispose()


@pytest.fixture
def page() -> Iterator[Page]:
    """A real browser's window."""
    with browsing() as page:
        yield page
