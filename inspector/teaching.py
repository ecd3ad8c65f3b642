"""The expectations of an assembly, learnt from one photo of a good part, for a person to check.

Nothing that is in use is changed: the recipe with the new expectations and a raised version is written
beside it as ``recipe.taught.yaml``, comments and all, and what was seen is drawn into
``recipe.taught.png``. Who has looked at both renames the file.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import yaml

from inspector.bundle import Bundle
from inspector.cameras.footage import read_picture
from inspector.checks.assembly import distinct
from inspector.domain import Box, Detection, Image
from inspector.errors import ConfigError, InputError, OutsideError
from inspector.ports import Detector
from inspector.recipe import RECIPE_FILE, RecipeText
from inspector.runtimes.load import load_detector
from inspector.yamlfile import YamlFile, content_end, rewritten, value_node

TAUGHT = "recipe.taught.yaml"
PICTURE = "recipe.taught.png"
CONFIDENCE = 0.5
"""What is seen with less is no part of the assembly."""
MARGIN = 0.5
"""A region reaches so many of the component's widths and heights beyond it."""
EDGE = 0.05
"""A component that comes so near to the part's edge, as a share of it, lies at that edge."""


@dataclass(frozen=True)
class Taught:
    """What one photo tells."""

    expectations: tuple[dict[str, Any], ...]
    """As they stand under ``expect``."""
    components: tuple[Detection, ...]
    """In the same order."""
    part: Detection | None
    """What carries them; None: they are expected by their boxes."""
    others: int
    """Further parts of that label in the photo, which were left out."""


class Teacher:
    """Reads a recipe that has an assembly check, with expectations or still without."""

    def __init__(
        self, folder: Path, check: str | None = None, detector: Detector | None = None
    ) -> None:
        """``check``: the name of the assembly check, where there are several. ``detector``: in the
        stead of the recipe's own.

        Raises :class:`ConfigError` for a recipe without one, :class:`BundleError` for its model.
        """
        if not folder.is_dir():
            raise InputError(f"{folder} is no recipe folder", f"It must hold a {RECIPE_FILE}")
        self._folder = folder
        self._file = YamlFile(folder / RECIPE_FILE)
        self._index = self._find(check)
        self._spec: Mapping[str, Any] = self._file.data["checks"][self._index]
        model = self._spec.get("model")
        if not isinstance(model, str):
            raise self._file.error(
                ("checks", self._index), "the assembly names no 'model'", "Add 'model: detector'"
            )
        bundle = Bundle.load(folder / model)
        if not bundle.card.finds_objects:
            place = ("checks", self._index, "model")
            raise self._file.error(
                place, f"'{model}' is a model for '{bundle.card.task}'", "Teaching takes a detector"
            )
        self._labels = bundle.card.labels
        self._detector = detector or load_detector(bundle)

    def _find(self, name: str | None) -> int:
        checks = self._file.data.get("checks")
        found = [
            index
            for index, check in enumerate(checks if isinstance(checks, list) else [])
            if isinstance(check, dict)
            and check.get("kind") == "assembly"
            and name in (None, check.get("name", "assembly"))
        ]
        if not found:
            raise self._file.error(
                ("checks",),
                f"no assembly check is called '{name}'" if name else "there is no assembly check",
                "Add '- {kind: assembly, model: detector, expect: []}' under 'checks'",
            )
        if len(found) > 1:
            raise self._file.error(
                ("checks", found[1]), "there are several assembly checks", "Give --check, its name"
            )
        return found[0]

    def learn(self, photo: Path, per: str | None = None) -> Taught:
        """What is on the photo, and where.

        ``per``: label of the part that carries the components; by default that of a box that
        encloses all others, if there is one. Raises :class:`FootageError` for what is no picture,
        :class:`InputError` when nothing is found.
        """
        if per is not None and per not in self._labels:
            known = ", ".join(self._labels)
            raise InputError(f"The model does not know the label '{per}'", f"It knows {known}")
        image = read_picture(photo)
        seen = [one for one in self._detector.detect(image) if one.confidence >= CONFIDENCE]
        seen = [one for one in distinct(seen) if one.label not in (self._spec.get("empty") or ())]
        if not seen:
            raise InputError(
                f"{photo}: nothing is seen with a confidence of {CONFIDENCE:g} or more",
                f"Take a photo of one good part that shows {', '.join(self._labels)}",
            )
        part, others = _part(seen, per, image)
        if per is not None and part is None:
            raise InputError(f"{photo} shows no '{per}'", "Take a photo of one good part")
        components = [
            one
            for one in seen
            if part is None or (one.label != part.label and part.box.contains(*one.box.centre))
        ]
        if not components:
            label = part.label if part else ""
            raise InputError(
                f"{photo}: the '{label}' carries nothing that the model knows",
                "Take a photo of a part that has all its components",
            )
        components.sort(key=lambda one: (round(one.box.centre[1] / 25), one.box.centre[0]))
        names = _names(components, part)
        expectations = tuple(
            _expectation(one, name, part, components)
            for one, name in zip(components, names, strict=True)
        )
        return Taught(expectations, tuple(components), part, others)

    def recipe_with(self, taught: Taught) -> str:
        """The recipe's text with these expectations and a raised version; all else stays as it is.

        Raises :class:`ConfigError` when that is no valid recipe, for a reason that was there before.
        """
        text = self._file.path.read_text(encoding="utf-8")
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        check = value_node(value_node(root, "checks"), self._index)
        assert isinstance(check, yaml.MappingNode)
        changes = [_expect_change(check, taught, locate="locate" not in self._spec)]
        version = value_node(root, "version")
        if version is not None and isinstance(self._file.data["version"], int):
            raised = str(self._file.data["version"] + 1)
            changes.append((version.start_mark.index, version.end_mark.index, raised))
        return rewritten(text, changes)

    def write(self, photo: Path, taught: Taught, *, replace: bool) -> Path:
        """Write ``recipe.taught.yaml`` and the picture; the path of the former.

        Raises :class:`InputError` when it is there already and ``replace`` is not set.
        """
        path = self._folder / TAUGHT
        if path.exists() and not replace:
            raise InputError(
                f"{path} is there already, and perhaps nobody has looked at it",
                "Remove it, or give --replace",
            )
        text = self.recipe_with(taught)
        fresh = path.with_suffix(".new")
        try:
            fresh.write_text(text, encoding="utf-8")
            YamlFile(fresh).parse(RecipeText)
            cv2.imwrite(str(self._folder / PICTURE), drawn(read_picture(photo), taught))
            fresh.replace(path)
        except ConfigError as error:
            # the rest of the recipe was wrong before; the message must not name a scratch file
            raise ConfigError(str(error).replace(str(fresh), str(self._file.path))) from error
        except OSError as error:
            raise OutsideError(f"{path} cannot be written: {error.strerror}") from error
        finally:
            fresh.unlink(missing_ok=True)
        return path


