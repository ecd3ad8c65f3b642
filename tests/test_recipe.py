"""Recipes: proven against their bundles, hashed with them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fakes import RECIPE, write_bundle, write_recipe

from inspector.checkspecs import AssemblySpec, check_name
from inspector.domain import Cause
from inspector.errors import ConfigError, InputError
from inspector.expectation import Expectation
from inspector.recipe import load_recipe

FULL = """\
product: soap
version: 3
trigger: {kind: crossing, label: bottle, line_x: 0.4}
checks:
  - kind: assembly
    model: detector
    expect:
      - {label: cap, per: bottle, region: top}
  - kind: anomaly
    model: face
    region: {of: bottle}
  - kind: detect
    model: detector
    labels: [scratch]
    threshold: 0.5
    review_threshold: 0.3
"""


def test_a_good_recipe_loads_with_its_bundles(tmp_path: Path) -> None:
    recipe = load_recipe(write_recipe(tmp_path, FULL))
    assert recipe.recipe_id == "soap"
    assert sorted(recipe.bundles) == ["detector", "face"]
    assert [check_name(check) for check in recipe.text.checks] == ["assembly", "face", "detect"]
    assert recipe.detector_of("cap") == "detector"


def test_a_minimal_recipe_is_complete(tmp_path: Path) -> None:
    text = "product: soap\nversion: 1\nchecks: [{kind: detect, model: detector}]\n"
    recipe = load_recipe(write_recipe(tmp_path, text))
    assert recipe.text.trigger.kind == "plc"


@pytest.mark.parametrize(
    ("old", "new", "line", "message", "remedy"),
    [
        ("threshold: 0.5", "treshold: 0.5", 15, "unknown key 'checks.2.treshold'", "'threshold'"),
        ("model: face", "model: fcae", 10, "fcae holds no model.json", "inspector train"),
        ("threshold: 0.5", "threshold: 50%", 15, "'checks.2.threshold' is '50%'", "valid number"),
        ("threshold: 0.5", "threshold: .nan", 15, "'checks.2.threshold' is nan", "finite"),
        ("threshold: 0.5", "threshold: .inf", 15, "'checks.2.threshold' is inf", "finite"),
        ("threshold: 0.5", "threshold: 0", 15, "'checks.2.threshold' is 0", "greater than 0"),
        ("line_x: 0.4", "line_x: 256", 3, "'trigger.line_x' is 256", "less than 1"),
        ("[scratch]", "[scratch, dent]", 14, "does not know the label 'dent'", "bottle, cap, scratch"),
        ("label: cap", "label: lid", 8, "does not know the label 'lid'", "bottle, cap, scratch"),
        ("per: bottle", "per: jar", 8, "does not know the label 'jar'", "bottle, cap, scratch"),
        ("of: bottle", "of: jar", 11, "no model detects 'jar'", "bottle, cap, scratch"),
        ("label: bottle", "label: jar", 3, "no model detects 'jar'", "bottle, cap, scratch"),
        (
            "review_threshold: 0.3",
            "review_threshold: 0.6",
            16,
            "is 0.6",
            "not exceed the threshold, 0.5",
        ),
        ("    threshold: 0.5\n", "", 15, "'checks.2.review_threshold' is 0.3", "State the 'threshold'"),
        ("kind: detect", "kind: detcet", 12, "'checks.2.kind' is 'detcet'", "Did you mean 'detect'?"),
        ("kind: assembly", "kind: assembly\n    name: detect", 13, "called 'detect'", "its own 'name'"),
        ("region: top", "region: topp", 8, "region' is 'topp'", "'top'"),
        ("region: top", "region: [0, 0, 1, 1.5]", 8, "1.5", "less than or equal to 1"),
        ("version: 3", "version: 0", 2, "'version' is 0", "greater than or equal to 1"),
        ("version: 3\n", "", 1, "'version' is missing", "Add 'version: …'"),
        ("product: soap", "product: so/ap", 1, "'product' is 'so/ap'", "pattern"),
        (
            "model: face",
            "model: detector",
            10,
            "is a model for 'detect', not for 'anomaly'",
            "another bundle",
        ),
        (
            "kind: detect\n    model: detector",
            "kind: detect\n    model: face",
            13,
            "not for 'detect'",
            "another",
        ),
    ],
)
def test_what_is_wrong_is_told_with_file_line_and_remedy(
    tmp_path: Path, old: str, new: str, line: int, message: str, remedy: str
) -> None:
    assert old in FULL
    folder = write_recipe(tmp_path, FULL.replace(old, new, 1))
    with pytest.raises(ConfigError) as caught:
        load_recipe(folder)
    assert (caught.value.path, caught.value.line) == (folder / "recipe.yaml", line), str(caught.value)
    assert message in str(caught.value)
    assert remedy in str(caught.value)


@pytest.mark.parametrize("name", ["Schäumchen", "s" * 33, "so\tap"])
def test_a_recipe_that_no_message_can_name_is_refused(tmp_path: Path, name: str) -> None:
    folder = write_recipe(tmp_path, name=name)
    with pytest.raises(InputError, match="no message to a PLC can name the recipe") as caught:
        load_recipe(folder)
    assert caught.value.remedy == "Give its folder a name of at most 32 printable ASCII characters"
    assert load_recipe(folder, name="soap").recipe_id == "soap"
    assert load_recipe(folder.rename(tmp_path / ("s" * 32))).recipe_id == "s" * 32


@pytest.mark.parametrize("label", ["Lötfehler", "s" * 33, "scr\natch"])
def test_a_label_that_no_message_can_carry_is_refused(tmp_path: Path, label: str) -> None:
    """Before the first part that has it, not at it."""
    folder = write_recipe(tmp_path, FULL)
    write_bundle(folder / "detector", labels=("bottle", "cap", "scratch", label))
    with pytest.raises(ConfigError, match="no message to a PLC can carry") as caught:
        load_recipe(folder)
    assert (caught.value.path, caught.value.line) == (folder / "recipe.yaml", 6)
    assert "32 printable ASCII characters in 'labels' of its model.json" in str(caught.value)


def test_two_checks_of_one_name_point_at_the_second(tmp_path: Path) -> None:
    text = RECIPE + "  - {kind: detect, model: detector}\n"
    with pytest.raises(ConfigError, match="two checks are called 'detect'") as caught:
        load_recipe(write_recipe(tmp_path, text))
    assert caught.value.line == 5


def test_two_checks_of_one_kind_with_names_are_fine(tmp_path: Path) -> None:
    text = RECIPE + "  - {kind: detect, model: detector, name: second}\n"
    assert len(load_recipe(write_recipe(tmp_path, text)).text.checks) == 2


def test_anomaly_without_any_threshold_is_refused(tmp_path: Path) -> None:
    folder = write_recipe(tmp_path, FULL)
    write_bundle(folder / "face", "anomaly", ("anomaly",), {}, b"dummy face")
    with pytest.raises(ConfigError, match="carries no calibrated threshold") as caught:
        load_recipe(folder)
    assert caught.value.line == 9
    assert caught.value.remedy == "State 'threshold' or 'false_reject_rate'"


def test_a_corrupt_network_is_told_at_the_line_that_names_it(tmp_path: Path) -> None:
    folder = write_recipe(tmp_path, FULL)
    (folder / "face" / "openvino.xml").write_bytes(b"dummy fac3")
    with pytest.raises(ConfigError, match="is corrupt") as caught:
        load_recipe(folder)
    assert caught.value.line == 10


def test_a_folder_that_is_none_and_one_without_a_recipe(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no recipe folder"):
        load_recipe(tmp_path / "nothing")
    with pytest.raises(ConfigError, match=r"recipe\.yaml does not exist"):
        load_recipe(tmp_path)


def test_untrained_leaves_out_an_anomaly_model_that_is_not_there_yet(tmp_path: Path) -> None:
    folder = write_recipe(tmp_path, FULL.replace("model: face", "model: later"))
    with pytest.raises(ConfigError, match="later holds no model"):
        load_recipe(folder)
    assert sorted(load_recipe(folder, untrained=True).bundles) == ["detector"]


def test_untrained_does_not_excuse_a_missing_detector(tmp_path: Path) -> None:
    folder = write_recipe(tmp_path, RECIPE.replace("model: detector", "model: later"))
    with pytest.raises(ConfigError, match="later holds no model"):
        load_recipe(folder, untrained=True)


def hashes(folder: Path) -> tuple[str, str]:
    recipe = load_recipe(folder)
    return recipe.recipe_hash, recipe.model_hash


def test_hash_is_repeatable_and_the_place_of_the_folder_does_not_matter(tmp_path: Path) -> None:
    here, there = write_recipe(tmp_path / "a", FULL), write_recipe(tmp_path / "b", FULL)
    assert hashes(here) == hashes(there)
    assert len(hashes(here)[0]) == 64


def test_recipe_hash_changes_with_the_text_and_the_model_hash_does_not(tmp_path: Path) -> None:
    folder = write_recipe(tmp_path, FULL)
    before = hashes(folder)
    (folder / "recipe.yaml").write_text(FULL.replace("threshold: 0.5", "threshold: 0.51"))
    after = hashes(folder)
    assert before[0] != after[0]
    assert before[1] == after[1]


def test_both_hashes_change_with_a_network_and_with_its_calibration(tmp_path: Path) -> None:
    folder = write_recipe(tmp_path, FULL)
    seen = [hashes(folder)]
    write_bundle(folder / "face", "anomaly", ("anomaly",), {"threshold": 0.6}, b"another network")
    seen.append(hashes(folder))
    write_bundle(folder / "face", "anomaly", ("anomaly",), {"threshold": 0.7}, b"another network")
    seen.append(hashes(folder))
    assert len({recipe for recipe, _ in seen}) == 3
    assert len({model for _, model in seen}) == 3


def test_asking_for_a_label_that_nobody_detects_names_those_on_offer(tmp_path: Path) -> None:
    recipe = load_recipe(write_recipe(tmp_path))
    with pytest.raises(InputError, match="no model detects 'jar'") as caught:
        recipe.detector_of("jar")
    assert caught.value.remedy == "Labels on offer: bottle, cap, scratch"


def test_regions_are_words_or_fractions() -> None:
    assert Expectation(label="cap", per="bottle").place == (0, 0, 1, 1)
    # beyond the edge: a bottle without its cap is seen that much shorter
    assert Expectation(label="cap", per="bottle", region="top").place == (0, -0.15, 1, 0.33)
    assert Expectation(label="cap", per="bottle", region=(0, 0.1, 0.2, 1)).place == (0, 0.1, 0.2, 1)


ASSEMBLY = """\
product: soap
version: 3
checks:
  - kind: assembly
    model: detector
    empty: [scratch]
    locate: {kind: components}
    expect:
      - {label: cap, name: left, box: [10, 10, 30, 30]}
      - {label: cap, name: right, box: [90, 10, 110, 30], datum: left, tolerance_px: 8}
    orders:
      - {labels: [cap, bottle]}
