"""The station's conversation with the PLC: triggers, commands, heartbeats, the published state.

Everything here runs in one thread, which :mod:`inspector.line` owns: messages are handled one by one,
and :meth:`Control.tick` is called between them, at least every 50 ms.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import replace
from threading import Lock
from typing import Literal

import structlog

from inspector.alarm import Alarm, AlarmWatch
from inspector.challenger import Challenger
from inspector.changeover import Active, Changeover
from inspector.clock import ClockWatch
from inspector.commands import Commands
from inspector.contract import (
    COMMAND_LIMIT,
    HeartbeatPayload,
    Reason,
    ResultAckPayload,
    StateName,
    StatePayload,
)
from inspector.desk import Desk
from inspector.domain import Health, Level, Trigger, worst
from inspector.errors import StorageError
from inspector.ports import (
    Asked,
    HaltMark,
    Inbound,
    Journal,
    LinkDown,
    LinkUp,
    Message,
    Plc,
    Received,
    Recorder,
)
from inspector.signs import Signs
from inspector.states import Conditions, path
from inspector.watching import Watching

HEARTBEAT_S = 0.5
HEARTBEAT_DEAD_S = 1.5
RETRY_S = 1.0
"""How often a failed journal is tried again."""

CAMERA_ERROR, ASTRAY_ERROR, STORAGE_ERROR, DRIFT_ERROR = 10, 11, 20, 30
"""``errorCode`` of the state payload; 0 is none, and 40 to 43 are those of :mod:`inspector.alarm`."""

log = structlog.get_logger(__name__)


def draw_boot_id() -> int:
    """A random uint32 that is not 0."""
    return secrets.randbelow(0xFFFFFFFF) + 1


class Control:
    """The state machine and its surroundings."""

    def __init__(
        self,
        *,
        desk: Desk,
        journal: Journal,
        recorder: Recorder,
        plc: Plc | None,
        active: Callable[[], Active],
        mode: Literal["production", "commissioning"],
        free_running: bool,
        boot_id: int,
        clock: Callable[[], float],
        accept: Callable[[Trigger], None],
        challenger: Challenger,
        changeover: Changeover,
        watching: Watching,
        alarms: AlarmWatch,
        swap: Callable[[Active], bool],
        start: Callable[[str, Callable[[], None]], None],
        tell: Callable[[int, str, str], None],
        stopping: Callable[[], bool],
        halt_mark: HaltMark | None = None,
    ) -> None:
        """``accept`` takes over an accepted trigger. ``swap`` makes another station judge from the next
        part on; false while a part is on its way. ``start``, ``tell`` and ``stopping`` are those of
        :class:`~inspector.commands.Commands`. Without a ``halt_mark`` a restart ends a halt.
        """
        self._desk, self._journal, self._recorder, self._plc = desk, journal, recorder, plc
        self._active_now, self._mode, self._boot_id = active, mode, boot_id
        self._challenger, self._changeover, self._swap = challenger, changeover, swap
        self._watching, self._alarms, self._alarm = watching, alarms, Alarm()
        self._commands = Commands(
            self, challenger, changeover, recorder, self._send, tell, start, stopping
        )
        self._leaving = False
        self._lack = ""
        """Why a challenge is wanted, in words."""
        self._clock, self._accept = clock, accept
        self._watch = ClockWatch()
        self._halt_mark = halt_mark
        halted = halt_mark is not None and halt_mark.is_set
        self._conditions = Conditions(linked=plc is None, free_running=free_running, halted=halted)
        if halted:
            text = "The station was halted when its process ended, and is so until 'reset'."
            recorder.event("warning", "halted", text)
        self.publishing = Lock()
        """Held from the last question whether a part :meth:`halts` until its verdict is out: after the
        acknowledgement of ``halt`` none goes out that did not know of it."""
        self._warm = False
        self._needs_plc = plc is not None and not free_running
        self.state = StateName.PREOPERATIONAL
        self._error_code, self._error_text = 0, ""
        self._journal_fault = ""
        self._plc_heard_s = self._halted_s = float("-inf")
        self._next_beat_s = self._next_retry_s = 0.0
        self._beats = 0
        self._published: StatePayload | None = None

    def halts(self, received_s: float) -> bool:
        """Whether a part of a trigger received then must end as REVIEW, ``Halted``: it was in flight.

        A reset since does not give it back: the PLC has been told that it is over.
        """
        return self._conditions.halted or received_s <= self._halted_s

    @property
    def error(self) -> tuple[int, str]:
        """``errorCode`` and ``errorText`` of the state."""
        return self._error_code, self._error_text

    @property
    def clock_synced(self) -> bool:
        """Whether times of day in records can be trusted."""
        return self._watch.synced()

    def warm(self) -> None:
        """Models and recipe are loaded and have run once; told by another thread."""
        self._warm = True

    def journal_failed(self, error: StorageError) -> None:
        """Nothing can be noted, so nothing may be accepted until it can."""
        self._journal_fault = str(error)

    def state_payload(self, online: bool = True) -> StatePayload:
        """The state as the PLC sees it."""
        fault = Health("act", self._error_text) if self._error_code else Health()
        health = worst(fault, self._held(), self._recorder.health, self._watching.health)
        recipe, changing = self.active.recipe, self._changing
        return StatePayload(
            state=self.state,
            mode=self._mode,
            online=online,
            health=health.level,
            station_boot_id=self._boot_id,
            recipe_id=recipe.recipe_id,
            recipe_version=recipe.version,
            error_code=self._error_code,
            error_text=(self._error_text or changing or health.text)[:200],
            clock_synced=self._watch.synced(),
        )

    def handle(self, message: Inbound) -> None:
        """Act on one message."""
        if isinstance(message, LinkUp):
            self._conditions = replace(self._conditions, linked=True)
            self._published = None  # the broker may hold our will instead
            self._recorder.event("info", "link-up", "The broker is connected.")
            log.info("broker connected")
        elif isinstance(message, LinkDown):
            self._conditions = replace(self._conditions, linked=False)
            self._recorder.event("warning", "link-down", message.reason)
            if message.evicted:
                self._recorder.event("error", "second-client", message.reason)
            log.warning("broker lost", reason=message.reason)
        elif isinstance(message, Asked):
            self._commands.ask(message)
        elif message.topic == "plc/hb":
            self._hear_plc(message)
        elif message.topic == "cmd/trigger":
            self._trigger(message)
        elif message.topic == "cmd/resultAck":
            self._result_ack(message)
        else:
            self._commands.take(message)

    def tick(self, signs: Signs) -> None:
        """Bring the state up to date, publish it when it changed, and let the heart beat."""
        now = self._clock()
        self._change_recipe()
        if self._journal_fault and now >= self._next_retry_s:
            self._next_retry_s = now + RETRY_S
            self._retry_journal()
        self._update(signs, now)
        # tied to progress: a stuck pipeline must look dead to the PLC
        if now >= self._next_beat_s and not signs.stuck:
            self._next_beat_s = now + HEARTBEAT_S
            self._beats += 1
            self._send(HeartbeatPayload(boot_id=self._boot_id, n=self._beats & 0xFFFFFFFF))

    def _update(self, signs: Signs, now: float) -> None:
        fault, code = "", 0
        if self._journal_fault:
            fault, code = self._journal_fault, STORAGE_ERROR
        elif signs.lost_cameras:
            names = ", ".join(signs.lost_cameras)
            fault, code = f"camera lost: {names}", CAMERA_ERROR
        elif signs.astray:
            fault, code = signs.astray, ASTRAY_ERROR
        elif self._alarms.holds:
            fault, code = self._alarms.current.text, self._alarms.current.code
        elif self._watching.holds:
            fault, code = self._watching.holds, DRIFT_ERROR
        self._lack = self._challenger.lack(self.active.recipe)
        alive = not self._needs_plc or now - self._plc_heard_s < HEARTBEAT_DEAD_S
        self._conditions = replace(
            self._conditions,
            cameras_up=signs.cameras_up,
            warm=self._warm,
            changing=bool(self._changing),
            unproven=self._unproven,
            plc_alive=alive,
            fault=fault,
        )
        self._tell_alarm()
        self._error_code, self._error_text = (
            (code, fault) if fault else (self._alarm.code, self._alarm.text)
        )
        for state in path(self.state, self._conditions):
            self.state = state
            why = fault or (self._lack if self._conditions.unproven else self._changing)
            self._recorder.event("error" if fault else "info", "state", f"{state}. {why}".strip())
            log.info("state", state=state.value, error=fault or None)
            self._publish_state()
        self._publish_state()

    def _tell_alarm(self) -> None:
        before, self._alarm = self._alarm, self._alarms.current
        if self._alarm.code != before.code:
            level: Level = "error" if self._alarm.code else "info"
            self._recorder.event(level, "alarm", self._alarm.text or f"Over: {before.text}")

    def _publish_state(self) -> None:
        payload = self.state_payload()
        if payload != self._published and self._send(payload):
            self._published = payload

    def _retry_journal(self) -> None:
        try:
            self._journal.check()
        except StorageError as error:
            # still full: the state stays Error and says so
            self._journal_fault = str(error)
        else:
            self._journal_fault = ""

    def _trigger(self, message: Received) -> None:
        admission = self._desk.admit(message, self.admitting, self._clock())
        if admission.trigger is not None:
            try:
                self._journal.accept(admission.trigger, self.active.recipe)
            except StorageError as error:
                # without a journal a kill would lose the part: take it back and refuse
                self.journal_failed(error)
                self._send(self._desk.retract(admission.trigger))
                return
            self._send(admission.ack)
            self._accept(admission.trigger)
            return
        self._send(admission.ack)
        if admission.again is not None:
            self._send(admission.again)
        log.warning(
            "trigger refused",
            reason=admission.ack.reason.value,
            plc_boot_id=admission.ack.plc_boot_id,
            trigger_id=admission.ack.trigger_id,
        )

    def _hear_plc(self, message: Received) -> None:
        try:
            HeartbeatPayload.decode(_bounded(message.data))
        except ValueError:
            # what is no heartbeat proves no life
            log.warning("malformed heartbeat", bytes=len(message.data))
            return
        self._plc_heard_s = message.at_s

    def _result_ack(self, message: Received) -> None:
        try:
            ack = ResultAckPayload.decode(_bounded(message.data))
        except ValueError:
            # not ours to answer; it is counted as nothing taken and the log says so
            log.warning("malformed resultAck", bytes=len(message.data))
            return
        self._desk.acknowledge(ack)
        self._recorder.acknowledge(ack.result_id, ack.taken, ack.reason)
        if not ack.taken:
            self._recorder.event(
                "warning", "not-taken", f"The PLC did not take result {ack.result_id}: {ack.reason}"
            )

    @property
    def active(self) -> Active:
        """The station that judges, and its recipe."""
        return self._active_now()

    @property
    def at_work(self) -> bool:
        """Whether models are loaded and warm."""
        return self._warm

    @property
    def admitting(self) -> StateName:
        """The state as it counts for a trigger, ahead of the tick that will publish it.

        A halt and a change of the recipe admit nothing, and what is not proven challenge parts alone.
        """
        if self._conditions.halted:
            return StateName.HALTED
        ready = self.state in (StateName.READY, StateName.CONTINUOUS_EXECUTION)
        held = self._unproven or bool(self._changing)
        return StateName.INITIALIZED if ready and held else self.state

    @property
    def _changing(self) -> str:
        """What keeps an otherwise healthy station from work, in words."""
        return "the station is being stopped" if self._leaving else self._changeover.under_way

    @property
    def _unproven(self) -> bool:
        """Whether a challenge is wanted before any part of production."""
        return bool(self._lack) and self._challenger.required and not self._desk.armed

    def _held(self) -> Health:
        """What a challenge that failed or is overdue makes of the station's health."""
        if not self._lack:
            return Health()
        return Health("act" if self._challenger.required else "watch", self._lack)

    def leave(self) -> None:
        """Admit nothing more: the station is being stopped. Told by another thread."""
        self._leaving = True

    def halt(self, on: bool) -> None:
        """Halt until a reset, which a restart of the process is not."""
        if not on:
            self._watching.restart()
            self._alarms.restart()
        with self.publishing:
            if on:
                self._halted_s = self._clock()
            self._conditions = replace(self._conditions, halted=on)
        self._mark_halt(on)

    def _mark_halt(self, on: bool) -> None:
        if self._halt_mark is None:
            return
        try:
            self._halt_mark.set(on)
        except StorageError as error:
            # the command is obeyed all the same; somebody must know what a restart would make of it
            would = "forget that the station is halted" if on else "find the station halted again"
            text = f"A restart of the process would {would}: {error}"
            self._recorder.event("error", "halt-mark", text)

    def _change_recipe(self) -> None:
        """Let what has been loaded become active, between two parts, and answer the command."""
        loaded = self._changeover.loaded()
        if loaded is None or (loaded.next is not None and not self._swap(loaded.next)):
            return
        self._changeover.end()
        command = loaded.command
        if loaded.next is not None:
            self._desk.recipe_id = loaded.next.recipe.recipe_id
            self._challenger.disarm()
            log.info("recipe", recipe=command.recipe_id, version=loaded.next.recipe.version)
        if loaded.reason is Reason.ACCEPTED:
            self._desk.batch_id = command.batch_id
        self._publish_state()
        loaded.answer(loaded.reason, loaded.text)

    def _send(self, message: Message) -> bool:
        return self._plc is not None and self._plc.publish(message)


def _bounded(data: bytes) -> bytes:
    if len(data) > COMMAND_LIMIT:
        raise ValueError("larger than any command")
    return data
