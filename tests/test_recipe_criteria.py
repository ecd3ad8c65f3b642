"""Acceptance criteria and classes of a recipe: read, refused with file, line and remedy."""

from __future__ import annotations

from pathlib import Path

import pytest
from fakes import write_bundle, write_recipe

from inspector.checkspecs import ClassifySpec, DetectSpec, check_name
from inspector.criteria import Criterion
from inspector.errors import ConfigError
from inspector.recipe import load_recipe

FULL = """\
product: soap
version: 3
mm_per_px: 0.05
checks:
  - kind: detect
    model: detector
    labels: [scratch, cap]
    criteria:
      scratch:
        threshold: 0.5
        review_threshold: 0.3
        min_mm: 0.2
        min_area_px: 12
        allowed: 2
        watch:
          - [0, 0, 0.5, 1]
          - {of: bottle, inner: [0, 0.5, 1, 1]}
        ignore:
          - of: bottle
      cap: {min_px: 4}
  - kind: classify
    model: whole
    good: [clean]
    region: {of: bottle}
"""


def folder_of(root: Path, text: str) -> Path:
    folder = write_recipe(root, text)
    write_bundle(folder / "whole", "classify", ("clean", "cracked"), {}, b"dummy whole")
    return folder


def test_everything_that_a_quality_plan_states(tmp_path: Path) -> None:
    recipe = load_recipe(folder_of(tmp_path, FULL))
    detect, classify = recipe.text.checks
    assert isinstance(detect, DetectSpec)
    assert isinstance(classify, ClassifySpec)
    scratch = detect.criteria["scratch"]
    assert (scratch.min_mm, scratch.min_area_px, scratch.allowed) == (0.2, 12, 2)
    assert len(scratch.watch) == 2
    assert detect.criteria["cap"] == Criterion(min_px=4)
    assert [check_name(check) for check in recipe.text.checks] == ["detect", "classify"]
    assert recipe.labels() == {"bottle", "cap", "scratch"}, "classes of pictures are no objects"


def test_a_detector_with_masks_serves_every_check_of_objects(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, FULL)
    write_bundle(folder / "detector", "segment")
    assert load_recipe(folder).detector_of("bottle") == "detector"


def test_untrained_leaves_out_a_classifier_that_is_not_there_yet(tmp_path: Path) -> None:
    folder = write_recipe(tmp_path, FULL)
    with pytest.raises(ConfigError, match="whole holds no model"):
        load_recipe(folder)
    assert sorted(load_recipe(folder, untrained=True).bundles) == ["detector"]


def test_criteria_change_the_recipes_hash_and_not_the_models(tmp_path: Path) -> None:
    before = load_recipe(folder_of(tmp_path / "a", FULL))
    after = load_recipe(folder_of(tmp_path / "b", FULL.replace("allowed: 2", "allowed: 3")))
    assert before.recipe_hash != after.recipe_hash
    assert before.model_hash == after.model_hash


@pytest.mark.parametrize(
    ("old", "new", "line", "message", "remedy"),
    [
        (
            "min_mm: 0.2",
            "min_mmm: 0.2",
            12,
            "unknown key 'checks.0.criteria.scratch.min_mmm'",
            "'min_mm'",
        ),
        ("      cap: {", "      cup: {", 20, "does not know the label 'cup'", "bottle, cap, scratch"),
        ("[scratch, cap]", "[scratch]", 20, "'cap' is not among the check's 'labels'", "Add it there"),
        ("mm_per_px: 0.05\n", "", 11, "'min_mm' needs to know how large a pixel is", "mm_per_px"),
        ("min_area_px: 12", "min_area_mm2: 1\n        min_area_px: 2", 13, "is 1", "not both"),
        ("min_mm: 0.2", "min_mm: 0.2\n        min_px: 2", 12, "is 0.2", "not both"),
        ("min_mm: 0.2", "min_mm: 0", 12, "is 0", "greater than 0"),
        ("min_mm: 0.2", "min_mm: .nan", 12, "is nan", "finite"),
        ("min_area_px: 12", "min_area_px: -1", 13, "is -1", "greater than 0"),
        ("allowed: 2", "allowed: -1", 14, "is -1", "greater than or equal to 0"),
        ("allowed: 2", "allowed: 1.5", 14, "is 1.5", "integer"),
        ("review_threshold: 0.3", "review_threshold: 0.6", 11, "is 0.6", "exceed the threshold, 0.5"),
        ("        threshold: 0.5\n", "", 10, "is 0.3", "State the 'threshold'"),
        ("[0, 0, 0.5, 1]", "[0, 0, 0.5, 1.5]", 16, "1.5", "less than or equal to 1"),
        ("[0, 0, 0.5, 1]", "[0.5, 0, 0.5, 1]", 16, "is not valid", "The zone is empty"),
        ("inner: [0, 0.5, 1, 1]", "inner: [0, 1, 1, 0.5]", 17, "is not valid", "The zone is empty"),
        ("{of: bottle, inner", "{of: jar, inner", 17, "no model detects 'jar'", "bottle, cap, scratch"),
        ("- of: bottle", "- of: jar", 19, "no model detects 'jar'", "bottle, cap, scratch"),
        ("good: [clean]", "good: [claen]", 23, "does not know the label 'claen'", "clean, cracked"),
        ("good: [clean]", "good: [clean, cracked]", 23, "no part could fail", "Leave out"),
        ("good: [clean]", "good: []", 23, "is not valid", "at least 1"),
        ("    good: [clean]\n", "", 21, "'checks.1.classify.good' is missing", "Add 'good"),
        ("region: {of: bottle}", "region: {of: jar}", 24, "no model detects 'jar'", "bottle, cap"),
        ("model: whole", "model: face", 22, "is a model for 'anomaly', not for 'classify'", "another"),
        (
            "model: detector",
            "model: whole",
            6,
            "is a model for 'classify', not for 'detect'",
            "another",
        ),
    ],
)
def test_what_is_wrong_is_told_with_file_line_and_remedy(
    tmp_path: Path, old: str, new: str, line: int, message: str, remedy: str
) -> None:
    assert FULL.count(old) >= 1
    folder = folder_of(tmp_path, FULL.replace(old, new, 1))
    with pytest.raises(ConfigError) as caught:
        load_recipe(folder)
    told = str(caught.value)
    assert message in told or message.replace(".classify", "") in told, told
    assert remedy in told, told
    assert (caught.value.path, caught.value.line) == (folder / "recipe.yaml", line), told
