"""When an object counts, as a quality plan states it: how sure, how large, how many, where."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from inspector.expectation import Name, RelativeBox, Strict


def _not_empty(zone: RelativeBox) -> RelativeBox:
    x1, y1, x2, y2 = zone
    if x1 >= x2 or y1 >= y2:
        raise ValueError("The zone is empty: give x1, y1, x2, y2 with x1 < x2 and y1 < y2")
    return zone


class PartRegion(Strict):
    """The box of the inspected part, as the detector sees it."""

    of: Name
    """Label of the part."""
    inner: Annotated[RelativeBox, AfterValidator(_not_empty)] = (0.0, 0.0, 1.0, 1.0)
    """The sub-rectangle of that box, as fractions: x1, y1, x2, y2."""


def band_is_below(value: float | None, info: ValidationInfo) -> float | None:
    """A validator of ``review_threshold``: ``threshold`` is beside it and not exceeded."""
    # a threshold that is itself wrong is not in the data, and named already
    if value is not None and "threshold" in info.data:
        threshold = info.data["threshold"]
        if threshold is None:
            raise ValueError("State the 'threshold' beside it")
        if value > threshold:
            raise ValueError(f"It must not exceed the threshold, {threshold}")
    return value


Zone = Annotated[RelativeBox, AfterValidator(_not_empty)] | PartRegion
"""Fractions x1, y1, x2, y2 of the picture, or a region of a part. Where its centre is, a thing lies."""


class Criterion(Strict):
    """When an object of one class counts, as a quality plan states it.

    It must be large enough by every size that is given, lie in a ``watch`` zone if there is one and in
    no ``ignore`` zone. Limits are inclusive: what has exactly the smallest size counts.
    """

    threshold: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """FAIL at or above it; by default the check's."""
    review_threshold: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """REVIEW from here up; by default the check's, or ``threshold`` where that is given."""
    min_px: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """Least length: the longer side of the box, or of the mask's smallest rectangle, at any angle."""
    min_mm: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """The same in millimetres, by the recipe's ``mm_per_px``."""
    min_area_px: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """Least area: the mask's pixels, or the box's where there is no mask."""
    min_area_mm2: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """The same in square millimetres, by the recipe's ``mm_per_px``."""
    allowed: int = Field(default=0, ge=0)
    """How many that count a good part may have; one more and the part fails."""
    watch: tuple[Zone, ...] = ()
    """The zones to look at; by default everywhere."""
    ignore: tuple[Zone, ...] = ()
    """The zones in which this class is harmless."""

    _band = field_validator("review_threshold")(band_is_below)

    @field_validator("min_mm", "min_area_mm2")
    @classmethod
    def _one_unit(cls, value: float | None, info: ValidationInfo) -> float | None:
        twin = {"min_mm": "min_px", "min_area_mm2": "min_area_px"}[str(info.field_name)]
        if value is not None and info.data.get(twin) is not None:
            raise ValueError(f"State it or '{twin}', not both")
        return value
