"""What a good part of a product is: checks, thresholds, expected components; version and hash.

A recipe is a folder, ``recipe.yaml`` plus its model bundles: the unit that is deployed and versioned.
Its hash covers the text and the bundles, so that an inspection that carries it can be explained later.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator

from inspector.bundle import CARD, Bundle
from inspector.calibration import CALIBRATION_FILE, Calibration, Promise, read_calibration
from inspector.checkspecs import (
    AnomalySpec,
    AssemblySpec,
    CheckSpec,
    ClassifySpec,
    DetectSpec,
    FalseRejectRate,
    ReferenceSpec,
    ReviewRate,
    check_name,
    rate_is_stated,
)
from inspector.conformal import Thresholds
from inspector.contract import is_text32
from inspector.criteria import PartRegion
from inspector.errors import BundleError, InputError
from inspector.expectation import LocateByComponents, LocateByPhoto, Name
from inspector.expectation import Strict as _Strict
from inspector.promises import AGAIN, REVIEW_RATE, Settled, Stated, misfits, settle, stated
from inspector.yamlfile import Location, YamlFile

RECIPE_FILE = "recipe.yaml"
DEFAULT_THRESHOLD = 0.5
"""Of a detector's confidence, where neither recipe nor card state one."""
_MESSAGE_TEXT = "at most 32 printable ASCII characters"
Promises = Literal["kept", "attainable", "open"]
"""What is asked of a recipe's promises: that they are kept, or as much as there are parts for, or
nothing, as before a calibration."""


class QualityGate(_Strict):
    """When a picture can be trusted. ``auto`` takes the limits that calibration learnt from good parts;
    without it, of sharpness and exposure, those on the detector's card."""

    min_side_px: int = Field(default=64, gt=0)
    """The shorter side of a frame must have at least so many pixels."""
    sharpness: Literal["auto", "off"] | Annotated[float, Field(gt=0)] = "auto"
    """Least variance of the Laplacian at 320 px width."""
    exposure: Literal["auto", "off"] | tuple[float, float] = "auto"
    """Least and greatest mean grey level, 0..255. With ``auto`` also contrast and noise are judged."""
    position: Literal["auto", "off"] = "auto"
    """Refuse a part that lies elsewhere, or turned otherwise, than good parts did."""
    foreign: Literal["auto", "off"] = "auto"
    """Refuse a picture with something in it that no good picture had anywhere: a hand, a sticker."""
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


class RecipeText(_Strict):
    """The content of ``recipe.yaml``."""

    product: Name
    version: int = Field(ge=1, le=0xFFFFFFFF)
    mm_per_px: float | None = Field(default=None, gt=0)
    false_reject_rate: FalseRejectRate | None = None
    """A promise for all checks together that state no threshold: good parts that FAIL."""
    review_rate: ReviewRate | None = None
    """Good parts that go to REVIEW, beside ``false_reject_rate``; by default 0.01."""
    quality: QualityGate = QualityGate()
    trigger: Trigger = PlcTrigger()
    captures: int = Field(default=1, ge=1, le=16)
    """Pictures that each camera makes of one part, one after the other from the trigger on. A finding
    in any of them counts, and a check's score is that of the worst. Only with ``trigger: {kind: plc}``
    and cameras that run freely; a recording is judged picture by picture."""
    checks: tuple[CheckSpec, ...] = Field(min_length=1)

    _beside = field_validator("review_rate")(rate_is_stated)

    @property
    def whole_promise(self) -> Promise | None:
        """The one that is stated for the whole recipe."""
        if self.false_reject_rate is None:
            return None
        review = REVIEW_RATE if self.review_rate is None else self.review_rate
        return Promise(false_reject_rate=self.false_reject_rate, review_rate=review)

    @property
    def stated(self) -> Stated | None:
        """What the recipe promises; None: it states its thresholds itself."""
        return stated(self.checks, self.whole_promise)


