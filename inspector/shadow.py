"""Shadow run: a candidate recipe judges live parts after they are reported, without any effect.

The candidate is loaded and judges in one thread of its own, at the lowest priority that the operating
system gives, and begins a part only while the station has none on its way. What it does not come to is
dropped and counted: production never waits for it. Its verdicts are recorded beside the station's and
go nowhere else. A run ends by request, by a change of the active recipe, or with the process.
"""

from __future__ import annotations

import os
import queue
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import structlog

from inspector.changeover import Active, Recipes
from inspector.domain import Inspection, Part, ShadowVerdict
from inspector.errors import InspectorError
from inspector.issue import reference
from inspector.ports import Asked, Recorder
from inspector.station import COMPLETED

WAITING = 4
"""Parts whose pictures are kept for the candidate; one more drops the oldest."""
IDLE_POLL_S = 0.005

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Run:
    """One candidate at work."""

    recipe_id: str
    version: int
    ended: threading.Event = field(default_factory=threading.Event)
    parts: queue.Queue[Inspection] = field(default_factory=lambda: queue.Queue(WAITING))
    is_loaded: bool = False
    judged: int = 0
    differing: int = 0
    dropped: int = 0


class Shadow:
    """At most one candidate at a time. :meth:`ask` is called by the control thread."""

    def __init__(
        self,
        recipes: Recipes,
        recorder: Recorder,
        start: Callable[[str, Callable[[], None]], None],
        tell: Callable[[int, str, str], None],
        active: Callable[[], Active],
        busy: Callable[[], bool],
        stopping: Callable[[], bool],
    ) -> None:
        """``start`` runs a function in a thread of that name; ``tell`` answers a request by its number,
        with outcome and words; ``busy``: a part is on its way to its verdict."""
        self._recipes, self._recorder, self._start, self._tell = recipes, recorder, start, tell
        self._active, self._busy, self._stopping = active, busy, stopping
        self._run: _Run | None = None

    def ask(self, asked: Asked) -> None:
        """Begin or end a run as a person asks for it by way of the records.

        Arguments: ``on``; to begin also ``recipeId``, that of the active recipe, and ``recipeVersion``.
        """
        arguments = asked.arguments
        if arguments.get("on") is False:
            ended = self.end("as asked for")
            self._tell(asked.request_id, "done", "The shadow run has ended." if ended else "None ran.")
            return
        recipe_id, version = arguments.get("recipeId"), arguments.get("recipeVersion")
        active = self._active().recipe
        if not isinstance(recipe_id, str) or not isinstance(version, int):
            self._tell(asked.request_id, "refused", "It names no recipe and version.")
            return
        if recipe_id != active.recipe_id or version == active.version:
            told = f"The station judges by {active.recipe_id} version {active.version}: only another "
            self._tell(asked.request_id, "refused", told + "version of it can run beside it.")
            return
        self.end("another candidate was asked for")
        run = self._run = _Run(recipe_id, version)
        self._start("shadow", lambda: self._work(run, asked.request_id))

    def offer(self, inspection: Inspection) -> None:
        """A part has been reported and recorded; never waits."""
        run = self._run
        if run is None or not run.is_loaded or inspection.result_state != COMPLETED:
            return
        while inspection.frames:
            try:
                run.parts.put_nowait(inspection)
                return
            except queue.Full:
                # the newest part counts, as with the frames of a camera
                try:
                    run.parts.get_nowait()
                    run.dropped += 1
                except queue.Empty:
                    continue  # the candidate was faster

    def end(self, why: str) -> bool:
        """Let the candidate go; whether there was one."""
        run, self._run = self._run, None
        if run is None:
            return False
        run.ended.set()
        self._event(run, f"has ended, {why}")
        return True

    def counters(self) -> dict[str, int]:
        """For the station's status; nothing while no candidate judges."""
        run = self._run
        if run is None or not run.is_loaded:
            return {}
        return {
            "shadow_version": run.version,
            "shadow_judged": run.judged,
            "shadow_differing": run.differing,
            "shadow_dropped": run.dropped,
        }

    def _work(self, run: _Run, request_id: int) -> None:
        _yield_processor()
        try:
            candidate = self._load(run)
        except InspectorError as error:
            # production goes on by its own recipe; whoever asked learns why there is no candidate
            if self._run is run:
                self._run = None
            self._tell(request_id, "failed", str(error))
            return
        run.is_loaded = True
        self._tell(request_id, "done", f"Version {run.version} judges beside the active recipe.")
        self._event(run, "has begun")
        while not run.ended.is_set() and not self._stopping():
            try:
                inspection = run.parts.get(timeout=0.1)
            except queue.Empty:
                continue  # no part came; look whether the run is over
            while self._busy() and not run.ended.is_set() and not self._stopping():
                time.sleep(IDLE_POLL_S)
            if not run.ended.is_set():
                self._judge(run, candidate, inspection)

    def _load(self, run: _Run) -> Active:
        recipe = self._recipes.find(run.recipe_id, run.version)
        if recipe is None:
            raise InspectorError(
                f"no recipe {run.recipe_id} version {run.version} is known",
                "Train it, or list its folder under 'recipes'",
            )
        station = self._recipes.load(recipe)
        station.warm_up()
        return Active(station, reference(recipe))

    def _judge(self, run: _Run, candidate: Active, inspection: Inspection) -> None:
        part = Part(inspection.trigger, inspection.frames, inspection.part_box)
        judged = candidate.station.inspect(part)
        run.judged += 1
        run.differing += judged.judgement.verdict is not inspection.verdict
        self._recorder.shadow(
            ShadowVerdict(
                inspection.result_id,
                datetime.now(UTC),
                candidate.recipe,
                judged.judgement,
                judged.scores,
                inspection.recipe.version,
                inspection.judgement,
            )
        )

    def _event(self, run: _Run, what: str) -> None:
        text = f"The shadow run of {run.recipe_id} version {run.version} {what}"
        fields: dict[str, Any] = {"recipe": run.recipe_id, "version": run.version}
        if run.judged or run.dropped:
            text += f": {run.judged} parts judged, {run.differing} otherwise, {run.dropped} dropped"
        self._recorder.event("info", "shadow", f"{text}.", **fields)
        log.info("shadow", what=what, judged=run.judged, dropped=run.dropped, **fields)


def _yield_processor() -> None:
    """Give this thread, and those that it starts, the lowest priority where that can be done."""
    if sys.platform == "linux":
        # Linux has a priority a thread, against POSIX; a thread inherits that of its parent
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)
