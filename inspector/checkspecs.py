"""What a recipe may ask of a part: one class a kind of check, told apart by ``kind``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from inspector.criteria import Criterion, PartRegion, band_is_below
from inspector.expectation import Expectation, Locate, LocateByComponents, Name, Order
from inspector.expectation import Strict as _Strict

FalseRejectRate = Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)]
ReviewRate = Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)]


def rate_is_alone(value: float | None, info: ValidationInfo) -> float | None:
    """A validator of ``false_reject_rate``: no threshold is stated beside it."""
    if value is not None:
        for stated in ("threshold", "review_threshold"):
            if info.data.get(stated) is not None:
                raise ValueError(f"State '{stated}', or the rate from which it is calibrated, not both")
    return value


def rate_is_stated(value: float | None, info: ValidationInfo) -> float | None:
    """A validator of ``review_rate``: ``false_reject_rate`` is beside it."""
    # a rate that is itself wrong is not in the data, and named already
    beside = info.data.get("false_reject_rate", value)
    if value is not None and beside is None:
        raise ValueError("State the 'false_reject_rate' beside it")
    return value


class _CheckSpec(_Strict):
    name: Name | None = None
    """How findings name this check; by default its kind, or its model's name for ``anomaly``."""
    threshold: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """FAIL at or above it; by default what the bundle's card calibrated."""
    review_threshold: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """REVIEW from here up to ``threshold``; by default what the card says where the threshold is the
    card's, else the same, no band."""
    camera: Name | None = None
    """The camera whose pictures it looks at; by default the station's first one, for ``reference`` all.
    A recording or data set does not tell cameras apart: there every check looks at each picture."""

    false_reject_rate: FalseRejectRate | None = None
    """In place of the thresholds, a promise: good parts that FAIL. Calibration sets the thresholds."""
    review_rate: ReviewRate | None = None
    """Good parts that go to REVIEW, beside ``false_reject_rate``; by default 0.01. Both are about the
    part: checks that promise share the rates, and state the same."""

    _band = field_validator("review_threshold")(band_is_below)
    _alone = field_validator("false_reject_rate")(rate_is_alone)
    _beside = field_validator("review_rate")(rate_is_stated)


class _ModelSpec(_CheckSpec):
    model: Name
    """Name of a bundle folder beside the recipe."""


class DetectSpec(_ModelSpec):
    """Every object of these labels is a defect. Score: the detector's confidence."""

    kind: Literal["detect"]
    labels: tuple[Name, ...] | None = None
    """The labels that are defects; by default all that the model knows."""
    criteria: dict[Name, Criterion] = Field(default_factory=dict)
    """When an object counts, by label; of a label without an entry every object does."""


class ClassifySpec(_ModelSpec):
    """The picture must be of a good class. Score: 1 - the probability of all good classes together."""

    kind: Literal["classify"]
    good: tuple[Name, ...] = Field(min_length=1)
    """The labels of good parts; all others are defects."""
    region: PartRegion | None = None
    """What to look at; by default the whole picture."""


class AnomalySpec(_ModelSpec):
    """The part must look like the good ones. Score: the model's own, raw."""

    kind: Literal["anomaly"]
    region: PartRegion | None = None
    """What to look at; by default the whole picture."""


class ReferenceSpec(_CheckSpec):
    """The part must look like its golden image. Score: the judge's probability of a defect, or without
    a model the mean difference of the pixels that differ, 0..1."""

    kind: Literal["reference"]
    model: Name | None = None
    """A judge of the differences, made by ``inspector train detector --method reference``."""
    golden: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_-][A-Za-z0-9_.-]*$")
    """File beside the recipe; by default one golden image a position, where ``inspector evaluate`` and
    folder cameras find it: the picture's path, its last folder ``images`` replaced by ``templates``,
    suffix ``.png``."""
    level: int = Field(default=100, gt=0, lt=256)
    """Grey levels by which a pixel must differ; a judge wants the level that it was trained with."""
    min_area_px: int = Field(default=0, ge=0)
    """Without a model: differing pixels from which a difference counts."""


class AssemblySpec(_ModelSpec):
    """Every component must be there, in its place. Score: its absence, 0..1."""

    kind: Literal["assembly"]
    expect: tuple[Expectation, ...] = Field(min_length=1)
    empty: tuple[Name, ...] = ()
    """Labels that mean that nothing is in the place, such as ``hole``."""
    extra: Literal["in_place", "forbid", "allow"] = "in_place"
    """Whether a component too many is a fault: in the place of others of its label, anywhere on the
    part, or never."""
    locate: Locate | None = None
    """How the part is found whose components are expected by ``box``; by default it never moves."""
    orders: tuple[Order, ...] = ()
    """Rows of components that must come in a certain order."""

    @model_validator(mode="after")
    def _hangs_together(self) -> AssemblySpec:
        placed = [expected for expected in self.expect if expected.box is not None]
        if isinstance(self.locate, LocateByComponents) and len(placed) < 2:
            raise ValueError("To locate a part by its components takes two expectations with a 'box'")
        for expected in placed:
            named = [one for one in placed if one.called == expected.datum and one is not expected]
            if expected.datum is not None and (len(named) != 1 or named[0].datum is not None):
                raise ValueError(
                    f"'{expected.called}' needs one other expectation, with a 'box' and without a "
                    f"'datum', that is called '{expected.datum}'"
                )
        if not placed and any(order.per is None for order in self.orders):
            raise ValueError(
                "An order needs 'per', the label of the part that carries it, where no expectation has "
                "a 'box'"
            )
        for expected in self.expect:
            if expected.label in self.empty:
                raise ValueError(f"'{expected.label}' is expected, so it cannot mean an empty place")
        return self


CheckSpec = Annotated[
    DetectSpec | ClassifySpec | AnomalySpec | AssemblySpec | ReferenceSpec, Field(discriminator="kind")
]


def check_name(check: CheckSpec) -> str:
    """How findings and scores name this check."""
    return check.name or (check.model if isinstance(check, AnomalySpec) else check.kind)
