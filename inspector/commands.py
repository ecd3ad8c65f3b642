"""Commands: from the PLC or the MES by MQTT, or from a person by way of the records; one way for all.

``prepareRecipe`` is answered when the change is over (:mod:`inspector.changeover`), a request for a
challenge when its last part is judged, everything else at once.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Protocol

import structlog
from pydantic import ValidationError

from inspector.challenge import Origin
from inspector.challenger import Challenger
from inspector.changeover import Active, Answer, Changeover
from inspector.contract import (
    COMMAND_LIMIT,
    AckPayload,
    ChallengePayload,
    CommandPayload,
    PrepareRecipePayload,
    Reason,
    readable_ids,
)
from inspector.errors import InspectorError
from inspector.ports import Asked, Received, Recorder

log = structlog.get_logger(__name__)

_PAYLOADS: dict[str, type[CommandPayload]] = {
    "prepareRecipe": PrepareRecipePayload,
    "challenge": ChallengePayload,
    "reset": CommandPayload,
    "halt": CommandPayload,
}


class Host(Protocol):
    """The station as its commands see it."""

    @property
    def active(self) -> Active:
        """What is at work."""
        ...

    @property
    def at_work(self) -> bool:
        """Whether its models are loaded and warm."""
        ...

    def halt(self, on: bool) -> None:
        """Halt, or leave that state."""
        ...


class Commands:
    """Used by the control thread alone."""

    def __init__(
        self,
        host: Host,
        challenger: Challenger,
        changeover: Changeover,
        recorder: Recorder,
        send: Callable[[AckPayload], object],
        tell: Callable[[int, str, str], None],
        start: Callable[[str, Callable[[], None]], None],
        stopping: Callable[[], bool],
    ) -> None:
        """``send`` answers the PLC, ``tell`` a request by its number, with outcome and words; ``start``
        runs a function in a thread of that name."""
        self._host, self._challenger, self._changeover = host, challenger, changeover
        self._recorder, self._send, self._tell = recorder, send, tell
        self._start, self._stopping = start, stopping

    def take(self, message: Received) -> None:
        """Obey a message on ``cmd/…`` other than a trigger or a resultAck."""
        folder, _, name = message.topic.partition("/")
        if folder != "cmd" or name not in _PAYLOADS:
            log.warning("unknown topic", topic=message.topic)
            return
        try:
            if len(message.data) > COMMAND_LIMIT:
                raise ValueError("larger than any command")
            command = _PAYLOADS[name].decode(message.data)
        except (ValidationError, ValueError):
            # whatever it was, the sender learns that it had no effect
            ids = readable_ids(message.data, "command_id")
            self._send(AckPayload(accepted=False, reason=Reason.MALFORMED, **ids))
            log.warning(
                "malformed command", command=name, id=ids.get("command_id"), bytes=len(message.data)
            )
            return
        self._obey(name, command, partial(self._acknowledge, name, command.command_id))

    def ask(self, asked: Asked) -> None:
        """Do what a person asks for by way of the records."""
        answer = partial(self._reply, asked)
        if asked.kind == "challenge":
            self._show_pictures(asked)
            return
        try:
            if asked.kind not in ("prepareRecipe", "reset"):
                raise ValueError(f"nothing is known of '{asked.kind}'")
            fields = {**asked.arguments, "commandId": f"request-{asked.request_id}"}
            command = _PAYLOADS[asked.kind].model_validate(fields)
        except (ValidationError, ValueError) as error:
            # rows are written by other programs: what is wrong with this one is told to its writer
            answer(Reason.MALFORMED, str(error))
            return
        self._obey(asked.kind, command, answer)

    def _obey(self, name: str, command: CommandPayload, answer: Answer) -> None:
        if isinstance(command, PrepareRecipePayload):
            if self._host.at_work:
                self._changeover.begin(command, self._host.active, answer)
            else:
                answer(Reason.NOT_READY, "the station is still starting")
        elif isinstance(command, ChallengePayload):
            armed = self._challenger.arm(command.expected, command.command_id)
            answer(Reason.ACCEPTED, "") if armed else answer(
                Reason.NOT_READY, "an earlier challenge is not over: 'reset' takes it back"
            )
        else:
            if name == "reset":
                self._challenger.disarm()
            self._host.halt(name == "halt")
            answer(Reason.ACCEPTED, "")

    def _show_pictures(self, asked: Asked) -> None:
        folder = asked.arguments.get("parts")
        origin: Origin = "cli" if asked.arguments.get("origin") == "cli" else "dashboard"
        active = self._host.active
        try:
            if not self._host.at_work or self._changeover.under_way:
                raise InspectorError("the station is starting or changing its recipe", "Try again")
            where = self._challenger.begin(Path(str(folder)) if folder else None)
        except InspectorError as error:
            # the same: whoever asked learns why it was not done
            self._tell(asked.request_id, "refused", str(error))
            return
        self._start(
            "challenge",
            lambda: self._challenger.show_pictures(
                where,
                active.station,
                active.recipe,
                asked.user,
                origin,
                asked.request_id,
                self._stopping,
                partial(self._tell, asked.request_id),
            ),
        )

    def _acknowledge(self, name: str, command_id: str, reason: Reason, text: str) -> None:
        accepted = reason is Reason.ACCEPTED
        self._send(AckPayload(command_id=command_id, accepted=accepted, reason=reason))
        self._note(name, reason, text, commandId=command_id)

    def _reply(self, asked: Asked, reason: Reason, text: str) -> None:
        outcome = {Reason.ACCEPTED: "done", Reason.LOAD_FAILED: "failed"}.get(reason, "refused")
        self._tell(asked.request_id, outcome, f"{reason.value}. {text}".strip(". ") + ".")
        self._note(asked.kind, reason, text, user=asked.user)

    def _note(self, name: str, reason: Reason, text: str, **fields: str) -> None:
        said = f"{name}: {reason.value}. {text}" if text else f"{name}: {reason.value}"
        self._recorder.event("info" if reason is Reason.ACCEPTED else "warning", name, said, **fields)
