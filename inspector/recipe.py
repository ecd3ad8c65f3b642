"""What a good part of a product is: checks, thresholds, expected components; version and hash.

A recipe is a folder, ``recipe.yaml`` plus its model bundles: the unit that is deployed and versioned.
Its hash covers the text and the bundles, so that an inspection that carries it can be explained later.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    field_validator,
)

from inspector.bundle import Bundle
from inspector.errors import BundleError, InputError
from inspector.yamlfile import Location, YamlFile

RECIPE_FILE = "recipe.yaml"

Name = Annotated[str, StringConstraints(min_length=1, max_length=32, pattern=r"^[ !\"$-*,-.0-~]+$")]
"""Printable ASCII without ``/ + #``, which topics reserve."""

Fraction = Annotated[float, Field(ge=0, le=1)]
RelativeBox = tuple[Fraction, Fraction, Fraction, Fraction]

NAMED_REGIONS: dict[str, RelativeBox] = {
    "any": (0.0, 0.0, 1.0, 1.0),
    "top": (0.0, -0.15, 1.0, 0.33),
    "bottom": (0.0, 0.67, 1.0, 1.15),
    "left": (-0.15, 0.0, 0.33, 1.0),
    "right": (0.67, 0.0, 1.15, 1.0),
    "centre": (0.25, 0.25, 0.75, 0.75),
}
"""Those at an edge reach beyond it: a part whose cap is missing is seen that much shorter."""


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class QualityGate(_Strict):
    """When a picture can be trusted. ``auto`` takes the limits that the detector's card learnt."""

    min_side_px: int = Field(default=64, gt=0)
    """The shorter side of a frame must have at least so many pixels."""
    sharpness: Literal["auto", "off"] | Annotated[float, Field(gt=0)] = "auto"
    """Least variance of the Laplacian at 320 px width."""
    exposure: Literal["auto", "off"] | tuple[float, float] = "auto"
    """Least and greatest mean grey level, 0..255."""
    frozen: bool = True
    """Refuse a live frame that equals the one before it, pixel by pixel."""


class CrossingTrigger(_Strict):
    """The picture triggers: a tracked part crosses a vertical line, in either direction."""

    kind: Literal["crossing"]
    label: Name
    line_x: float = Field(gt=0, lt=1)
    """Place of the line, as a fraction of the picture's width."""


class PlcTrigger(_Strict):
    """The PLC triggers."""

    kind: Literal["plc"] = "plc"


Trigger = Annotated[CrossingTrigger | PlcTrigger, Field(discriminator="kind")]


class PartRegion(_Strict):
    """The box of the inspected part, as the detector sees it."""

    of: Name
    """Label of the part."""
    inner: RelativeBox = (0.0, 0.0, 1.0, 1.0)
    """The sub-rectangle of that box, as fractions: x1, y1, x2, y2."""


class _CheckSpec(_Strict):
    name: Name | None = None
    """How findings name this check; by default its kind, or its model's name for ``anomaly``."""
    model: Name
    """Name of a bundle folder beside the recipe."""
    threshold: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """FAIL at or above it; by default what the bundle's card calibrated."""
    review_threshold: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """REVIEW from here up to ``threshold``; by default the same, no band."""

    @field_validator("review_threshold")
    @classmethod
    def _band_is_below(cls, value: float | None, info: ValidationInfo) -> float | None:
        # a threshold that is itself wrong is not in the data, and named already
        if value is not None and "threshold" in info.data:
            threshold = info.data["threshold"]
            if threshold is None:
                raise ValueError("State the 'threshold' beside it")
            if value > threshold:
                raise ValueError(f"It must not exceed the threshold, {threshold}")
        return value


class DetectSpec(_CheckSpec):
    """Every object of these labels is a defect. Score: the detector's confidence."""

    kind: Literal["detect"]
    labels: tuple[Name, ...] | None = None
    """The labels that are defects; by default all that the model knows."""


class AnomalySpec(_CheckSpec):
    """The part must look like the good ones. Score: the model's own, raw."""

    kind: Literal["anomaly"]
    region: PartRegion | None = None
    """What to look at; by default the whole picture."""


class Expectation(_Strict):
    """Components that each part must carry."""

    label: Name
    per: Name
    """Label of the part that carries them."""
    count: int = Field(default=1, ge=1)
    region: Literal["any", "top", "bottom", "left", "right", "centre"] | RelativeBox = "any"
    """Where in the part's box their centres must lie: a word, or fractions x1, y1, x2, y2."""
    name: Name | None = None
    """How findings name it; by default the label."""

    @property
    def place(self) -> RelativeBox:
        """The region as fractions of the part's box."""
        return NAMED_REGIONS[self.region] if isinstance(self.region, str) else self.region


class AssemblySpec(_CheckSpec):
    """Every component must be there, in its place. Score: 1 - the confidence that it is."""

    kind: Literal["assembly"]
    expect: tuple[Expectation, ...] = Field(min_length=1)


CheckSpec = Annotated[DetectSpec | AnomalySpec | AssemblySpec, Field(discriminator="kind")]


