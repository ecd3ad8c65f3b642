"""``inspector torture``: random faults, and what must hold whatever breaks."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import pytest
from support import result_payload

from inspector.sim.gate import PartOutcome
from inspector.torture.cell import Shown
from inspector.torture.run import InvariantError, Torture
from system.cli import ROOT

TRIGGERS = 300
SEED = 20_260_301


@pytest.mark.usefixtures("mosquitto")
def test_300_triggers_under_random_faults() -> None:
    # --resume-s: 10 s are measured on an idle computer; tests may share theirs with anything
    command = ["torture", "--triggers", str(TRIGGERS), "--seed", str(SEED), "--resume-s", "60"]
    done = subprocess.run(
        [sys.executable, "-m", "inspector", *command],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.startswith(f"seed {SEED}\n")
    figures = json.loads(done.stdout.splitlines()[-1])
    assert figures["triggers"] >= TRIGGERS
    assert figures["faults"] >= 14, "each kind at least once"
    assert figures["opened"] > TRIGGERS / 3
    assert figures["restarted"] > 0
    assert figures["undisturbed_passed"] >= 0.95


class Liar:
    """A cell whose gate has done what the test says."""

    def __init__(self, outcome: PartOutcome, shown: Shown) -> None:
        self.plc = self.daemon = self
        self.log: list[str] = []
        self.shown = {outcome.part_id: shown}
        self._outcome = outcome

    def wait_idle(self, _timeout_s: float) -> bool:
        return True

    def outcomes(self) -> tuple[PartOutcome, ...]:
        return (self._outcome,)


def opened(**changes: object) -> PartOutcome:
    result = result_payload(part_id="P1", trigger_id=1)
    good = PartOutcome(1, "P1", "Accepted", "PASS", "None", "open", 5.0, result)
    return replace(good, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("outcome", "shown", "words"),
    [
        (opened(), Shown("faulty"), "faulty"),
        (opened(), Shown("good", fresh=False), "fresh=False"),
        (opened(), Shown(None), "look=None"),
        (opened(result=None), Shown("good"), "no result"),
        (opened(ack=None), Shown("good"), "answered with None"),
        (opened(trigger_id=2), Shown("good"), "that of P1"),
    ],
)
def test_a_gate_that_opened_wrongly_is_found(outcome: PartOutcome, shown: Shown, words: str) -> None:
    torture = Torture(Liar(outcome, shown), 5)  # type: ignore[arg-type]
    with pytest.raises(InvariantError, match=words) as caught:
        torture._check_gate()
    assert str(caught.value).startswith("seed 5, trigger 1")
    assert caught.value.exit_code == 4


def test_a_gate_that_opened_rightly_is_good() -> None:
    torture = Torture(Liar(opened(), Shown("good")), 5)  # type: ignore[arg-type]
    torture._check_gate()
    assert torture.account.opened == 1