def as_yaml(taught: Taught) -> str:
    """The expectations as they would stand in a recipe."""
    return "expect:\n" + "".join(f"  - {_flow(one)}\n" for one in taught.expectations)


def drawn(image: Image, taught: Taught) -> Image:
    """The photo with what was taught drawn into it."""
    canvas = image.copy()
    thick = max(2, round(min(image.shape[:2]) / 300))
    if taught.part is not None:
        _frame(canvas, taught.part.box, taught.part.label, (255, 160, 0), thick)
    for one, expectation in zip(taught.components, taught.expectations, strict=True):
        _frame(canvas, one.box, expectation.get("name", one.label), (0, 200, 0), thick)
    return canvas


def _frame(canvas: Image, box: Box, text: str, colour: tuple[int, int, int], thick: int) -> None:
    x1, y1, x2, y2 = (round(value) for value in box.rounded(0))
    cv2.rectangle(canvas, (x1, y1), (x2, y2), colour, thick)
    where = (x1, max(12, y1 - 2 * thick))
    cv2.putText(canvas, text, where, cv2.FONT_HERSHEY_SIMPLEX, 0.25 * thick, colour, max(1, thick // 2))


def _part(seen: Sequence[Detection], per: str | None, image: Image) -> tuple[Detection | None, int]:
    """What carries the components, nearest to the middle of the photo, and how many more there are."""
    if per is None:
        around = [
            one
            for one in seen
            if len(seen) > 1 and all(one.box.contains(*other.box.centre) for other in seen)
        ]
        if not around:
            return None, 0
        return max(around, key=lambda one: one.box.area), 0
    parts = [one for one in seen if one.label == per]
    middle = np.array([image.shape[1] / 2, image.shape[0] / 2])
    parts.sort(key=lambda one: float(np.linalg.norm(np.array(one.box.centre) - middle)))
    return (parts[0], len(parts) - 1) if parts else (None, 0)


def _names(components: Sequence[Detection], part: Detection | None) -> list[str | None]:
    """By where they lie where that tells them apart, else by number; none where a label tells."""
    counts = Counter(one.label for one in components)
    centres = np.array([one.box.centre for one in components])
    if part is not None:
        low, size = np.array([part.box.x1, part.box.y1]), np.array([part.box.width, part.box.height])
    else:
        low, size = centres.min(0), np.ptp(centres, axis=0)
    shares = (centres - low) / np.maximum(size, 1e-9)
    words = []
    for one, (x, y) in zip(components, shares, strict=True):
        down = ("top", "middle", "bottom")[int(np.clip(y * 3, 0, 2))]
        across = ("left", "middle", "right")[int(np.clip(x * 3, 0, 2))]
        words.append(f"{one.label} {down if down == across else f'{down} {across}'}")
    if len(set(words)) < len(words) or max(map(len, words)) > 32:
        numbers: Counter[str] = Counter()
        words = []
        for one in components:
            numbers[one.label] += 1
            words.append(f"{one.label[:27]} {numbers[one.label]}")
    return [
        word if counts[one.label] > 1 else None for one, word in zip(components, words, strict=True)
    ]


def _expectation(
    one: Detection, name: str | None, part: Detection | None, components: Sequence[Detection]
) -> dict[str, Any]:
    named = {} if name is None else {"name": name}
    if part is None:
        return {"label": one.label, **named, "box": [round(value) for value in one.box.rounded(0)]}
    alone = sum(other.label == one.label for other in components) == 1
    return {"label": one.label, "per": part.label, **named, "region": _region(one, part, alone)}


def _region(one: Detection, part: Detection, alone: bool) -> str | list[float]:
    """Where the component may lie: with room around it, or at an edge of the part, in a word."""
    whole, box = part.box, one.box
    x1, x2 = ((x - whole.x1) / whole.width for x in (box.x1, box.x2))
    y1, y2 = ((y - whole.y1) / whole.height for y in (box.y1, box.y2))
    if alone:
        if y1 <= EDGE and y2 <= 0.4:
            return "top"
        if y2 >= 1 - EDGE and y1 >= 0.6:
            return "bottom"
        if x1 <= EDGE and x2 <= 0.4:
            return "left"
        if x2 >= 1 - EDGE and x1 >= 0.6:
            return "right"
    w, h = MARGIN * (x2 - x1), MARGIN * (y2 - y1)
    return [round(min(max(v, 0.0), 1.0), 2) for v in (x1 - w, y1 - h, x2 + w, y2 + h)]


def _expect_change(check: yaml.MappingNode, taught: Taught, *, locate: bool) -> tuple[int, int, str]:
    """From where to where the text is replaced, and by what."""
    by_box = taught.part is None
    where = "locate: {kind: components}" if by_box and locate and len(taught.components) > 1 else ""
    items = [_flow(one) for one in taught.expectations]
    keys = {key.value: (key, value) for key, value in check.value}
    if check.flow_style:
        new = f"{where}, " if where else ""
        new += "expect: [" + ", ".join(items) + "]"
        if "expect" in keys:
            key, value = keys["expect"]
            return key.start_mark.index, value.end_mark.index, new
        end = check.end_mark.index - 1
        return end, end, f", {new}"
    column = " " * check.value[0][0].start_mark.column
    lines = [f"{where}\n{column}expect:" if where else "expect:"]
    lines += [f"{column}  - {item}" for item in items]
    new = "\n".join(lines)
    if "expect" in keys:
        key, value = keys["expect"]
        return key.start_mark.index, content_end(value), new
    end = content_end(check.value[-1][1])
    return end, end, f"\n{column}{new}"


def _flow(values: Mapping[str, Any]) -> str:
    return "{" + ", ".join(f"{key}: {_scalar(value)}" for key, value in values.items()) + "}"


def _scalar(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(f"{number:g}" for number in value) + "]"
    text = str(value)
    plain = re.fullmatch(r"[A-Za-z_][A-Za-z0-9_ -]*", text) and yaml.safe_load(text) == text
    return text if plain else yaml.safe_dump(text, default_style='"', width=1000).strip()
