"""What has judged a part never changes."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from fakes import RECIPE, make_recipe, write_recipe

from inspector.errors import ConfigError, InputError, StorageError
from inspector.recipe import Recipe, load_recipe
from inspector.records.store import RecipeShelf, RecipeStore


@pytest.fixture
def store(tmp_path: Path) -> RecipeStore:
    return RecipeStore(tmp_path / "store")


def version(root: Path, number: int, threshold: float = 0.5) -> Recipe:
    """``soap`` in that version."""
    text = RECIPE.replace("version: 3", f"version: {number}").replace("0.5", str(threshold))
    shutil.rmtree(root / "soap", ignore_errors=True)
    return make_recipe(root, text)


def test_a_recipe_is_copied_as_a_whole_under_its_version(store: RecipeStore, tmp_path: Path) -> None:
    recipe = make_recipe(tmp_path)
    (recipe.path / ".hidden").write_text("an editor's")
    store.keep(recipe)
    folder = store.folder("soap", 3)
    assert folder == tmp_path / "store" / "soap" / "3"
    assert not (folder / ".hidden").exists()
    copy = store.load("soap", 3)
    assert copy is not None
    assert (copy.recipe_id, copy.text, copy.recipe_hash) == ("soap", recipe.text, recipe.recipe_hash)
    # nothing half done beside it
    assert [entry.name for entry in folder.parent.iterdir()] == ["3"]


def test_keeping_it_again_changes_nothing(store: RecipeStore, tmp_path: Path) -> None:
    recipe = make_recipe(tmp_path)
    assert not store.check(recipe)
    store.keep(recipe)
    written = (store.folder("soap", 3) / "recipe.yaml").stat().st_mtime_ns
    store.keep(recipe)
    assert store.check(recipe)
    assert (store.folder("soap", 3) / "recipe.yaml").stat().st_mtime_ns == written


@pytest.mark.parametrize("what", ["text", "model"])
def test_another_recipe_under_the_same_version_is_refused(
    store: RecipeStore, tmp_path: Path, what: str
) -> None:
    store.keep(make_recipe(tmp_path))
    if what == "text":
        changed = version(tmp_path, 3, threshold=0.6)
    else:
        card = tmp_path / "soap" / "detector" / "model.json"
        card.write_text(card.read_text().replace('"command": "none"', '"command": "another"'))
        changed = load_recipe(tmp_path / "soap")
    for refused in (store.keep, store.check):
        with pytest.raises(ConfigError, match="Raise the version") as caught:
            refused(changed)
        assert str(tmp_path / "soap" / "recipe.yaml") in str(caught.value)
        assert changed.recipe_hash[:16] in str(caught.value)
    kept = store.load("soap", 3)
    assert kept is not None
    assert kept.recipe_hash != changed.recipe_hash
    store.keep(version(tmp_path, 4, threshold=0.6))
    assert store.versions("soap") == (3, 4)


def test_a_stored_version_that_was_tampered_with_is_not_used(
    store: RecipeStore, tmp_path: Path
) -> None:
    recipe = make_recipe(tmp_path)
    store.keep(recipe)
    (store.folder("soap", 3) / "detector" / "openvino.xml").write_bytes(b"another network")
    with pytest.raises(InputError, match="corrupt"):
        store.load("soap", 3)
    with pytest.raises(ConfigError, match="Raise the version"):
        store.keep(recipe)


def test_a_recipe_that_changes_while_it_is_copied_is_not_stored(
    store: RecipeStore, tmp_path: Path
) -> None:
    recipe = make_recipe(tmp_path)
    text = (recipe.path / "recipe.yaml").read_text()
    assert recipe.recipe_hash
    (recipe.path / "recipe.yaml").write_text(text + "# one word more\n")
    with pytest.raises(InputError, match="was changed while"):
        store.keep(recipe)
    assert store.versions("soap") == ()
    assert list((tmp_path / "store" / "soap").iterdir()) == []


def test_a_disk_that_does_not_take_it_is_told(
    store: RecipeStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = make_recipe(tmp_path)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copytree", full)
        with pytest.raises(StorageError, match="No space left"):
            store.keep(recipe)
    assert store.versions("soap") == ()
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError):
        RecipeStore(tmp_path / "file").keep(recipe)
    store.keep(recipe)


def test_a_power_cut_cannot_leave_a_version_of_empty_files(
    store: RecipeStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: set[Path] = set()
    fsync, rename = os.fsync, Path.rename

    def noting(descriptor: int) -> None:
        flushed.add(Path(f"/proc/self/fd/{descriptor}").readlink())
        fsync(descriptor)

    def renamed(self: Path, target: Path) -> Path:
        assert {self, *self.rglob("*")} <= flushed
        return rename(self, target)

    monkeypatch.setattr(os, "fsync", noting)
    monkeypatch.setattr(Path, "rename", renamed)
    store.keep(make_recipe(tmp_path))
    assert tmp_path / "store" / "soap" in flushed, "and then the name"


def test_another_station_that_was_faster_is_no_fault(
    store: RecipeStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = make_recipe(tmp_path)
    rename = Path.rename

    def beaten(self: Path, target: Path) -> Path:
        shutil.copytree(recipe.path, target)
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", beaten)
    store.keep(recipe)
    assert store.check(recipe)
    assert [entry.name for entry in (tmp_path / "store" / "soap").iterdir()] == ["3"]


# --- what a station may change to ----------------------------------------------------------------


def test_a_shelf_finds_listed_recipes_and_what_was_stored_of_them(tmp_path: Path) -> None:
    store = RecipeStore(tmp_path / "store")
    old = version(tmp_path, 3)
    store.keep(old)
    new = version(tmp_path, 4)
    shelf = RecipeShelf(store, [tmp_path / "soap"])

    def found(recipe_id: str, number: int | None) -> str | None:
        recipe = shelf.find(recipe_id, number)
        return None if recipe is None else recipe.recipe_hash

    assert found("soap", None) == new.recipe_hash
    assert found("soap", 4) == new.recipe_hash
    assert found("soap", 3) == old.recipe_hash
    assert found("soap", 5) is None
    assert found("shampoo", None) is None


def test_a_shelf_gives_no_stored_recipe_that_the_station_does_not_list(tmp_path: Path) -> None:
    store = RecipeStore(tmp_path / "store")
    store.keep(load_recipe(write_recipe(tmp_path, RECIPE, "paint")))
    assert RecipeShelf(store, [tmp_path / "soap"]).find("paint", 3) is None
