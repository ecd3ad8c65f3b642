"""The next version of a recipe: its thresholds, proven before anything is replaced."""

from __future__ import annotations

from pathlib import Path

import pytest
from fakes import write_bundle, write_recipe

from inspector.calibration import Calibration, CheckCalibration, Promise, write_calibration
from inspector.candidate import make_candidate, save_thresholds
from inspector.errors import InputError
from inspector.recipe import load_recipe

TWICE = """\
product: soap
version: 3
checks:
  - {kind: anomaly, model: face, threshold: 30}
  - {kind: anomaly, name: again, model: face, threshold: 28, review_threshold: 20}
  - {kind: detect, model: detector, threshold: 0.4}
"""
WHOLE = """\
product: soap   # our best
version: 3
false_reject_rate: 0.05   # as agreed
review_rate: 0.1
checks:
  - {kind: anomaly, model: face}
  - {kind: anomaly, name: again, model: face}
"""


def test_every_check_of_the_model_gets_thresholds_on_its_scale(tmp_path: Path) -> None:
    folder = write_recipe(tmp_path, TWICE)
    card = {"threshold": 8.0, "review_threshold": 5.0, "good_max": 7.0}
    bundle = write_bundle(tmp_path / "new", "anomaly", ("anomaly",), card, b"new face")
    made = make_candidate(folder, "again", bundle, 4, tmp_path / "out" / "soap")
    found = [(made.thresholds(check).fail, made.thresholds(check).review) for check in made.text.checks]
    # a part that was unlike the others sets good_max, and is for a person to see
    assert found == [(8.0, 5.0), (8.0, 5.0), (0.4, 0.4)]


def promised(tmp_path: Path) -> Path:
    folder = write_recipe(tmp_path, WHOLE)
    recipe = load_recipe(folder, promises="open")
    good = tuple(0.01 * number for number in range(1, 60))
    rates = Promise(false_reject_rate=0.05, review_rate=0.1)
    checks = {
        name: CheckCalibration(threshold=0.6, review_threshold=0.5, good=good)
        for name in ("face", "again")
    }
    write_calibration(
        folder,
        Calibration(
            parts=59,
            pictures=59,
            source="good",
            digest="0" * 64,
            model_hash=recipe.model_hash,
            promise=rates,
            kept=rates,
            checks=checks,
            command="",
        ),
    )
    return folder


def test_moving_one_threshold_states_those_that_the_promise_had_set(tmp_path: Path) -> None:
    folder = promised(tmp_path)
    before = load_recipe(folder)
    other = before.thresholds(before.text.checks[1])
    save_thresholds(folder, 3, {"face": (0.55, 0.45)}, 4)
    after = load_recipe(folder)
    assert (after.text.version, after.text.stated) == (4, None)
    assert [after.thresholds(check) for check in after.text.checks][1] == other
    assert after.thresholds(after.text.checks[0]).fail == 0.55
    text = (folder / "recipe.yaml").read_text()
    assert "# our best" in text
    assert "rate" not in text


def test_thresholds_that_make_no_recipe_change_nothing(tmp_path: Path) -> None:
    folder = write_recipe(tmp_path, TWICE)
    text = (folder / "recipe.yaml").read_text()
    with pytest.raises(InputError, match=f"make no recipe: {folder}/recipe.yaml:"):
        save_thresholds(folder, 3, {"again": (10.0, 20.0)}, 4)
    assert (folder / "recipe.yaml").read_text() == text
