"""Too many parts that fail or need a person, in a row or of the last ones: something else is wrong.

A single rejected part is the line's daily business; ten in a row are a broken tool, a turned lamp, a
wrong recipe. No threads, no I/O; time plays no part, only the order of the parts.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from threading import Lock

from inspector.config import Alarms
from inspector.domain import Inspection, Verdict

FAIL_RUN, REVIEW_RUN, FAIL_RATE, REVIEW_RATE = 40, 41, 42, 43
"""``errorCode`` of the state payload."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """What is wrong; code 0 and no text: nothing."""

    code: int = 0
    text: str = ""


class AlarmWatch:
    """Follows the parts of production. Safe to call from several threads."""

    def __init__(self, config: Alarms) -> None:
        self._config = config
        self._lock = Lock()
        self._last: deque[Verdict] = deque(maxlen=config.window)
        self._run = 0
        self._current = Alarm()

    @property
    def current(self) -> Alarm:
        """The alarm that is raised. One that leaves ``Ready`` stays until :meth:`restart`."""
        return self._current

    @property
    def holds(self) -> bool:
        """Whether the station must leave ``Ready`` for it."""
        return self._config.leaves_ready and self._current.code != 0

    def adjust(self, config: Alarms) -> None:
        """Other limits from the next part on; what is raised stays until then."""
        with self._lock:
            self._config = config
            self._last = deque(self._last, maxlen=config.window)

    def note(self, inspection: Inspection) -> None:
        """Count a part; those of a challenge are bad on purpose and do not count."""
        if inspection.trigger.challenge is not None:
            return
        with self._lock:
            verdict = inspection.verdict
            self._run = self._run + 1 if self._last and self._last[-1] is verdict else 1
            self._last.append(verdict)
            if not self.holds:
                self._current = self._find(verdict)

    def restart(self) -> None:
        """Somebody has seen to it: forget the last parts."""
        with self._lock:
            self._last.clear()
            self._run = 0
            self._current = Alarm()

    def _find(self, verdict: Verdict) -> Alarm:
        config, parts = self._config, len(self._last)
        for kind, code, limit in (
            (Verdict.FAIL, FAIL_RUN, config.fail_run),
            (Verdict.REVIEW, REVIEW_RUN, config.review_run),
        ):
            if limit is not None and verdict is kind and self._run >= limit:
                return Alarm(code, f"{self._run} parts in a row were {kind.value}")
        for kind, code, share in (
            (Verdict.FAIL, FAIL_RATE, config.fail_rate),
            (Verdict.REVIEW, REVIEW_RATE, config.review_rate),
        ):
            count = self._last.count(kind)
            # a share of few parts says nothing
            if share is not None and parts == config.window and count > share * parts:
                return Alarm(code, f"{count} of the last {parts} parts were {kind.value}")
        return Alarm()
