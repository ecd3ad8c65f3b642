"""The threads of a live station, their bounded queues, and the deadline: the only concurrency.

A thread per camera, one for the conversation with the PLC, and a few that inspect. The inspecting
threads each run one part from its frames to its verdict with plain synchronous calls; OpenVINO lets go
of the interpreter while a network runs, so two threads overlap two parts just as two asynchronous
requests of one thread would, and the checks stay functions that can be read. Parts may finish out of
order and are matched by id.

Every accepted part ends in :meth:`~inspector.reporting.Reporter.finish`, whatever happens to it: late,
halted, without a frame, too many at once. An exception that nobody foresaw ends the process through
:meth:`StationLine.check`; the journal then knows which parts were open.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from zoneinfo import ZoneInfo

import structlog

from inspector.acquisition import ASTRAY_REMEDY, FrameBuffer
from inspector.alarm import AlarmWatch
from inspector.challenger import Challenger
from inspector.changeover import Active, Changeover, NoRecipes, Recipes
from inspector.config import Shift, StationConfig
from inspector.contract import StateName, StatePayload
from inspector.control import Control
from inspector.desk import Desk
from inspector.domain import Cause, Frame, Inspection, Part, StationStatus, Trigger
from inspector.drift import DriftWatch
from inspector.duty import Duty
from inspector.errors import InspectorError, StorageError
from inspector.eyes import Eye
from inspector.freerun import Crossings
from inspector.issue import Issuer
from inspector.ports import Asked, Camera, HaltMark, Inbound, Journal, Plc, Recorder
from inspector.recipe import CrossingTrigger
from inspector.reporting import Reporter
from inspector.shadow import Shadow
from inspector.signs import Signs
from inspector.station import Station, aborted
from inspector.tally import Tally
from inspector.threads import Threads, put_last
from inspector.watching import Watching

TICK_S = 0.05
STATUS_S = 0.5
STUCK_S = 5.0
"""A part under inspection for longer, and for longer than twice its deadline, stops the heartbeat."""
FAREWELL_S = 0.25
FAILURES_LIMIT = 10
"""Frames of a free-running line in a row that may fail to be searched for parts."""
LEAST_STOP_S, LONGEST_STOP_S = 5.0, 60.0
"""A station that stops waits for the last deadline of its parts in flight, within these bounds."""

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Job:
    """A part on its way; its frames, or those of the other cameras, are still to be acquired."""

    trigger: Trigger
    part: Part | None = None


@dataclass(slots=True)
class _Bench:
    """One inspecting or searching thread's place; ``since_s`` is 0 while it is idle."""

    since_s: float = 0.0
    limit_s: float = STUCK_S
    """What takes longer is stuck."""

    def is_stuck(self, now_s: float) -> bool:
        """Whether it has worked on one thing for longer than that."""
        since_s = self.since_s  # looked at once: its thread may become idle meanwhile
        return since_s > 0 and now_s - since_s > self.limit_s


