"""Recipe change on the real daemon, and the store of what has judged parts."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import Mosquitto, wait_for

from inspector.contract import AckPayload, PrepareRecipePayload
from inspector.recipe import load_recipe
from inspector.records.store import RecipeStore
from inspector.sim.plc import SimPlc
from system.cli import ROOT, run_here
from system.daemon import Daemon


@pytest.fixture
def daemon(tmp_path: Path, mosquitto: Mosquitto) -> Iterator[Daemon]:
    """A station with the recipes ``pump-cover`` and ``cover-b``, the latter in version 2."""
    shutil.copytree(ROOT / "configs" / "recipes" / "pump-cover", tmp_path / "cover-b")
    set_version(tmp_path, 2)
    made = Daemon(tmp_path, mosquitto.port, "recipe-change", more="    recipes: [cover-b]\n")
    yield made
    if made.process is not None and made.process.poll() is None:
        made.kill()


def plc_of(daemon: Daemon, mosquitto: Mosquitto) -> SimPlc:
    return SimPlc(mosquitto.broker, daemon.topic, accept_simulated=True, deadline_ms=8000)


def set_version(folder: Path, version: int, more: str = "") -> None:
    path = folder / "cover-b" / "recipe.yaml"
    lines = path.read_text().splitlines()
    lines = [f"version: {version}" if line.startswith("version:") else line for line in lines]
    path.write_text("\n".join(lines) + "\n" + more)


def prepare(plc: SimPlc, recipe_id: str, version: int | None = None) -> AckPayload:
    payload = PrepareRecipePayload(command_id="c1", recipe_id=recipe_id, recipe_version=version)
    ack = plc.command(payload, timeout_s=60)
    assert ack is not None
    return ack


def active(plc: SimPlc) -> tuple[str, int]:
    assert plc.wait_ready(10)
    assert plc.state is not None
    return plc.state.recipe_id, plc.state.recipe_version


def judged(plc: SimPlc, part_id: str) -> tuple[str, int]:
    """Recipe and version in the result of one more part."""
    assert plc.wait_ready(10)
    plc.trigger(part_id)
    assert plc.wait_idle(10)
    result = plc.outcomes()[-1].result
    assert result is not None
    return result.recipe_id, result.recipe_version


def change_under_load(plc: SimPlc) -> None:
    """From ``pump-cover`` to ``cover-b`` while parts are on their way."""
    for number in range(4):
        plc.trigger(f"A{number}")
    plc.send(PrepareRecipePayload(command_id="c0", recipe_id="cover-b"), "cmd/prepareRecipe")
    for number in range(4, 8):
        plc.trigger(f"A{number}", recipe_id="pump-cover", check=False)
    wait_for(lambda: plc.state and plc.state.recipe_id == "cover-b", 60)
    assert plc.wait_idle(20)
    # accepted parts were judged by the old recipe, the others were refused
    outcomes = plc.outcomes()
    assert [outcome.ack for outcome in outcomes] == ["Accepted"] * 4 + ["NotReady"] * 4
    results = [outcome.result for outcome in outcomes[:4]]
    assert [result and result.recipe_id for result in results] == ["pump-cover"] * 4


def test_products_change_while_the_station_runs(daemon: Daemon, mosquitto: Mosquitto) -> None:
    daemon.start()
    folder = daemon.folder
    with plc_of(daemon, mosquitto) as plc:
        assert plc.wait_ready(60)
        first = active(plc)
        assert first[0] == "pump-cover"
        change_under_load(plc)
        assert active(plc) == ("cover-b", 2)
        assert judged(plc, "B1") == ("cover-b", 2)
        # parts of the other product are refused
        plc.trigger("C1", recipe_id="pump-cover", check=False)
        wait_for(lambda: plc.counters().refused.get("RecipeMismatch"))

        assert prepare(plc, "cover-c").reason == "UnknownRecipe"
        assert prepare(plc, "cover-b", 9).reason == "UnknownRecipe"
        assert active(plc) == ("cover-b", 2)

        # a new version while it runs, and back to the stored one
        set_version(folder, 3)
        assert prepare(plc, "cover-b").reason == "Accepted"
        assert judged(plc, "B2") == active(plc) == ("cover-b", 3)
        assert prepare(plc, "cover-b", 2).reason == "Accepted"
        assert judged(plc, "B3") == active(plc) == ("cover-b", 2)

        # changed without raising the version, then a corrupt network: the old one stays
        set_version(folder, 3, "mm_per_px: 0.5\n")
        assert prepare(plc, "cover-b").reason == "LoadFailed"
        set_version(folder, 4)
        with (folder / "cover-b" / "detector" / "openvino.bin").open("ab") as network:
            network.write(b"!")
        assert prepare(plc, "cover-b").reason == "LoadFailed"
        assert judged(plc, "B4") == active(plc) == ("cover-b", 2)
        code, err = daemon.stop()
        assert code == 0, err
    kept = sorted(
        str(path.relative_to(folder / "state" / "recipes"))
        for path in (folder / "state" / "recipes").glob("*/*")
    )
    assert kept == ["cover-b/2", "cover-b/3", f"pump-cover/{first[1]}"]
    said = [str(row[0]) for row in daemon.rows("select text from event where event = 'prepareRecipe'")]
    assert any("Raise the version" in text for text in said)
    assert any("corrupt" in text for text in said)
    recipes = daemon.rows("select part_id, recipe_id, recipe_version from inspection")
    assert sorted(recipes) == [
        *((f"A{number}", *first) for number in range(4)),
        ("B1", "cover-b", 2),
        ("B2", "cover-b", 3),
        ("B3", "cover-b", 2),
        ("B4", "cover-b", 2),
    ]


def test_a_recipe_that_was_changed_under_its_version_is_refused_at_start_and_by_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(ROOT / "configs" / "recipes" / "pump-cover", tmp_path / "cover-b")
    config = tmp_path / "line.yaml"
    config.write_text(
        "line: quiet\nstate_dir: state\nstations:\n  - name: cell\n    topic: a/b/c/d/e/vision\n"
        "    recipe: cover-b\n    cameras: [{kind: sim, name: top}]\n"
    )
    set_version(tmp_path, 2)
    RecipeStore(tmp_path / "state" / "recipes").keep(load_recipe(tmp_path / "cover-b"))
    set_version(tmp_path, 2, "mm_per_px: 0.5\n")
    for command in ("check", "run"):
        refused = run_here(monkeypatch, capsys, command, config)
        assert refused.code == 2
        assert "Raise the version" in refused.err
    set_version(tmp_path, 3)
    assert run_here(monkeypatch, capsys, "check", config).code == 0
