"""A random schedule of faults, and what must hold after every part whatever breaks.

- No gate opened on anything but a valid, fresh PASS of that very part, which was good and was seen.
- Every accepted trigger has exactly one record, and of an opened gate it is a PASS.
- The station's counters reconcile.
- The archive has no gap.
- Service resumes after each fault, and good parts that nothing disturbs PASS: a station that reviews
  everything fails.

The first is checked after every part, the next two after every fault, the archive at the end.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from inspector.errors import InspectorError, OutsideError, RetryableError
from inspector.sim.gate import PartOutcome
from inspector.sim.mosquitto import SecuredBroker, make_pki
from inspector.torture.cell import Cell, wait_until
from inspector.torture.faults import Faults

RESUME_S = 10.0
LEAST_SHARE = 0.95
"""Of the undisturbed good parts that must PASS."""
CALM = (8, 16)
"""Undisturbed parts between two faults."""
_RECORD_S = 60.0


class InvariantError(InspectorError):
    """The station did what it must never do; exit code 4."""

    exit_code = 4


@dataclass(slots=True)
class Account:
    """What a run has seen so far."""

    seed: int
    triggers: int = 0
    opened: int = 0
    undisturbed: int = 0
    """Good parts between the faults."""
    passed: int = 0
    """Of these."""
    records: int = 0
    restarted: int = 0
    """Records of parts that a killed station had accepted."""
    resume_s: list[float] = field(default_factory=list)
    """From the end of each fault to the next good part that passed."""
    relapses: int = 0
    """How often the station left Ready once more after service had resumed."""
    faults: Counter[str] = field(default_factory=Counter)

    @property
    def share(self) -> float:
        """Of the undisturbed good parts that passed; 1 before the first."""
        return self.passed / self.undisturbed if self.undisturbed else 1.0


class Torture:
    """One run against one cell."""

    def __init__(self, cell: Cell, seed: int, *, resume_s: float = RESUME_S) -> None:
        self._cell, self._rng, self._resume_s = cell, random.Random(seed), resume_s
        self._faults = Faults(cell, self._rng)
        self._checked = 0
        self._fault = "none yet"
        self.account = Account(seed)

    def run(self, triggers: int, progress: Callable[[str], None] = lambda _: None) -> Account:
        """At least so many triggers. Raises :class:`InvariantError` with a minimal account."""
        try:
            self._cell.ready()
            self._cell.resume(_RECORD_S)
            deck: list[str] = []
            while self.account.triggers < triggers:
                self._calm()
                if not deck:
                    # each fault once before any comes again
                    deck = sorted(self._faults.kinds)
                    self._rng.shuffle(deck)
                self._break(deck.pop())
                progress(f"{self.account.triggers:6d} triggers, after '{self._fault}': good")
            self._calm()
            try:
                wait_until(lambda: not self._cell.unarchived(), _RECORD_S, "an archive without gap")
            except OutsideError as error:
                gap = self._cell.unarchived()
                raise self._violation(f"{len(gap)} records are not archived: {gap[:20]}") from error
            if self.account.share < LEAST_SHARE:
                raise OutsideError(
                    f"{self.account.passed} of {self.account.undisturbed} undisturbed good parts",
                    f"At least {LEAST_SHARE:.0%} must pass",
                )
            if (code := self._cell.stop()) != 0:
                raise OutsideError(f"the station left with exit code {code}", "0 is right")
        except InvariantError:
            raise
        except InspectorError as error:
            raise self._violation(str(error)) from error
        return self.account

    def _calm(self) -> None:
        """Undisturbed parts, one at a time or several in flight; one in four is faulty."""
        cell, left = self._cell, self._rng.randint(*CALM)
        cell.settle()
        while left > 0:
            count = min(left, self._rng.choice((1, 1, 3)))
            try:
                parts = [cell.order() for _ in range(count)]
            except RetryableError:
                # the fault had more to it than the first part that passed: a broken link found late
                self.account.relapses += 1
                self._cell.resume(self._resume_s)
                continue
            if not cell.plc.wait_answered(5.0):
                raise OutsideError("a trigger was not answered within 5 s", "Nothing was broken")
            looks = [self._rng.random() < 0.25 for _ in parts]
            for part, faulty in zip(parts, looks, strict=True):
                cell.expose(part, "faulty" if faulty else "good")
            for part, faulty in zip(parts, looks, strict=True):
                outcome = cell.outcome(part)
                if not faulty:
                    self.account.undisturbed += 1
                    self.account.passed += outcome.gate == "open"
            self._check_gate()
            left -= count

    def _break(self, name: str) -> None:
        self._fault = name
        self.account.faults[name] += 1
        self._faults.kinds[name]()
        ended = time.monotonic()
        self._cell.resume(self._resume_s)
        self.account.resume_s.append(time.monotonic() - ended)
        self._check_gate()
        self._check_records()
        self._check_counters()

    def _check_gate(self) -> None:
        """The gate acted on nothing but a valid, fresh PASS of that very part."""
        if not self._cell.plc.wait_idle(30):
            raise OutsideError("the gate did not act", "The PLC's timer is broken")
        outcomes = self._cell.plc.outcomes()
        for outcome in outcomes[self._checked :]:
            self.account.triggers += 1
            if outcome.gate != "open":
                continue
            self.account.opened += 1
            why = _wrong(outcome)
            shown = self._cell.shown[outcome.part_id]
            if shown.look != "good" or not shown.fresh:
                why = why or f"the camera was shown {shown}"
            if why:
                raise self._violation(f"the gate opened for {outcome.part_id}: {why}")
        self._checked = len(outcomes)

    def _check_records(self) -> None:
        """One record for every accepted trigger, none twice; of an opened gate a PASS."""
        outcomes = self._cell.plc.outcomes()
        accepted = {one.part_id for one in outcomes if one.ack == "Accepted"}
        opened = {one.part_id for one in outcomes if one.gate == "open"}

        def missing() -> set[str]:
            found = self._cell.daemon.rows("select part_id from inspection")
            return accepted - {part_id for (part_id,) in found}

        wait_until(lambda: not missing(), _RECORD_S, f"records of {sorted(accepted)[-3:]} and others")
        rows = self._cell.daemon.rows("select part_id, verdict, cause from inspection")
        counts = Counter(part_id for part_id, _, _ in rows)
        twice = [part_id for part_id, count in counts.items() if count > 1]
        if twice:
            raise self._violation(f"several records of {twice}")
        wrong = [row for row in rows if row[0] in opened and row[1] != "PASS"]
        if wrong:
            raise self._violation(f"the gate opened, the record says otherwise: {wrong}")
        self.account.records = len(rows)
        self.account.restarted = sum(cause == "StationRestarted" for _, _, cause in rows)

    def _check_counters(self) -> None:
        """Received = accepted + refused; accepted = PASS + FAIL + REVIEW + challenge + in flight."""

        def reconciled() -> bool:
            count = self._cell.counters()
            refused = sum(number for name, number in count.items() if name.startswith("refused_"))
            ended = sum(count[name] for name in ("PASS", "FAIL", "REVIEW", "challenge", "in_flight"))
            return count["received"] == count["accepted"] + refused and count["accepted"] == ended

        wait_until(reconciled, _RECORD_S, f"counters that reconcile: {self._cell.counters()}")

    def _violation(self, what: str) -> InvariantError:
        last = [
            f"{one.part_id} {one.ack} {one.verdict} {one.cause} {one.gate}"
            for one in self._cell.plc.outcomes()[-5:]
        ]
        return InvariantError(
            f"seed {self.account.seed}, trigger {self.account.triggers}, fault '{self._fault}': {what}",
            f"The last parts: {'; '.join(last)}. The station logged: "
            + " / ".join(list(self._cell.daemon.log)[-5:]),
        )


def _wrong(outcome: PartOutcome) -> str:
    """What is wrong with the result on which a gate opened; empty: nothing."""
    result = outcome.result
    if result is None or outcome.latency_ms is None:
        return "there is no result"
    if outcome.ack != "Accepted":
        return f"the trigger was answered with {outcome.ack}"
    if (result.part_id, result.trigger_id) != (outcome.part_id, outcome.trigger_id):
        return f"the result is that of {result.part_id}"
    if not result.opens_gate or result.verdict != "PASS" or result.cause != "None":
        return f"the result is {result.verdict}, {result.cause}"
    return ""


@contextmanager
def torture_cell(seed: int) -> Iterator[Cell]:
    """A cell with a broker and folders of its own."""
    with tempfile.TemporaryDirectory(prefix="torture-") as name:
        folder = Path(name)
        for part in ("broker", "cell"):
            (folder / part).mkdir()
        broker = SecuredBroker(folder / "broker", make_pki(folder / "pki"))
        broker.start()
        try:
            with Cell(folder / "cell", broker, seed=seed) as cell:
                yield cell
        finally:
            broker.stop()
