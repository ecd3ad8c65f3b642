"""Cutting parts out of footage, as the checks would see them: pictures to learn from."""

from __future__ import annotations

from pathlib import Path

import cv2

from inspector.checks.anomaly import crop, region_box
from inspector.checkspecs import AnomalySpec, ClassifySpec
from inspector.criteria import PartRegion
from inspector.domain import Box, Frame
from inspector.errors import InputError, StorageError
from inspector.freerun import SOURCE_LIMIT
from inspector.ports import Recording
from inspector.recipe import CrossingTrigger
from inspector.station import Station
from inspector.tracking import Tracker


class Cropper:
    """Follows every part of one label and writes what it sees of it.

    A file is called ``<source>-<part>_<frame>.png``: what stands before the last ``_`` names the
    part, so that pictures of one part are never told from each other as if they were several.
    """

    def __init__(self, station: Station, label: str, out: Path, span: float, every: int) -> None:
        """``span``: how far from the trigger's line, as a share of the width; ``every``: n-th frame."""
        self._station, self._label, self._span, self._every = station, label, span, every
        self._model = station.recipe.detector_of(label)
        trigger = station.recipe.text.trigger
        self._line_x = trigger.line_x if isinstance(trigger, CrossingTrigger) else 0.5
        self._region = _region_of(station, label)
        self._out = out
        try:
            out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{out} cannot be made: {error.strerror}", "Name another --out") from error
        self.written = 0
        self.parts: set[str] = set()

    def run(self, recording: Recording) -> None:
        """Cut out of one recording."""
        tracker = Tracker()
        while (frame := recording.read()) is not None:
            detections = self._station.detect(frame, self._model)
            tracks = tracker.update([d for d in detections if d.label == self._label])
            if frame.index % self._every:
                continue
            for track in tracks:
                if track.hits > 2 and self._is_near(track.box, frame):
                    self._write(frame, track.box, track.number)

    def _is_near(self, box: Box, frame: Frame) -> bool:
        """Whether the part is whole and close to where it will be inspected."""
        width, height = frame.size
        whole = box.x1 > 1 and box.y1 > 1 and box.x2 < width - 1 and box.y2 < height - 1
        return whole and abs(box.centre[0] / width - self._line_x) <= self._span

    def _write(self, frame: Frame, box: Box, number: int) -> None:
        width, height = frame.size
        part = f"{frame.source[:SOURCE_LIMIT]}-{number:03d}"
        path = self._out / f"{part}_{frame.index:05d}.png"
        picture = crop(frame.image, region_box(box, self._region, width, height))
        if not cv2.imwrite(str(path), picture):
            raise StorageError(f"{path} cannot be written", "Free space, or name another --out")
        self.parts.add(part)
        self.written += 1


def _region_of(station: Station, label: str) -> PartRegion:
    """The region that the recipe's first anomaly or class check looks at, or the whole box."""
    for check in station.recipe.text.checks:
        if isinstance(check, AnomalySpec | ClassifySpec):
            region = check.region
            if region is not None and region.of == label:
                return region
    return PartRegion(of=label)
