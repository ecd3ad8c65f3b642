"""Where in a picture the components of an assembly belong."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from inspector.checks.regions import PART_CONFIDENCE, part_boxes
from inspector.domain import Box, Detection, Image, Part
from inspector.expectation import Expectation, Locate, LocateByComponents
from inspector.pose import Pose, TextureMatcher, pose_of_components

ANCHOR_CONFIDENCE = 0.25
"""A component must be this confident to help to locate the part."""
STRAIGHT = Pose()
SAME_BELT = 0.25
"""Lower edges that differ by less, as a share of the part's height, belong to parts on one belt."""
BORDER_PX = 1.0
"""A place that comes so near to the picture's border is not cut by it."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the components of one expectation belong in this picture."""

    expected: Expectation
    box: Box
    reach: float
    """How far from the middle of ``box`` their centres may be, pixels; inf: anywhere in it."""
    own: bool = True
    """Whether ``box`` is that of the component itself, not a region in which it lies somewhere."""

    def holds(self, found: Detection) -> bool:
        """Whether a component lies here."""
        x, y = found.box.centre
        if math.isinf(self.reach):
            return self.box.contains(x, y)
        cx, cy = self.box.centre
        return math.hypot(x - cx, y - cy) <= self.reach


@dataclass(frozen=True, slots=True)
class Site:
    """One part in the picture and the places of its components."""

    places: tuple[Place, ...]
    covers: Callable[[float, float], bool]
    """Whether a point of the picture lies on the part."""
    labels: frozenset[str]
    """What the part itself is called, which is no component."""
    box: Box
    """About where the part is."""
    pose: Pose = STRAIGHT
    """How it lies against the reference."""
    per: str | None = None
    tracked: bool = False
    """The part has been tracked: whether the border cuts it is the quality gate's to say."""
    floor: float = 0.0
    """The line that the part stands on, y in pixels."""

    def cut(self, place: Place, size: tuple[int, int]) -> bool:
        """Whether the border of a picture of that size cuts the place."""
        width, height = size
        box = place.box
        if not place.own:
            if self.tracked:
                return False
            # a region reaches beyond the part; what counts is where the part is
            box = Box(
                max(box.x1, self.box.x1),
                max(box.y1, self.box.y1),
                min(box.x2, self.box.x2),
                min(box.y2, self.box.y2),
            )
            return (
                box.x1 <= BORDER_PX
                or box.y1 <= BORDER_PX
                or box.x2 >= width - BORDER_PX
                or box.y2 >= height - BORDER_PX
            )
        return (
            box.x1 < -BORDER_PX
            or box.y1 < -BORDER_PX
            or box.x2 > width + BORDER_PX
            or box.y2 > height + BORDER_PX
        )


class Locator:
    """Finds the part whose components are expected by their boxes on a reference photo."""

    def __init__(
        self,
        expectations: Sequence[Expectation],
        empty: Sequence[str] = (),
        locate: Locate | None = None,
        reference: Image | None = None,
    ) -> None:
        """``reference``: the photo of ``LocateByPhoto``."""
        self._placed = tuple(one for one in expectations if one.box is not None)
        self._boxes = tuple(Box(*one.box) for one in self._placed if one.box is not None)
        self._locate = locate
        self._matcher = TextureMatcher(reference) if reference is not None else None
        self._empty = tuple(empty)
        if self._boxes:
            self._area = _grown(self._boxes)

    def site(self, part: Part, seen: Sequence[Detection]) -> Site | None:
        """The part in the first picture; None when it is not found."""
        pose = self._pose(part, seen)
        if pose is None:
            return None
        places = tuple(
            Place(expected, pose.box(box), expected.reach_px * pose.scale)
            for expected, box in zip(self._placed, self._boxes, strict=True)
        )
        places = tuple(_from_datum(place, places, pose, seen) for place in places)

        def covers(x: float, y: float) -> bool:
            return self._area.contains(*pose.back(x, y))

        return Site(places, covers, frozenset(), pose.box(self._area), pose)

    def _pose(self, part: Part, seen: Sequence[Detection]) -> Pose | None:
        locate = self._locate
        if locate is None:
            return STRAIGHT
        image = part.frames[0].image
        if not isinstance(locate, LocateByComponents):
            pose = self._matcher.pose(image) if self._matcher else None
            return pose if pose is not None and abs(pose.turned_deg) <= locate.turn_deg else None
        labels = locate.labels or tuple(one.label for one in self._placed) + self._empty
        anchors = [
            found
            for found in seen
            if found.label in labels
            and found.confidence >= ANCHOR_CONFIDENCE
            and (part.box is None or part.box.contains(*found.box.centre))
        ]
        spare = {*self._empty} | ({*labels} - {one.label for one in self._placed})
        fits = np.array(
            [
                [found.label == one.label or found.label in spare for found in anchors]
                for one in self._placed
            ],
            dtype=bool,
        ).reshape(len(self._placed), len(anchors))
        return pose_of_components(
            [box.centre for box in self._boxes],
            fits,
            [found.box.centre for found in anchors],
            part.frames[0].size,
            reach=[max(box.width, box.height) / 2 for box in self._boxes],
            tolerance_px=locate.tolerance_px,
            turn_deg=locate.turn_deg,
            scale=locate.scale,
        )


def carried(
    part: Part, model: str, expectations: Sequence[Expectation], labels: Sequence[str | None]
) -> Iterator[tuple[str, list[Site]]]:
    """For each part's label that is in ``labels`` the parts of that label and their places."""
    for label in dict.fromkeys(labels):
        if label is None:
            continue
        sites = []
        for box in part_boxes(part, model, label):
            places = tuple(
                Place(expected, box.part(*expected.place), math.inf, own=False)
                for expected in expectations
                if expected.per == label
            )
            sites.append(
                Site(
                    places,
                    box.contains,
                    frozenset((label,)),
                    box,
                    per=label,
                    tracked=box is part.box,
                    floor=_floor(part, model, label, box),
                )
            )
        yield label, sites


def _floor(part: Part, model: str, label: str, box: Box) -> float:
    """The lowest lower edge of the parts beside this one, which stand on one belt.

    A detector cuts a box short, where a part looks unusual, rather than that it draws one too long.
    """
    beside = [
        one.box.y2
        for one in part.detections.get(model, ())
        if one.label == label and one.confidence >= PART_CONFIDENCE
    ]
    return max([box.y2, *(y for y in beside if y - box.y2 <= SAME_BELT * box.height)])


def _from_datum(place: Place, places: Sequence[Place], pose: Pose, seen: Sequence[Detection]) -> Place:
    """The place, moved along with the component that it is measured from, if that is found."""
    name = place.expected.datum
    if name is None:
        return place
    datum = next(other for other in places if other.expected.called == name)
    found = [one for one in seen if one.label == datum.expected.label and datum.holds(one)]
    if not found:
        return place
    best = max(found, key=lambda one: one.confidence)
    dx, dy = (a - b for a, b in zip(best.box.centre, datum.box.centre, strict=True))
    moved = Box(place.box.x1 + dx, place.box.y1 + dy, place.box.x2 + dx, place.box.y2 + dy)
    return replace(place, box=moved)


def _grown(boxes: Sequence[Box]) -> Box:
    """What encloses all boxes, and half of the largest one around."""
    margin = max(max(box.width, box.height) for box in boxes) / 2
    return Box(
        min(box.x1 for box in boxes) - margin,
        min(box.y1 for box in boxes) - margin,
        max(box.x2 for box in boxes) + margin,
        max(box.y2 for box in boxes) + margin,
    )
