"""Where in a picture the part is that a check looks at."""

from __future__ import annotations

from collections.abc import Sequence

from inspector.domain import Box, Detection, Part

PART_CONFIDENCE = 0.5
"""A detection must be this confident to count as a part."""


def part_boxes(part: Part, model: str, label: str) -> list[Box]:
    """The parts of that label in the first picture.

    Of a tracked part its own box, or what it carries of another label: what has its centre in it.
    """
    if part.box is not None and part.label in ("", label):
        return [part.box]
    return [
        found.box
        for found in part.detections.get(model, ())
        if found.label == label
        and found.confidence >= PART_CONFIDENCE
        and (part.box is None or part.box.contains(*found.box.centre))
    ]


def inside(detections: Sequence[Detection], label: str, region: Box) -> list[Detection]:
    """Detections of that label whose centre lies in the region, most confident first."""
    found = [d for d in detections if d.label == label and region.contains(*d.box.centre)]
    return sorted(found, key=lambda d: -d.confidence)