@dataclass(frozen=True)
class Recipe:
    """A recipe that has been read and proven against its bundles."""

    path: Path
    text: RecipeText
    bundles: dict[str, Bundle]
    name: str = ""
    """Where the folder is not called as the recipe: in the store, which has one folder a version."""
    calibration: Calibration | None = None
    settled: Settled | None = None
    """What became of the promise, where there is one."""

    @property
    def recipe_id(self) -> str:
        """The folder's name: what the PLC calls the recipe."""
        return self.name or self.path.name

    @cached_property
    def model_hash(self) -> str:
        """SHA-256 over all bundles."""
        digest = hashlib.sha256()
        for name in sorted(self.bundles):
            digest.update(f"{name} {self.bundles[name].digest}\n".encode())
        return digest.hexdigest()

    @cached_property
    def recipe_hash(self) -> str:
        """SHA-256 over the text, the calibration, the golden images and all bundles."""
        digest = hashlib.sha256((self.path / RECIPE_FILE).read_bytes())
        calibration = self.path / CALIBRATION_FILE
        if calibration.is_file():
            # whether or not its promises were settled when the recipe was read
            digest.update(calibration.read_bytes())
        for photo in _photos(*self.text.checks):
            digest.update((self.path / photo).read_bytes())
        for check in self.text.checks:
            if isinstance(check, ReferenceSpec) and check.golden is not None:
                digest.update((self.path / check.golden).read_bytes())
        digest.update(self.model_hash.encode())
        return digest.hexdigest()

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a user must know of the promise, in sentences."""
        if self.settled is None:
            return ()
        short = () if self.settled.shortfall is None else (". ".join(self.settled.shortfall) + ".",)
        return (*short, self.settled.note) if self.settled.note else short

    def thresholds(self, check: CheckSpec) -> Thresholds:
        """Where a check FAILs and where it REVIEWs: by the promise, the text, or its model's card."""
        name = check_name(check)
        if self.settled is not None and name in self.settled.thresholds:
            return self.settled.thresholds[name]
        fail, review = check.threshold, check.review_threshold
        if fail is None:
            bundle = self.bundles.get(check.model) if check.model is not None else None
            learnt = {} if bundle is None else bundle.card.calibration
            fail = float(learnt.get("threshold", DEFAULT_THRESHOLD))
            review = float(learnt.get("review_threshold", fail)) if review is None else review
        return Thresholds(fail, fail if review is None else review)

    def detector_of(self, label: str) -> str:
        """Name of the bundle that detects ``label``; :class:`InputError` when there is none."""
        for name, bundle in self.bundles.items():
            if bundle.card.finds_objects and label in bundle.card.labels:
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
            if bundle.card.finds_objects
            for label in bundle.card.labels
        }


