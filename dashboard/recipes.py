"""Recipes as they lie on the disk: versions that have been in use, the folder that is edited, cards.

Names of folders come from the configuration and from listing the store, never from a database.
"""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from inspector.bundle import CARD, Card, read_card
from inspector.config import LineConfig
from inspector.errors import InspectorError, StorageError
from inspector.recipe import RECIPE_FILE, RecipeText
from inspector.records.store import RecipeStore
from inspector.yamlfile import YamlFile


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a recipe."""

    number: int
    folder: Path
    is_stored: bool
    """False of one that lies in the recipe's own folder and has never been in use."""
    since: datetime
    """When its file was last written."""


@dataclass(frozen=True, slots=True)
class Difference:
    """What distinguishes two versions."""

    text: str
    """Of ``recipe.yaml``, unified; empty when it is equal."""
    models: tuple[str, ...]
    files: tuple[str, ...]
    """Golden images, calibration and the like."""


def recipe_ids(config: LineConfig) -> tuple[str, ...]:
    """Recipes of the configuration and of the store, sorted."""
    names = {folder.name for folder in _folders(config)}
    if config.recipe_store.is_dir():
        names |= {
            entry.name
            for entry in config.recipe_store.iterdir()
            if entry.is_dir() and not entry.name.startswith(".")
        }
    return tuple(sorted(names))


def versions(config: LineConfig, recipe_id: str) -> tuple[Version, ...]:
    """All versions that there are, ascending; ``recipe_id`` is one of :func:`recipe_ids`."""
    if recipe_id not in recipe_ids(config):
        return ()
    store = RecipeStore(config.recipe_store)
    found = {
        number: _version(number, store.folder(recipe_id, number), is_stored=True)
        for number in store.versions(recipe_id)
    }
    own = own_folder(config, recipe_id)
    if own is not None:
        try:
            number = text_of(own).version
        except InspectorError:
            # Half-edited by somebody: the versions in the store can be shown all the same.
            number = 0
        if number and number not in found:
            found[number] = _version(number, own, is_stored=False)
    return tuple(version for _, version in sorted(found.items()))


def own_folder(config: LineConfig, recipe_id: str) -> Path | None:
    """The folder that the configuration names for this recipe, where it is edited."""
    return next((folder for folder in _folders(config) if folder.name == recipe_id), None)


def text_of(folder: Path) -> RecipeText:
    """A recipe's text. Raises :class:`~inspector.errors.ConfigError`."""
    return YamlFile(folder / RECIPE_FILE).parse(RecipeText)


def cards(folder: Path) -> Iterator[tuple[str, Card]]:
    """The model cards of a version by the bundle's name.

    Raises :class:`~inspector.errors.BundleError`.
    """
    for name in dict.fromkeys(check.model for check in text_of(folder).checks if check.model):
        yield name, read_card(folder / name)


def reports(folder: Path, model: str) -> list[Path]:
    """Reports that lie beside a model's card."""
    return sorted((folder / model).glob("*.html"))


def difference(old: Version, new: Version) -> Difference:
    """What changed between two versions. Raises :class:`~inspector.errors.InspectorError`."""
    lines = difflib.unified_diff(
        _lines(old.folder), _lines(new.folder), str(old.number), str(new.number), lineterm=""
    )
    before, after = _digests(old.folder), _digests(new.folder)
    changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    models = {name for name in changed if "/" in name}
    return Difference(
        "\n".join(lines),
        tuple(sorted({name.split("/")[0] for name in models})),
        tuple(sorted(changed - models)),
    )


def _folders(config: LineConfig) -> tuple[Path, ...]:
    return tuple(
        dict.fromkeys(
            folder for station in config.stations for folder in (station.recipe, *station.recipes)
        )
    )


def _version(number: int, folder: Path, *, is_stored: bool) -> Version:
    path = folder / RECIPE_FILE
    written = path.stat().st_mtime if path.exists() else 0.0
    return Version(number, folder, is_stored, datetime.fromtimestamp(written, UTC))


def _lines(folder: Path) -> list[str]:
    return YamlFile(folder / RECIPE_FILE).path.read_text(encoding="utf-8").splitlines()


def _digests(folder: Path) -> dict[str, str]:
    """SHA-256 by relative name: of bundles their card, which holds the digests of all their files."""
    found = {}
    try:
        for path in sorted(folder.iterdir()):
            card = path / CARD
            if path.name.startswith(".") or path.name == RECIPE_FILE:
                continue
            if card.is_file():
                found[f"{path.name}/{CARD}"] = hashlib.sha256(card.read_bytes()).hexdigest()
            elif path.is_file():
                found[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise StorageError(
            f"{folder} cannot be read: {error.strerror}", "Check the disk and the folder's permissions"
        ) from error
    return found
