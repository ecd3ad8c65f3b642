"""The station's conversation with the PLC: triggers, commands, heartbeats, the published state.

Everything here runs in one thread, which :mod:`inspector.line` owns: messages are handled one by one,
and :meth:`Control.tick` is called between them, at least every 50 ms.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import structlog
from pydantic import ValidationError

from inspector.clock import ClockWatch
from inspector.contract import (
    COMMAND_LIMIT,
    AckPayload,
    ChallengePayload,
    CommandPayload,
    HeartbeatPayload,
    PrepareRecipePayload,
    Reason,
    ResultAckPayload,
    StateName,
    StatePayload,
)
from inspector.desk import Desk
from inspector.domain import RecipeRef, Trigger
from inspector.errors import StorageError
from inspector.ports import Inbound, Journal, LinkDown, LinkUp, Message, Plc, Received, Recorder
from inspector.states import Conditions, path

HEARTBEAT_S = 0.5
HEARTBEAT_DEAD_S = 1.5
RETRY_S = 1.0
"""How often a failed journal is tried again."""

CAMERA_ERROR, STORAGE_ERROR = 10, 20
"""``errorCode`` of the state payload; 0 is none."""

log = structlog.get_logger(__name__)


def draw_boot_id() -> int:
    """A random uint32 that is not 0."""
    return secrets.randbelow(0xFFFFFFFF) + 1


@dataclass(frozen=True, slots=True)
class Signs:
    """What the line tells of itself at each tick."""

    lost_cameras: tuple[str, ...] = ()
    cameras_up: bool = True
    stuck: bool = False
    """A part has been under inspection for much longer than any deadline."""


class Control:
    """The state machine and its surroundings."""

    def __init__(
        self,
        *,
        desk: Desk,
        journal: Journal,
        recorder: Recorder,
        plc: Plc | None,
        recipe: RecipeRef,
        mode: Literal["production", "commissioning"],
        free_running: bool,
        boot_id: int,
        clock: Callable[[], float],
        accept: Callable[[Trigger], None],
    ) -> None:
        self._desk, self._journal, self._recorder, self._plc = desk, journal, recorder, plc
        self._recipe, self._mode, self._boot_id = recipe, mode, boot_id
        self._clock, self._accept = clock, accept
        self._watch = ClockWatch()
        self._conditions = Conditions(linked=plc is None, free_running=free_running)
        self._warm = False
        self._needs_plc = plc is not None and not free_running
        self.state = StateName.PREOPERATIONAL
        self._error_code, self._error_text = 0, ""
        self._journal_fault = ""
        self._plc_heard_s = float("-inf")
        self._next_beat_s = self._next_retry_s = 0.0
        self._beats = 0
        self._published: StatePayload | None = None

    @property
    def halted(self) -> bool:
        """Whether parts in flight must end as REVIEW, ``Halted``."""
        return self._conditions.halted

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
        health = self._recorder.health
        return StatePayload(
            state=self.state,
            mode=self._mode,
            online=online,
            health="act" if self._error_code else health.level,
            station_boot_id=self._boot_id,
            recipe_id=self._recipe.recipe_id,
            recipe_version=self._recipe.version,
            error_code=self._error_code,
            error_text=(self._error_text or health.text)[:200],
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
            log.warning("broker lost", reason=message.reason)
        elif message.topic == "plc/hb":
            self._plc_heard_s = message.at_s
        elif message.topic == "cmd/trigger":
            self._trigger(message)
        elif message.topic == "cmd/resultAck":
            self._result_ack(message)
        else:
            self._command(message)

    def tick(self, signs: Signs) -> None:
        """Bring the state up to date, publish it when it changed, and let the heart beat."""
        now = self._clock()
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
        alive = not self._needs_plc or now - self._plc_heard_s < HEARTBEAT_DEAD_S
        self._conditions = replace(
            self._conditions,
            cameras_up=signs.cameras_up,
            warm=self._warm,
            plc_alive=alive,
            fault=fault,
        )
        self._error_code, self._error_text = code, fault
        for state in path(self.state, self._conditions):
            self.state = state
            self._recorder.event("error" if fault else "info", "state", f"{state}. {fault}".strip())
            log.info("state", state=state.value, error=fault or None)
            self._publish_state()
        self._publish_state()

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
        admission = self._desk.admit(message, self.state)
        if admission.trigger is not None:
            try:
                self._journal.accept(admission.trigger)
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

    def _result_ack(self, message: Received) -> None:
        try:
            ack = ResultAckPayload.decode(_bounded(message.data))
        except ValueError:
            # not ours to answer; it is counted as nothing taken and the log says so
            log.warning("malformed resultAck", bytes=len(message.data))
            return
        self._desk.acknowledge(ack)
        if not ack.taken:
            self._recorder.event(
                "warning", "not-taken", f"The PLC did not take result {ack.result_id}: {ack.reason}"
            )

    def _command(self, message: Received) -> None:
        name = message.topic.removeprefix("cmd/")
        try:
            data = _bounded(message.data)
            if name == "prepareRecipe":
                command: CommandPayload = PrepareRecipePayload.decode(data)
            elif name == "challenge":
                command = ChallengePayload.decode(data)
            elif name in ("reset", "halt"):
                command = CommandPayload.decode(data)
            else:
                log.warning("unknown topic", topic=message.topic)
                return
        except (ValidationError, ValueError):
            # whatever it was, the sender learns that it had no effect
            self._send(AckPayload(accepted=False, reason=Reason.MALFORMED))
            return
        reason = self._obey(name, command)
        accepted = reason is Reason.ACCEPTED
        self._send(AckPayload(command_id=command.command_id, accepted=accepted, reason=reason))
        self._recorder.event("info", name, f"{name}: {reason.value}", commandId=command.command_id)

    def _obey(self, name: str, command: CommandPayload) -> Reason:
        if isinstance(command, PrepareRecipePayload):
            version = command.recipe_version
            known = command.recipe_id == self._recipe.recipe_id
            if known and version in (None, self._recipe.version):
                return Reason.ACCEPTED
            return Reason.UNKNOWN_RECIPE
        if isinstance(command, ChallengePayload):
            self._desk.arm(command.expected)
        else:
            self._conditions = replace(self._conditions, halted=name == "halt")
        return Reason.ACCEPTED

    def _send(self, message: Message) -> bool:
        return self._plc is not None and self._plc.publish(message)


def _bounded(data: bytes) -> bytes:
    if len(data) > COMMAND_LIMIT:
        raise ValueError("larger than any command")
    return data
