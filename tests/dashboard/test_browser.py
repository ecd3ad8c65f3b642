"""The dashboard as people see it: a real process, and a real browser without a screen."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright
from shift import Shift
from support import free_port, wait_for

from inspector.sim.scene import FaultKind

APP = Path(__file__).resolve().parents[2] / "dashboard" / "app.py"
SWITCHES = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --disable-dev-shm-usage"
)


@pytest.fixture
def address(empty: Shift, tmp_path: Path) -> Iterator[str]:
    """A dashboard of some parts, started as the demo starts it."""
    empty.fill(24)
    port = free_port()
    options = {"port": str(port), "address": "127.0.0.1", "headless": "true"}
    server = [f"--server.{name}={value}" for name, value in options.items()]
    command = [
        sys.executable,
        "-m",
        "streamlit",
        "run",
        str(APP),
        *server,
        "--",
        str(empty.config_path),
    ]
    with (tmp_path / "streamlit.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=tmp_path)
    try:
        wait_for(lambda: _answers(port), 30, f"streamlit, see {tmp_path}/streamlit.log")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture
def page() -> Iterator[Page]:
    """A window of a small line computer's size."""
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


@pytest.fixture
def heartbeat(empty: Shift) -> Iterator[threading.Event]:
    """The station says that it lives until the event is set."""
    stopped = threading.Event()

    def beat() -> None:
        while not stopped.wait(0.5):
            empty.report()

    thread = threading.Thread(target=beat)
    thread.start()
    yield stopped
    stopped.set()
    thread.join()


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=1) as reply:
            return bool(reply.status == 200)
    except OSError:
        return False


def test_an_operators_look_at_the_line(
    address: str, empty: Shift, page: Page, heartbeat: threading.Event
) -> None:
    # The first visitor of a fresh server comes by a link to the page of parts.
    page.goto(f"{address}/parts")
    expect(page.locator(".heading", has_text="24 parts found")).to_be_visible(timeout=20_000)

    page.goto(address)
    verdict = page.locator(".verdict .word")
    expect(verdict).to_have_text("✖FAIL", timeout=20_000)
    expect(page.locator(".verdict .reason")).to_contain_text("Unlike a good part")
    assert verdict.evaluate("word => parseFloat(getComputedStyle(word).fontSize)") >= 100
    expect(page.locator(".strip .tile")).to_have_count(20)
    expect(page.locator(".chip.strong")).to_have_text("Ready")
    main = page.get_by_test_id("stMain")
    assert main.evaluate("main => main.scrollHeight <= main.clientHeight"), "the strip is cut off"
    assert page.locator(".stImage img").evaluate("image => image.naturalWidth") == 1280

    # A new part appears by itself.
    empty.add([empty.inspect(25, fault=FaultKind.MISSING_SCREW)])
    expect(page.locator(".verdict .reason")).to_contain_text("Screw missing", timeout=3_000)
    expect(page.locator(".facts").first).to_contain_text("PC-004025")
    expect(page.locator(".strip .tile").first).to_have_attribute("title", re.compile("PC-004025: FAIL"))
    expect(page.locator(".figure", has_text="Parts").first).to_be_visible()

    # A tile leads to its part.
    page.locator(".strip .tile").first.click()
    expect(page).to_have_url(re.compile(r"/parts\?part=5eed0001-25$"))
    expect(page.locator(".verdict.small .reason")).to_contain_text("Screw missing", timeout=20_000)

    # Another one is found by its id.
    box = page.get_by_role("textbox", name="Part id")
    box.fill("PC-004022")
    box.press("Enter")
    expect(page.locator(".verdict.small .word")).to_have_text("?REVIEW")
    expect(page.locator(".facts").first).to_contain_text("PC-004022")
    expect(page.locator(".heading", has_text="1 part found")).to_be_visible()

    # A station that falls silent is not shown as live.
    page.get_by_role("link", name="Live").click()
    expect(page.locator(".strip .tile")).to_have_count(20)
    heartbeat.set()
    alarm = page.locator(".alarm")
    expect(alarm).to_contain_text("The station is not responding since", timeout=6_000)
    expect(page.locator(".stamp")).to_contain_text("not live")
    expect(page.locator(".verdict.old")).to_be_visible()
