"""Challenges and recipe changes on a live station."""

from __future__ import annotations

import threading
from pathlib import Path

import cv2
from fakes import (
    CROSSING,
    RECIPE,
    FakeDetector,
    Gate,
    command,
    make_station,
    picture,
    scratch_if_marked,
    write_recipe,
)
from line_rig import BAD, GOOD, SCRATCHES, Start, free_running, moving_bottle, run_belt
from support import wait_for

from inspector.contract import Reason
from inspector.ports import Asked
from inspector.recipe import Recipe, load_recipe
from inspector.station import Station


class OneMore:
    """One further recipe, whose models are there when ``loadable`` is set."""

    def __init__(self, folder: Path, text: str, detector: FakeDetector) -> None:
        self.recipe = load_recipe(write_recipe(folder, text, "shampoo"))
        self.detector = detector
        self.loading, self.loadable = threading.Event(), threading.Event()

    def find(self, recipe_id: str, version: int | None) -> Recipe | None:
        return self.recipe if recipe_id == "shampoo" else None

    def load(self, recipe: Recipe) -> Station:
        self.loading.set()
        assert self.loadable.wait(10)
        return make_station(recipe, self.detector, SCRATCHES)


def test_challenge_parts_never_open_the_gate_and_are_counted_apart(rig: Start) -> None:
    station = rig().start()
    station.plc.send(command("challenge", expected=["good"]))
    for number in (1, 2):
        station.part(number)
        station.result(number)
    assert [result.opens_gate for result in station.plc.results] == [False, True]
    wait_for(station.reconciled)
    counters = station.line.desk.counters()
    assert (counters.challenge, counters.verdicts["PASS"]) == (1, 1)


def test_pictures_are_judged_while_no_part_is_on_its_way(rig: Start, tmp_path: Path) -> None:
    for expected, mark in (("good", GOOD), ("faulty", BAD)):
        (tmp_path / "set" / expected).mkdir(parents=True)
        cv2.imwrite(str(tmp_path / "set" / expected / "1.png"), picture(mark))
    station = rig(workers=3).start()
    gate = Gate()
    station.detector.answer = gate
    station.part(1)
    assert gate.entered.wait(5)
    station.plc.send(Asked(1, "challenge", {"parts": str(tmp_path / "set")}, "maria"))
    wait_for(lambda: [t for t in threading.enumerate() if t.name == "challenge"])
    # a bench is free, and yet nothing but the part is looked at
    assert not station.recorder.challenges
    assert station.detector.calls == station.warm_up_calls + 1
    station.detector.answer = scratch_if_marked
    gate.opened.set()
    (run,) = wait_for(lambda: station.recorder.challenges)
    assert run.passed, run.text
    wait_for(lambda: station.answers)
    assert station.answers[0][:2] == (1, "done")
    # it is no part of production, and nothing of it is published
    assert station.line.desk.counters().received == 1
    assert [result.trigger_id for result in station.plc.results] == [1]


def test_a_recipe_change_under_load_lets_parts_finish_by_the_old_recipe(
    rig: Start, tmp_path: Path
) -> None:
    text = RECIPE.replace("product: soap", "product: shampoo").replace("version: 3", "version: 9")
    other = OneMore(tmp_path, text, FakeDetector(scratch_if_marked))
    station = rig(recipes=other, workers=2).start()
    gate = Gate()
    station.detector.answer = gate
    station.part(1)
    assert gate.entered.wait(5)
    station.part(2)
    wait_for(lambda: len(station.plc.acks) == 2)
    station.plc.send(command("prepareRecipe", recipeId="shampoo"))
    assert other.loading.wait(5)
    other.loadable.set()
    station.wait_for_state("Initialized")
    station.trigger(3)
    wait_for(lambda: len(station.plc.acks) == 3)
    assert station.plc.acks[2].reason is Reason.NOT_READY
    assert station.line.status().recipe_id == "soap"
    gate.opened.set()
    for number in (1, 2):
        assert (station.result(number).recipe_id, station.result(number).recipe_version) == ("soap", 3)
    station.wait_for_state("Ready")
    before, calls = station.detector.calls, other.detector.calls
    station.part(4, BAD, recipeId="shampoo")
    result = station.result(4)
    assert (result.verdict, result.recipe_id, result.recipe_version) == ("FAIL", "shampoo", 9)
    assert result.recipe_hash == other.recipe.recipe_hash[:16]
    assert (station.detector.calls, other.detector.calls) == (before, calls + 1)
    acks = [ack for ack in station.plc.acks if ack.command_id == "c1"]
    assert [ack.reason for ack in acks] == [Reason.ACCEPTED]
    assert "Ready" not in station.plc.states[station.plc.states.index("Initialized", 2) : -1]


def test_a_line_that_triggers_itself_changes_too_and_numbers_its_parts_on(
    rig: Start, tmp_path: Path
) -> None:
    other = OneMore(tmp_path, CROSSING.replace("version: 3", "version: 4"), FakeDetector(moving_bottle))
    station = free_running(rig, recipes=other)
    run_belt(station, [*range(52, 8, -3), *[0] * 14])
    station.result(1)
    other.loadable.set()
    station.plc.send(command("prepareRecipe", recipeId="shampoo"))
    wait_for(lambda: station.line.status().recipe_id == "shampoo")
    station.wait_for_state("ContinuousExecution")
    run_belt(station, range(52, 8, -3))
    result = station.result(2)
    assert (result.part_id, result.recipe_version) == ("top#2", 4)
    assert len(station.recorded(2)) == 2


def test_parts_of_a_line_that_triggers_itself_may_be_armed(rig: Start) -> None:
    station = free_running(rig)
    station.plc.send(command("challenge", expected=["good"]))
    wait_for(lambda: station.plc.acks)
    for _ in range(2):
        run_belt(station, [*range(52, 8, -3), *[0] * 14])
    wait_for(lambda: len(station.plc.results) == 2)
    flags = {result.trigger_id: result.is_challenge for result in station.plc.results}
    assert flags == {1: True, 2: False}
    (run,) = wait_for(lambda: station.recorder.challenges)
    assert (run.passed, run.parts[0].name) == (True, "top#1")
    assert station.journal.accepted[0].challenge == "good"
    wait_for(station.reconciled)
    assert station.line.desk.counters().challenge == 1