class StationLine:
    """One station at work."""

    def __init__(
        self,
        config: StationConfig,
        station: Station,
        cameras: Mapping[str, Camera],
        journal: Journal,
        recorder: Recorder,
        issuer: Issuer,
        plc: Callable[[Callable[[Inbound], None], StatePayload], Plc] | None = None,
        clock: Callable[[], float] = time.monotonic,
        *,
        duty: Duty | None = None,
        recipes: Recipes | None = None,
        inbox: queue.SimpleQueue[Inbound] | None = None,
        tell: Callable[[int, str, str], None] = lambda _id, _outcome, _text: None,
        halt_mark: HaltMark | None = None,
    ) -> None:
        """Nothing runs yet. ``plc`` makes the link, given the inbox and the last will; ``duty`` knows
        the last challenge; ``recipes`` are those to change to; requests of the records come through
        ``inbox`` and are answered by ``tell``, with number, outcome and words; ``halt_mark`` is that of
        :class:`~inspector.control.Control`.
        """
        self.config, self.clock = config, clock
        self.frames_dropped = 0
        """Frames of a free-running camera that came faster than they could be searched for parts."""
        self._journal, self._recorder, self._issuer, self._tell = journal, recorder, issuer, tell
        recipe, boot_id = issuer.recipe, issuer.boot_id
        self._active = Active(station, recipe)
        self._own = threading.Lock()
        """Between the acceptance of parts that the picture triggers and a recipe change."""
        self._free_running = isinstance(station.recipe.text.trigger, CrossingTrigger)
        self.desk = Desk(recipe.recipe_id)
        self._buffers = {name: FrameBuffer(config.acquisition, clock) for name in cameras}
        # the picture itself triggers by the first camera; the others then show the same part
        self._searched = tuple(cameras)[:1] if self._free_running else ()
        self._awaited = tuple(name for name in cameras if name not in self._searched)
        self._eyes = {
            name: Eye(name, camera, self._reconnect_s(name), self._taker(name), recorder, clock)
            for name, camera in cameras.items()
        }
        self._inbox = inbox or queue.SimpleQueue()
        self._jobs: queue.Queue[_Job | None] = queue.Queue(config.queue)
        self._frames: queue.Queue[Frame | None] = queue.Queue(2)
        self._benches = [_Bench() for _ in range(config.workers)]
        self._search = _Bench(limit_s=_limit_s(config.deadline_ms / 1000))
        self._threads = Threads(station=config.name)
        self._stopping = threading.Event()
        self._next_status_s = 0.0
        self._ticked_s = clock()
        self.tally = Tally()
        will = StatePayload(
            state=StateName.PREOPERATIONAL,
            mode=config.mode,
            online=False,
            health="act",
            station_boot_id=boot_id,
            recipe_id=recipe.recipe_id,
            recipe_version=recipe.version,
        )
        self.plc = plc(self._inbox.put, will) if plc is not None else None
        if duty is None:
            shifts, wall = (Shift(name="day", start="00:00"),), datetime.now(UTC)
            duty = Duty(config.challenge, shifts, ZoneInfo("UTC"), None, wall=wall, now_s=clock())
        names = tuple(cameras)
        self.challenger = Challenger(config.name, duty, self.desk, recorder, names, clock)
        self.drift = DriftWatch(config.drift, recipe, station.recipe.calibration)
        self.alarms = AlarmWatch(config.alarms)
        self.watching = Watching(self.drift, recorder, clock, holds=config.drift.act_leaves_ready)
        self.control = Control(
            desk=self.desk,
            journal=journal,
            recorder=recorder,
            plc=self.plc,
            active=lambda: self._active,
            mode=config.mode,
            free_running=self._free_running,
            boot_id=boot_id,
            clock=clock,
            accept=self._enqueue,
            challenger=self.challenger,
            changeover=Changeover(recipes or NoRecipes(), self._threads.start),
            watching=self.watching,
            alarms=self.alarms,
            swap=self._swap,
            start=self._threads.start,
            tell=tell,
            stopping=self._stopping.is_set,
            halt_mark=halt_mark,
        )
        self.shadow = Shadow(
            recipes or NoRecipes(),
            recorder,
            self._threads.start,
            tell,
            lambda: self._active,
            lambda: self.desk.counters().in_flight > 0,
            self._stopping.is_set,
        )
        self.reporter = Reporter(
            issuer, journal, self.desk, recorder, self.plc, self.control, clock, self._note
        )

    def start(self) -> None:
        """Start all threads and return; models are warm when the state says ``Ready``."""
        self._threads.start("control", self._converse)
        for name, eye in self._eyes.items():
            self._threads.start(f"camera-{name}", partial(eye.film, self._stopping))
        for number, bench in enumerate(self._benches):
            self._threads.start(f"inspect-{number}", partial(self._work, bench))
        if self._free_running:
            self._threads.start("crossings", self._watch_crossings)
        self.station.warm_up()
        self.control.warm()

    @property
    def station(self) -> Station:
        """What judges: the recipe that is active now, loaded."""
        return self._active.station

    @property
    def boot_id(self) -> int:
        """``stationBootId`` of this run."""
        return self._issuer.boot_id

    def check(self) -> None:
        """Raise the first exception of any thread."""
        if self._threads.error is not None:
            raise self._threads.error
        self._recorder.check()

    @property
    def ended(self) -> bool:
        """Whether every camera has come to the end of its recording and all parts are judged."""
        return (
            bool(self._eyes)
            and all(eye.ended for eye in self._eyes.values())
            and self._jobs.unfinished_tasks == 0
            and self._frames.unfinished_tasks == 0
        )

    def stop(self, timeout_s: float | None = None) -> None:
        """Finish the parts in flight, then end all threads.

        A part that hangs is waited for until the last deadline is over, or for ``timeout_s`` seconds.
        """
        self.control.leave()
        now = self.clock()
        if timeout_s is None:
            timeout_s = max(LEAST_STOP_S, min(self.desk.due_s() - now, LONGEST_STOP_S))
        deadline = now + timeout_s
        while self.desk.counters().in_flight and self.clock() < deadline and not self._threads.error:
            time.sleep(0.01)
        if self.plc is not None and not self._threads.error:
            # the PLC acknowledges the last results a moment after they went out
            threading.Event().wait(FAREWELL_S)
        self._stopping.set()
        deadline = max(deadline, self.clock() + 1.0)
        for eye in self._eyes.values():
            eye.close()
        for buffer in self._buffers.values():
            buffer.close()
        put_last(self._jobs)
        put_last(self._frames)
        for thread in self._threads.started:
            thread.join(max(0.1, deadline - self.clock()))

    # --- cameras -----------------------------------------------------------------------------

    def _offer(self, frame: Frame) -> None:
        """Hand a free-running camera's frame to the search for crossings."""
        while True:
            try:
                self._frames.put_nowait(frame)
                return
            except queue.Full:
                # free-running: the newest frame counts, the oldest goes, and is counted
                try:
                    self._frames.get_nowait()
                    self._frames.task_done()
                    self.frames_dropped += 1
                except queue.Empty:
                    continue  # the other thread was faster

    def _taker(self, name: str) -> Callable[[Frame], None]:
        return self._offer if name in self._searched else self._buffers[name].put

    def _reconnect_s(self, name: str) -> float:
        for camera in self.config.cameras:
            if camera.name == name:
                return float(getattr(camera, "reconnect_s", 1.0))
        return 1.0

    def _lost_cameras(self) -> tuple[str, ...]:
        return tuple(name for name, eye in self._eyes.items() if eye.lost)

    # --- conversation ------------------------------------------------------------------------

    def _converse(self) -> None:
        next_tick_s = 0.0
        while not self._stopping.is_set():
            try:
                message = self._inbox.get(timeout=TICK_S)
            except queue.Empty:
                message = None
            if isinstance(message, Asked) and not isinstance(message.arguments, Mapping):
                # rows are written by other programs, and their column takes any JSON
                self._tell(message.request_id, "refused", "Its arguments are no object.")
            elif isinstance(message, Asked) and message.kind == "shadow":
                self.shadow.ask(message)
            elif message is not None:
                self.control.handle(message)
            now = self.clock()
            if now >= next_tick_s:
                self._ticked_s, next_tick_s = now, now + TICK_S
                self.control.tick(self._signs(now))
                if now >= self._next_status_s:
                    self._next_status_s = now + STATUS_S
                    self.watching.tick()
                    self._recorder.show(self.status())

    def _signs(self, now: float) -> Signs:
        up = all(eye.up for eye in self._eyes.values())
        names = ", ".join(name for name, buffer in self._buffers.items() if buffer.astray())
        astray = f"pictures and triggers no longer fit: {names}. {ASTRAY_REMEDY}" if names else ""
        return Signs(self._lost_cameras(), up, astray, self._stuck(now))

    def _stuck(self, now: float) -> bool:
        return any(bench.is_stuck(now) for bench in (*self._benches, self._search))

    @property
    def progressing(self) -> bool:
        """Whether parts and the conversation with the PLC move on, or there is nothing to do."""
        now = self.clock()
        return not self._stuck(now) and now - self._ticked_s < STUCK_S

    @property
    def queues(self) -> dict[str, int]:
        """What waits at this moment, by the name of the queue."""
        return {
            "parts": self._jobs.qsize(),
            "frames": self._frames.qsize(),
            "messages": self._inbox.qsize(),
        }

    def status(self, online: bool = True) -> StationStatus:
        """What the dashboard shows of the station."""
        state, counters = self.control.state_payload(online), self.desk.counters()
        lost = self._lost_cameras()
        return StationStatus(
            station=self.config.name,
            state=state.state.value,
            boot_id=self._issuer.boot_id,
            mode=state.mode,
            online=online,
            health=state.health,
            error_code=state.error_code,
            error_text=state.error_text,
            clock_synced=state.clock_synced,
            recipe_id=state.recipe_id,
            recipe_version=state.recipe_version,
            deadline_ms=self.config.deadline_ms,
            counters=counters.flat() | {"frames_dropped": self.frames_dropped} | self.shadow.counters(),
            cameras={name: "lost" if name in lost else "live" for name in self._eyes},
        )

    def _enqueue(self, trigger: Trigger, part: Part | None = None) -> None:
        for name in self._awaited:
            self._buffers[name].expect(trigger, self.station.recipe.text.captures)
        try:
            self._jobs.put_nowait(_Job(trigger, part))
        except queue.Full:
            # accepted all the same: more parts than the station can hold are for a person to see
            self._forget_frames(trigger)
            self.reporter.finish(trigger, aborted(Cause.OVERRUN))

    def _watch_crossings(self) -> None:
        crossings: Crossings | None = None
        failures = 0
        while (frame := self._frames.get()) is not None:
            self._search.since_s, station = self.clock(), self.station
            if crossings is None or crossings.station is not station:
                crossings = self._crossings(station, crossings.count if crossings else 0)
            try:
                parts = crossings.feed(frame)
                failures = 0
            except InspectorError as error:
                # one frame less; a detector that stays broken must not leave a line without verdicts
                failures += 1
                if failures > FAILURES_LIMIT:
                    raise
                self._recorder.event("error", "model-fault", str(error))
                log.error("frame not searched", problem=str(error))
                parts = []
            for part in parts:
                self._admit_own(part, station)
            self._search.since_s = 0.0
            self._frames.task_done()

    def _crossings(self, station: Station, count: int) -> Crossings:
        spec = station.recipe.text.trigger
        assert isinstance(spec, CrossingTrigger)  # a change to another kind of trigger is refused
        return Crossings(station, spec, self.config.deadline_ms / 1000, count=count)

    def _admit_own(self, part: Part, station: Station) -> None:
        """Accept a part that the picture triggered, as a trigger of the PLC would be."""
        with self._own:
            running = self.control.admitting is StateName.CONTINUOUS_EXECUTION
            if not running or station is not self.station:
                self.desk.refuse_own()
                return
            expected = self.desk.next_expected()
            trigger = replace(part.trigger, challenge=expected)
            try:
                self._journal.accept(trigger, self._active.recipe)
            except StorageError as error:
                # nothing may be accepted that a kill would lose; the state says why
                self.control.journal_failed(error)
                self.desk.refuse_own(expected)
                return
            self.desk.open_own(trigger)
        self._enqueue(trigger, replace(part, trigger=trigger))

    def _swap(self, active: Active) -> bool:
        """Let another station judge from now on; false while a part is on its way."""
        with self._own:
            if self.desk.counters().in_flight:
                return False
            self._issuer.recipe = active.recipe
            self._active = active
        self.drift.begin(active.recipe, active.station.recipe.calibration)
        self.shadow.end("the active recipe was changed")
        return True

    def _note(self, inspection: Inspection) -> None:
        self.tally.note(inspection)
        self.drift.note(inspection)
        self.alarms.note(inspection)
        self.shadow.offer(inspection)
        if inspection.trigger.challenge is not None:
            self.challenger.judged(inspection)

    # --- inspection --------------------------------------------------------------------------

    def _work(self, bench: _Bench) -> None:
        while (job := self._jobs.get()) is not None:
            bench.limit_s = _limit_s(job.trigger.deadline_s)
            bench.since_s = self.clock()
            self._process(job)
            bench.since_s = 0.0
            self._jobs.task_done()
        put_last(self._jobs)  # the next thread's end: the queue may be shorter than their number

    def _process(self, job: _Job) -> None:
        started = self.clock()
        trigger, part = job.trigger, job.part
        if self.control.halts(trigger.received_s):
            self._forget_frames(trigger)
            self.reporter.finish(trigger, aborted(Cause.HALTED))
            return
        part = part or Part(trigger, ())
        frames, cause = self._acquire(trigger)
        part = replace(part, frames=(*part.frames, *frames))
        if cause is not None:
            self.reporter.finish(trigger, aborted(cause), part.frames)
            return
        acquired = self.clock()
        if self.reporter.age_s(trigger, part.frames) >= trigger.deadline_s:
            # nobody waits for it any more: the processor is needed for the next part
            self.reporter.finish(trigger, aborted(Cause.DEADLINE_MISSED), part.frames)
            return
        judged = self.station.inspect(part)
        if judged.fault:
            self._recorder.event("error", "model-fault", judged.fault, partId=trigger.part_id)
        timings_ms = (acquired - started) * 1000, (self.clock() - acquired) * 1000
        self.reporter.finish(trigger, judged, part.frames, timings_ms)

    def _acquire(self, trigger: Trigger) -> tuple[tuple[Frame, ...], Cause | None]:
        """The frames that are still to come, and why there are not all of them, if so.

        What the other cameras saw is kept with the part: a person wants to see it.
        """
        frames: list[Frame] = []
        missing: list[str] = []
        for name in self._awaited:
            claimed = self._buffers[name].claim(trigger)
            frames += claimed
            if not claimed:
                missing.append(name)
        if not missing:
            return tuple(frames), None
        lost = any(self._eyes[name].lost for name in missing)
        return tuple(frames), Cause.CAMERA_FAULT if lost else Cause.MISSED_ACQUISITION

    def _forget_frames(self, trigger: Trigger) -> None:
        for buffer in self._buffers.values():
            buffer.forget(trigger)


def _limit_s(deadline_s: float) -> float:
    """How long a part of that deadline may take: slow is not stuck."""
    return max(STUCK_S, 2 * min(deadline_s, LONGEST_STOP_S))
