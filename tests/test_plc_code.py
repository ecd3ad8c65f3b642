"""The sample code for a PLC, run cycle by cycle: nothing but a valid PASS, in time, opens the gate."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from structured_text import Clock, Program
from system.cli import ROOT

CODE = ROOT / "deploy" / "plc" / "gate.st"
CYCLE_MS = 10
BOOT = 77


class Plc:
    """One function block in a cyclic task."""

    def __init__(self, name: str) -> None:
        self.clock = Clock()
        self.block, self._run = Program(CODE, self.clock).block(name)
        self.acts: list[tuple[str, Any]] = []
        """What the gate did, about which part."""
        self.answers: list[tuple[str, bool]] = []
        self.block.xReady = True

    def cycle(self, result: dict[str, Any] | None = None, **inputs: Any) -> None:
        """One cycle; inputs hold for it alone."""
        block = self.block
        self.clock.now += CYCLE_MS
        block.xResult = result is not None
        for key, value in (result or {}).items():
            setattr(block.rResult, key, value)
        for key, value in inputs.items():
            setattr(block, key, value)
        self._run()
        part = block.sGatePart if hasattr(block, "sGatePart") else block.udiPart
        assert not (block.xOpen and block.xReject)
        if block.xOpen or block.xReject:
            self.acts.append(("open" if block.xOpen else "reject", part))
        if block.xAnswer:
            answered = block.sAnswer if hasattr(block, "sAnswer") else block.rResult.resultId
            self.answers.append((answered, block.xTaken))
        if getattr(block, "xStray", False):
            self.answers.append((block.rResult.resultId, False))
        for key, value in inputs.items():
            if isinstance(value, bool) and key != "xReady":
                setattr(block, key, not value)

    def wait(self, ms: int) -> None:
        for _ in range(ms // CYCLE_MS):
            self.cycle()


def result(number: int, part: str, boot: int = BOOT, **changes: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "ok": True,
        "plcBootId": boot,
        "triggerId": number,
        "partId": part,
        "resultId": f"00000001-{number}",
        "resultState": 1,
        "resultEvaluation": 1,
        "isPartial": False,
        "isSimulated": False,
        "isChallenge": False,
    }
    return fields | changes


NOT_GOOD: list[dict[str, Any]] = [
    {"resultEvaluation": 2},
    {"resultEvaluation": 3},
    {"resultState": 3},
    {"isPartial": True},
    {"isSimulated": True},
    {"isChallenge": True},
]


# --- a triggered station ---------------------------------------------------------------------------


@pytest.fixture
def gate() -> Plc:
    made = Plc("FB_Gate")
    made.block.udiBootId = BOOT
    return made


def send(plc: Plc, part: str) -> int:
    plc.cycle(xPart=True, sPartId=part)
    assert plc.block.xSend
    plc.cycle()
    return int(plc.block.udiTrigger)


def test_a_valid_pass_in_time_opens_once(gate: Plc) -> None:
    number = send(gate, "P1")
    gate.wait(100)
    gate.cycle(result(number, "P1"))
    gate.cycle(result(number, "P1"))  # twice: one gate action
    gate.wait(1000)
    assert gate.acts == [("open", "P1")]
    assert gate.answers == [("00000001-1", True), ("00000001-1", True)]
    assert gate.block.udiUnmatched == 0


def test_a_part_for_which_nothing_was_sent_is_counted(gate: Plc) -> None:
    """The photo-eye has fired the camera all the same: the numbers must not fall behind the pictures."""
    first = send(gate, "P1")
    gate.cycle(xReady=False)
    gate.cycle(xPart=True, sPartId="P2")
    assert not gate.block.xSend
    gate.cycle(xReady=True)
    assert send(gate, "P3") == first + 2
    assert gate.block.udiNotSent == 1


def test_only_the_result_that_was_acted_on_is_taken_when_it_comes_again(gate: Plc) -> None:
    first = send(gate, "P1")
    gate.cycle(result(first, "P1", resultEvaluation=2))
    second = send(gate, "P2")
    gate.cycle(result(first, "P1"))
    gate.cycle(result(first, "P1", resultId="00000001-9"))
    gate.wait(1000)
    gate.cycle(result(second, "P2"))  # late, and late again
    gate.cycle(result(second, "P2"))
    assert gate.acts == [("reject", "P1"), ("reject", "P2")]
    assert gate.answers == [
        ("00000001-1", True),
        ("00000001-1", True),
        ("00000001-9", False),
        ("00000001-2", False),
        ("00000001-2", False),
    ]
    assert gate.block.udiUnmatched == 3


def test_a_result_that_comes_again_is_known_for_as_many_parts_as_there_are_slots(gate: Plc) -> None:
    for number in range(1, gate.block.SLOTS + 2):
        gate.cycle(result(send(gate, f"P{number}"), f"P{number}"))
    gate.cycle(result(1, "P1"))
    assert gate.answers[-1] == ("00000001-1", True)
    assert len(gate.acts) == gate.block.SLOTS + 1


@pytest.mark.parametrize("changes", NOT_GOOD, ids=str)
def test_everything_else_rejects(gate: Plc, changes: dict[str, Any]) -> None:
    number = send(gate, "P1")
    gate.cycle(result(number, "P1", **changes))
    gate.wait(1000)
    assert gate.acts == [("reject", "P1")]


@pytest.mark.parametrize(
    "changes", [{"plcBootId": 78}, {"partId": "P2"}, {"triggerId": 9}, {"ok": False}], ids=str
)
def test_a_result_that_is_not_this_part_s_does_not_open(gate: Plc, changes: dict[str, Any]) -> None:
    gate.cycle(result(send(gate, "P1"), "P1", **changes))
    assert gate.acts == []
    gate.wait(1000)
    assert gate.acts == [("reject", "P1")]


def test_a_verdict_in_the_cycle_of_the_deadline_is_late(gate: Plc) -> None:
    number = send(gate, "P1")
    gate.wait(gate.block.tDeadline - 2 * CYCLE_MS)
    assert gate.acts == []
    gate.cycle(result(number, "P1"))
    assert gate.acts == [("reject", "P1")]
    assert gate.block.udiTimedOut == 1


def test_a_pass_opens_in_the_cycle_in_which_another_part_s_timer_runs_out(gate: Plc) -> None:
    late, number = send(gate, "P1"), send(gate, "P2")
    gate.wait(gate.block.tDeadline - 4 * CYCLE_MS)
    assert gate.acts == []
    gate.cycle(result(number, "P2"))
    assert gate.acts == [("open", "P2")]
    gate.cycle(result(late, "P1"), tDeadline=10_000)  # late stays late, whatever the time is now
    assert gate.acts == [("open", "P2"), ("reject", "P1")]
    assert gate.answers == [("00000001-2", True), ("00000001-1", False)]
    assert gate.block.udiTimedOut == 1


def test_results_out_of_order_are_matched_by_id(gate: Plc) -> None:
    numbers = {part: send(gate, part) for part in ("P1", "P2", "P3")}
    gate.cycle(result(numbers["P3"], "P3"))
    gate.cycle(result(numbers["P1"], "P1", resultEvaluation=2))
    gate.cycle(result(numbers["P2"], "P2"))
    gate.wait(1000)
    assert gate.acts == [("open", "P3"), ("reject", "P1"), ("open", "P2")]


def test_a_refused_trigger_rejects_at_once_and_without_ready_nothing_is_sent(gate: Plc) -> None:
    gate.cycle(xRefused=True, udiRefused=send(gate, "P1"))
    assert gate.acts == [("reject", "P1")]
    gate.block.xReady = False
    gate.cycle(xPart=True, sPartId="P2")
    assert not gate.block.xSend
    assert gate.block.udiNotSent == 1


def test_a_refusal_in_the_cycle_of_another_part_s_pass_is_not_lost(gate: Plc) -> None:
    refused, number = send(gate, "P1"), send(gate, "P2")
    gate.cycle(result(number, "P2"), xRefused=True, udiRefused=refused)
    gate.cycle(result(refused, "P1"))
    assert gate.acts == [("open", "P2"), ("reject", "P1")]
    assert gate.answers == [("00000001-2", True), ("00000001-1", False)]


def test_trigger_ids_wrap(gate: Plc) -> None:
    gate.block.udiTrigger = 2**32 - 1
    number = send(gate, "P1")
    assert number == 0
    gate.cycle(result(number, "P1"))
    assert gate.acts == [("open", "P1")]


def test_more_parts_than_slots_are_not_sent(gate: Plc) -> None:
    for number in range(gate.block.SLOTS + 1):
        send(gate, f"P{number}")
    gate.cycle(xPart=True, sPartId="one too many")
    assert not gate.block.xSend
    gate.wait(1000)
    assert len(gate.acts) == gate.block.SLOTS + 1
    assert {act for act, _ in gate.acts} == {"reject"}


# --- a station that the picture itself triggers ----------------------------------------------------


@pytest.fixture
def free() -> Plc:
    made = Plc("FB_FreeRunning")
    made.wait(6000)  # a pause
    return made


def part(
    plc: Plc, after_ms: int | None = 100, number: int = 0, gap_ms: int = 600, **changes: Any
) -> None:
    """A part passes the photo-eye; its result comes so much later, or not at all."""
    plc.cycle(xEye=True)
    left = gap_ms
    if after_ms is not None:
        plc.wait(after_ms)
        plc.cycle(result(number, f"cam#{number}", 0, **changes))
        left -= after_ms
    plc.wait(left)


def acts(plc: Plc) -> list[str]:
    return [act for act, _ in plc.acts]


def test_one_edge_and_one_result_in_its_window_make_a_pair(free: Plc) -> None:
    for number in range(41, 45):
        part(free, number=number)
    assert acts(free) == ["open"] * 4
    assert [number for _, number in free.acts] == [1, 2, 3, 4]
    assert free.block.sPartId == "cam#44"
    assert (free.block.udiUnpaired, free.block.xAlarm) == (0, False)


@pytest.mark.parametrize("changes", NOT_GOOD, ids=str)
def test_a_pair_that_is_not_a_valid_pass_rejects_and_the_next_one_opens(
    free: Plc, changes: dict[str, Any]
) -> None:
    part(free, number=1, **changes)
    part(free, number=2)
    assert acts(free) == ["reject", "open"]


@pytest.mark.parametrize(
    "disturb",
    [
        lambda plc: part(plc, None),
        lambda plc: part(plc, 0, 2),  # sooner than any result can be
        lambda plc: part(plc, 450, 2),  # later
        lambda plc: plc.cycle(result(2, "cam#2", 0)),  # without an edge
        lambda plc: (part(plc, 50, 2, gap_ms=200), part(plc, 50, 3)),  # two parts in one window
        lambda plc: (plc.cycle(xReady=False), plc.cycle(xReady=True)),  # the station starts anew
    ],
    ids=["no result", "too soon", "too late", "no edge", "too close", "not ready"],
)
def test_what_does_not_pair_rejects_until_the_next_pause(
    free: Plc, disturb: Callable[[Plc], object]
) -> None:
    part(free, number=1)
    disturb(free)
    before = len(free.acts)
    part(free, number=5)
    part(free, number=6)
    assert set(acts(free)[1:]) == {"reject"}
    assert len(free.acts) == before + 2
    free.wait(6000)
    part(free, number=7)
    part(free, number=8)
    assert acts(free)[-2:] == ["open", "open"]


@pytest.mark.parametrize(
    "disturb",
    [
        lambda plc: (plc.cycle(xReady=False), plc.cycle(xReady=True)),
        lambda plc: plc.cycle(result(9, "cam#9", 0)),
    ],
    ids=["not ready", "no edge"],
)
def test_after_what_disturbed_between_two_parts_one_pause_is_enough(
    free: Plc, disturb: Callable[[Plc], object]
) -> None:
    disturb(free)
    free.wait(6000)
    part(free, number=1)
    part(free, number=2)
    assert acts(free) == ["open", "open"]


def test_a_pause_counts_only_while_the_station_is_ready(free: Plc) -> None:
    free.cycle(xReady=False)
    free.wait(6000)
    free.cycle(xReady=True)
    part(free, number=1)
    part(free, number=2)
    assert acts(free) == ["reject", "reject"]


@pytest.mark.parametrize(
    "disturb",
    [
        lambda plc: plc.cycle(result(9, "cam#9", 0), xEye=True),
        lambda plc: (plc.cycle(xEye=True, xReady=False), plc.cycle(xReady=True)),
    ],
    ids=["no edge before it", "not ready"],
)
def test_what_disturbs_in_the_cycle_that_ends_a_pause_rejects_until_the_next(
    free: Plc, disturb: Callable[[Plc], object]
) -> None:
    disturb(free)
    free.wait(100)
    free.cycle(result(1, "cam#1", 0))
    free.wait(500)
    part(free, number=2)
    assert acts(free) == ["reject", "reject"]


def test_a_station_that_counts_anew_is_learnt_anew(free: Plc) -> None:
    free.block.udiEdges = 50_000
    part(free, number=1)
    part(free, number=2)
    assert acts(free) == ["open", "open"]


def test_numbers_wrap(free: Plc) -> None:
    free.block.udiEdges = 2**32 - 2
    for number in (2**32 - 2, 2**32 - 1, 0, 1):
        part(free, number=number)
    assert free.acts == [("open", number) for number in (2**32 - 1, 0, 1, 2)]


def test_the_station_hears_at_the_end_of_the_window_whether_a_result_was_acted_on(free: Plc) -> None:
    free.cycle(xEye=True)
    free.wait(100)
    free.cycle(result(1, "cam#1", 0))
    free.wait(200)
    assert free.answers == []
    free.wait(300)
    assert free.answers == [("00000001-1", True)]
    part(free, number=2, resultEvaluation=2)
    part(free, number=4)  # no longer in step ...
    part(free, number=5)  # ... until the next pause
    assert acts(free) == ["open", "reject", "reject", "reject"]
    assert free.answers[1:] == [("00000001-2", True), ("00000001-4", False), ("00000001-5", False)]


def test_a_result_of_no_window_and_the_second_in_one_are_not_taken(free: Plc) -> None:
    free.cycle(result(9, "cam#9", 0))
    free.cycle(xEye=True)
    free.wait(50)
    free.cycle(result(1, "cam#1", 0))
    free.cycle(result(2, "cam#2", 0))
    free.wait(550)
    assert free.answers == [("00000001-9", False), ("00000001-2", False), ("00000001-1", False)]


def test_a_result_that_comes_as_the_window_ends_is_answered_as_well(free: Plc) -> None:
    free.cycle(xEye=True)
    free.wait(100)
    free.cycle(result(1, "cam#1", 0))
    free.wait(free.block.tTo - 100 - 2 * CYCLE_MS)
    assert free.acts == []
    free.cycle(result(2, "cam#2", 0))
    assert acts(free) == ["reject"]
    assert free.answers == [("00000001-1", False), ("00000001-2", False)]


def test_a_delay_of_a_whole_part_pairs_with_nobody(free: Plc) -> None:
    """Each window has exactly one result, that of the part before: the numbers tell."""
    part(free, number=1)
    part(free, None)  # the result of part 2 is late ...
    for late in range(2, 6):
        part(free, 100, late)  # ... and comes in the window of the next, as all after it
    assert acts(free) == ["open"] + ["reject"] * 5
    assert free.block.xAlarm


def test_two_results_in_a_window_reject_and_one_that_comes_twice_does_not(free: Plc) -> None:
    part(free, number=1)
    free.cycle(xEye=True)
    free.wait(50)
    free.cycle(result(2, "cam#2", 0))
    free.cycle(result(2, "cam#2", 0))
    free.wait(550)
    assert acts(free) == ["open", "open"]
    free.cycle(xEye=True)
    free.wait(50)
    free.cycle(result(4, "cam#4", 0))
    free.cycle(result(3, "cam#3", 0))
    free.wait(550)
    assert acts(free)[-1] == "reject"


def test_results_that_have_changed_places_reject(free: Plc) -> None:
    """One result in each window, and no edge or window is wrong: the numbers alone tell."""
    for number in (1, 3, 2):
        part(free, number=number)
    assert acts(free) == ["open", "reject", "reject"]


def test_results_of_a_triggered_station_are_none_of_its_business(free: Plc) -> None:
    part(free, number=1, plcBootId=BOOT)
    assert acts(free) == ["reject"]


# --- what runs it ----------------------------------------------------------------------------------


def test_no_semicolon_can_be_left_out(tmp_path: Path) -> None:
    """A PLC's compiler would refuse the code, and what runs it here must not be kinder."""
    text = re.sub(r"\(\*.*?\*\)", "", CODE.read_text(encoding="utf-8"), flags=re.S)
    path = tmp_path / "gate.st"
    accepted = []
    for semicolon in re.finditer(";", text):
        path.write_text(text[: semicolon.start()] + text[semicolon.end() :], encoding="utf-8")
        try:
            program = Program(path, Clock())
            for name in ("FB_Gate", "FB_FreeRunning"):
                program.block(name)
        except (AssertionError, SyntaxError):
            continue
        accepted.append(text[: semicolon.end()].splitlines()[-1])
    assert accepted == []