"""


def test_an_assembly_may_locate_its_part_by_its_components(tmp_path: Path) -> None:
    (spec,) = load_recipe(write_recipe(tmp_path, ASSEMBLY)).text.checks
    assert isinstance(spec, AssemblySpec)
    assert (spec.empty, spec.extra, spec.locate and spec.locate.kind) == (
        ("scratch",),
        "in_place",
        "components",
    )
    left, right = spec.expect
    assert (left.reach_px, right.reach_px, left.called) == (10, 8, "left")


def test_an_order_that_no_part_carries_is_refused(tmp_path: Path) -> None:
    """It would never be verified."""
    text = ASSEMBLY.replace("    locate: {kind: components}\n", "")
    start, end = text.index("      - {label: cap, name: left"), text.index("    orders:")
    text = text[:start] + "      - {label: cap, per: bottle}\n" + text[end:]
    with pytest.raises(ConfigError, match="An order needs 'per'"):
        load_recipe(write_recipe(tmp_path, text))
    load_recipe(
        write_recipe(tmp_path / "b", text.replace("[cap, bottle]}", "[cap, cap], per: bottle}"))
    )


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        (", box: [10, 10, 30, 30]", "", 9, "State 'per'"),
        ("box: [10,", "per: bottle, box: [10,", 9, "but not both"),
        ("box: [10, 10, 30, 30]", "box: [30, 10, 10, 30]", 9, "x1 < x2"),
        ("name: left, ", "name: left, region: top, ", 9, "'region' belongs to per"),
        ("name: left, ", "name: left, clear_px: [0, 0, 1, 1], ", 9, "'clear_px' belongs to per"),
        (
            "label: cap, name: right, box: [90, 10, 110, 30]",
            "label: cap, per: bottle",
            10,
            "belongs to box",
        ),
        ("datum: left", "datum: middle", 4, "called 'middle'"),
        ("datum: left", "datum: right", 4, "called 'right'"),
        ("empty: [scratch]", "empty: [cap]", 4, "cannot mean an empty place"),
        ("empty: [scratch]", "empty: [hole]", 6, "does not know the label 'hole'"),
        ("[cap, bottle]", "[cap, jar]", 12, "does not know the label 'jar'"),
        ("kind: components", "kind: components, labels: [lid]", 7, "does not know the label 'lid'"),
        ("kind: components", "kind: components, scale: [2, 1]", 7, "smaller one first"),
        ("kind: components", "kind: photo, photo: good.png", 7, "'good.png' is not there"),
        ("kind: components", "kind: compnents", 7, "Did you mean 'components'"),
        (
            "      - {label: cap, name: left, box: [10, 10, 30, 30]}\n",
            "",
            4,
            "two expectations with a 'box'",
        ),
    ],
)
def test_what_does_not_fit_in_an_assembly_is_told_with_its_line(
    tmp_path: Path, old: str, new: str, line: int, message: str
) -> None:
    assert old in ASSEMBLY
    folder = write_recipe(tmp_path, ASSEMBLY.replace(old, new, 1))
    with pytest.raises(ConfigError) as caught:
        load_recipe(folder)
    assert message in str(caught.value)
    assert (caught.value.path, caught.value.line) == (folder / "recipe.yaml", line), str(caught.value)


def test_the_photo_that_locates_a_part_counts_in_the_hash(tmp_path: Path) -> None:
    text = ASSEMBLY.replace("kind: components", "kind: photo, photo: good.png")
    folder = write_recipe(tmp_path, text)
    (folder / "good.png").write_bytes(b"one")
    first = hashes(folder)
    (folder / "good.png").write_bytes(b"another")
    assert hashes(folder)[0] != first[0]
    assert hashes(folder)[1] == first[1]


@pytest.mark.parametrize(
    ("locate", "message"),
    [
        ("", "finds no parts"),
        ("locate: {kind: components}", "finds no components"),
        ("orders: [{labels: [cap, scratch]}]", "only what is in a place"),
    ],
)
def test_a_classifier_serves_an_assembly_whose_places_are_given(
    tmp_path: Path, locate: str, message: str
) -> None:
    boxes = "expect: [{label: cap, box: [1, 1, 9, 9]}, {label: cap, name: b, box: [20, 1, 29, 9]}]"
    head = "product: soap\nversion: 1\nchecks:\n  - kind: assembly\n    model: detector\n"
    folder = write_recipe(tmp_path, head + f"    {boxes}\n")
    write_bundle(folder / "detector", "classify", ("cap", "scratch"))
    card = json.loads((folder / "detector" / "model.json").read_text())
    (folder / "detector" / "model.json").write_text(json.dumps(card | {"head": "classify"}))
    load_recipe(folder)
    wrong = "expect: [{label: cap, per: scratch}]" if not locate else f"{boxes}\n    {locate}"
    (folder / "recipe.yaml").write_text(head + f"    {wrong}\n")
    with pytest.raises(ConfigError, match=message):
        load_recipe(folder)


@pytest.mark.parametrize("name", ["configs/recipes/shower-gel", "configs/recipes/hand-wash"])
def test_shipped_recipes_load(name: str) -> None:
    folder = Path(__file__).resolve().parents[1] / name
    recipe = load_recipe(folder)
    assert {"bottle", "cap"} <= recipe.labels()
    card = json.loads((folder / "detector" / "model.json").read_text())
    assert {file["runtime"] for file in card["files"]} == {"openvino", "torch"}


def test_cause_words_round_trip() -> None:
    assert all(Cause.named(cause.word) is cause for cause in Cause)
    with pytest.raises(KeyError):
        Cause.named("Nothing")