def load_recipe(
    folder: Path, *, untrained: bool = False, name: str = "", promises: Promises = "kept"
) -> Recipe:
    """Read ``folder/recipe.yaml`` and every bundle that it names, and prove that they fit.

    ``untrained`` leaves out anomaly and class models that are not there yet, for cutting out the
    pictures that they will learn from, and promises open; ``name`` is what the recipe is called, if
    not as its folder. Raises :class:`~inspector.errors.ConfigError` with file, line and remedy.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is no recipe folder", f"It must hold a {RECIPE_FILE}")
    file = YamlFile(folder / RECIPE_FILE)
    text = file.parse(RecipeText)
    bundles: dict[str, Bundle] = {}
    for index, check in enumerate(text.checks):
        if check.model is None or check.model in bundles:
            continue
        learns = isinstance(check, AnomalySpec | ClassifySpec)
        if untrained and learns and not (folder / check.model).exists():
            continue
        try:
            bundles[check.model] = Bundle.load(folder / check.model)
        except BundleError as error:
            raise file.error(("checks", index, "model"), error.message, error.remedy) from error
    recipe = Recipe(folder, text, bundles, name)
    if not is_text32(recipe.recipe_id):
        raise InputError(
            f"{folder}: no message to a PLC can name the recipe {recipe.recipe_id!r}",
            f"Give its folder a name of {_MESSAGE_TEXT}",
        )
    for location, message, remedy in _misfits(recipe):
        raise file.error(location, message, remedy)
    return recipe if untrained or promises == "open" else _calibrated(recipe, file, promises)


def _calibrated(recipe: Recipe, file: YamlFile, promises: Promises) -> Recipe:
    """With its calibration, and with its promise as far as it is kept."""
    calibration = read_calibration(recipe.path)
    if calibration is not None and calibration.model_hash != recipe.model_hash:
        raise InputError(
            f"{recipe.path / CALIBRATION_FILE} was made with other models",
            f"{AGAIN}, or remove the file",
        )
    wanted = recipe.text.stated
    if wanted is None:
        return replace(recipe, calibration=calibration)
    checks = recipe.text.checks
    standing = {
        name: recipe.thresholds(check)
        for check in checks
        if (name := check_name(check)) not in wanted.checks
    }
    try:
        settled = settle(wanted, checks, recipe.bundles, calibration, standing)
    except InputError as error:
        # where the promise stands is known here alone
        raise file.error(wanted.place, error.message, error.remedy) from error
    if settled.shortfall is not None and promises == "kept":
        raise file.error(wanted.place, *settled.shortfall)
    return replace(recipe, calibration=calibration, settled=settled)


def _misfits(recipe: Recipe) -> Iterator[tuple[Location, str, str]]:
    """Where the text asks for what the bundles cannot give."""
    offer = f"Labels on offer: {', '.join(sorted(recipe.labels())) or 'none'}"

    def unknown(label: str) -> bool:
        return label not in recipe.labels()

    trigger = recipe.text.trigger
    if isinstance(trigger, CrossingTrigger) and unknown(trigger.label):
        yield ("trigger", "label"), f"no model detects '{trigger.label}'", offer
    if isinstance(trigger, CrossingTrigger) and recipe.text.captures > 1:
        yield (
            ("captures",),
            "a part that crosses a line is judged by the picture in which it does",
            "Leave 'captures' out, or let the PLC trigger",
        )
    yield from misfits(recipe.text.checks, recipe.text.whole_promise)
    place: Location
    names: set[str] = set()
    for index, check in enumerate(recipe.text.checks):
        if (name := check_name(check)) in names:
            place = ("checks", index, "name") if check.name else ("checks", index)
            yield place, f"two checks are called '{name}'", "Give each its own 'name'"
        names.add(name)
        if isinstance(check, ReferenceSpec) and check.golden is not None:
            golden = recipe.path / check.golden
            if not golden.is_file():
                place = ("checks", index, "golden")
                yield place, f"there is no golden image {golden}", "Put a picture of a good part there"
        if check.model not in recipe.bundles:
            continue  # not trained yet
        card = recipe.bundles[check.model].card
        for label in card.labels:
            if not is_text32(label):
                yield (
                    ("checks", index, "model"),
                    f"no message to a PLC can carry {label!r}, a label of '{check.model}'",
                    f"Call it by {_MESSAGE_TEXT} in 'labels' of its {CARD}",
                )
        wanted = _TASKS.get(check.kind, ("detect", "segment"))
        if card.task not in wanted:
            yield (
                ("checks", index, "model"),
                f"'{check.model}' is a model for '{card.task}', not for '{wanted[0]}'",
                "Name another bundle, or another kind of check",
            )
        if isinstance(check, AnomalySpec | ClassifySpec) and check.region and unknown(check.region.of):
            place = ("checks", index, "region", "of")
            yield place, f"no model detects '{check.region.of}'", offer
        if isinstance(check, ClassifySpec):
            for where, message, remedy in _misfits_of_classes(check, card.labels):
                yield ("checks", index, *where), message, remedy
        elif isinstance(check, AnomalySpec):
            promised = recipe.text.stated is not None and name in recipe.text.stated.checks
            if check.threshold is None and not promised and "threshold" not in card.calibration:
                yield (
                    ("checks", index),
                    f"'{check.model}' carries no calibrated threshold",
                    "State 'threshold' or 'false_reject_rate'",
                )
        elif isinstance(check, DetectSpec):
            for number, label in enumerate(check.labels or ()):
                if label not in card.labels:
                    place = ("checks", index, "labels", number)
                    yield place, f"'{check.model}' does not know the label '{label}'", offer
            for where, message, remedy in _misfits_of_criteria(check, card.labels, recipe, offer):
                yield ("checks", index, "criteria", *where), message, remedy
        elif isinstance(check, AssemblySpec):
            for where, label in _labels_of_assembly(check):
                if label not in card.labels:
                    place = ("checks", index, *where)
                    yield place, f"'{check.model}' does not know the label '{label}'", offer
            for photo in _photos(check):
                if not (recipe.path / photo).is_file():
                    place = ("checks", index, "locate", "photo")
                    yield place, f"the photo '{photo}' is not there", "Put it beside the recipe"
            if card.task == "classify" and (problem := _unfit_for_a_classifier(check)):
                yield ("checks", index), *problem


_TASKS: dict[str, tuple[str, ...]] = {
    "anomaly": ("anomaly",),
    "classify": ("classify",),
    "reference": ("reference",),
    "assembly": ("detect", "segment", "classify"),
}
"""What a check's model must be for; those not named want a detector, with masks or without."""


