"""The dashboard as people see it: a real process, and a real browser without a screen."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import serving
from playwright.sync_api import Page, expect
from shift import Shift

from inspector.sim.scene import FaultKind


@pytest.fixture
def address(empty: Shift, tmp_path: Path) -> Iterator[str]:
    """A dashboard of some parts, started as the demo starts it."""
    empty.fill(24)
    with serving(empty.config_path, tmp_path) as address:
        yield address


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
    expect(page.locator(".stImage img")).to_have_js_property("naturalWidth", 1280)

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
