"""Ten parts reviewed by keyboard in a real browser, by two people at once."""

from __future__ import annotations

import re
from pathlib import Path

from browser import serving
from people import PASSWORD, add_users
from playwright.sync_api import Page, expect
from shift import Shift

from dashboard.reviewing import LEAST_LOOK_S
from inspector.records.audit import trail
from inspector.records.database import open_engine
from inspector.records.reviews import reviews

LOOK_MS = 1000 * LEAST_LOOK_S + 200
"""How long the person here looks at a part before deciding."""
LIGHT = re.compile(r"^(✔ Accept|✖ Reject)")


def _log_in(page: Page, address: str, name: str) -> None:
    page.goto(f"{address}/login")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_text(f"Logged in as {name}")).to_be_visible()
    page.get_by_role("link", name="Review").click()


def _part(page: Page) -> str:
    """The part that is shown."""
    fact = page.locator(".facts div", has_text="Part").first.locator("b")
    expect(fact).to_be_visible()
    return fact.inner_text()


def _press(page: Page, key: str) -> str:
    """Look at the part, press the key, wait until it has gone; the part."""
    part = _part(page)
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
    page.wait_for_timeout(LOOK_MS)  # the person looks; a key that comes sooner decides nothing
    page.keyboard.press(key)
    expect(page.locator(".facts div", has_text="Part").first).not_to_contain_text(part)
    return part


def test_ten_parts_are_reviewed_by_keyboard(empty: Shift, tmp_path: Path, page: Page) -> None:
    with empty.config_path.open("a") as file:
        file.write("    review: {sample_fail: 1, sample_pass: 1, blind_share: 0}\n")
    add_users(empty)
    empty.fill(12)
    with serving(empty.config_path, tmp_path) as address:
        page.set_viewport_size({"width": 1280, "height": 720})
        _log_in(page, address, "anna")
        expect(page.locator(".verdict.small .word")).to_be_visible()
        for name in ("Accept", "Reject", "Missing", "Undo"):
            box = page.get_by_role("button", name=name).bounding_box()
            assert box is not None
            assert box["height"] >= 44, f"{name} is too small for a glove"
            assert box["y"] + box["height"] <= 720, f"{name} is cut off"
        for button in page.get_by_role("button", name=LIGHT).all():
            colours = button.evaluate(
                "b => [getComputedStyle(b).color, getComputedStyle(b).backgroundColor]"
            )
            assert _contrast(*colours) >= 4.5

        other = page.context.browser.new_page()  # type: ignore[union-attr]
        other.set_default_timeout(20_000)
        _log_in(other, address, "eve")
        assert _part(other) != _part(page), "two people have two parts"
        other.close()

        done = [_press(page, key) for key in ("a", "x", "3", "a", "2", "a", "1", "a", "a", "x")]
        assert len(set(done)) == 10
        page.keyboard.press("u")
        expect(page.locator(".facts div", has_text="Part").first).to_contain_text(done[-1])
        _press(page, "4")

    engine = open_engine(empty.url, readonly=True)
    found = [(one.user, one.decision, one.cause) for one in reviews(engine)]
    acts = [act.action for act in trail(engine, user="anna")]
    engine.dispose()
    assert len(found) == 10
    assert {user for user, _, _ in found} == {"anna"}
    assert [decision for _, decision, _ in found].count("accept") == 5
    assert found[2][2] == "Missing"
    assert found[-1][2] == "Extra"
    assert acts.count("decision") == 11
    assert acts.count("undo") == 1


def _contrast(first: str, second: str) -> float:
    """Contrast of two CSS colours. Source: WCAG 2.2, "contrast ratio"."""

    def luminance(colour: str) -> float:
        channels = [int(number) / 255 for number in re.findall(r"\d+", colour)[:3]]
        red, green, blue = (
            value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4
            for value in channels
        )
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    light, dark = sorted((luminance(first), luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)
