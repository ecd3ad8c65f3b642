"""A simulated PLC: an MQTT client of its own around the gate logic of :mod:`inspector.sim.gate`."""

from __future__ import annotations

import random
import socket
import threading
import time
from collections.abc import Callable
from typing import Any, Self

from paho.mqtt.client import Client, ConnectFlags, MQTTMessage, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.reasoncodes import ReasonCode
from pydantic import ValidationError

from inspector.config import Broker
from inspector.contract import (
    AckPayload,
    CommandPayload,
    HeartbeatPayload,
    Payload,
    ResultPayload,
    StateName,
    StatePayload,
    TriggerPayload,
)
from inspector.errors import RetryableError
from inspector.sim.gate import Gate, PartOutcome, PlcCounters

HEARTBEAT_S = 0.5
DEAD_AFTER_S = 1.5
_WRAP = 1 << 32


class SimPlc:
    """A PLC of one station; safe to call from any thread; a context manager."""

    def __init__(
        self,
        broker: Broker,
        base: str,
        *,
        accept_simulated: bool,
        deadline_ms: float,
        on_outcome: Callable[[PartOutcome], None] | None = None,
        client_id: str | None = None,
    ) -> None:
        """Connects in the background.

        ``accept_simulated``: whether a simulated PASS opens the gate, which no real PLC may do.
        ``deadline_ms`` goes into each trigger and is the PLC's own timer. ``on_outcome`` is called
        once a part, from a thread of the PLC's, just after its gate has acted.
        """
        self._base = base
        self._deadline_ms = deadline_ms
        self._on_outcome = on_outcome
        self._wake = threading.Condition()
        self._gate = Gate(_draw_boot_id(), accept_simulated)
        self._next_id = 1
        self._state: StatePayload | None = None
        self._heard: tuple[int, float] = (0, float("-inf"))
        self._answers: dict[str, AckPayload] = {}
        self._linked = False
        self._beating = True
        self._beats = 0
        self._closing = False
        self._client = _new_client(broker, client_id or f"sim-plc-{self._gate.boot_id:08x}")
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_disconnect = self._on_disconnect
        self._client.on_message = self._on_message
        self._client.connect_async(broker.host, broker.port, broker.keepalive_s)
        self._client.loop_start()
        self._thread = threading.Thread(target=self._run, name="sim-plc", daemon=True)
        self._thread.start()

    # -- what a machine's program does ----------------------------------------------------------

    @property
    def boot_id(self) -> int:
        """The ``plcBootId`` in use."""
        with self._wake:
            return self._gate.boot_id

    @property
    def state(self) -> StatePayload | None:
        """The station's state as last heard; None before, and without a link."""
        with self._wake:
            return self._state

    @property
    def last_trigger_id(self) -> int:
        """The ``triggerId`` of the last part, sent or not."""
        with self._wake:
            return (self._next_id - 1) % _WRAP

    def trigger(
        self,
        part_id: str,
        recipe_id: str | None = None,
        *,
        check: bool = True,
        deadline_ms: float | None = None,
    ) -> int:
        """Order the inspection of a part and start its timer; returns the ``triggerId``.

        A part for which nothing is sent is counted all the same: a photo-eye exposes it.

        ``recipe_id`` is by default the one that the station says is active. Raises
        :class:`~inspector.errors.RetryableError` when the station is not Ready, or does not live;
        ``check`` false sends anyway, as a faulty PLC would. ``deadline_ms`` is by default the PLC's.
        """
        with self._wake:
            number, self._next_id = self._next_id, (self._next_id + 1) % _WRAP
            why = self._why_not_ready()
            if check and why:
                raise RetryableError(f"no trigger for part '{part_id}': {why}", "Wait for Ready")
            active = self._state.recipe_id if self._state else ""
            payload = TriggerPayload(
                plc_boot_id=self._gate.boot_id,
                trigger_id=number,
                part_id=part_id,
                recipe_id=recipe_id or active or "none",
                deadline_ms=deadline_ms or self._deadline_ms,
            )
            self._gate.arm(payload, time.monotonic())
            self._wake.notify_all()
        self.send(payload)
        return payload.trigger_id

    def command(
        self, payload: CommandPayload, topic: str | None = None, timeout_s: float = 5.0
    ) -> AckPayload | None:
        """Send a command and wait for its answer; None when there is none in time.

        ``topic`` is below the base, such as ``cmd/halt``; by default the payload's own.
        """
        self.send(payload, topic)
        with self._wake:
            self._wake.wait_for(lambda: payload.command_id in self._answers, timeout_s)
            return self._answers.pop(payload.command_id, None)

    def wait_ready(self, timeout_s: float) -> bool:
        """Wait until the station is Ready and lives; False after ``timeout_s``."""
        with self._wake:
            return self._wake.wait_for(lambda: not self._why_not_ready(), timeout_s)

    def wait_idle(self, timeout_s: float) -> bool:
        """Wait until the gate has acted on every part; False after ``timeout_s``."""
        with self._wake:
            return self._wake.wait_for(lambda: self._gate.idle, timeout_s)

    def wait_answered(self, timeout_s: float) -> bool:
        """Wait until the station has answered every trigger; False after ``timeout_s``."""
        with self._wake:
            return self._wake.wait_for(lambda: self._gate.answered, timeout_s)

    def outcomes(self) -> tuple[PartOutcome, ...]:
        """The parts on which the gate has acted, in the order of their triggers."""
        with self._wake:
            return self._gate.outcomes()

    def counters(self) -> PlcCounters:
        """Totals since the start."""
        with self._wake:
            return self._gate.counters()

    def close(self) -> None:
        """Stop the heartbeat and leave."""
        with self._wake:
            self._closing = True
            self._wake.notify_all()
        self._thread.join()
        # paho's thread would wait for acknowledgements that a dead broker never sends.
        self._client.drop_out_messages()
        self._client.disconnect()
        self._client.loop_stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- misbehaviour, for tests ----------------------------------------------------------------

    def send(self, payload: Payload, topic: str | None = None) -> bool:
        """Publish any payload; False when there is no link, and nothing is kept."""
        return self.raw(topic or payload.topic, payload.encode(), qos=payload.qos)

    def raw(self, topic: str, data: bytes, *, qos: int = 1, retain: bool = False) -> bool:
        """Publish any bytes below the base topic; False when there is no link."""
        info = self._client.publish(f"{self._base}/{topic}", data, qos=qos, retain=retain)
        return info.rc == MQTTErrorCode.MQTT_ERR_SUCCESS

    def repeat(self, trigger_id: int, part_id: str | None = None) -> None:
        """Send a trigger once more, as it was or with another part. ``KeyError``: never sent."""
        with self._wake:
            trigger = self._gate.trigger(trigger_id)
        self.send(trigger if part_id is None else trigger.model_copy(update={"part_id": part_id}))

    def beat(self, on: bool) -> None:
        """Switch the heartbeat."""
        with self._wake:
            self._beating = on

    def restart(self) -> None:
        """A power cycle: pending parts are rejected, a new boot id, triggers from 1 again."""
        with self._wake:
            closed = self._gate.power_cycle(_draw_boot_id())
            self._next_id, self._beats = 1, 0
            self._wake.notify_all()
        self._report(closed)

    # -- timers and heartbeat -------------------------------------------------------------------

    def _run(self) -> None:
        next_beat = time.monotonic()
        while True:
            beat = None
            with self._wake:
                if self._closing:
                    return
                now = time.monotonic()
                closed = self._gate.expire(now)
                if now >= next_beat:
                    next_beat = now + HEARTBEAT_S
                    if self._beating and self._linked:
                        self._beats = (self._beats + 1) % _WRAP
                        beat = HeartbeatPayload(boot_id=self._gate.boot_id, n=self._beats)
                if closed:
                    self._wake.notify_all()
            self._report(closed)
            if beat is not None:
                self.send(beat, "plc/hb")
            with self._wake:
                until = min(next_beat, self._gate.next_due_s) - time.monotonic()
                if not self._closing and until > 0:
                    self._wake.wait(until)

    def _why_not_ready(self) -> str:
        state, (boot_id, heard_s) = self._state, self._heard
        if not self._linked:
            return "no connection to the broker"
        if state is None or not state.online:
            return "the station is offline"
        if state.state is not StateName.READY:
            return f"the station is {state.state}"
        if boot_id != state.station_boot_id or time.monotonic() - heard_s > DEAD_AFTER_S:
            return "the station's heartbeat is missing"
        return ""

    def _report(self, closed: list[PartOutcome]) -> None:
        if self._on_outcome is not None:
            for outcome in closed:
                self._on_outcome(outcome)

    # -- paho's thread --------------------------------------------------------------------------

    def _on_connect(
        self, client: Client, _data: Any, _flags: ConnectFlags, code: ReasonCode, _props: Any
    ) -> None:
        client.drop_out_messages()  # triggers of parts that are long past
        if not code.is_failure:
            client.subscribe([(f"{self._base}/{name}", 1) for name in ("evt/#", "state", "hb")])

    def _on_subscribe(self, *_: Any) -> None:
        with self._wake:
            self._linked = True
            self._wake.notify_all()

    def _on_disconnect(self, *_: Any) -> None:
        with self._wake:
            self._linked = False
            # A killed broker sends no wills: its retained Ready may be from before the outage, so
            # that only a heartbeat of the new connection tells whether the station is back.
            self._state, self._heard = None, (0, float("-inf"))

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        now = time.monotonic()
        topic = message.topic.removeprefix(f"{self._base}/")
        closed: list[PartOutcome] = []
        answer = None
        with self._wake:
            try:
                if topic == "state":
                    self._state = StatePayload.decode(bytes(message.payload))
                elif message.retain:
                    self._gate.count_unmatched()  # nothing else is ever retained: this is old
                elif topic == "hb":
                    self._heard = (HeartbeatPayload.decode(bytes(message.payload)).boot_id, now)
                elif topic == "evt/result":
                    result = ResultPayload.decode(bytes(message.payload))
                    answer, closed = self._gate.on_result(result, now)
                elif topic == "evt/ack":
                    closed = self._take(AckPayload.decode(bytes(message.payload)))
            except ValidationError:
                # A station that breaks the contract opens no gate; the timer rejects.
                self._gate.count_malformed()
            self._wake.notify_all()
        if answer is not None:
            self.send(answer)
        self._report(closed)

    def _take(self, ack: AckPayload) -> list[PartOutcome]:
        if ack.command_id is None:
            return self._gate.on_ack(ack)
        self._answers[ack.command_id] = ack
        return []


def _draw_boot_id() -> int:
    return random.SystemRandom().randint(1, _WRAP - 1)


def _new_client(broker: Broker, client_id: str) -> Client:
    client = Client(CallbackAPIVersion.VERSION2, client_id=client_id, protocol=MQTTv311)
    if broker.username is not None:
        secret = broker.password_file
        password = secret.read_text(encoding="utf-8").strip("\r\n") if secret else None
        client.username_pw_set(broker.username, password)
    if broker.ca_file is not None:
        cert, key = broker.cert_file, broker.key_file
        client.tls_set(str(broker.ca_file), str(cert) if cert else None, str(key) if key else None)
    client.reconnect_delay_set(1, 2)
    client.max_inflight_messages = 0  # a trigger is never held back for a quieter moment
    client.on_socket_open = set_nodelay
    return client


def set_nodelay(_client: Client, _data: Any, sock: Any) -> None:
    """For ``on_socket_open``: small packets do not wait for the other side's delayed ACK."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
