"""Other thresholds for a recipe: a new version of ``recipe.yaml`` that differs in nothing else.

The text is changed where the numbers stand, so that comments and layout stay. A check that promised a
rate states its thresholds afterwards.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import yaml

from inspector.checkspecs import check_name
from inspector.errors import ConfigError, InputError, StorageError
from inspector.recipe import RECIPE_FILE, RecipeText
from inspector.yamlfile import YamlFile, rewritten, value_node

Thresholds = Mapping[str, tuple[float, float]]
"""FAIL and REVIEW threshold by name of the check."""

_INSTEAD_OF = {"threshold": "false_reject_rate", "review_threshold": "review_rate"}


def with_thresholds(file: YamlFile, thresholds: Thresholds, version: int) -> str:
    """The recipe's text with these thresholds and this version.

    Raises :class:`InputError` for a check that the recipe does not have.
    """
    recipe = file.parse(RecipeText)
    places = {check_name(check): index for index, check in enumerate(recipe.checks)}
    text = file.path.read_text(encoding="utf-8")
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    changes = [_replaced(value_node(root, "version"), str(version))]
    promise = recipe.stated
    if (
        recipe.whole_promise is not None
        and promise is not None
        and set(promise.checks) <= set(thresholds)
    ):
        # nothing is left for it to set, and that is refused
        changes += [_removed(text, root, name) for name in _INSTEAD_OF.values()]
    for name, (fail, review) in thresholds.items():
        if name not in places:
            raise InputError(f"{file.path} has no check '{name}'", f"It has {', '.join(places)}")
        check = value_node(value_node(root, "checks"), places[name])
        if not isinstance(check, yaml.MappingNode):
            raise InputError(f"{file.path}: the check '{name}' is no mapping")
        changes += _changes(check, fail, review)
    return rewritten(text, changes)


def save_thresholds(folder: Path, version: int, thresholds: Thresholds, raised: int) -> None:
    """Replace ``recipe.yaml`` by its next version, ``raised``.

    ``version`` is what the file must hold now. Raises :class:`InputError` when somebody has changed it
    meanwhile, or when no recipe comes of it, :class:`~inspector.errors.StorageError` when the folder
    cannot be written.
    """
    path = folder / RECIPE_FILE
    file = YamlFile(path)
    found = file.parse(RecipeText).version
    if found != version:
        raise InputError(
            f"{path} holds version {found}, not version {version}",
            "Somebody has changed it: look at that version first",
        )
    text = with_thresholds(file, thresholds, raised)
    fresh = folder / f".{RECIPE_FILE}.new"
    try:
        fresh.write_text(text, encoding="utf-8")
        YamlFile(fresh).parse(RecipeText)
        fresh.replace(path)
    except ConfigError as error:
        # a threshold that makes no sense; the message must not name a scratch file
        raise ConfigError(str(error).replace(str(fresh), str(path))) from error
    except OSError as error:
        raise StorageError(
            f"{path} cannot be written: {error.strerror}",
            "Give the dashboard's user permission to write the recipe's folder",
        ) from error
    finally:
        fresh.unlink(missing_ok=True)


def _changes(check: yaml.MappingNode, fail: float, review: float) -> Iterator[tuple[int, int, str]]:
    pairs = {key.value: (key, value) for key, value in check.value}
    missing = []
    for name, number in (("threshold", fail), ("review_threshold", review)):
        if name in pairs:
            yield _replaced(pairs[name][1], f"{number:.6g}")
        elif _INSTEAD_OF[name] in pairs:
            key, value = pairs[_INSTEAD_OF[name]]
            yield key.start_mark.index, value.end_mark.index, f"{name}: {number:.6g}"
        elif name == "threshold" or review < fail:
            missing.append(f"{name}: {number:.6g}")
    if not missing:
        return
    if check.flow_style:
        end = check.value[-1][1].end_mark.index
        yield end, end, "".join(f", {item}" for item in missing)
        return
    # before the second key: behind a value there may be a comment on it
    first, *others = [key for key, _ in check.value]
    place = others[0] if others else first
    column = " " * place.start_mark.column
    yield (
        place.start_mark.index,
        place.start_mark.index,
        "".join(f"{item}\n{column}" for item in missing),
    )


def _removed(text: str, root: yaml.Node | None, name: str) -> tuple[int, int, str]:
    """A key of the recipe with its whole line; nothing where it is not stated."""
    pairs = root.value if isinstance(root, yaml.MappingNode) else []
    for key, value in pairs:
        if key.value == name:
            end = text.find("\n", value.end_mark.index) + 1
            return key.start_mark.index, end or len(text), ""
    return 0, 0, ""


def _replaced(node: yaml.Node | None, new: str) -> tuple[int, int, str]:
    if node is None:
        raise InputError("the recipe states no version", "Add 'version: 1'")
    return node.start_mark.index, node.end_mark.index, new
