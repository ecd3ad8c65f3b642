"""When a picture was exposed, and whether it has waited somewhere: a stale one looks like a fresh one.

Networks and drivers keep pictures back: while a stream is being opened, while a link stalls. They then
come in a rush, and each would pass for a picture of now.
"""

from __future__ import annotations

from collections import deque
from statistics import median

LATE_S = 0.5
"""An older picture is passed over: newer ones are waiting behind it."""
SETTLED = 3
"""Pictures in a row that had to be waited for: then nothing is left over from the opening."""
HASTE = 0.7
"""Pictures that come in less than so much of the time between them had been waiting."""
REMEMBERED = 1000
"""Delays of the last pictures that are compared."""
DRIFT_S = 60.0
"""An older delay says nothing any more: the clocks of camera and computer have drifted apart."""
PACE = 31
"""Intervals from which the usual one is known, of a stream that tells no times."""
PACE_MIN = 8
SLACK_S = 0.05
PAUSE_S = 2.0
"""Out of step for so long, a stream has another pace than before."""


class ExposureClock:
    """From a source's own times to ours.

    The least delay of the last pictures is taken for the way that each has to go; what comes later than
    that has waited. The first picture after a pause of :data:`DRIFT_S` has nothing to be compared with
    and counts as one that has not waited. Of a source that tells no times only the pace says so: a
    picture that comes sooner or much later after its predecessor than usual is passed over.
    """

    def __init__(self, *, triggered: bool = False, latency_s: float = 0.0) -> None:
        """``triggered``: a photo-eye fires the camera, so that no picture is passed over.

        ``latency_s``: the least time that a picture takes from its exposure to here.
        """
        self._triggered, self._latency_s = triggered, latency_s
        self._last: tuple[float, float] | None = None
        """Arrival and told time of the picture before."""
        self._settled = 0
        self._delays: deque[tuple[float, float]] = deque(maxlen=REMEMBERED)
        """When a picture has come, and how much later than told."""
        self._arrived_s: float | None = None
        self._off_s: float | None = None
        """Since when it has been out of step."""
        self._gaps: deque[float] = deque(maxlen=PACE)

    def exposed(self, arrived_s: float, told_s: float | None) -> float | None:
        """When the picture that arrives now was exposed, on our clock; None: it is not a fresh one.

        ``told_s``: what the source says, on whatever clock it has; None where it says nothing.
        """
        if told_s is None:
            fresh = self._triggered or self._is_in_step(arrived_s)
            return arrived_s - self._latency_s if fresh else None
        last, self._last = self._last, (arrived_s, told_s)
        if last is None or told_s <= last[1]:
            # the first one, or a clock that was set back
            self._settled = 0
            self._delays.clear()
        if not self._triggered and not self._is_settled(arrived_s, told_s, last):
            return None
        delay = arrived_s - told_s
        self._delays.append((arrived_s, delay))
        while arrived_s - self._delays[0][0] > DRIFT_S:
            self._delays.popleft()
        least = min(delay for _, delay in self._delays)
        if delay - least > LATE_S and not self._triggered:
            return None
        return told_s + least - self._latency_s

    def _is_settled(self, arrived_s: float, told_s: float, last: tuple[float, float] | None) -> bool:
        if self._settled < SETTLED:
            waited_for = last is not None and arrived_s - last[0] >= HASTE * (told_s - last[1]) > 0
            self._settled = self._settled + 1 if waited_for else 0
        return self._settled >= SETTLED

    def _is_in_step(self, arrived_s: float) -> bool:
        last, self._arrived_s = self._arrived_s, arrived_s
        if last is None:
            return True
        gap = arrived_s - last
        usual = median(self._gaps) if len(self._gaps) >= PACE_MIN else gap
        if usual / 2 <= gap <= 2 * usual + SLACK_S:
            self._gaps.append(gap)
            self._off_s = None
            return True
        if self._off_s is None:
            self._off_s = arrived_s
        if arrived_s - self._off_s > PAUSE_S:
            self._gaps.clear()
            self._off_s = None
        return False
