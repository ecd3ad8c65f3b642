"""What a recipe may expect of an assembly: components, their places, and how the part is located.

A place is told in one of two ways. ``per`` and ``region``: relative to the part that carries the
component, as the detector sees it. ``box``: in pixels of a reference photo of one good part, which
``locate`` lays over the picture, however the part is turned and shifted.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator

Name = Annotated[str, StringConstraints(min_length=1, max_length=32, pattern=r"^[ !\"$-*,-.0-~]+$")]
"""Printable ASCII without ``/ + #``, which topics reserve."""

Fraction = Annotated[float, Field(ge=0, le=1)]
RelativeBox = tuple[Fraction, Fraction, Fraction, Fraction]
Pixel = Annotated[float, Field(allow_inf_nan=False)]
PixelBox = tuple[Pixel, Pixel, Pixel, Pixel]

NAMED_REGIONS: dict[str, RelativeBox] = {
    "any": (0.0, 0.0, 1.0, 1.0),
    "top": (0.0, -0.15, 1.0, 0.33),
    "bottom": (0.0, 0.67, 1.0, 1.15),
    "left": (-0.15, 0.0, 0.33, 1.0),
    "right": (0.67, 0.0, 1.15, 1.0),
    "centre": (0.25, 0.25, 0.75, 0.75),
}
"""Those at an edge reach beyond it: a part whose cap is missing is seen that much shorter."""


class Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Expectation(Strict):
    """Components that each part must carry."""

    label: Name
    per: Name | None = None
    """Label of the part that carries them; in its stead, ``box``."""
    count: int = Field(default=1, ge=1)
    region: Literal["any", "top", "bottom", "left", "right", "centre"] | RelativeBox = "any"
    """Where in the part's box their centres must lie: a word, or fractions x1, y1, x2, y2."""
    clear_px: PixelBox | None = None
    """Where nothing but background is seen when the component is missing, in pixels from the middle of
    the part's lower edge (that of the lowest part on the belt), up negative. Something else there makes
    it ``wrong``."""
    box: PixelBox | None = None
    """The component on the reference photo, pixels x1, y1, x2, y2."""
    tolerance_px: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """How far its centre may be from that of ``box``; by default half of the shorter side."""
    datum: Name | None = None
    """Name of the expectation whose component the place is measured from; by default the whole part."""
    angle_deg: Annotated[float, Field(ge=0, lt=180)] | None = None
    """Direction of its long axis on the reference photo, clockwise from the x axis; needs masks."""
    angle_tolerance_deg: Annotated[float, Field(gt=0, lt=90)] = 15.0
    name: Name | None = None
    """How findings name it; by default the label."""

    @field_validator("box", "clear_px")
    @classmethod
    def _has_an_area(cls, value: PixelBox | None) -> PixelBox | None:
        if value is not None and not (value[0] < value[2] and value[1] < value[3]):
            raise ValueError("Give x1, y1, x2, y2 with x1 < x2 and y1 < y2")
        return value

    @model_validator(mode="after")
    def _has_one_place(self) -> Expectation:
        if (self.per is None) == (self.box is None):
            raise ValueError("State 'per', with a 'region' of that part, or 'box', but not both")
        wrong = (
            {"tolerance_px": self.tolerance_px, "datum": self.datum, "angle_deg": self.angle_deg}
            if self.box is None
            else {"region": None if self.region == "any" else self.region, "clear_px": self.clear_px}
        )
        for key, value in wrong.items():
            if value is not None:
                raise ValueError(f"'{key}' belongs to {'box' if self.box is None else 'per'}")
        return self

    @property
    def place(self) -> RelativeBox:
        """The region as fractions of the part's box."""
        return NAMED_REGIONS[self.region] if isinstance(self.region, str) else self.region

    @property
    def called(self) -> str:
        """How findings name it."""
        return self.name or self.label

    @property
    def reach_px(self) -> float:
        """How far a component's centre may be from that of ``box``, in pixels of the reference."""
        if self.box is None:
            return math.inf
        half = min(self.box[2] - self.box[0], self.box[3] - self.box[1]) / 2
        return self.tolerance_px or half


class LocateByComponents(Strict):
    """The part is where its components are: the similarity that lays most of the expected places on
    detected ones. Two that are seen locate the part; more of its places must be covered than bare."""

    kind: Literal["components"] = "components"
    labels: tuple[Name, ...] | None = None
    """What may lie on a place; by default what is expected, and the ``empty`` labels."""
    turn_deg: float = Field(default=30.0, ge=0, le=180)
    """The part may be turned by so much against the reference photo, either way."""
    scale: tuple[Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)]] = (0.7, 1.4)
    """It may be so much smaller or larger."""
    tolerance_px: float = Field(default=15.0, gt=0)
    """How far a component may lie off its place and still help to locate, in the reference's pixels."""

    @field_validator("scale")
    @classmethod
    def _grows(cls, value: tuple[float, float]) -> tuple[float, float]:
        if value[0] > value[1]:
            raise ValueError("Give the smaller one first")
        return value


class LocateByPhoto(Strict):
    """The part is found by its own texture, compared with the reference photo."""

    kind: Literal["photo"]
    photo: str = Field(min_length=1)
    """File name of the reference photo, beside the recipe."""
    turn_deg: float = Field(default=180.0, ge=0, le=180)


Locate = Annotated[LocateByComponents | LocateByPhoto, Field(discriminator="kind")]


class Order(Strict):
    """Components of these labels must follow each other so along a line."""

    labels: tuple[Name, ...] = Field(min_length=2)
    """From the first to the last; a label may occur more than once."""
    along: Literal["x", "y"] = "x"
    """``x``: from left to right, ``y``: from top to bottom, of the part as the reference shows it."""
    per: Name | None = None
    """Label of the part that carries them; by default the part whose expectations have a ``box``."""
    name: Name | None = None
    """How findings name the row; by default they name the component."""
