"""Makes the pictures of ``dashboard/screenshots`` anew: ``python tests/dashboard/screenshots.py [--size WxH]``."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from browser import browsing, serving  # beside this file, as support is above
from people import PASSWORD, add_users
from playwright.sync_api import Page, expect
from shift import BOOT, STATION, Shift
from support import wait_for

from dashboard import training
from inspector.challenge import ChallengePart, ChallengeRun
from inspector.checkspecs import check_name
from inspector.config import Reviewing
from inspector.domain import DriftReading, RecipeRef
from inspector.recipe import RECIPE_FILE, load_recipe
from inspector.records import claims, reviews
from inspector.records.audit import Actor
from inspector.records.challenges import insert_run
from inspector.records.database import open_engine
from inspector.records.drift import drift_rows, insert_drift
from inspector.records.queries import find
from inspector.records.reviews import Decision
from inspector.records.store import RecipeStore

FOLDER = Path(__file__).resolve().parents[2] / "dashboard" / "screenshots"
PAGES = {
    "live": "live",
    "statistics": "statistics",
    "parts": f"parts?part={BOOT:08x}-117",
    "station": "station",
    "recipes": "recipes",
    "review": "review",
    "train": "train",
}
"""Address by name of the picture."""
LOGIN = ("review", "train")
"""Pages for people who have logged in; they come last."""
PARTS = 120
DECIDED = 40
TRAINING_S = 300
ANNA = Actor("anna", "operator")
SHIPPED = Path(__file__).resolve().parents[2] / "configs" / "recipes" / "pump-cover"
RECIPE = RecipeRef("pump-cover", 3, "9f2c41d07be85a16", "03bd5ce2f1a94478")


def main() -> None:
    """Fill a line, show it, and take a picture of each page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", default="1280x720")
    parser.add_argument("--out", type=Path, default=FOLDER)
    arguments = parser.parse_args()
    width, height = (int(side) for side in arguments.size.split("x"))
    arguments.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        line = Shift(Path(folder))
        try:
            _fill(line)
            _recipes(line)
            _train(line)
            with _alive(line), serving(line.config_path, Path(folder)) as address, browsing() as page:
                page.set_viewport_size({"width": width, "height": height})
                page.set_default_timeout(60_000)
                for name, path in PAGES.items():
                    _open(page, f"{address}/{path}", login=name in LOGIN)
                    page.screenshot(path=arguments.out / f"{name}.png")
        finally:
            line.close()


def _open(page: Page, address: str, *, login: bool) -> None:
    if login:
        base, _, name = address.rpartition("/")
        page.goto(f"{base}/login")
        page.get_by_label("Name").fill("eve")
        page.get_by_label("Password").first.fill(PASSWORD)
        page.get_by_role("button", name="Log in").click()
        page.get_by_text("Logged in as eve").wait_for()
        page.get_by_role("link", name=name.title()).click()
    else:
        page.goto(address)
    page.locator(".heading, .panel, .verdict").first.wait_for()
    expect(page.locator("[data-testid=stSkeleton]")).to_have_count(0, timeout=60_000)
    # Pictures and charts come a moment after the words.
    page.wait_for_timeout(3000)


def _fill(line: Shift) -> None:
    config = line.config_path.read_text()
    line.config_path.write_text(config + "    challenge: {parts: known}\n")
    add_users(line)
    now = datetime.now(UTC)
    line.add([line.inspect(n, now - timedelta(minutes=2 * (PARTS - n))) for n in range(1, PARTS + 1)])
    line.warn("the camera top was lost for 2.1 s")
    readings = [
        ("exposure", "good", 0.03, 118.0, 121.0),
        ("sharpness", "watch", 0.14, 71.0, 84.0),
        ("score:surface", "good", 0.02, 0.31, 0.30),
    ]
    engine = open_engine(line.url)
    with engine.begin() as connection:
        for hours in range(8, -1, -1):
            seen = [
                DriftReading(
                    name, level, psi * (9 - hours) / 9, 0.01, "calibration", 90, then, median, 200
                )  # type: ignore[arg-type]
                for name, level, psi, median, then in readings
            ]
            at = now - timedelta(hours=hours)
            insert_drift(connection, drift_rows(STATION, RECIPE, seen, at))
        for hours, missed in ((30, True), (6, False)):
            parts = (
                ChallengePart("cover-scratch", "faulty", "PASS" if missed else "FAIL", "Anomaly"),
                ChallengePart("cover-good", "good", "PASS", "None"),
            )
            at = now - timedelta(hours=hours)
            insert_run(connection, ChallengeRun(STATION, at, "eve", "cli", RECIPE, parts))
    engine.dispose()


def _recipes(line: Shift) -> None:
    """Version 2 has been in use, version 3 is."""
    own = line.station.recipe
    shutil.copytree(SHIPPED, own)
    text = (own / RECIPE_FILE).read_text().replace("version: 3", "version: 2")
    (own / RECIPE_FILE).write_text(text)
    store = RecipeStore(line.config.recipe_store)
    store.keep(load_recipe(own))
    changed = text.replace("version: 2", "version: 3").replace("threshold: 37.5", "threshold: 37.1")
    (own / RECIPE_FILE).write_text(changed)
    store.keep(load_recipe(own))


def _train(line: Shift) -> None:
    """People decide, and a candidate is really trained."""
    engine = open_engine(line.url)
    rules = Reviewing(sample_fail=1, sample_pass=1, blind_share=0)
    verdicts = {part.result_id: part.verdict for part in find(engine, limit=PARTS)}
    now = datetime.now(UTC)
    for _ in range(DECIDED):
        part = claims.claim_next(engine, STATION, ANNA, rules, now)
        if part is None:
            raise SystemExit("fewer parts than are to be decided")
        faulty = verdicts[part] == "FAIL"
        decision: Decision = "reject" if faulty else "accept"
        reviews.decide(engine, part, ANNA, decision, "Defect" if faulty else None, rules, now)
    engine.dispose()
    recipe = load_recipe(line.station.recipe)
    (spec,) = (one for one in recipe.text.checks if check_name(one) == "surface")
    base = RecipeStore(line.config.recipe_store).folder("pump-cover", 3)
    options: dict[str, int] = {"version": 3, "raised": 4, "most": 60, "minutes": 1}
    wanted = training.plan(
        line.config,
        line.config_path,
        line.station,
        base,
        "pump-cover",
        spec,
        is_calibrated=False,
        user="eve",
        **options,
    )
    job = training.start(line.config, wanted)
    job = wait_for(lambda: _ended(job.folder), TRAINING_S, "the training")
    if job.state != "done":
        raise SystemExit(training.log_tail(job))


def _ended(folder: Path) -> training.Job | None:
    job = training.read(folder)
    return None if job.state == "running" else job


@contextmanager
def _alive(line: Shift) -> Iterator[None]:
    """The station says that it lives, for as long as pictures are taken."""
    stopped = threading.Event()

    def beat() -> None:
        while not stopped.wait(0.5):
            line.report()

    thread = threading.Thread(target=beat)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()


if __name__ == "__main__":
    main()
