"""Triggers from the picture itself: live free-running lines and recorded footage alike."""

from __future__ import annotations

from dataclasses import dataclass, field

from inspector.domain import Frame, Part, Trigger
from inspector.recipe import CrossingTrigger
from inspector.station import Station
from inspector.tracking import CrossingLine

SOURCE_LIMIT = 20
"""Characters of the source's name in a part id, so that it fits the contract."""


@dataclass(slots=True)
class Crossings:
    """Turns the frames of one source, in order, into parts."""

    station: Station
    spec: CrossingTrigger
    deadline_s: float
    first_trigger: int = 1
    count: int = 0
    """Parts so far; those that come are numbered on."""
    _line: CrossingLine = field(init=False)
    _model: str = field(init=False)

    def __post_init__(self) -> None:
        self._line = CrossingLine(self.spec.line_x, self.spec.label)
        self._model = self.station.recipe.detector_of(self.spec.label)

    def feed(self, frame: Frame) -> list[Part]:
        """The parts that cross the line in this frame, with what the detector saw in it."""
        detections = self.station.detect(frame, self._model)
        tracks = self._line.update(detections, frame.size[0])
        parts = []
        for track in tracks:
            self.count += 1
            trigger = own_trigger(self.station, frame, self.count, self.first_trigger, self.deadline_s)
            parts.append(Part(trigger, (frame,), track.box, {self._model: detections}))
        return parts


@dataclass(slots=True)
class EveryFrame:
    """Footage for a recipe that a PLC triggers: each frame is the picture of one part."""

    station: Station
    deadline_s: float
    first_trigger: int = 1
    _count: int = 0

    def feed(self, frame: Frame) -> list[Part]:
        """The one part that this frame shows."""
        self._count += 1
        return [
            Part(
                own_trigger(self.station, frame, self._count, self.first_trigger, self.deadline_s),
                (frame,),
            )
        ]


def own_trigger(
    station: Station, frame: Frame, count: int, first_trigger: int, deadline_s: float
) -> Trigger:
    """The trigger of the ``count``-th part (from 1) that a source's own picture raised."""
    # a file may be called what no PLC can read
    source = "".join(c if " " <= c <= "~" else "_" for c in frame.source[:SOURCE_LIMIT])
    return Trigger(
        0,
        (first_trigger + count - 1) & 0xFFFFFFFF,
        f"{source}#{count}",
        frame.exposed_s,
        deadline_s,
        station.recipe.recipe_id,
    )
