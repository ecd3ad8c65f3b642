"""What goes wrong on a line: each fault breaks one thing, lets parts pass meanwhile, and mends it."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping

from inspector.contract import PrepareRecipePayload
from inspector.errors import RetryableError
from inspector.sim.mosquitto import BASE
from inspector.sim.proxy import Direction, Proxy
from inspector.sim.voice import Voice
from inspector.torture.cell import FIRST, SECOND, Cell, wait_until
from inspector.torture.daemon import libfaketime
from inspector.torture.product import Look

HURRIED_MS = 1500.0
"""Deadline of parts that pass during a fault."""
RESTART_S = 60.0
"""Within which a station is back under libfaketime, which no real station runs under."""
CHANGE_S = 30.0
"""Within which a recipe is changed."""
OVERSIZED = 1_200_000
"""Bytes; more than the shipped broker lets pass."""


class Faults:
    """All faults of one cell; each method returns when its fault has ended."""

    def __init__(self, cell: Cell, rng: random.Random) -> None:
        self._cell, self._rng = cell, rng

    @property
    def kinds(self) -> Mapping[str, Callable[[], None]]:
        """By name. A clock jump is among them where libfaketime is installed."""
        kinds: dict[str, Callable[[], None]] = {
            "broker killed": self.broker_killed,
            "station killed": self.station_killed,
            "station's link silent": lambda: self._silent(self._cell.station_link),
            "PLC's link silent": lambda: self._silent(self._cell.plc_link),
            "link cut": self.link_cut,
            "delivery delayed": self.delayed,
            "delivery duplicated": self.duplicated,
            "camera frozen": self.frozen,
            "camera dark": self.dark,
            "camera unplugged": self.unplugged,
            "disk full": self.disk_full,
            "malformed messages": self.malformed,
            "PLC restarted": self.plc_restarted,
            "recipe changed": self.recipe_changed,
        }
        if libfaketime() is not None:
            kinds["clock set"] = self.clock_set
        return kinds

    def broker_killed(self) -> None:
        """``kill -9`` with a part on its way; what passes meanwhile nobody hears of."""
        part = self._order()
        self._cell.broker.kill()
        self._cell.expose(part, self._look())
        self._parts(1)
        self._cell.broker.start()

    def station_killed(self) -> None:
        """``kill -9`` at a random step of the handshake."""
        parts = [self._order() for _ in range(self._rng.randint(1, 4))]
        for part in parts:
            self._cell.expose(part, self._look())
        time.sleep(self._rng.uniform(0.0, 0.05))
        self._cell.daemon.kill()
        self._parts(1)
        self._cell.daemon.start()

    def _silent(self, link: Proxy) -> None:
        """Nothing passes, in one direction or both, while both ends believe in the link."""
        directions: tuple[tuple[Direction, ...], ...] = (("up",), ("down",), ("up", "down"))
        part = self._order()
        link.silence(*self._rng.choice(directions))
        self._cell.expose(part, self._look())
        self._parts(1)
        time.sleep(self._rng.uniform(0.0, 1.5))
        link.release()

    def link_cut(self) -> None:
        """Both ends see it at once."""
        link = self._rng.choice((self._cell.station_link, self._cell.plc_link))
        part = self._order()
        link.refuse = True
        link.cut()
        self._cell.expose(part, self._look())
        self._parts(1)
        link.refuse = False

    def delayed(self) -> None:
        """Every packet is late, up to beyond the deadline."""
        for link in (self._cell.station_link, self._cell.plc_link):
            link.delay_s = self._rng.uniform(0.01, 0.5)
        self._parts(3)
        for link in (self._cell.station_link, self._cell.plc_link):
            link.delay_s = 0.0

    def duplicated(self) -> None:
        """Triggers come twice, and results, those of earlier parts too."""
        old = [one.result for one in self._cell.plc.outcomes()[-20:] if one.result is not None]
        with Voice(self._cell.broker.of("station1"), BASE) as echo:
            for _ in range(3):
                part = self._order()
                trigger_id = self._cell.plc.last_trigger_id
                self._cell.plc.repeat(trigger_id)
                for earlier in self._rng.sample(old, min(3, len(old))):
                    echo.say("evt/result", earlier.encode())
                self._cell.expose(part, self._look())
                result = self._cell.outcome(part).result
                self._cell.plc.repeat(trigger_id)
                if result is not None:
                    echo.say("evt/result", result.encode())

    def frozen(self) -> None:
        """The camera delivers its last picture again, that of a good part."""
        self._part("good")
        for _ in range(2):
            self._part("good", frozen=True)

    def dark(self) -> None:
        """The lamp is off."""
        for _ in range(2):
            self._part("dark")

    def unplugged(self) -> None:
        """No picture of a part that is on its way, and of what follows."""
        part = self._order()
        self._cell.plug(False)
        self._cell.outcome(part)
        self._parts(1)
        self._cell.plug(True)

    def disk_full(self) -> None:
        """No file takes another byte."""
        part = self._order()
        self._cell.daemon.fill_disk(True)
        self._cell.expose(part, self._look())
        self._parts(2)
        self._cell.daemon.fill_disk(False)

    def clock_set(self) -> None:
        """The wall clock jumps by up to an hour, forth or back, and is put right again.

        Before that the station is started anew where its clock cannot be set.
        """
        if not self._cell.daemon.clock_can_be_set:
            self._cell.daemon.kill()
            self._cell.daemon.start(clock_can_be_set=True)
            self._cell.resume(RESTART_S)
        part = self._order()
        self._cell.daemon.set_clock(self._rng.uniform(-1.0, 1.0))
        self._cell.expose(part, self._look())
        self._parts(3)
        self._cell.daemon.set_clock(0)

    def malformed(self) -> None:
        """Bytes that are no message, on every topic; and one that the broker itself refuses."""
        topics = ("trigger", "resultAck", "prepareRecipe", "reset", "halt", "challenge")
        for _ in range(20):
            data = self._rng.choice(
                (b"", b"{}", b"\xff\xfe", b"[" * 5000, b'{"v":1,"commandId":[]}', b"x" * 9000)
            )
            self._cell.plc.raw(f"cmd/{self._rng.choice(topics)}", data)
        with Voice(self._cell.broker.of("plc1"), BASE) as loud:
            loud.say("cmd/trigger", b"x" * OVERSIZED, timeout_s=0.5)
        self._parts(2)

    def plc_restarted(self) -> None:
        """With parts on their way."""
        parts = [self._order() for _ in range(2)]
        self._cell.plc.restart()
        for part in parts:
            self._cell.expose(part, self._look())
        self._parts(1)

    def recipe_changed(self) -> None:
        """Under load, to the other product."""
        parts = [self._order() for _ in range(2)]
        product = SECOND if self._cell.product == FIRST else FIRST
        command = PrepareRecipePayload(command_id=f"to-{product}", recipe_id=product)
        self._cell.plc.send(command, command.topic)
        for part in parts:
            self._cell.expose(part, self._look())
        self._parts(2)
        # parts pass by the old recipe until the models are there, and only then it is Initialized
        wait_until(lambda: self._active() == product, CHANGE_S, f"the change to {product}")
        self._cell.product = product

    def _active(self) -> str | None:
        state = self._cell.plc.state
        return None if state is None else state.recipe_id

    # -- parts ----------------------------------------------------------------------------------

    def _look(self) -> Look:
        return self._rng.choice(("good", "faulty"))

    def _order(self) -> str:
        """A part that the station has answered, if it can."""
        try:
            part = self._cell.order(deadline_ms=HURRIED_MS)
        except RetryableError:
            # the fault before this one has not quite ended: a hasty PLC
            part = self._cell.order(check=False, deadline_ms=HURRIED_MS)
        self._cell.plc.wait_answered(0.5)
        return part

    def _part(self, look: Look, *, frozen: bool = False) -> None:
        part = self._cell.order(check=False, deadline_ms=HURRIED_MS)
        self._cell.plc.wait_answered(0.3)
        self._cell.expose(part, look, frozen=frozen)
        self._cell.outcome(part)

    def _parts(self, count: int) -> None:
        for _ in range(count):
            self._part(self._look())
