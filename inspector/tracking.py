"""Following parts along a belt, and noticing when one crosses the inspection line.

Parts on a belt move together. The tracker first estimates the shift that the whole scene made since
the last frame, then matches each track to the detection nearest to where it should now be. A jump of
the footage over several frames, which breaks matching by overlap, is one large common shift here.

Why not a library: ``trackers`` needs torch, ``supervision`` no longer tracks, ``norfair`` brings scipy
and filterpy for Kalman filters of free motion; none knows that a belt has one velocity.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from inspector.domain import Box, Detection

BIRTH_CONFIDENCE = 0.5
"""A detection must be this confident to begin a track; weaker ones only continue one."""
CONTINUE_CONFIDENCE = 0.2
TOLERANCE = 0.3
"""How far a part may lie from where the common shift puts it, as a share of its width."""
ODDITY = 2.0
"""Parts that a shift must explain more for each part's width that it differs from the last one."""
TURN_ROUND = 1.5
"""The same for a belt that would have changed its direction."""
PATIENCE = 12
"""Frames for which an unseen track is carried on with the belt."""
DUPLICATE_SHARE = 0.6
"""Two boxes that share so much of the smaller one are one part: solid parts hide less of each other."""


@dataclass(slots=True)
class Track:
    """One part as it moves through the picture."""

    number: int
    box: Box
    missed: int = 0
    """Frames since it was last seen."""
    hits: int = 1
    first_side: int = 0
    """Side of the line on which it was first seen clearly: -1 left, 1 right, 0 not yet."""
    triggered: bool = False


@dataclass(slots=True)
class Tracker:
    """Tracks of all parts of one kind in one camera's picture."""

    tracks: list[Track] = field(default_factory=list)
    velocity: float = 0.0
    """Pixels a frame along x that the belt last made, smoothed."""
    _born: int = 0

    def update(self, detections: Sequence[Detection]) -> list[Track]:
        """Take the detections of the next frame; returns the tracks seen in it."""
        seen = _without_duplicates(
            [found for found in detections if found.confidence >= CONTINUE_CONFIDENCE]
        )
        shift = self._common_shift([found.box for found in seen])
        pairs = self._match(seen, shift)

        matched_tracks = {track.number for track, _ in pairs}
        moves = [found.box.centre[0] - track.box.centre[0] for track, found in pairs]
        for track, found in pairs:
            track.box, track.missed = found.box, 0
            track.hits += 1
        if moves:
            move = sorted(moves)[len(moves) // 2]
            self.velocity += 0.3 * (move - self.velocity)
        for track in self.tracks:
            if track.number not in matched_tracks:
                track.missed += 1
                track.box = _moved(track.box, shift)

        taken = {id(found) for _, found in pairs}
        for found in seen:
            if id(found) not in taken and found.confidence >= BIRTH_CONFIDENCE:
                self._born += 1
                self.tracks.append(Track(self._born, found.box))
        self.tracks = [track for track in self.tracks if track.missed <= PATIENCE]
        return [track for track in self.tracks if track.missed == 0]

    def _common_shift(self, boxes: Sequence[Box]) -> float:
        """The shift along x that explains most detections for the least surprise."""
        live = [track for track in self.tracks if track.missed <= 2]
        shifts = [box.centre[0] - track.box.centre[0] for track in live for box in boxes]
        return max(shifts, key=lambda shift: self._merit(shift, live, boxes), default=self.velocity)

    def _merit(self, shift: float, live: Sequence[Track], boxes: Sequence[Box]) -> float:
        """In parts: how many a shift explains, less how odd it would be of a belt.

        One part leaves and one enters all the time, so a shift by the spacing of two parts may
        explain one part more than the true one; it is the odder by far.
        """
        merit = 0.0
        for track in live:
            distance = min(abs(track.box.centre[0] + shift - box.centre[0]) for box in boxes)
            share = distance / max(1.0, track.box.width)
            if share <= TOLERANCE:
                merit += 1.0 - share
        width = sum(track.box.width for track in live) / len(live)
        merit -= ODDITY * abs(shift - self.velocity) / max(1.0, width)
        # a belt that runs does not turn round between two frames
        return merit - (TURN_ROUND if shift * self.velocity < -4.0 else 0.0)

    def _match(self, seen: Sequence[Detection], shift: float) -> list[tuple[Track, Detection]]:
        candidates = []
        for track in self.tracks:
            x, y = track.box.centre
            for found in seen:
                fx, fy = found.box.centre
                dx, dy = abs(x + shift - fx), abs(y - fy)
                if dx <= TOLERANCE * track.box.width and dy <= TOLERANCE * track.box.height:
                    candidates.append((dx + dy, track.number, track, found))
        candidates.sort(key=lambda candidate: candidate[:2])
        pairs: list[tuple[Track, Detection]] = []
        used: set[int] = set()
        for _, number, track, found in candidates:
            if number not in used and id(found) not in used:
                used |= {number, id(found)}
                pairs.append((track, found))
        return pairs


@dataclass(slots=True)
class CrossingLine:
    """Raises one trigger a track, on the frame in which its centre is past the line."""

    line_x: float
    """As a fraction of the picture's width."""
    label: str
    tracker: Tracker = field(default_factory=Tracker)

    def update(self, detections: Sequence[Detection], width: int) -> list[Track]:
        """Take the next frame's detections; returns the tracks that crossed in it, left to right.

        ``width`` is that of the picture, pixels. A part that is first seen beyond the line, or
        that rests on it and trembles, raises none.
        """
        line, margin = self.line_x * width, 0.004 * width
        crossed = []
        for track in self.tracker.update([d for d in detections if d.label == self.label]):
            offset = track.box.centre[0] - line
            if track.first_side == 0:
                if abs(offset) > margin:
                    track.first_side = 1 if offset > 0 else -1
            elif not track.triggered and offset * track.first_side <= 0:
                track.triggered = True
                crossed.append(track)
        return sorted(crossed, key=lambda track: track.box.centre[0])


def _moved(box: Box, shift: float) -> Box:
    return Box(box.x1 + shift, box.y1, box.x2 + shift, box.y2)


def _without_duplicates(detections: list[Detection]) -> list[Detection]:
    """Of detections on the same spot only the most confident."""
    kept: list[Detection] = []
    for found in sorted(detections, key=lambda d: -d.confidence):
        if not any(_is_same(found.box, other.box) for other in kept):
            kept.append(found)
    return kept


def _is_same(one: Box, other: Box) -> bool:
    return one.intersection(other) >= DUPLICATE_SHARE * min(one.area, other.area)
