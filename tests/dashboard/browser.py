"""A real dashboard process, and a real browser without a screen."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Page, sync_playwright
from support import free_port, wait_for

APP = Path(__file__).resolve().parents[2] / "dashboard" / "app.py"
SWITCHES = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --disable-dev-shm-usage"
)


@contextmanager
def serving(config: Path, folder: Path) -> Iterator[str]:
    """The dashboard of that line; yields its address. Its log lies in ``folder``."""
    port = free_port()
    options = {"port": str(port), "address": "127.0.0.1", "headless": "true"}
    server = [f"--server.{name}={value}" for name, value in options.items()]
    command = [sys.executable, "-m", "streamlit", "run", str(APP), *server, "--", str(config)]
    with (folder / "streamlit.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
    try:
        wait_for(lambda: _answers(port), 30, f"streamlit, see {folder}/streamlit.log")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


@contextmanager
def browsing() -> Iterator[Page]:
    """A window of a small line computer's size; the test is skipped where there is no Chromium."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        what = "chromium is not installed: apt install chromium"
        if os.environ.get("CI") or os.environ.get("INSPECTOR_REQUIRE_DATA", "") not in ("", "0"):
            pytest.fail(what)
        pytest.skip(what)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=SWITCHES.split())
        page = browser.new_page(viewport={"width": 1366, "height": 768})
        page.set_default_timeout(20_000)
        yield page
        browser.close()


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=1) as reply:
            return bool(reply.status == 200)
    except OSError:
        return False
