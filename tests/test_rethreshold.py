"""Other thresholds in a recipe's text: nothing else changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from inspector.errors import ConfigError, InputError
from inspector.recipe import RecipeText
from inspector.rethreshold import save_thresholds
from inspector.yamlfile import YamlFile

RECIPE = """\
# A pump cover.
product: pump-cover
version: 7   # raised by hand
checks:
  - kind: assembly
    # why it is so low
    threshold: 0.155   # measured
    model: detector   # ours
    expect:
      - {label: screw, per: housing, region: [0.00, 0.00, 0.30, 0.35]}
  - {kind: anomaly, model: surface, threshold: 37.5, review_threshold: 35.4}   # strict
  - kind: detect
    model: detector   # the same
  - {kind: reference, false_reject_rate: 0.01, review_rate: 0.05}
"""


def _saved(folder: Path, check: str, fail: float, review: float) -> str:
    (folder / "recipe.yaml").write_text(RECIPE)
    save_thresholds(folder, 7, {check: (fail, review)}, 8)
    text = (folder / "recipe.yaml").read_text()
    YamlFile(folder / "recipe.yaml").parse(RecipeText)
    assert sorted(path.name for path in folder.iterdir()) == ["recipe.yaml"]
    return text


@pytest.mark.parametrize(
    ("check", "before", "after"),
    [
        (
            "surface",
            "threshold: 37.5, review_threshold: 35.4}",
            "threshold: 40, review_threshold: 36.5}",
        ),
        ("assembly", "    threshold: 0.155   #", "    review_threshold: 36.5\n    threshold: 40   #"),
        (
            "detect",
            "    model: detector   # the same",
            "    threshold: 40\n    review_threshold: 36.5\n    model: detector   # the same",
        ),
        (
            "reference",
            "false_reject_rate: 0.01, review_rate: 0.05}",
            "threshold: 40, review_threshold: 36.5}",
        ),
    ],
)
def test_only_the_thresholds_and_the_version_change(
    tmp_path: Path, check: str, before: str, after: str
) -> None:
    assert before in RECIPE
    expected = RECIPE.replace("version: 7 ", "version: 8 ").replace(before, after)
    assert _saved(tmp_path, check, 40.0, 36.5) == expected


def test_no_band_is_written_where_there_is_none(tmp_path: Path) -> None:
    assert "review_threshold: 0.3" not in _saved(tmp_path, "assembly", 0.3, 0.3)


def test_a_recipe_that_somebody_has_changed_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(RECIPE)
    with pytest.raises(InputError, match="holds version 7, not version 6"):
        save_thresholds(tmp_path, 6, {"surface": (40.0, 36.0)}, 8)
    with pytest.raises(InputError, match="has no check 'none'"):
        save_thresholds(tmp_path, 7, {"none": (40.0, 36.0)}, 8)
    with pytest.raises(ConfigError, match=r"recipe\.yaml:11"):
        save_thresholds(tmp_path, 7, {"surface": (40.0, 41.0)}, 8)
    assert path.read_text() == RECIPE
    assert [file.name for file in tmp_path.iterdir()] == ["recipe.yaml"]
