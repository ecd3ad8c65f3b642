"""Carries out challenges: with pictures of known parts, or with real parts that the PLC sends past.

Pictures are judged one by one, each in a moment in which no part is on its way, so a part that comes
meanwhile shares the processor with one picture at most, as it would with a part in flight. A line that
is never idle gets no run: after ten minutes the run is given up, and says so.

Armed parts are the next triggers, in their order. Until all of them are judged no other challenge is
armed; ``reset`` takes back what has not come. What had been judged wrongly by then is recorded as a
failed run, so that nobody can reset a failure away.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock

import structlog

from inspector.challenge import ChallengePart, ChallengeRun, Origin
from inspector.desk import Desk
from inspector.domain import Inspection, RecipeRef
from inspector.duty import Duty
from inspector.errors import InputError, InspectorError, RetryableError
from inspector.knownparts import known_parts, show
from inspector.ports import Recorder
from inspector.station import Station

PATIENCE_S = 600.0
"""How long a run with pictures may wait for moments without parts, all in all."""
POLL_S = 0.005

log = structlog.get_logger(__name__)

Ended = Callable[[str, str], None]
"""Is told the outcome, ``done``, ``failed`` or ``refused``, and the words."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Challenger:
    """The challenges of one running station. Safe to call from several threads."""

    def __init__(
        self,
        station: str,
        duty: Duty,
        desk: Desk,
        recorder: Recorder,
        sources: Sequence[str],
        clock: Callable[[], float],
        now: Callable[[], datetime] = _utc_now,
    ) -> None:
        """``sources`` are the names of the station's cameras, in the order of a part's pictures."""
        self._name, self._duty, self._desk, self._recorder = station, duty, desk, recorder
        self._sources, self._clock, self._now = sources, clock, now
        self._lock = Lock()
        self._operator = ""
        self._wanted = 0
        """How many parts were armed; 0: no run is under way."""
        self._shown: list[ChallengePart] = []
        self._recipe: RecipeRef | None = None
        self._orphans = 0
        """Parts in flight of a run that was taken back."""
        self._showing = False

    @property
    def required(self) -> bool:
        """Whether the station must not be Ready while it is not proven."""
        return self._duty.config.required

    def lack(self, recipe: RecipeRef) -> str:
        """Why the station is not proven, in words; empty when it is, or need not be."""
        with self._lock:
            return self._duty.lack(recipe, self._now(), self._clock())

    # --- armed parts ---------------------------------------------------------------------------

    def arm(self, expected: Sequence[str], operator: str) -> bool:
        """Make the next triggers challenge parts; False while an earlier run is not over."""
        with self._lock:
            if self._orphans and not self._desk.counters().in_flight:
                self._orphans = 0  # nothing is on its way that could be one
            if self._wanted or self._orphans:
                return False
            self._desk.disarm()
            self._operator, self._wanted, self._shown = operator, len(expected), []
            self._desk.arm(expected)
            return True

    def judged(self, inspection: Inspection) -> None:
        """A part that was armed has its verdict."""
        with self._lock:
            if self._orphans:
                self._orphans -= 1
                return
            if not self._wanted:
                return
            self._shown.append(ChallengePart.of(inspection))
            self._recipe = inspection.recipe
            if len(self._shown) == self._wanted:
                self._end_armed()

    def disarm(self) -> None:
        """Take back the armed parts that have not come."""
        with self._lock:
            if not self._wanted:
                return
            left = self._desk.disarm()
            self._orphans = self._wanted - left - len(self._shown)
            text = f"challenge taken back after {len(self._shown)} of {self._wanted} parts"
            self._recorder.event("warning", "challenge", text)
            if any(not part.as_expected for part in self._shown):
                self._end_armed()
            self._wanted = 0

    def _end_armed(self) -> None:
        self._wanted = 0
        if self._recipe is not None:
            self._take(self._run(tuple(self._shown), self._operator, "plc", self._recipe, None))

    # --- pictures ------------------------------------------------------------------------------

    def begin(self, folder: Path | None) -> Path:
        """The folder of the known parts of a run, which :meth:`show_pictures` must then carry out.

        Looks at no disk: it may be one that does not answer. Raises :class:`InspectorError` when there
        is no folder, or when such a run is under way.
        """
        where = folder or self._duty.config.parts
        if where is None:
            raise InputError(
                f"station '{self._name}' has no known parts",
                "Name their folder as 'parts' under 'challenge' in the configuration, or with --set",
            )
        with self._lock:
            if self._showing:
                raise RetryableError("a challenge is under way", "Wait for its end")
            self._showing = True
        return where

    def show_pictures(
        self,
        folder: Path,
        station: Station,
        recipe: RecipeRef,
        operator: str,
        origin: Origin,
        request_id: int,
        stopping: Callable[[], bool],
        ended: Ended,
    ) -> None:
        """Judge the known parts between those of production, record the run, and tell how it went."""
        failure = "refused"
        try:
            parts = known_parts(folder, recipe.recipe_id)
            failure = "failed"
            shown = []
            give_up_s = self._clock() + PATIENCE_S
            for part in parts:
                self._wait_for_room(give_up_s, stopping)
                shown.append(show(station, part, self._sources))
        except InspectorError as error:
            # nothing is proven, and nothing refuted: whoever asked learns why
            ended(failure, str(error))
            return
        finally:
            with self._lock:
                self._showing = False
        run = self._run(tuple(shown), operator, origin, recipe, request_id)
        with self._lock:
            self._take(run)
        ended("done", run.text)

    def _wait_for_room(self, give_up_s: float, stopping: Callable[[], bool]) -> None:
        while True:
            if stopping():
                raise RetryableError("the station is being stopped", "Start it again")
            if not self._desk.counters().in_flight:
                return
            if self._clock() >= give_up_s:
                raise RetryableError("there was no moment without a part", "Challenge between batches")
            time.sleep(POLL_S)

    # --- both ----------------------------------------------------------------------------------

    def _run(
        self,
        parts: tuple[ChallengePart, ...],
        operator: str,
        origin: Origin,
        recipe: RecipeRef,
        request_id: int | None,
    ) -> ChallengeRun:
        allowed = self._duty.config.good_in_review
        return ChallengeRun(
            self._name, self._now(), operator, origin, recipe, parts, allowed, request_id
        )

    def _take(self, run: ChallengeRun) -> None:
        self._duty.take(run, self._clock())
        self._recorder.challenge(run)
        self._recorder.event("info" if run.passed else "error", "challenge", run.text)
        log.info("challenge", passed=run.passed, origin=run.origin, text=run.text)
