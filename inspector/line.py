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
from dataclasses import dataclass, field
from functools import partial

import structlog

from inspector.acquisition import FrameBuffer
from inspector.config import StationConfig
from inspector.contract import StateName, StatePayload
from inspector.control import Control, Signs
from inspector.desk import Counters, Desk
from inspector.domain import Cause, Frame, Part, StationStatus, Trigger, Verdict
from inspector.errors import StorageError
from inspector.eyes import Eye
from inspector.freerun import Crossings
from inspector.issue import Issuer
from inspector.ports import Camera, Inbound, Journal, Plc, Recorder
from inspector.recipe import CrossingTrigger
from inspector.reporting import Reporter
from inspector.station import Station, aborted

TICK_S = 0.05
STATUS_S = 0.5
STUCK_S = 5.0
"""A part under inspection for longer stops the heartbeat."""

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Job:
    """A part on its way; without frames they are still to be acquired."""

    trigger: Trigger
    part: Part | None = None


@dataclass(slots=True)
class _Bench:
    """One inspecting thread's place; ``since_s`` is 0 while it is idle."""

    since_s: float = 0.0


@dataclass(slots=True)
class _Threads:
    """Starts threads and keeps the first exception of any."""

    error: BaseException | None = None
    started: list[threading.Thread] = field(default_factory=list)

    def start(self, name: str, target: Callable[[], None]) -> None:
        def guarded() -> None:
            try:
                target()
            except BaseException as error:  # noqa: BLE001 - handed to the main thread by check()
                self.error = self.error or error

        thread = threading.Thread(target=guarded, name=name, daemon=True)
        self.started.append(thread)
        thread.start()


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
    ) -> None:
        """Nothing runs yet. ``plc`` makes the link, given the inbox and the last will."""
        self.config, self.station, self.clock = config, station, clock
        self.frames_dropped = 0
        """Frames of a free-running camera that came faster than they could be searched for parts."""
        self._journal, self._recorder, self._issuer = journal, recorder, issuer
        recipe, boot_id = issuer.recipe, issuer.boot_id
        spec = station.recipe.text.trigger
        self._crossing = spec if isinstance(spec, CrossingTrigger) else None
        self.desk = Desk(recipe.recipe_id)
        self._buffers = {name: FrameBuffer(config.acquisition, clock) for name in cameras}
        self._eyes = {
            name: Eye(name, camera, self._reconnect_s(name), self._taker(name), recorder, clock)
            for name, camera in cameras.items()
        }
        self._inbox: queue.SimpleQueue[Inbound] = queue.SimpleQueue()
        self._jobs: queue.Queue[_Job | None] = queue.Queue(config.queue)
        self._frames: queue.Queue[Frame | None] = queue.Queue(2)
        self._benches = [_Bench() for _ in range(config.workers)]
        self._threads = _Threads()
        self._stopping = threading.Event()
        self._next_status_s = 0.0
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
        self.control = Control(
            desk=self.desk,
            journal=journal,
            recorder=recorder,
            plc=self.plc,
            recipe=recipe,
            mode=config.mode,
            free_running=self._crossing is not None,
            boot_id=boot_id,
            clock=clock,
            accept=self._enqueue,
        )
        self.reporter = Reporter(issuer, journal, self.desk, recorder, self.plc, self.control, clock)

    def start(self) -> None:
        """Start all threads and return; models are warm when the state says ``Ready``."""
        self._threads.start("control", self._converse)
        for name, eye in self._eyes.items():
            self._threads.start(f"camera-{name}", partial(eye.film, self._stopping))
        for number, bench in enumerate(self._benches):
            self._threads.start(f"inspect-{number}", partial(self._work, bench))
        if self._crossing is not None:
            self._threads.start("crossings", partial(self._watch_crossings, self._crossing))
        self.station.warm_up()
        self.control.warm()

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

    def stop(self, timeout_s: float = 5.0) -> None:
        """Finish the parts in flight, then end all threads."""
        deadline = self.clock() + timeout_s
        while self.desk.counters().in_flight and self.clock() < deadline and not self._threads.error:
            time.sleep(0.01)
        self._stopping.set()
        for eye in self._eyes.values():
            eye.close()
        for buffer in self._buffers.values():
            buffer.close()
        for _ in self._benches:
            _put_last(self._jobs, None)
        _put_last(self._frames, None)
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
        return self._buffers[name].put if self._crossing is None else self._offer

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
            if message is not None:
                self.control.handle(message)
            now = self.clock()
            if now >= next_tick_s:
                next_tick_s = now + TICK_S
                self.control.tick(self._signs(now))
                if now >= self._next_status_s:
                    self._next_status_s = now + STATUS_S
                    self._recorder.show(self.status())

    def _signs(self, now: float) -> Signs:
        limit = max(STUCK_S, 2 * self.config.deadline_ms / 1000)
        stuck = any(bench.since_s and now - bench.since_s > limit for bench in self._benches)
        up = all(eye.up for eye in self._eyes.values())
        return Signs(self._lost_cameras(), up, stuck)

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
            counters=_flat(counters) | {"frames_dropped": self.frames_dropped},
            cameras={name: "lost" if name in lost else "live" for name in self._eyes},
        )

    def _enqueue(self, trigger: Trigger, part: Part | None = None) -> None:
        if part is None:
            for buffer in self._buffers.values():
                buffer.expect(trigger)
        try:
            self._jobs.put_nowait(_Job(trigger, part))
        except queue.Full:
            # accepted all the same: more parts than the station can hold are for a person to see
            self._forget_frames(trigger)
            self.reporter.finish(trigger, aborted(Cause.OVERRUN))

    def _watch_crossings(self, spec: CrossingTrigger) -> None:
        crossings = Crossings(self.station, spec, self.config.deadline_ms / 1000)
        while (frame := self._frames.get()) is not None:
            for part in crossings.feed(frame):
                self._admit_own(part)
            self._frames.task_done()

    def _admit_own(self, part: Part) -> None:
        """Accept a part that the picture triggered, as a trigger of the PLC would be."""
        if self.control.state is not StateName.CONTINUOUS_EXECUTION:
            self.desk.refuse_own()
            return
        try:
            self._journal.accept(part.trigger)
        except StorageError as error:
            # nothing may be accepted that a kill would lose; the state says why
            self.control.journal_failed(error)
            self.desk.refuse_own()
            return
        self.desk.open_own(part.trigger)
        self._enqueue(part.trigger, part)

    # --- inspection --------------------------------------------------------------------------

    def _work(self, bench: _Bench) -> None:
        while (job := self._jobs.get()) is not None:
            bench.since_s = self.clock()
            self._process(job)
            bench.since_s = 0.0
            self._jobs.task_done()

    def _process(self, job: _Job) -> None:
        started = self.clock()
        trigger, part = job.trigger, job.part
        if self.control.halted:
            self._forget_frames(trigger)
            self.reporter.finish(trigger, aborted(Cause.HALTED))
            return
        if part is None:
            frames, cause = self._acquire(trigger)
            self._forget_frames(trigger)
            if cause is not None:
                self.reporter.finish(trigger, aborted(cause), frames)
                return
            part = Part(trigger, frames)
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
        frames: list[Frame] = []
        for name, eye in self._eyes.items():
            frame = self._buffers[name].claim(trigger)
            if frame is None:
                cause = Cause.CAMERA_FAULT if eye.lost else Cause.MISSED_ACQUISITION
                return tuple(frames), cause
            frames.append(frame)
        return tuple(frames), None if frames else Cause.CAMERA_FAULT

    def _forget_frames(self, trigger: Trigger) -> None:
        for buffer in self._buffers.values():
            buffer.forget(trigger)


def _flat(counters: Counters) -> dict[str, int]:
    """Counters as the records hold them."""
    flat = {
        "received": counters.received,
        "accepted": counters.accepted,
        "challenge": counters.challenge,
        "in_flight": counters.in_flight,
        "gaps": counters.gaps,
        "late": counters.late,
        "overrun": counters.overrun,
        "not_taken": counters.not_taken,
    }
    flat |= {f"refused_{reason}": count for reason, count in counters.refused.items()}
    flat |= {verdict.value: counters.verdicts[verdict.value] for verdict in Verdict}
    return flat


def _put_last(target: queue.Queue[_Job | None] | queue.Queue[Frame | None], end: None) -> None:
    """Put the sentinel even into a full queue whose reader is gone."""
    while True:
        try:
            target.put_nowait(end)
            return
        except queue.Full:
            try:
                target.get_nowait()
            except queue.Empty:
                continue  # the reader was faster
