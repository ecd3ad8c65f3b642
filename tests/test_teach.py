"""Expectations learnt from one good part, for a person to check."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from fakes import FakeDetector, trigger, write_recipe
from system.cli import run_here

from inspector.checks.assembly import AssemblyCheck
from inspector.checks.sites import Locator
from inspector.checkspecs import AssemblySpec
from inspector.domain import Box, Detection, Frame, Part
from inspector.errors import ConfigError, FootageError, InputError
from inspector.recipe import load_recipe
from inspector.teaching import PICTURE, TAUGHT, Teacher, as_yaml

BLOCK = """\
# Soap, as it leaves the filler.
product: soap      # what the PLC calls it
version: 7
checks:
  - kind: assembly
    model: detector
    threshold: 0.4     # agreed with the plant
    expect:
      - {label: cap, per: bottle, region: top}   # to be taught

  # the face of the label
  - {kind: anomaly, model: face, region: {of: bottle}}
"""
FLOW = """\
product: soap
version: 1
checks: [{kind: assembly, model: detector, expect: [{label: cap, per: bottle}], threshold: 0.4}]
"""
BARE = """\
product: soap
version: 1
checks:
  - {kind: assembly, model: detector, expect: []}   # still empty
"""


def seen(label: str, x: float, y: float, half: float = 10, confidence: float = 0.9) -> Detection:
    return Detection(label, confidence, Box(x - half, y - half, x + half, y + half))


FOUR = tuple(seen("cap", x, y) for y in (50, 250) for x in (60, 260))
BOTTLE = Detection("bottle", 0.9, Box(40, 30, 280, 270))


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "good.png"
    cv2.imwrite(str(path), np.full((300, 400, 3), 90, np.uint8))
    return path


def teacher(folder: Path, *found: Detection, text: str = BLOCK, **changes: str) -> Teacher:
    return Teacher(write_recipe(folder, text), detector=FakeDetector(found), **changes)


def test_components_without_a_part_are_expected_by_their_boxes(tmp_path: Path, photo: Path) -> None:
    taught = teacher(tmp_path, *FOUR).learn(photo)
    assert [one["name"] for one in taught.expectations] == [
        "cap top left",
        "cap top right",
        "cap bottom left",
        "cap bottom right",
    ]
    assert taught.expectations[1]["box"] == [250, 40, 270, 60]
    assert "per" not in taught.expectations[1]


def test_components_on_a_part_are_expected_in_regions_of_it(tmp_path: Path, photo: Path) -> None:
    taught = teacher(tmp_path, BOTTLE, *FOUR).learn(photo)
    assert taught.part == BOTTLE
    assert all(one["per"] == "bottle" for one in taught.expectations)
    x1, y1, x2, y2 = taught.expectations[3]["region"]
    # its middle is at 0.917 of the part both ways, with half of its size around
    assert (x1, y1) == pytest.approx((0.83, 0.83), abs=0.02)
    assert (x2, y2) == (1.0, 1.0)


def test_a_single_component_at_an_edge_is_expected_there_in_a_word(tmp_path: Path, photo: Path) -> None:
    cap = Detection("cap", 0.9, Box(120, 32, 200, 60))
    (expected,) = teacher(tmp_path, BOTTLE, cap).learn(photo).expectations
    assert expected == {"label": "cap", "per": "bottle", "region": "top"}


def test_of_several_parts_the_one_in_the_middle_is_learnt(tmp_path: Path, photo: Path) -> None:
    left, middle = (
        Detection("bottle", 0.9, Box(0, 100, 60, 250)),
        Detection("bottle", 0.9, Box(170, 100, 230, 250)),
    )
    taught = teacher(tmp_path, left, middle, seen("cap", 30, 110), seen("cap", 200, 110)).learn(
        photo, "bottle"
    )
    assert (taught.part, taught.others) == (middle, 1)
    assert [one.box.centre for one in taught.components] == [(200, 110)]


def test_what_means_an_empty_place_and_what_is_faint_is_not_taught(tmp_path: Path, photo: Path) -> None:
    text = BLOCK.replace("threshold: 0.4 ", "empty: [scratch]\n    threshold: 0.4 ")
    found = (*FOUR[:2], seen("scratch", 60, 250), seen("cap", 260, 250, confidence=0.4))
    assert len(teacher(tmp_path, *found, text=text).learn(photo).expectations) == 2


@pytest.mark.parametrize(
    ("found", "per", "message"),
    [
        ((), None, "nothing is seen"),
        ((seen("cap", 60, 60, confidence=0.3),), None, "nothing is seen"),
        (FOUR, "bottle", "shows no 'bottle'"),
        (FOUR, "jar", "does not know the label 'jar'"),
        ((BOTTLE,), "bottle", "carries nothing"),
    ],
)
def test_nothing_to_learn_is_told(
    tmp_path: Path, photo: Path, found: tuple[Detection, ...], per: str | None, message: str
) -> None:
    with pytest.raises(InputError, match=message) as caught:
        teacher(tmp_path, *found).learn(photo, per)
    assert caught.value.remedy


def test_what_is_no_picture_is_told(tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    with pytest.raises(FootageError, match="no picture"):
        teacher(tmp_path, *FOUR).learn(broken)


def test_the_recipe_keeps_all_else_comments_too(tmp_path: Path, photo: Path) -> None:
    learner = teacher(tmp_path, *FOUR)
    before = (tmp_path / "soap" / "recipe.yaml").read_text()
    text = learner.recipe_with(learner.learn(photo))
    kept = [
        line
        for line in BLOCK.splitlines()
        if "expect" not in line and "per: bottle, region: top" not in line
    ]
    assert [line for line in kept if line not in text.splitlines()] == ["version: 7"]
    assert "version: 8\n" in text
    assert (
        "    locate: {kind: components}\n    expect:\n      - {label: cap, name: cap top left, box:"
        in text
    )
    assert (tmp_path / "soap" / "recipe.yaml").read_text() == before


@pytest.mark.parametrize(
    "text",
    [
        BLOCK,
        FLOW,
        BARE,
        BLOCK.replace(
            "    expect:\n      - {label: cap, per: bottle, region: top}   # to be taught\n", ""
        ),
    ],
)
@pytest.mark.parametrize("on_part", [True, False])
def test_what_was_taught_loads_and_passes_the_part_that_taught_it(
    tmp_path: Path, photo: Path, text: str, on_part: bool
) -> None:
    found = (BOTTLE, *FOUR) if on_part else FOUR
    learner = teacher(tmp_path, *found, text=text)
    path = learner.write(photo, learner.learn(photo), replace=False)
    assert (path.name, (path.parent / PICTURE).is_file()) == (TAUGHT, True)
    (path.parent / "recipe.yaml").write_text(path.read_text())
    recipe = load_recipe(path.parent)
    spec = recipe.text.checks[0]
    assert isinstance(spec, AssemblySpec)
    assert len(spec.expect) == 4
    check = AssemblyCheck(
        "a", "detector", spec.expect, 0.5, 0.5, locator=Locator(spec.expect, spec.empty, spec.locate)
    )
    image = np.full((300, 400, 3), 90, np.uint8)
    part = Part(trigger(), (Frame(image, "p", 0, 0.0),), None, {"detector": found})
    assert check.inspect(part).findings == ()
    fewer = Part(trigger(), (Frame(image, "p", 0, 0.0),), None, {"detector": found[:-1]})
    assert [one.label for one in check.inspect(fewer).findings] == ["cap bottom right"]


def test_an_earlier_one_is_replaced_on_request_only(tmp_path: Path, photo: Path) -> None:
    learner = teacher(tmp_path, *FOUR)
    taught = learner.learn(photo)
    path = learner.write(photo, taught, replace=False)
    path.write_text("looked at by hand")
    with pytest.raises(InputError, match="there already"):
        learner.write(photo, taught, replace=False)
    assert path.read_text() == "looked at by hand"
    learner.write(photo, taught, replace=True)
    assert "cap top left" in path.read_text()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("product: soap\nversion: 1\nchecks: [{kind: detect, model: detector}]\n", "no assembly check"),
        ("product: soap\nversion: 1\nchecks: []\n", "no assembly check"),
        (BLOCK.replace("model: detector", "model: face"), "a model for 'anomaly'"),
        (BLOCK.replace("    model: detector\n", ""), "names no 'model'"),
        (
            BLOCK + "  - {kind: assembly, name: b, model: detector, expect: []}\n",
            "several assembly checks",
        ),
    ],
)
def test_a_recipe_that_cannot_be_taught_is_told_with_its_line(
    tmp_path: Path, text: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        teacher(tmp_path, *FOUR, text=text)
    assert caught.value.line
    assert caught.value.remedy


def test_what_was_wrong_before_leaves_nothing_half_written(tmp_path: Path, photo: Path) -> None:
    learner = teacher(tmp_path, *FOUR, text=BLOCK.replace("product: soap", "prodct: soap"))
    with pytest.raises(ConfigError, match="unknown key 'prodct'"):
        learner.write(photo, learner.learn(photo), replace=False)
    assert sorted(path.name for path in (tmp_path / "soap").iterdir()) == [
        "detector",
        "face",
        "recipe.yaml",
    ]


def test_names_that_places_do_not_tell_apart_are_numbers(tmp_path: Path, photo: Path) -> None:
    close = (seen("cap", 60, 50), seen("cap", 90, 50), seen("cap", 300, 50))
    names = [one["name"] for one in teacher(tmp_path, *close).learn(photo).expectations]
    assert names == ["cap 1", "cap 2", "cap 3"]


def test_the_dry_run_prints_yaml(tmp_path: Path, photo: Path) -> None:
    text = as_yaml(teacher(tmp_path, *FOUR).learn(photo))
    assert text.startswith("expect:\n  - {label: cap, name: cap top left, box: [50, 40, 70, 60]}\n")


def test_the_command_refuses_what_is_no_recipe(
    tmp_path: Path, photo: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    outcome = run_here(monkeypatch, capsys, "teach", photo, "--recipe", tmp_path / "nowhere")
    assert (outcome.code, outcome.out) == (2, "")
    assert "no recipe folder" in outcome.err
