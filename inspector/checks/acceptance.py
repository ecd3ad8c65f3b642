"""When an object of one class counts: a quality plan's criterion, resolved against its recipe."""

from __future__ import annotations

from dataclasses import dataclass

from inspector.checks.regions import part_boxes
from inspector.criteria import Criterion, PartRegion, Zone
from inspector.domain import Box, Detection, Part
from inspector.expectation import RelativeBox
from inspector.outline import length_px
from inspector.recipe import Recipe

_ROUNDING = 1e-6
"""Relative: 0.3 mm of a plan is 3 pixels of 0.1 mm, whatever floating point makes of it."""


@dataclass(frozen=True)
class Place:
    """A zone and the detector that finds the part which it is relative to."""

    inner: RelativeBox
    of: str = ""
    """Label of the part; empty: the picture."""
    model: str = ""

    @classmethod
    def of_zone(cls, zone: Zone, recipe: Recipe) -> Place:
        """The recipe's zone; :class:`~inspector.errors.InputError` when nothing detects its part."""
        if isinstance(zone, PartRegion):
            return cls(zone.inner, zone.of, recipe.detector_of(zone.of))
        return cls(zone)

    def boxes(self, part: Part) -> list[Box]:
        """Where it lies in the first picture; nowhere when its part is not seen."""
        if not self.of:
            return [Box(0, 0, *part.frames[0].size).part(*self.inner)]
        return [box.part(*self.inner) for box in part_boxes(part, self.model, self.of)]


@dataclass(frozen=True)
class Acceptance:
    """A criterion in pixels, with every default filled in."""

    threshold: float
    review: float
    min_length_px: float = 0.0
    min_area_px: float = 0.0
    allowed: int = 0
    watch: tuple[Place, ...] = ()
    ignore: tuple[Place, ...] = ()

    @classmethod
    def of(cls, criterion: Criterion, threshold: float, review: float, recipe: Recipe) -> Acceptance:
        """``threshold`` and ``review`` are those of the check, for what the criterion leaves out."""
        if criterion.threshold is not None:
            threshold = criterion.threshold
            review = threshold if criterion.review_threshold is None else criterion.review_threshold
        length, area = criterion.min_px or 0.0, criterion.min_area_px or 0.0
        if recipe.text.mm_per_px is not None:
            if criterion.min_mm is not None:
                length = criterion.min_mm / recipe.text.mm_per_px
            if criterion.min_area_mm2 is not None:
                area = criterion.min_area_mm2 / recipe.text.mm_per_px**2
        return cls(
            threshold,
            review,
            length,
            area,
            criterion.allowed,
            tuple(Place.of_zone(zone, recipe) for zone in criterion.watch),
            tuple(Place.of_zone(zone, recipe) for zone in criterion.ignore),
        )

    def is_unplaced(self, part: Part) -> bool:
        """Whether nothing could be watched, because no part is seen that the zones belong to."""
        return bool(self.watch) and not any(place.boxes(part) for place in self.watch)

    def counts(self, found: Detection, part: Part) -> bool:
        """Whether it is large enough and lies where it matters, whatever its confidence."""
        centre = found.box.centre
        if self.watch and not _lies_in(self.watch, centre, part):
            return False
        if _lies_in(self.ignore, centre, part):
            return False
        return self._is_large(found)

    def _is_large(self, found: Detection) -> bool:
        if self.min_length_px:
            box, mask = found.box, found.mask
            length = max(box.width, box.height) if mask is None else length_px(mask)
            if length < self.min_length_px * (1 - _ROUNDING):
                return False
        if self.min_area_px:
            area = found.box.area if found.mask is None else found.mask.area
            if area < self.min_area_px * (1 - _ROUNDING):
                return False
        return True


def _lies_in(places: tuple[Place, ...], centre: tuple[float, float], part: Part) -> bool:
    return any(box.contains(*centre) for place in places for box in place.boxes(part))
