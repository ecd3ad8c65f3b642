"""The recipe store: what has judged a part never changes.

When a recipe becomes active it is copied to ``<store>/<id>/<version>/``. A recipe of a version that is
there with another hash is refused: whoever changes a recipe raises its version. Copies appear as a
whole or not at all.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from inspector.errors import ConfigError, InputError, StorageError
from inspector.recipe import RECIPE_FILE, Recipe, load_recipe
from inspector.records.disk import flush, flush_tree


class RecipeStore:
    """The versions that have been in use. Several processes may use one store."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def folder(self, recipe_id: str, version: int) -> Path:
        """Where a version lies, or would lie."""
        return self._root / recipe_id / str(version)

    def versions(self, recipe_id: str) -> tuple[int, ...]:
        """The stored versions of a recipe, ascending."""
        return tuple(sorted(self._versions(recipe_id)))

    def load(self, recipe_id: str, version: int) -> Recipe | None:
        """A stored version, None when there is none.

        Raises :class:`InputError` when it is not what was stored any more.
        """
        folder = self.folder(recipe_id, version)
        return load_recipe(folder, name=recipe_id) if folder.is_dir() else None

    def check(self, recipe: Recipe) -> bool:
        """Whether this very recipe is stored.

        Raises :class:`ConfigError` when another one is, under the same version.
        """
        version = recipe.text.version
        try:
            stored = self.load(recipe.recipe_id, version)
        except InputError as error:
            raise ConfigError(
                f"version {version} of recipe {recipe.recipe_id} cannot be read in the store: {error}",
                "Raise the version; the stored one has judged parts and must not be replaced",
                path=recipe.path / RECIPE_FILE,
            ) from error
        if stored is None:
            return False
        if stored.recipe_hash != recipe.recipe_hash:
            raise ConfigError(
                f"recipe {recipe.recipe_id} is not the version {version} that has been in use "
                f"(hash {recipe.recipe_hash[:16]}, in use was {stored.recipe_hash[:16]})",
                f"Raise the version: what has judged a part never changes ({stored.path})",
                path=recipe.path / RECIPE_FILE,
            )
        return True

    def keep(self, recipe: Recipe) -> None:
        """Store a recipe that becomes active.

        Raises :class:`ConfigError` as :meth:`check` does, and
        :class:`~inspector.errors.StorageError` when the disk does not take it.
        """
        if self.check(recipe):
            return
        target = self.folder(recipe.recipe_id, recipe.text.version)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            scratch = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
        except OSError as error:
            raise _not_stored(target, error) from error
        try:
            shutil.copytree(recipe.path, scratch, dirs_exist_ok=True, ignore=_hidden)
            scratch.chmod(0o755)
            copy = load_recipe(scratch, name=recipe.recipe_id)
            if copy.recipe_hash != recipe.recipe_hash:
                raise InputError(
                    f"{recipe.path} was changed while it was being read", "Leave it alone and try again"
                )
            # else a power cut could leave a version of empty files, which no start would take
            flush_tree(scratch)
            scratch.rename(target)
            flush(target.parent)
        except OSError as error:
            # another station may have been faster; else the disk is full or read-only
            if not self.check(recipe):
                raise _not_stored(target, error) from error
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def _versions(self, recipe_id: str) -> Iterator[int]:
        folder = self._root / recipe_id
        for entry in folder.iterdir() if folder.is_dir() else ():
            if entry.is_dir() and entry.name.isdecimal():
                yield int(entry.name)


class RecipeShelf:
    """The recipes that one station may change to: listed folders, and what is stored of them."""

    def __init__(self, store: RecipeStore, folders: Sequence[Path]) -> None:
        self.store = store
        self._folders = {folder.name: folder for folder in folders}

    def find(self, recipe_id: str, version: int | None) -> Recipe | None:
        """A recipe by id and version; None when there is none.

        Without a version it is that of the listed folder; a stored version of a listed recipe is found
        too. Raises :class:`InputError` when it cannot be read.
        """
        folder = self._folders.get(recipe_id)
        if folder is None:
            return None
        stored = None if version is None else self.store.load(recipe_id, version)
        if stored is not None:
            return stored
        recipe = load_recipe(folder)
        return recipe if version in (None, recipe.text.version) else None


def _hidden(_: str, names: list[str]) -> list[str]:
    return [name for name in names if name.startswith(".")]


def _not_stored(target: Path, error: OSError) -> StorageError:
    return StorageError(
        f"the recipe cannot be kept in {target}: {error.strerror or error}",
        "Free space, or set 'state_dir' to a writable folder",
    )
