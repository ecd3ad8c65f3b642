"""A candidate: the next version of a recipe, with one model exchanged; and its way into use.

The candidate lies in a folder of its own, called as the recipe. It may be stored, so that a station can
judge beside its active version, and installed, so that it is also what the station starts with.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from inspector.bundle import Bundle, writing_bundle
from inspector.calibration import CALIBRATION_FILE
from inspector.checkspecs import AnomalySpec, check_name
from inspector.errors import InputError, StorageError
from inspector.recipe import RECIPE_FILE, Recipe, RecipeText, load_recipe
from inspector.rethreshold import Thresholds, with_thresholds
from inspector.yamlfile import YamlFile


def make_candidate(recipe: Path, check: str, bundle: Path, version: int, out: Path) -> Recipe:
    """Copy the recipe folder to ``out`` with another model for the check, as that version.

    Stated thresholds of an anomaly check are on its old model's scale: the new ones are its card's,
    REVIEW from the strangest good part that was held out. A calibration was made with the old model
    and is left out. Raises :class:`InputError` for an unknown check or a bundle that does not fit.
    """
    file = YamlFile(recipe / RECIPE_FILE)
    text = file.parse(RecipeText)
    spec = next((one for one in text.checks if check_name(one) == check), None)
    if spec is None or spec.model is None:
        raise InputError(f"{recipe} has no check '{check}' with a model", "Name one that it has")
    card = Bundle.load(bundle).card
    thresholds: Thresholds = {}
    if isinstance(spec, AnomalySpec) and spec.threshold is not None:
        fail = float(card.calibration["threshold"])
        thresholds = {check: (fail, min(fail, float(card.calibration.get("good_max", fail))))}
    try:
        with writing_bundle(out) as folder:
            shutil.copytree(
                recipe,
                folder,
                dirs_exist_ok=True,
                ignore=shutil.ignore_patterns(".*", spec.model, CALIBRATION_FILE),
            )
            shutil.copytree(bundle, folder / spec.model)
            written = with_thresholds(file, thresholds, version)
            (folder / RECIPE_FILE).write_text(written, encoding="utf-8")
    except OSError as error:
        raise StorageError(f"{out} cannot be written: {error.strerror}", "Free space") from error
    return load_recipe(out, promises="open")


def install(candidate: Path, own: Path, version: int) -> None:
    """Make the candidate what lies in the recipe's own folder, which must hold ``version``; text last.

    Until the text is there, a station that starts refuses the folder, for it is not the version that
    has been in use. Raises :class:`InputError` when the folder holds another version than the candidate
    was made from, :class:`~inspector.errors.StorageError` when it cannot be written.
    """
    found = YamlFile(own / RECIPE_FILE).parse(RecipeText).version
    if found != version:
        raise InputError(
            f"{own} holds version {found}, the candidate was made from version {version}",
            "Train again from the version that is in use",
        )
    try:
        for entry in sorted(candidate.iterdir()):
            if entry.name.startswith(".") or entry.name == RECIPE_FILE:
                continue
            if entry.is_dir():
                with writing_bundle(own / entry.name) as folder:
                    shutil.copytree(entry, folder, dirs_exist_ok=True)
            else:
                _replace(entry, own / entry.name)
        if not (candidate / CALIBRATION_FILE).exists():
            (own / CALIBRATION_FILE).unlink(missing_ok=True)
        _replace(candidate / RECIPE_FILE, own / RECIPE_FILE)
    except OSError as error:
        raise StorageError(
            f"{own} cannot be written: {error.strerror}",
            "Give the dashboard's user permission to write the recipe's folder",
        ) from error


def _replace(source: Path, target: Path) -> None:
    scratch = target.with_name(f".{target.name}.new")
    shutil.copyfile(source, scratch)
    scratch.replace(target)
