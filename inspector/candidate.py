"""A candidate: the next version of a recipe, with one model exchanged; and its way into use.

The candidate lies in a folder of its own, called as the recipe. It may be stored, so that a station can
judge beside its active version, and installed, so that it is also what the station starts with.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from inspector import rethreshold
from inspector.bundle import Bundle, Card, writing_bundle
from inspector.calibration import CALIBRATION_FILE
from inspector.checkspecs import AnomalySpec, check_name
from inspector.errors import InputError, StorageError
from inspector.recipe import RECIPE_FILE, Recipe, RecipeText, load_recipe
from inspector.rethreshold import Thresholds, with_thresholds
from inspector.yamlfile import YamlFile


def make_candidate(recipe: Path, check: str, bundle: Path, version: int, out: Path) -> Recipe:
    """Copy the recipe folder to ``out`` with another model for the check, as that version.

    Stated thresholds of anomaly checks are on their old model's scale: the new ones are its card's. A
    calibration was made with the old model and is left out. Raises :class:`InputError` for an unknown
    check or a bundle that does not fit.
    """
    file = YamlFile(recipe / RECIPE_FILE)
    text = file.parse(RecipeText)
    spec = next((one for one in text.checks if check_name(one) == check), None)
    if spec is None or spec.model is None:
        raise InputError(f"{recipe} has no check '{check}' with a model", "Name one that it has")
    card = Bundle.load(bundle).card
    thresholds = {
        check_name(one): _of_card(card)
        for one in text.checks
        if isinstance(one, AnomalySpec) and one.model == spec.model and one.threshold is not None
    }
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


def _of_card(card: Card) -> tuple[float, float]:
    """FAIL and REVIEW threshold; REVIEW without a card's own from the strangest good part on."""
    stated = card.calibration
    fail = float(stated["threshold"])
    return fail, min(fail, float(stated.get("review_threshold", stated.get("good_max", fail))))


def save_thresholds(own: Path, version: int, thresholds: Thresholds, raised: int) -> None:
    """Replace the recipe's text by its next version with these thresholds, once it is proven to load.

    Where a check's thresholds came from a promise, so did those of the others that promise, which are
    stated as they are. Raises as :func:`inspector.rethreshold.save_thresholds`, and
    :class:`InputError` for a recipe that a station would refuse; then nothing has changed.
    """
    recipe = load_recipe(own, promises="attainable")
    promise = recipe.text.stated
    if promise is not None and set(promise.checks) & set(thresholds):
        standing = {
            check_name(one): recipe.thresholds(one)
            for one in recipe.text.checks
            if check_name(one) in promise.checks
        }
        thresholds = {name: (one.fail, one.review) for name, one in standing.items()} | dict(thresholds)
    try:
        _prove(own, with_thresholds(YamlFile(own / RECIPE_FILE), thresholds, raised))
    except OSError as error:
        raise StorageError(f"{own} cannot be written: {error.strerror}", "Free space") from error
    rethreshold.save_thresholds(own, version, thresholds, raised)


def _prove(own: Path, text: str) -> None:
    """Raise :class:`InputError` unless ``own`` with this text is a recipe that a station takes."""
    with TemporaryDirectory() as name:
        proof = Path(name) / own.name
        proof.mkdir()
        for entry in own.iterdir():
            if entry.name != RECIPE_FILE and not entry.name.startswith("."):
                (proof / entry.name).symlink_to(entry.resolve())
        (proof / RECIPE_FILE).write_text(text, encoding="utf-8")
        try:
            load_recipe(proof)
        except InputError as error:
            # the message must name the file that the user knows
            said = str(error).replace(str(proof), str(own))
            raise InputError(f"these thresholds make no recipe: {said}") from error


def prove_base(own: Path, version: int) -> None:
    """Raise :class:`InputError` when the recipe's own folder holds another version."""
    found = YamlFile(own / RECIPE_FILE).parse(RecipeText).version
    if found != version:
        raise InputError(
            f"{own} holds version {found}, the candidate was made from version {version}",
            "Train again from the version that is in use",
        )


def install(candidate: Path, own: Path, version: int) -> None:
    """Make the candidate what lies in the recipe's own folder, which must hold ``version``; text last.

    Until the text is there, a station that starts refuses the folder, for it is not the version that
    has been in use. Raises :class:`InputError` when the folder holds another version than the candidate
    was made from, :class:`~inspector.errors.StorageError` when it cannot be written.
    """
    prove_base(own, version)
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
