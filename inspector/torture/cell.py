"""A station at work, and everything around it, each of which can be broken.

The real daemon in a process of its own, a real mosquitto with the shipped configuration, a PLC with
its own gate logic, a historian, and a camera that a photo-eye fires (``acquisition.mode: wire``): a
folder into which every part's picture is dropped. Daemon and PLC each reach the broker by a proxy.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self, TypeVar

import numpy as np

from inspector.domain import Image
from inspector.errors import OutsideError, RetryableError
from inspector.sim.gate import PartOutcome
from inspector.sim.historian import Historian
from inspector.sim.mosquitto import BASE, SecuredBroker
from inspector.sim.plc import SimPlc
from inspector.sim.proxy import Proxy
from inspector.torture.daemon import Daemon
from inspector.torture.product import SIDE, Look, picture_of, write_picture, write_recipe

DEADLINE_MS = 4000.0
WINDOW_MS = 2500.0
PAUSE_S = 1.1
"""After it the station knows again which exposure belongs to which trigger (inspector/acquisition),
unless one of the last 5 s still waits for its trigger."""
PICTURES_KEPT = 30
_T = TypeVar("_T")
FIRST, SECOND = "part-a", "part-b"
"""The two products of the cell."""

_CONFIG = """\
line: torture
state_dir: state
stations:
  - name: station1
    topic: {topic}
    recipe: {first}
    recipes: [{second}]
    cameras: [{{kind: folder, name: top, path: camera, poll_s: 0.01}}]
    acquisition: {{mode: wire, before_ms: 0, after_ms: {window}}}
    broker: {{port: {port}, reconnect_s: 0.2{tls}}}
    records: {{flush_ms: 20}}
    archive: {{rate_hz: 500}}
    mode: {mode}
    threads: 1
{more}"""


@dataclass(frozen=True, slots=True)
class Shown:
    """What the camera was shown of a part."""

    look: Look | None
    """None: nothing was."""
    fresh: bool = True
    """False: the picture before it once more."""


class Cell:
    """A context manager: enters with the daemon started, leaves with everything ended."""

    def __init__(
        self,
        folder: Path,
        broker: SecuredBroker,
        *,
        clock_can_be_set: bool = False,
        mode: str = "production",
        more: str = "",
        deadline_ms: float = DEADLINE_MS,
        seed: int = 0,
    ) -> None:
        """The broker runs. ``more``: further keys of the station. ``deadline_ms`` is the PLC's.

        ``clock_can_be_set``: that of the daemon's first process.
        """
        self.broker = broker
        self.station_link, self.plc_link = Proxy(broker.port), Proxy(broker.port)
        self._rng = np.random.default_rng(seed)
        self._camera, self._unplugged = folder / "camera", folder / "unplugged"
        self._camera.mkdir()
        self._last: Image | None = None
        self._parts = self._pictures = 0
        self._moved_s = 0.0
        self.product = FIRST
        """What an order without ``check`` names as its recipe."""
        self.shown: dict[str, Shown] = {}
        """By part."""
        config = folder / "line.yaml"
        config.write_text(
            _CONFIG.format(
                topic=BASE,
                first=write_recipe(folder / FIRST, FIRST),
                second=write_recipe(folder / SECOND, SECOND),
                window=WINDOW_MS,
                port=self.station_link.port,
                tls=broker.yaml_of("station1"),
                mode=mode,
                more=more,
            ),
            encoding="utf-8",
        )
        self._clock_can_be_set = clock_can_be_set
        self.daemon = Daemon(config, folder / "state")
        self.plc = SimPlc(
            broker.of("plc1", port=self.plc_link.port),
            BASE,
            accept_simulated=False,
            deadline_ms=deadline_ms,
        )
        self.historian = Historian(broker.of("historian"), BASE, f"historian-{self.plc.boot_id:08x}")

    def __enter__(self) -> Self:
        self.historian.__enter__()
        self.daemon.start(clock_can_be_set=self._clock_can_be_set)
        return self

    def __exit__(self, *_: object) -> None:
        self.daemon.kill()
        self.plc.close()
        self.historian.__exit__()
        self.station_link.close()
        self.plc_link.close()

    def ready(self, timeout_s: float = 45.0) -> None:
        """Wait until the PLC may trigger. Raises :class:`OutsideError` when that does not come."""
        end = time.monotonic() + timeout_s
        while not self.plc.wait_ready(0.5):
            if self.daemon.alive and time.monotonic() < end:
                continue
            state = self.plc.state
            said = f"{state.state}: {state.error_text}" if state else "nothing"
            raise OutsideError(
                f"the station is not ready within {timeout_s:g} s; it says {said}",
                "It logged: " + " / ".join(list(self.daemon.log)[-5:]),
            )

    def stop(self) -> int:
        """Let the station leave in good order, once the archive has all; returns its exit code.

        Not before: libfaketime 0.9.10 breaks ``time.sleep``, with which the station waits for that.
        """
        rows = self.daemon.rows
        wait_until(lambda: not rows("select 1 from outbox"), 60, "an outbox that is empty")
        return self.daemon.stop()

    # -- parts ----------------------------------------------------------------------------------

    def settle(self) -> None:
        """Let the line stand still until the next trigger and exposure belong together for certain."""
        time.sleep(max(0.0, self._moved_s + PAUSE_S - time.monotonic()))

    def order(self, *, check: bool = True, deadline_ms: float | None = None) -> str:
        """Trigger the next part without showing it; returns its id.

        With ``check`` no part comes unless the station is Ready: :class:`RetryableError`.
        """
        # asked first: the PLC counts what it does not send, and no exposure is to come of this one
        if check and not self.plc.wait_ready(0.0):
            raise RetryableError("the station is not Ready", "Wait for Ready")
        self._parts += 1
        part_id = f"P{self._parts:06d}"
        self.shown[part_id] = Shown(None)
        self._moved_s = time.monotonic()
        recipe_id = None if check else self.product
        self.plc.trigger(part_id, recipe_id, check=False, deadline_ms=deadline_ms)
        return part_id

    def expose(
        self, part_id: str, look: Look = "good", *, frozen: bool = False, side: int = SIDE
    ) -> None:
        """The photo-eye fires the camera at a part that was ordered.

        ``frozen``: it delivers the picture before this one again. ``side``: of the picture, pixels.
        """
        fresh = not frozen or self._last is None
        image = picture_of(look, self._rng, side) if fresh or self._last is None else self._last
        self._last = image
        self.shown[part_id] = Shown(look, fresh)
        self._moved_s = time.monotonic()
        if not self._camera.exists():
            return
        self._pictures += 1
        write_picture(self._camera / f"{self._pictures:08d}.bmp", image)
        (self._camera / f"{self._pictures - PICTURES_KEPT:08d}.bmp").unlink(missing_ok=True)

    def part(self, look: Look = "good", *, check: bool = True, frozen: bool = False) -> str:
        """A part passes: ordered, and shown once the station has answered."""
        part_id = self.order(check=check)
        # a part that nobody answers reaches the camera all the same
        self.plc.wait_answered(5.0 if check else 0.5)
        self.expose(part_id, look, frozen=frozen)
        return part_id

    def outcome(self, part_id: str, timeout_s: float = 30.0) -> PartOutcome:
        """What became of that part; :class:`OutsideError` when the gate has not acted in time."""
        if not self.plc.wait_idle(timeout_s):
            raise OutsideError(f"the gate did not act within {timeout_s:g} s", "The PLC is broken")
        return next(one for one in reversed(self.plc.outcomes()) if one.part_id == part_id)

    def judged(self, look: Look = "good", *, frozen: bool = False) -> PartOutcome:
        """One part from its trigger to the gate."""
        return self.outcome(self.part(look, frozen=frozen))

    def resume(self, within_s: float) -> tuple[float, list[PartOutcome]]:
        """Offer good parts until one opens the gate: how many seconds that took, and what they became.

        Raises :class:`OutsideError` when none passes in time.
        """
        started = time.monotonic()
        tried: list[PartOutcome] = []
        while True:
            self.settle()
            left = started + within_s - time.monotonic()
            if left <= 0:
                last = f"{tried[-1].ack}, {tried[-1].cause}" if tried else self._why_not_ready()
                raise OutsideError(
                    f"no good part passed within {within_s:g} s after a fault: {last}",
                    "It logged: " + " / ".join(list(self.daemon.log)[-5:]),
                )
            if not self.plc.wait_ready(left):
                continue
            try:
                tried.append(self.judged())
            except RetryableError:
                continue  # no longer Ready in that instant
            if tried[-1].gate == "open":
                return time.monotonic() - started, tried

    def _why_not_ready(self) -> str:
        state = self.plc.state
        said = f"{state.state} {state.error_text}".strip() if state else "nothing"
        life = "runs" if self.daemon.alive else "has ended"
        return f"it is not Ready, says {said}, {life}; " + " / ".join(self.daemon.stacks())

    def plug(self, on: bool) -> None:
        """Unplug the camera, or plug it in again."""
        if on != self._camera.exists():
            source, target = (self._unplugged, self._camera) if on else (self._camera, self._unplugged)
            shutil.move(source, target)

    # -- what the station wrote down --------------------------------------------------------------

    def counters(self) -> dict[str, int]:
        """The station's counters since its start, half a second old at most."""
        ((text,),) = wait_until(
            lambda: self.daemon.rows("select counters from station_state"), 30, "the station's state"
        )
        return dict(json.loads(text))

    def unarchived(self) -> list[str]:
        """``resultId`` of the records that the historian has not heard of, in their order."""
        heard = {event["resultId"] for event in self.historian.of("result")}
        rows = self.daemon.rows("select result_id from inspection order by id")
        return [result_id for (result_id,) in rows if result_id not in heard]

    def record(self, part_id: str, timeout_s: float = 30.0) -> tuple[str, str, int]:
        """Verdict, cause and ``resultState`` of the one record of a part.

        Raises :class:`OutsideError` when there is none in time, or more than one.
        """
        query = "select verdict, cause, result_state from inspection where part_id = ?"
        rows = wait_until(lambda: self.daemon.rows(query, part_id), timeout_s, f"a record of {part_id}")
        if len(rows) != 1:
            raise OutsideError(f"part {part_id} has {len(rows)} records", "One is right")
        verdict, cause, state = rows[0]
        return verdict, cause, state


def wait_until(condition: Callable[[], _T], timeout_s: float, what: str) -> _T:
    """The first true value of ``condition``; :class:`OutsideError` when there is none in time."""
    end = time.monotonic() + timeout_s
    while not (value := condition()):
        if time.monotonic() > end:
            raise OutsideError(f"not within {timeout_s:g} s: {what}", "See the log of the station")
        time.sleep(0.02)
    return value
