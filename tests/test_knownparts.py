"""Pictures of known parts: how they lie, how they are judged, and a run with them."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import cv2
import pytest
from control_rig import RECIPE, Rig
from fakes import (
    CROSSING,
    FakeDetector,
    make_recipe,
    make_station,
    picture,
    scratch_if_marked,
)
from fakes import RECIPE as RECIPE_TEXT

from inspector import challenger
from inspector.changeover import Active
from inspector.checks.detect import DetectCheck
from inspector.config import Challenge
from inspector.domain import Box, Detection
from inspector.errors import InputError
from inspector.knownparts import KnownPart, known_parts, show
from inspector.ports import Asked

SCRATCHES = DetectCheck("detect", "detector", frozenset({"scratch"}), 0.5, 0.3)


def write_parts(folder: Path, **pictures: list[int]) -> Path:
    """Pictures by expectation, each with its mark."""
    for expected, marks in pictures.items():
        (folder / expected).mkdir(parents=True, exist_ok=True)
        for number, mark in enumerate(marks):
            cv2.imwrite(str(folder / expected / f"{number}.png"), picture(mark, seed=number))
    return folder


def test_known_parts_are_pictures_or_folders_of_one_parts_pictures(tmp_path: Path) -> None:
    write_parts(tmp_path, good=[10, 11], faulty=[90])
    (tmp_path / "faulty" / "views").mkdir()
    for name in ("b.png", "a.png"):
        cv2.imwrite(str(tmp_path / "faulty" / "views" / name), picture(90))
    (tmp_path / "good" / "notes.txt").write_text("no picture")
    parts = known_parts(tmp_path, "soap")
    assert [(part.name, part.expected, len(part.pictures)) for part in parts] == [
        ("good/0", "good", 1),
        ("good/1", "good", 1),
        ("faulty/0", "faulty", 1),
        ("faulty/views", "faulty", 2),
    ]
    assert [path.name for path in parts[-1].pictures] == ["a.png", "b.png"]


def test_each_recipe_may_have_its_own(tmp_path: Path) -> None:
    write_parts(tmp_path, good=[10], faulty=[90])
    write_parts(tmp_path / "soap", good=[10, 10], faulty=[90, 90])
    assert len(known_parts(tmp_path, "soap")) == 4
    assert len(known_parts(tmp_path, "shampoo")) == 2


@pytest.mark.parametrize("missing", ["good", "faulty"])
def test_a_set_without_both_sorts_is_refused(tmp_path: Path, missing: str) -> None:
    write_parts(tmp_path, **{"good": [10], "faulty": [90], missing: []})
    with pytest.raises(InputError, match=f"no pictures of known {missing} parts"):
        known_parts(tmp_path, "soap")


def test_pictures_are_judged_by_the_same_station(tmp_path: Path) -> None:
    station = make_station(make_recipe(tmp_path), FakeDetector(scratch_if_marked), SCRATCHES)
    parts = known_parts(write_parts(tmp_path / "set", good=[10, 40], faulty=[90]), "soap")
    assert [(show(station, part).verdict, show(station, part).cause) for part in parts] == [
        ("PASS", "None"),
        ("REVIEW", "Uncertain"),
        ("FAIL", "Defect"),
    ]


def test_of_a_recipe_that_tracks_parts_the_one_nearest_to_the_line_is_judged(tmp_path: Path) -> None:
    seen: list[Any] = []

    class Watching:
        name = "detect"

        def inspect(self, part: Any) -> Any:
            seen.append(part.box)
            return SCRATCHES.inspect(part)

    boxes = (Box(5, 5, 12, 40), Box(27, 5, 37, 40), Box(50, 5, 58, 40))
    detector = FakeDetector([Detection("bottle", 0.9, box) for box in boxes])
    station = make_station(make_recipe(tmp_path, CROSSING), detector, Watching())
    (part, _) = known_parts(write_parts(tmp_path / "set", good=[10], faulty=[90]), "soap")
    assert show(station, part).verdict == "PASS"
    assert seen == [boxes[1]]
    # tracking and checks share one look
    assert detector.calls == 1


def several(folder: Path, *marks: int) -> KnownPart:
    """One part of several pictures."""
    paths = [folder / f"{number}.png" for number in range(len(marks))]
    for number, (path, mark) in enumerate(zip(paths, marks, strict=True)):
        cv2.imwrite(str(path), picture(mark, seed=number))
    return KnownPart("faulty/views", "faulty", tuple(paths))


@pytest.mark.parametrize("marks", [(90, 10, 10), (10, 90, 10), (10, 10, 90)])
def test_every_picture_that_a_camera_makes_of_a_part_is_looked_at(
    tmp_path: Path, marks: tuple[int, ...]
) -> None:
    recipe = make_recipe(tmp_path, RECIPE_TEXT + "captures: 3\n")
    station = make_station(recipe, FakeDetector(scratch_if_marked), SCRATCHES)
    assert show(station, several(tmp_path, *marks), ("top",)).verdict == "FAIL"


def test_more_pictures_than_the_cameras_make_are_refused_with_both_numbers(tmp_path: Path) -> None:
    station = make_station(make_recipe(tmp_path), FakeDetector(scratch_if_marked), SCRATCHES)
    part = several(tmp_path, 10, 10, 90)
    with pytest.raises(InputError, match="has 3 pictures, and the station makes 2 of a part"):
        show(station, part, ("top", "side"))
    # where no camera is named nothing is known of their number
    assert show(station, part).verdict == "FAIL"


# --- with pictures -------------------------------------------------------------------------------


def with_pictures(folder: Path, *, good: int = 10, faulty: int = 90, **config: Any) -> Rig:
    """A rig that judges by the marks of pictures, and has a set of them."""
    parts = write_parts(folder / "set", good=[good], faulty=[faulty])
    rig = Rig(challenge=Challenge(parts=parts, **config)).start()
    station = make_station(make_recipe(folder), FakeDetector(scratch_if_marked), SCRATCHES)
    rig.active = Active(station, RECIPE)
    return rig


def test_a_person_challenges_with_pictures(tmp_path: Path) -> None:
    rig = with_pictures(tmp_path, every_h=8, required=True)
    assert rig.state == "Initialized"
    rig.handle(Asked(21, "challenge", {}, "maria"))
    rig.run_threads()
    (run,) = rig.recorder.challenges
    assert (run.passed, run.operator, run.origin, run.request_id) == (True, "maria", "dashboard", 21)
    assert [part.name for part in run.parts] == ["good/0", "faulty/0"]
    assert rig.answers == [(21, "done", "challenge passed: 2 of 2 parts as expected")]
    rig.pass_time()
    assert rig.state == "Ready"
    assert rig.desk.counters().received == 0


def test_a_run_that_the_command_line_asked_for_says_so(tmp_path: Path) -> None:
    rig = with_pictures(tmp_path)
    rig.handle(Asked(20, "challenge", {"origin": "cli"}, "maria"))
    rig.run_threads()
    assert rig.recorder.challenges[0].origin == "cli"


def test_pictures_that_are_judged_wrongly_fail_the_run(tmp_path: Path) -> None:
    rig = with_pictures(tmp_path, faulty=20)
    rig.handle(Asked(22, "challenge", {}, "maria"))
    rig.run_threads()
    assert not rig.recorder.challenges[0].passed
    # it was carried out: the outcome is in its words
    assert rig.answers[0][:2] == (22, "done")
    assert rig.answers[0][2].startswith("challenge failed")


def test_a_run_whose_picture_cannot_be_read_proves_nothing(tmp_path: Path) -> None:
    rig = with_pictures(tmp_path)
    (tmp_path / "set" / "faulty" / "0.png").write_bytes(b"no picture")
    rig.handle(Asked(23, "challenge", {}, "maria"))
    rig.run_threads()
    assert rig.answers[0][:2] == (23, "failed")
    assert rig.recorder.challenges == []
    # and the next may begin
    rig.handle(Asked(24, "challenge", {"parts": str(tmp_path / "none")}, "maria"))
    rig.run_threads()
    assert rig.answers[1][:2] == (24, "refused")


def test_a_second_run_with_pictures_is_refused_while_one_is_under_way(tmp_path: Path) -> None:
    rig = with_pictures(tmp_path)
    rig.handle(Asked(25, "challenge", {}, "maria"))
    rig.handle(Asked(26, "challenge", {}, "otto"))
    assert [answer[:2] for answer in rig.answers] == [(26, "refused")]
    rig.run_threads()
    assert rig.answers[-1][:2] == (25, "done")


def test_a_drive_that_does_not_answer_holds_up_its_challenge_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, answers = threading.Event(), threading.Event()

    def slow(folder: Path, recipe_id: str) -> tuple[KnownPart, ...]:
        asked.set()
        assert answers.wait(5), "somebody waits for it who must not"
        return known_parts(folder, recipe_id)

    monkeypatch.setattr(challenger, "known_parts", slow)
    rig = with_pictures(tmp_path)
    rig.handle(Asked(27, "challenge", {}, "maria"))
    thread = threading.Thread(target=rig.run_threads)
    thread.start()
    assert asked.wait(5)
    before = len(rig.plc.beats)
    rig.pass_time(1)
    assert len(rig.plc.beats) > before
    # one at a time, and this one is not over
    rig.handle(Asked(28, "challenge", {}, "otto"))
    assert [answer[:2] for answer in rig.answers] == [(28, "refused")]
    answers.set()
    thread.join(5)
    assert rig.answers[-1][:2] == (27, "done")
