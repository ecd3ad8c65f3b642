"""The operator's day in a real browser: the demo runs, and a mistake that somebody marks teaches."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from browser import serving
from people import PASSWORD
from playwright.sync_api import Page, expect
from support import wait_for

from dashboard.reviewing import LEAST_LOOK_S
from inspector.config import LineConfig, load_config
from inspector.errors import StorageError
from inspector.recipe import load_recipe
from inspector.records.audit import trail
from inspector.records.database import open_engine
from inspector.records.queries import count, find
from inspector.records.reviews import reviews
from inspector.users import Role, UserFile

RECIPES = Path(__file__).resolve().parents[2] / "configs" / "recipes"
CONFIG = """\
line: demo
timezone: Europe/Berlin
shifts: [{name: day, start: "00:00"}]
state_dir: state
stations:
  - name: cover-1
    topic: demo/plant/assembly/line-1/cover-1/vision
    recipe: recipes/pump-cover
    cameras: [{kind: sim, name: top, seed: 7}]
    acquisition: {mode: wire, before_ms: 500, after_ms: 300}
    broker: {host: 127.0.0.1, port: 1883}
    deadline_ms: 20000
    evidence: {pass_share: 1.0, budget_mb: 500}
    review: {sample_fail: 1, sample_pass: 1, blind_share: 0}
"""
LOOK_MS = 1000 * LEAST_LOOK_S + 200
FIRST_PARTS = 24
SLOW_MS = 60_000
"""For what takes a second or two on a machine that does nothing else."""
TRAINING_MS = 420_000
"""The same of a training, some 30 seconds."""


@contextmanager
def demo(config: Path, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The demonstration as a process of its own, until it is interrupted."""
    command = [sys.executable, "-m", "inspector", "demo", "--headless", "--config", str(config)]
    with (folder / "demo.log").open("wb") as log:
        process = subprocess.Popen([*command, "--interval", "1.0"], stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(60)
        finally:
            process.kill()
            process.wait(10)


def _recorded(config: LineConfig) -> int:
    try:
        engine = open_engine(config.database_url(config.stations[0]), readonly=True)
        try:
            return count(engine, station="cover-1")
        finally:
            engine.dispose()
    except StorageError:
        # the demo has not made its database yet
        return 0


def _log_in(page: Page, address: str) -> None:
    page.goto(f"{address}/login")
    page.get_by_label("Name").fill("eve")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_text("Logged in as eve")).to_be_visible()


def _decide(page: Page, mistakes: list[str]) -> str:
    """Look at the part that is shown, and press a key; the part.

    The first that FAILed is accepted: the station was wrong, says the person.
    """
    fact = page.locator(".facts div", has_text="Part").first
    expect(fact.locator("b")).to_be_visible(timeout=SLOW_MS)
    expect(page.get_by_test_id("stApp")).to_have_attribute(
        "data-test-script-state", "notRunning", timeout=SLOW_MS
    )
    part = fact.locator("b").inner_text()
    failed = "FAIL" in page.locator(".verdict.small .word").inner_text()
    key = "x" if failed and mistakes else "a"
    if failed and not mistakes:
        mistakes.append(part)
    page.wait_for_timeout(LOOK_MS)  # the person looks; a key that comes sooner decides nothing
    page.keyboard.press(key)
    expect(fact).not_to_contain_text(part, timeout=SLOW_MS)
    return part


@pytest.mark.timeout(1200)
def test_the_operators_day(tmp_path: Path, page: Page) -> None:
    shutil.copytree(RECIPES / "pump-cover", tmp_path / "recipes" / "pump-cover")
    path = tmp_path / "line.yaml"
    path.write_text(CONFIG)
    config = load_config(path)
    users = UserFile(config.users_file)
    users.add("eve", Role.ENGINEER, PASSWORD)
    page.set_default_timeout(SLOW_MS)
    expect.set_options(timeout=SLOW_MS)
    try:
        with demo(path, tmp_path) as running:
            wait_for(lambda: _recorded(config) >= 2 or running.poll() is not None, 120, "the demo")
            assert running.poll() is None, (tmp_path / "demo.log").read_text()
            with serving(path, tmp_path) as address:
                _the_day(page, address, config)
    finally:
        expect.set_options(timeout=5_000)


def _the_day(page: Page, address: str, config: LineConfig) -> None:
    # a FAIL appears by itself
    page.goto(address)
    expect(page.locator(".chip", has_text="pump-cover version 3")).to_be_visible()
    expect(page.locator(".verdict .word")).to_have_text("✖FAIL", timeout=120_000)
    wait_for(lambda: _recorded(config) >= FIRST_PARTS, 120, "parts")

    # parts are decided by keyboard; the first FAIL was a mistake, says the person
    _log_in(page, address)
    page.get_by_role("link", name="Review").click()
    expect(page.get_by_role("button", name=re.compile("Accept"))).to_be_visible()
    mistakes: list[str] = []
    decided = [_decide(page, mistakes) for _ in range(10)]
    assert len(set(decided)) == 10
    assert len(mistakes) == 1, "a part that FAILed is among the first ten"
    engine = open_engine(config.database_url(config.stations[0]), readonly=True)
    (mistaken,) = find(engine, part_id=mistakes[0])
    assert [one.decision for one in reviews(engine, result_id=mistaken.result_id)] == ["accept"]

    # what goes wrong most
    page.get_by_role("link", name="Statistics").click()
    expect(page.locator(".heading", has_text="Causes")).to_be_visible()

    # train, from the menu to the candidate, with no file handled by hand
    page.get_by_role("link", name="Train").click()
    most = page.get_by_label("Good parts at most", exact=True)
    most.fill("10")
    most.press("Enter")
    page.get_by_role("button", name="Train from pump-cover version 3").click()
    expect(page.get_by_text("Running for")).to_be_visible()
    page.reload()  # a training survives that; the login ends with the browser's session
    _log_in(page, address)
    page.get_by_role("link", name="Train").click()
    expect(page.get_by_text("Candidate: pump-cover version 4")).to_be_visible(timeout=TRAINING_MS)
    (job,) = (config.state_dir / "training").glob("2*")
    learnt = list((job / "data" / "good").glob(f"*{mistaken.result_id}.png"))
    assert learnt, "the mistake is in the data set"

    # it judges live parts, and nobody acts on it
    page.get_by_role("button", name="Start the shadow run").click()
    expect(page.get_by_text(re.compile("It judges live parts: [1-9]"))).to_be_visible(timeout=180_000)
    expect(page.locator(".figure", has_text="Parts judged by both")).to_be_visible()
    assert {part.recipe_version for part in find(engine)} == {3}

    # and then it acts
    page.get_by_text("Yes, version 4 is to judge from now on").click()
    page.get_by_role("button", name="Promote version 4").click()
    promoted = page.get_by_text("Promote version 4: the station has done it.")
    expect(promoted).to_be_visible(timeout=120_000)
    page.get_by_role("link", name="Live").click()
    expect(page.locator(".chip", has_text="pump-cover version 4")).to_be_visible()
    wait_for(lambda: any(part.recipe_version == 4 for part in find(engine, limit=20)), 120, "a part")
    acts = [act.action for act in trail(engine)]
    engine.dispose()
    assert acts.count("decision") == 10
    assert {"training", "shadow", "promotion"} <= set(acts)
    assert load_recipe(config.stations[0].recipe).text.version == 4
    if folder := os.environ.get("INSPECTOR_SCREENSHOTS"):
        page.screenshot(path=str(Path(folder) / "operators-day.png"))