class RecipeText(_Strict):
    """The content of ``recipe.yaml``."""

    product: Name
    version: int = Field(ge=1, le=0xFFFFFFFF)
    mm_per_px: float | None = Field(default=None, gt=0)
    quality: QualityGate = QualityGate()
    trigger: Trigger = PlcTrigger()
    checks: tuple[CheckSpec, ...] = Field(min_length=1)


def check_name(check: DetectSpec | AnomalySpec | AssemblySpec) -> str:
    """How findings and scores name this check."""
    return check.name or (check.model if isinstance(check, AnomalySpec) else check.kind)


@dataclass(frozen=True)
class Recipe:
    """A recipe that has been read and proven against its bundles."""

    path: Path
    text: RecipeText
    bundles: dict[str, Bundle]

    @property
    def recipe_id(self) -> str:
        """The folder's name: what the PLC calls the recipe."""
        return self.path.name

    @cached_property
    def model_hash(self) -> str:
        """SHA-256 over all bundles."""
        digest = hashlib.sha256()
        for name in sorted(self.bundles):
            digest.update(f"{name} {self.bundles[name].digest}\n".encode())
        return digest.hexdigest()

    @cached_property
    def recipe_hash(self) -> str:
        """SHA-256 over the text and all bundles."""
        digest = hashlib.sha256((self.path / RECIPE_FILE).read_bytes())
        digest.update(self.model_hash.encode())
        return digest.hexdigest()

    def detector_of(self, label: str) -> str:
        """Name of the bundle that detects ``label``; :class:`InputError` when there is none."""
        for name, bundle in self.bundles.items():
            if bundle.card.task == "detect" and label in bundle.card.labels:
                return name
        raise InputError(
            f"recipe {self.recipe_id}: no model detects '{label}'",
            f"Labels on offer: {', '.join(sorted(self.labels())) or 'none'}",
        )

    def labels(self) -> set[str]:
        """All labels that some detector of this recipe knows."""
        return {
            label
            for bundle in self.bundles.values()
            if bundle.card.task == "detect"
            for label in bundle.card.labels
        }


def load_recipe(folder: Path, *, untrained: bool = False) -> Recipe:
    """Read ``folder/recipe.yaml`` and every bundle that it names, and prove that they fit.

    ``untrained`` leaves out anomaly models that are not there yet, for cutting out the pictures
    that they will learn from. Raises :class:`~inspector.errors.ConfigError` with file, line and remedy.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is no recipe folder", f"It must hold a {RECIPE_FILE}")
    file = YamlFile(folder / RECIPE_FILE)
    text = file.parse(RecipeText)
    bundles: dict[str, Bundle] = {}
    for index, check in enumerate(text.checks):
        if check.model in bundles:
            continue
        if untrained and isinstance(check, AnomalySpec) and not (folder / check.model).exists():
            continue
        try:
            bundles[check.model] = Bundle.load(folder / check.model)
        except BundleError as error:
            raise file.error(("checks", index, "model"), error.message, error.remedy) from error
    recipe = Recipe(folder, text, bundles)
    for location, message, remedy in _misfits(recipe):
        raise file.error(location, message, remedy)
    return recipe


def _misfits(recipe: Recipe) -> Iterator[tuple[Location, str, str]]:
    """Where the text asks for what the bundles cannot give."""
    offer = f"Labels on offer: {', '.join(sorted(recipe.labels())) or 'none'}"

    def unknown(label: str) -> bool:
        return label not in recipe.labels()

    trigger = recipe.text.trigger
    if isinstance(trigger, CrossingTrigger) and unknown(trigger.label):
        yield ("trigger", "label"), f"no model detects '{trigger.label}'", offer
    place: Location
    names: set[str] = set()
    for index, check in enumerate(recipe.text.checks):
        if (name := check_name(check)) in names:
            place = ("checks", index, "name") if check.name else ("checks", index)
            yield place, f"two checks are called '{name}'", "Give each its own 'name'"
        names.add(name)
        if check.model not in recipe.bundles:
            continue  # not trained yet
        card = recipe.bundles[check.model].card
        wanted = "anomaly" if isinstance(check, AnomalySpec) else "detect"
        if card.task != wanted:
            yield (
                ("checks", index, "model"),
                f"'{check.model}' is a model for '{card.task}', not for '{wanted}'",
                "Name another bundle, or another kind of check",
            )
        if isinstance(check, AnomalySpec):
            if check.threshold is None and "threshold" not in card.calibration:
                yield (
                    ("checks", index),
                    f"'{check.model}' carries no calibrated threshold",
                    "State 'threshold'",
                )
            if check.region is not None and unknown(check.region.of):
                place = ("checks", index, "region", "of")
                yield place, f"no model detects '{check.region.of}'", offer
        elif isinstance(check, DetectSpec):
            for number, label in enumerate(check.labels or ()):
                if label not in card.labels:
                    place = ("checks", index, "labels", number)
                    yield place, f"'{check.model}' does not know the label '{label}'", offer
        else:
            for number, expected in enumerate(check.expect):
                for key, label in (("label", expected.label), ("per", expected.per)):
                    if label not in card.labels:
                        place = ("checks", index, "expect", number, key)
                        yield place, f"'{check.model}' does not know the label '{label}'", offer
