"""A candidate judges live parts after they are reported, and nothing of the station depends on it."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from fakes import RECIPE, FakeDetector, Gate, make_station, scratch_if_marked, write_recipe
from line_rig import BAD, DOUBTFUL, GOOD, Rig, Start
from support import wait_for

from inspector.checks.detect import DetectCheck
from inspector.errors import BundleError
from inspector.ports import Asked
from inspector.recipe import Recipe, load_recipe
from inspector.station import Station

STRICT = DetectCheck("detect", "detector", frozenset({"scratch"}), 0.35, 0.2)
"""FAILs what the active recipe sends to REVIEW."""


class Candidate:
    """Version 4 of ``soap``, and ``find`` knows nothing else."""

    def __init__(self, folder: Path, detector: FakeDetector) -> None:
        text = RECIPE.replace("version: 3", "version: 4")
        self.recipe = load_recipe(write_recipe(folder / "candidate", text))
        self.detector = detector
        self.broken = False

    def find(self, recipe_id: str, version: int | None) -> Recipe | None:
        return self.recipe if (recipe_id, version) == ("soap", 4) else None

    def load(self, recipe: Recipe) -> Station:
        if self.broken:
            raise BundleError("the network is corrupt", "Restore it")
        return make_station(recipe, self.detector, STRICT)


@pytest.fixture
def candidate(tmp_path: Path) -> Candidate:
    return Candidate(tmp_path, FakeDetector(scratch_if_marked))


def ask(station: Rig, number: int = 1, **changes: Any) -> tuple[str, str]:
    """Ask for a shadow run; outcome and words."""
    arguments = {"on": True, "recipeId": "soap", "recipeVersion": 4} | changes
    station.plc.send(Asked(number, "shadow", arguments, "eve"))
    found = wait_for(lambda: [answer for answer in station.answers if answer[0] == number])
    return found[0][1], found[0][2]


def test_both_verdicts_are_recorded_and_one_is_published(rig: Start, candidate: Candidate) -> None:
    station = rig(recipes=candidate).start()
    assert ask(station)[0] == "done"
    for number, mark in enumerate((GOOD, DOUBTFUL, BAD), 1):
        station.part(number, mark)
        station.result(number)
    wait_for(lambda: len(station.recorder.shadows) == 3)
    assert [result.verdict for result in station.plc.results] == ["PASS", "REVIEW", "FAIL"]
    assert [one.recipe.version for one in station.recorded(3)] == [3, 3, 3]
    seen = station.recorder.shadows
    assert [one.station.verdict.value for one in seen] == ["PASS", "REVIEW", "FAIL"]
    assert [one.judgement.verdict.value for one in seen] == ["PASS", "FAIL", "FAIL"]
    assert {(one.recipe.version, one.station_version) for one in seen} == {(4, 3)}
    assert [one.result_id for one in seen] == [one.result_id for one in station.recorded(3)]
    assert seen[1].scores[0].check == "detect"
    counters = station.line.status().counters
    names = ("shadow_version", "shadow_judged", "shadow_differing", "shadow_dropped")
    assert [counters[name] for name in names] == [4, 3, 1, 0]

    assert ask(station, 2, on=False) == ("done", "The shadow run has ended.")
    station.part(4)
    station.result(4)
    assert "shadow_version" not in station.line.status().counters
    assert len(station.recorder.shadows) == 3
    assert "3 parts judged, 1 otherwise, 0 dropped" in station.recorder.named("shadow")[-1]


def test_production_never_waits_for_the_candidate(rig: Start, candidate: Candidate) -> None:
    gate = Gate()
    station = rig(recipes=candidate).start()
    assert ask(station)[0] == "done"
    candidate.detector.answer = gate
    station.part(1)
    assert gate.entered.wait(10), "the candidate begins"
    for number in range(2, 10):
        station.part(number)
        station.result(number)
    wait_for(station.reconciled)
    # one before its eyes, four waiting; the oldest of the others are gone
    assert station.line.status().counters["shadow_dropped"] == 4
    gate.opened.set()
    wait_for(lambda: len(station.recorder.shadows) == 5)
    ids = [one.result_id for one in station.recorded(9)]
    assert [one.result_id for one in station.recorder.shadows] == [ids[0], *ids[5:]]


def test_the_candidate_waits_while_a_part_is_on_its_way(rig: Start, candidate: Candidate) -> None:
    station = rig(recipes=candidate).start()
    assert ask(station)[0] == "done"
    gate = Gate()
    station.part(1, GOOD)
    wait_for(lambda: len(station.recorder.shadows) == 1)
    station.detector.answer = gate
    warm = candidate.detector.calls
    station.part(2)
    assert gate.entered.wait(10)
    station.line.shadow.offer(station.recorded(1)[0])
    # the candidate's thread has had its chance as soon as the offered part has left the queue
    run = station.line.shadow._run
    assert run is not None
    wait_for(run.parts.empty)
    assert candidate.detector.calls == warm
    gate.opened.set()
    wait_for(lambda: candidate.detector.calls > warm)


@pytest.mark.parametrize(
    ("changes", "outcome", "words"),
    [
        ({"recipeVersion": 5}, "failed", "no recipe soap version 5 is known"),
        ({"recipeVersion": 3}, "refused", "The station judges by soap version 3"),
        ({"recipeId": "shampoo"}, "refused", "only another version"),
        ({"recipeVersion": "4"}, "refused", "names no recipe and version"),
        ({"on": False}, "done", "None ran."),
    ],
)
def test_what_cannot_be_done_is_told(
    rig: Start, candidate: Candidate, changes: dict[str, Any], outcome: str, words: str
) -> None:
    station = rig(recipes=candidate).start()
    told = ask(station, **changes)
    assert told[0] == outcome
    assert words in told[1]
    station.part(1)
    assert station.result(1).verdict == "PASS"


def test_a_candidate_that_cannot_be_loaded_changes_nothing(rig: Start, candidate: Candidate) -> None:
    station = rig(recipes=candidate).start()
    candidate.broken = True
    assert ask(station) == ("failed", "the network is corrupt. Restore it")
    station.part(1)
    assert station.result(1).verdict == "PASS"
    assert "shadow_version" not in station.line.status().counters


def test_a_change_of_the_recipe_ends_the_run(rig: Start, candidate: Candidate) -> None:
    station = rig(recipes=candidate).start()
    assert ask(station)[0] == "done"
    wanted = {"recipeId": "soap", "recipeVersion": 4}
    station.plc.send(Asked(2, "prepareRecipe", wanted, "eve"))
    wait_for(lambda: [answer for answer in station.answers if answer[0] == 2])
    assert "shadow_version" not in station.line.status().counters
    assert "the active recipe was changed" in station.recorder.named("shadow")[-1]
    wait_for(lambda: not [t for t in threading.enumerate() if t.name == "shadow"])
    station.wait_for_state("Ready")
    station.part(1, DOUBTFUL)
    assert station.result(1).verdict == "FAIL"
