"""How long each page of the dashboard takes over a database of a million inspections.

Each page runs as Streamlit's own harness runs it, script and queries, without a browser. Answers that
the dashboard keeps for some seconds are thrown away before every run. An engineer is logged in. Beside
the wall time stands the process's own time, which other programs of the machine hardly lengthen.
"""

from __future__ import annotations

import json
import logging
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from inspector.bench.filling import VERSION, fill
from inspector.config import LineConfig, load_config
from inspector.errors import DefectError, InputError
from inspector.recipe import RECIPE_FILE
from inspector.records.database import upgrade
from inspector.rethreshold import with_thresholds
from inspector.users import Role, UserFile
from inspector.yamlfile import YamlFile

PAGES = (
    "live",
    "review",
    "statistics",
    "statistics_all",
    "parts",
    "parts_scan",
    "parts_piece",
    "station",
    "recipes",
    "train",
)
_USER, _PASSWORD = "bench", "measures pages"
_APP = Path(__file__).resolve().parents[2] / "dashboard" / "app.py"
DEMO_RECIPE = Path(__file__).resolve().parents[2] / "configs" / "recipes" / "pump-cover"
_STATION = "cover-1"
_CONFIG = """\
line: pump-covers
timezone: Europe/Berlin
shifts: [{name: early, start: "06:00"}, {name: late, start: "14:00"}, {name: night, start: "22:00"}]
state_dir: .
stations:
  - name: cover-1
    topic: demo/plant/assembly/covers/cover-1/vision
    recipe: recipes/pump-cover
"""


@dataclass(frozen=True, slots=True)
class PageTimes:
    """One page, seconds."""

    p50_s: float
    p95_s: float
    processor_p95_s: float


def bench_dashboard(
    parts: int,
    rounds: int,
    folder: Path | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> dict[str, PageTimes]:
    """Times by page; ``folder`` keeps the database for the next time, and is filled if it has none.

    Raises :class:`~inspector.errors.InputError` when Streamlit is not installed.
    """
    with tempfile.TemporaryDirectory() as scratch:
        where = folder or Path(scratch)
        where.mkdir(parents=True, exist_ok=True)
        config = where / "line.yaml"
        config.write_text(_CONFIG, encoding="utf-8")
        line = load_config(config)
        _people_and_recipe(line)
        url = line.database_url(line.station(_STATION))
        if (where / "records.db").exists():
            upgrade(url)
        else:
            progress(f"recording {parts:,} parts")
            fill(url, _STATION, parts, datetime.now(UTC))
        return _measure(config, parts, rounds, progress)


def _people_and_recipe(line: LineConfig) -> None:
    """Somebody to log in, and the shipped recipe as the version that the parts were judged by."""
    folder = line.station(_STATION).recipe
    if folder.exists():
        return
    UserFile(line.users_file).add(_USER, Role.ENGINEER, _PASSWORD)
    shutil.copytree(DEMO_RECIPE, folder)
    file = YamlFile(folder / RECIPE_FILE)
    (folder / RECIPE_FILE).write_text(with_thresholds(file, {}, VERSION), encoding="utf-8")


def _measure(
    config: Path, parts: int, rounds: int, progress: Callable[[str], None]
) -> dict[str, PageTimes]:
    try:
        import streamlit as st
        from streamlit.testing.v1 import AppTest
    except ImportError as error:
        # A line computer without the dashboard.
        raise InputError("Streamlit is not installed", "pip install '.[dashboard]'") from error
    # Streamlit misses its server with every run; that is as it should be here.
    logging.getLogger("streamlit").setLevel(logging.CRITICAL)
    before, sys.argv = sys.argv, [str(_APP), str(config)]
    try:
        page = AppTest.from_file(str(_APP), default_timeout=120)
        page.run()
        _log_in(page)
        walls: dict[str, list[float]] = {name: [] for name in PAGES}
        processor: dict[str, list[float]] = {name: [] for name in PAGES}
        for number in range(rounds + 1):
            progress(f"round {number} of {rounds}")
            for name in PAGES:
                _go(page, name, parts)
                st.cache_data.clear()
                began, used = time.perf_counter(), time.process_time()
                page.run()
                # The first round also imports and opens.
                if number:
                    walls[name].append(time.perf_counter() - began)
                    processor[name].append(time.process_time() - used)
                if page.exception:
                    raise DefectError(f"page {name}: {page.exception[0].value}")
    finally:
        sys.argv = before
    return {
        name: PageTimes(
            float(np.median(walls[name])),
            float(np.percentile(walls[name], 95)),
            float(np.percentile(processor[name], 95)),
        )
        for name in PAGES
    }


def _log_in(page: Any) -> None:
    page.switch_page("views/login.py").run()
    page.text_input[0].set_value(_USER)
    page.text_input[1].set_value(_PASSWORD)
    page.button[0].click().run()
    if page.exception:
        raise DefectError(f"logging in: {page.exception[0].value}")


def _go(page: Any, name: str, parts: int) -> None:
    """Open the page as a person would; the caller measures it by running it once more."""
    page.switch_page(f"views/{name.split('_')[0]}.py").run()
    if name == "statistics_all":
        page.selectbox[0].set_value("all").run()
    elif name == "parts_scan":
        page.text_input[0].set_value(f"PC-{parts // 2:08d}").run()
    elif name == "parts_piece":
        page.text_input[1].set_value(f"{parts // 2 + 1}"[-5:]).run()


def as_json(figures: dict[str, PageTimes]) -> str:
    """Plain numbers, one line."""
    flat = {
        f"{name}_{key}": round(getattr(times, key), 4)
        for name, times in figures.items()
        for key in PageTimes.__dataclass_fields__
    }
    return json.dumps(flat)