def _misfits_of_classes(
    check: ClassifySpec, labels: Sequence[str]
) -> Iterator[tuple[Location, str, str]]:
    """Locations are relative to the check."""
    offer = f"Its labels: {', '.join(labels)}"
    for number, label in enumerate(check.good):
        if label not in labels:
            yield ("good", number), f"'{check.model}' does not know the label '{label}'", offer
    if set(labels) <= set(check.good):
        yield (
            ("good",),
            f"'{check.model}' knows no class but these good ones, so no part could fail",
            "Leave out what is a defect",
        )


def _misfits_of_criteria(
    check: DetectSpec, labels: Sequence[str], recipe: Recipe, offer: str
) -> Iterator[tuple[Location, str, str]]:
    """Locations are relative to the check's criteria."""
    for label, criterion in check.criteria.items():
        if label not in labels:
            yield (label,), f"'{check.model}' does not know the label '{label}'", offer
        elif check.labels is not None and label not in check.labels:
            yield (label,), f"'{label}' is not among the check's 'labels'", "Add it there"
        for key in ("min_mm", "min_area_mm2"):
            if getattr(criterion, key) is not None and recipe.text.mm_per_px is None:
                yield (
                    (label, key),
                    f"'{key}' needs to know how large a pixel is",
                    "State the recipe's 'mm_per_px', or give the size in pixels",
                )
        for key, zones in (("watch", criterion.watch), ("ignore", criterion.ignore)):
            for number, zone in enumerate(zones):
                if isinstance(zone, PartRegion) and zone.of not in recipe.labels():
                    yield (label, key, number, "of"), f"no model detects '{zone.of}'", offer


def _photos(*checks: CheckSpec) -> Iterator[str]:
    """Names of the photos beside the recipe on which parts are located."""
    for check in checks:
        if isinstance(check, AssemblySpec) and isinstance(check.locate, LocateByPhoto):
            yield check.locate.photo


def _labels_of_assembly(check: AssemblySpec) -> Iterator[tuple[Location, str]]:
    """Every label that an assembly names, and where."""
    for number, expected in enumerate(check.expect):
        yield ("expect", number, "label"), expected.label
        if expected.per is not None:
            yield ("expect", number, "per"), expected.per
    for number, label in enumerate(check.empty):
        yield ("empty", number), label
    if isinstance(check.locate, LocateByComponents):
        for number, label in enumerate(check.locate.labels or ()):
            yield ("locate", "labels", number), label
    for row, order in enumerate(check.orders):
        for number, label in enumerate(order.labels):
            yield ("orders", row, "labels", number), label
        if order.per is not None:
            yield ("orders", row, "per"), order.per


def _unfit_for_a_classifier(check: AssemblySpec) -> tuple[str, str] | None:
    """Message and remedy where a check asks of a classifier what only a detector can tell."""
    if any(expected.box is None for expected in check.expect):
        return f"'{check.model}' finds no parts", "Expect each component by its 'box'"
    if isinstance(check.locate, LocateByComponents):
        return f"'{check.model}' finds no components", "Locate the part by 'kind: photo'"
    if check.orders or any(e.count > 1 or e.datum or e.angle_deg is not None for e in check.expect):
        return f"'{check.model}' tells only what is in a place", "Take a detector for this"
    return None
