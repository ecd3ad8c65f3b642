"""The Recipes page: what is active, thresholds replayed on recorded parts, history, cards."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from people import add_users, locked, opened, press, toasts, words_of
from shift import STATION, Shift
from sqlalchemy import Engine

from inspector.recipe import RecipeText
from inspector.records.audit import trail
from inspector.records.requests import requests
from inspector.yamlfile import YamlFile

SHIPPED = Path(__file__).resolve().parents[2] / "configs" / "recipes" / "pump-cover"
RECIPE = """\
# Simulated pump cover.
product: pump-cover
version: {version}
checks:
  - kind: assembly   # four screws
    name: screws
    model: detector
    threshold: {screws}
    expect: [{{label: screw, per: housing, count: 4}}]
  - {{kind: anomaly, model: surface, threshold: 0.62, review_threshold: 0.48}}   # as measured
"""


def _recipe(folder: Path, version: int, screws: float) -> None:
    folder.mkdir(parents=True)
    (folder / "recipe.yaml").write_text(RECIPE.format(version=version, screws=screws))
    for model in ("detector", "surface"):
        (folder / model).mkdir()
        shutil.copy(SHIPPED / model / "model.json", folder / model)


@pytest.fixture
def line(empty: Shift) -> Shift:
    """Thirty-three parts of version 3, which is active and was preceded by version 2."""
    add_users(empty)
    store, own = empty.config.recipe_store / "pump-cover", empty.station.recipe
    _recipe(store / "2", 2, 0.4)
    _recipe(store / "3", 3, 0.5)
    _recipe(own, 3, 0.5)
    for model in ("detector", "surface"):
        shutil.copytree(SHIPPED / model, own / model, dirs_exist_ok=True)
    empty.fill(33)
    return empty


def test_thresholds_are_replayed_and_saved_as_a_new_version(
    line: Shift, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = opened(monkeypatch, line.config_path, "recipes", "eve")
    words = words_of(page)
    assert "These are the thresholds in use." in words
    assert "Of 33 parts people have decided about 0" in words
    (slider,) = page.slider
    assert slider.value == (0.48, 0.62)
    save = next(button for button in page.button if button.label.startswith("Save"))
    assert save.disabled

    before = [words.split(name)[1].split()[0] for name in ("✔ PASS", "✖ FAIL", "? REVIEW")]
    slider.set_range(0.3, slider.value[1]).run()
    assert not page.exception
    words = words_of(page)
    assert "parts would go from PASS to REVIEW." in words
    passed = words.split("✔ PASS")[1].split()[:3]
    assert (passed[0], passed[1]) == (before[0], "→")
    assert int(passed[2]) < int(before[0])
    assert words.split("✖ FAIL")[1].split()[:3] == [before[1], "→", before[1]]

    press(page, "Save as version 4")
    assert "Version 4 is saved" in toasts(page)
    path = line.station.recipe / "recipe.yaml"
    text = path.read_text()
    expected = RECIPE.format(version=4, screws=0.5).replace(
        "review_threshold: 0.48", "review_threshold: 0.3"
    )
    assert text == expected, "nothing else has changed, comments least of all"
    assert YamlFile(path).parse(RecipeText).version == 4
    stored = line.config.recipe_store / "pump-cover" / "3" / "recipe.yaml"
    assert "version: 3" in stored.read_text()

    (asked,) = requests(engine, STATION)
    act = trail(engine)[0]
    assert (asked.kind, asked.user) == ("prepareRecipe", "eve")
    assert dict(asked.arguments) == {"recipeId": "pump-cover", "recipeVersion": 4}
    assert (act.user, act.action, act.subject) == ("eve", "threshold", "pump-cover 4")
    assert act.fields == {"check": "surface", "before": [0.62, 0.48], "after": [0.62, 0.3]}

    words = words_of(page.run())
    assert "Change to version 4: the station has been asked" in words
    assert "The recipe's folder holds version 4, and you look at version 3" in words


@pytest.mark.parametrize("user", ["", "anna"])
def test_only_engineers_save(line: Shift, user: str, monkeypatch: pytest.MonkeyPatch) -> None:
    page = opened(monkeypatch, line.config_path, "recipes", user)
    page.slider[0].set_range(0.3, 0.62).run()
    assert "To save new thresholds, log in as an engineer." in words_of(page)
    assert not [button for button in page.button if button.label.startswith("Save")]


def test_a_folder_that_cannot_be_written_changes_nothing(
    line: Shift, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = opened(monkeypatch, line.config_path, "recipes", "eve")
    page.slider[0].set_range(0.3, 0.62).run()
    path = line.station.recipe / "recipe.yaml"

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", full)
        press(page, "Save as version 4")
    assert "cannot be written: No space left" in toasts(page)
    assert "version: 3" in path.read_text()
    assert [act.action for act in trail(engine)] == ["login"]
    assert requests(engine, STATION) == ()


def test_history_shows_what_changed(line: Shift, monkeypatch: pytest.MonkeyPatch) -> None:
    card = line.config.recipe_store / "pump-cover" / "2" / "surface" / "model.json"
    card.write_text(card.read_text().replace("patchcore/", "padim/"))
    page = opened(monkeypatch, line.config_path, "recipes")
    page.segmented_control(key="recipes_section").set_value("history").run()
    assert not page.exception
    (code,) = page.code
    assert "-version: 2\n+version: 3" in code.value
    assert "-    threshold: 0.4\n+    threshold: 0.5" in code.value
    assert "four screws" in code.value
    assert "Models that differ: surface" in words_of(page)
    table = page.dataframe[1].value
    assert list(table["Version"]) == ["version 3", "version 2"]
    assert list(table["Recipe hash"]) == ["9f2c41d07be85a16", ""]
    page.selectbox(key="old_pump-cover").set_value(3).run()
    assert "The two recipes say the same." in words_of(page)


def _whole(line: Shift) -> tuple[Path, Path]:
    """Version 2 in the store and version 3 in the recipe's folder, with the models' files."""
    old, own = line.config.recipe_store / "pump-cover" / "2", line.station.recipe
    for folder in (old, own, line.config.recipe_store / "pump-cover" / "3"):
        shutil.rmtree(folder, ignore_errors=True)
    for folder, version, screws in ((old, 2, 0.4), (own, 3, 0.5)):
        shutil.copytree(SHIPPED, folder)
        (folder / "recipe.yaml").write_text(RECIPE.format(version=version, screws=screws))
    return old, own


def test_going_back_to_an_earlier_version(
    line: Shift, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, own = _whole(line)
    page = opened(monkeypatch, line.config_path, "recipes", "eve")
    page.segmented_control(key="recipes_section").set_value("history").run()
    assert "Choose the version to go back to above." in words_of(page)
    version = page.selectbox(key="version_pump-cover")
    version.select_index(1).run()
    (back,) = (button for button in page.button if button.label == "Go back to version 2")
    assert back.disabled
    page.checkbox(key="sure_back_pump-cover_2").check().run()
    press(page, "Go back to version 2")
    assert "Version 2 is installed" in toasts(page)

    assert (own / "recipe.yaml").read_text() == (old / "recipe.yaml").read_text()
    kept = line.config.recipe_store / "pump-cover" / "3" / "recipe.yaml"
    assert kept.read_text() == RECIPE.format(version=3, screws=0.5), "what it replaced is not lost"
    (asked,) = requests(engine, STATION)
    act = trail(engine)[0]
    assert (asked.kind, asked.user) == ("prepareRecipe", "eve")
    assert dict(asked.arguments) == {"recipeId": "pump-cover", "recipeVersion": 2}
    assert (act.user, act.action, act.subject, act.fields) == (
        "eve",
        "rollback",
        "pump-cover 2",
        {"from": 3},
    )
    assert "Go back to version 2: the station has been asked" in words_of(page.run())


def test_what_cannot_be_kept_is_not_replaced(
    line: Shift, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, own = _whole(line)
    stored = line.config.recipe_store / "pump-cover" / "3"
    shutil.copytree(own, stored)
    (own / "recipe.yaml").write_text(RECIPE.format(version=3, screws=0.6))
    page = opened(monkeypatch, line.config_path, "recipes", "eve")
    page.segmented_control(key="recipes_section").set_value("history").run()
    page.selectbox(key="version_pump-cover").select_index(1).run()
    page.checkbox(key="sure_back_pump-cover_2").check().run()
    press(page, "Go back to version 2")
    assert "Raise the version" in toasts(page)
    assert (own / "recipe.yaml").read_text() == RECIPE.format(version=3, screws=0.6)
    assert [act.action for act in trail(engine)] == ["login"]
    assert requests(engine, STATION) == ()


def test_a_locked_database_changes_nothing(line: Shift, monkeypatch: pytest.MonkeyPatch) -> None:
    _, own = _whole(line)
    page = opened(monkeypatch, line.config_path, "recipes", "eve")
    page.slider[0].set_range(0.3, 0.62).run()
    before = (own / "recipe.yaml").read_text()
    with locked(line, monkeypatch):
        press(page, "Save as version 4")
        assert "is locked by another program" in toasts(page)
    assert (own / "recipe.yaml").read_text() == before
    press(page, "Save as version 4")
    assert "Version 4 is saved" in toasts(page)


@pytest.mark.parametrize("user", ["", "anna"])
def test_only_engineers_go_back(line: Shift, user: str, monkeypatch: pytest.MonkeyPatch) -> None:
    page = opened(monkeypatch, line.config_path, "recipes", user)
    page.segmented_control(key="recipes_section").set_value("history").run()
    page.selectbox(key="version_pump-cover").select_index(1).run()
    assert "To go back to a version, log in as an engineer." in words_of(page)
    assert not [button for button in page.button if button.label.startswith("Go back")]


def test_model_cards_are_shown(line: Shift, monkeypatch: pytest.MonkeyPatch) -> None:
    page = opened(monkeypatch, line.config_path, "recipes")
    page.segmented_control(key="recipes_section").set_value("models").run()
    assert not page.exception
    words = words_of(page)
    for piece in ("yolo11n", "AGPL-3.0", "patchcore/tf_efficientnet_lite0", "housing, screw, hole"):
        assert piece in words
    metrics = page.dataframe[1].value
    assert "map50" in list(metrics["Metric"])


def test_a_damaged_version_is_a_sentence(line: Shift, monkeypatch: pytest.MonkeyPatch) -> None:
    card = line.config.recipe_store / "pump-cover" / "3" / "surface" / "model.json"
    card.write_text("{")
    page = opened(monkeypatch, line.config_path, "recipes")
    page.segmented_control(key="recipes_section").set_value("models").run()
    assert not page.exception
    assert "is no valid model card" in words_of(page)
    (line.config.recipe_store / "pump-cover" / "2" / "recipe.yaml").write_text("<b>no</b>: [")
    page.segmented_control(key="recipes_section").set_value("history").run()
    assert not page.exception
    assert "not valid YAML" in words_of(page)


def test_before_anything_has_happened(empty: Shift, monkeypatch: pytest.MonkeyPatch) -> None:
    page = opened(monkeypatch, empty.config_path, "recipes")
    words = words_of(page)
    assert "No station has said yet which recipe it uses." in words
    assert "A recipe appears here as soon as a station has used it." in words
    _recipe(empty.station.recipe, 1, 0.5)
    assert "so there are no scores to look at" in words_of(page.run())
