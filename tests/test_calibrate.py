"""Good parts through the station, thresholds into the recipe, and what a recipe's promise is held to."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import cv2
import numpy as np
import pytest
from evaluation.measured import MarkedAnomaly, write_picture
from fakes import FakeAnomalyModel, FakeDetector, make_station, picture, write_bundle, write_recipe
from system.cli import Outcome, run_here

import inspector.cli.calibrate
from inspector.bundle import mark_of
from inspector.calibrating import Seen, inspect, parts_of, raise_version
from inspector.calibration import read_calibration
from inspector.checks.anomaly import AnomalyCheck
from inspector.config import StationConfig
from inspector.domain import Verdict
from inspector.errors import ConfigError, DataError, InputError
from inspector.recipe import Recipe, load_recipe
from inspector.station import Station
from inspector.stills import part_of, read_still, still

PROMISE = """\
product: soap
version: 3  # the gate's number
checks:
  # the face must be clean
  - {kind: anomaly, model: face, false_reject_rate: 0.05, review_rate: 0.1}
"""
STATED = PROMISE.replace(
    "false_reject_rate: 0.05, review_rate: 0.1", "threshold: 0.6, review_threshold: 0.5"
)
RATES = "false_reject_rate: 0.05, review_rate: 0.1"
Run = Callable[..., Outcome]


def fake_station(recipe: Recipe, config: StationConfig, *, live: bool) -> Station:
    """Takes the picture's mark, in percent, for its anomaly score."""
    limits = recipe.thresholds(recipe.text.checks[-1])
    check = AnomalyCheck("face", MarkedAnomaly(), limits.fail, limits.review)
    return make_station(recipe, FakeDetector(), check)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """``inspector calibrate`` with that station."""
    monkeypatch.setattr(inspector.cli.calibrate, "build_station", fake_station)
    return lambda *args: run_here(monkeypatch, capsys, "calibrate", *args)


def pictures(folder: Path, marks: Iterable[int], name: str = "part-{:03d}_0") -> Path:
    for number, mark in enumerate(marks):
        image = picture(mark, (96, 80), seed=number)
        folder.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / f"{name.format(number)}.png"), image)
    return folder


def recipe(root: Path, text: str = PROMISE) -> Path:
    return write_recipe(root, text)


def with_scores(folder: Path, scores: Iterable[float]) -> None:
    """On the card, as training leaves them."""
    card = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps({**card, "good_scores": list(scores)}))


# --- the command ---------------------------------------------------------------------------------


def test_calibrating_sets_both_thresholds_and_raises_the_version(tmp_path: Path, run: Run) -> None:
    folder = recipe(tmp_path)
    before = (folder / "recipe.yaml").read_text()
    ran = run(folder, pictures(tmp_path / "good", range(1, 40)))
    assert (ran.code, ran.err) == (0, "")
    assert (folder / "recipe.yaml").read_text() == before.replace("version: 3 ", "version: 4 ")
    calibration = read_calibration(folder)
    assert calibration is not None
    assert (calibration.parts, calibration.pictures) == (39, 39)
    assert calibration.looks["exposure"].values
    loaded = load_recipe(folder)
    limits = loaded.thresholds(loaded.text.checks[0])
    # 2 of 40 blocks FAIL, 4 more go to REVIEW; the second largest itself does not fail
    assert limits.fail == np.nextafter(0.38, 1)
    assert limits.review == np.nextafter(0.34, 1)
    assert loaded.settled is not None
    assert loaded.settled.kept.false_reject_rate == pytest.approx(0.05)
    assert "these thresholds give, on average over calibrations: 5.00% FAIL, 10.00% REVIEW" in ran.out
    assert "version 3 -> 4" in ran.out
    assert loaded.warnings == ()


def test_pictures_that_the_model_has_learnt_are_refused_by_name(tmp_path: Path, run: Run) -> None:
    folder = recipe(tmp_path)
    before = (folder / "recipe.yaml").read_text()
    good = pictures(tmp_path / "good", range(1, 40))
    card = folder / "face" / "model.json"
    known = sorted(good.iterdir())[3:5]
    learnt = {"learnt": [mark_of(path) for path in known]}
    card.write_text(json.dumps(json.loads(card.read_text()) | learnt))
    ran = run(folder, good)
    assert ran.code == 2
    assert f"has learnt 2 of these 39 pictures: {known[0].name}, {known[1].name}." in ran.err
    assert "Give pictures of other good parts" in ran.err
    assert (folder / "recipe.yaml").read_text() == before
    for path in known:
        path.unlink()
    assert run(folder, good).code == 0


def test_the_station_of_the_calibrated_recipe_judges_by_it(tmp_path: Path, run: Run) -> None:
    folder = recipe(tmp_path)
    good = pictures(tmp_path / "good", range(1, 40))
    run(folder, good)
    station = fake_station(
        load_recipe(folder), StationConfig(name="s", topic="a/b", recipe=folder), live=False
    )
    verdicts = [seen.judged.judgement.verdict for seen in inspect(station, sorted(good.iterdir()))]
    assert (verdicts.count(Verdict.FAIL), verdicts.count(Verdict.REVIEW)) == (1, 4)
    seen = [
        Seen(path, s.judged)
        for path, s in zip(good.iterdir(), inspect(station, good.iterdir()), strict=True)
    ]
    for name, part in parts_of(seen, ("face",)).items():
        judged = next(s.judged for s in seen if str(s.path).startswith(name))
        assert (
            part.verdict({"face": load_recipe(folder).thresholds(station.recipe.text.checks[0])})
            is judged.judgement.verdict
        )


def test_the_hash_covers_the_calibration(tmp_path: Path, run: Run) -> None:
    folder = recipe(tmp_path, STATED)
    before = load_recipe(folder).recipe_hash
    run(folder, pictures(tmp_path / "good", range(1, 40)))
    after = load_recipe(folder).recipe_hash
    hashed = load_recipe(folder).recipe_hash
    assert load_recipe(folder, promises="open").recipe_hash == hashed, "however it was read"
    (folder / "calibration.json").write_text((folder / "calibration.json").read_text() + "\n")
    assert len({before, after, load_recipe(folder).recipe_hash}) == 3


@pytest.mark.parametrize(
    ("text", "said"), [("{", "json: Invalid JSON"), ('{"v": 1, "parts": 0}', "parts: Input should be")]
)
def test_a_damaged_calibration_is_a_sentence(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "calibration.json").write_text(text)
    with pytest.raises(InputError, match=f"calibration.json is no valid calibration: {said}") as caught:
        read_calibration(tmp_path)
    assert "inspector calibrate" in caught.value.remedy


def test_pictures_of_one_part_count_as_one_part(tmp_path: Path, run: Run) -> None:
    folder = recipe(tmp_path)
    good = pictures(tmp_path / "good", range(1, 21))
    pictures(good, range(21, 41), "part-{:03d}_1")
    run(folder, good)
    calibration = read_calibration(folder)
    assert calibration is not None
    assert (calibration.parts, calibration.pictures) == (20, 40)
    assert calibration.checks["face"].good == tuple(round(0.01 * mark, 2) for mark in range(21, 41))


def test_faulty_parts_are_told_with_a_bound_and_what_it_would_cost(tmp_path: Path, run: Run) -> None:
    folder = recipe(tmp_path)
    for kind, marks in {"bent": (90, 36, 30), "scratch": (70, 80)}.items():
        pictures(tmp_path / "faulty" / kind, marks)
    ran = run(folder, pictures(tmp_path / "good", range(1, 40)), "--faulty", tmp_path / "faulty")
    assert (
        "faulty parts: 3 FAIL, 1 REVIEW, 1 of 5 escape, at most 65.74% with 95 % confidence" in ran.out
    )
    assert "escaping: bent/part-002" in ran.out
    # 0.30 is the tenth score from above: two blocks FAIL, so it takes nine more
    assert "a review_rate of 0.2250 would send them all to REVIEW" in ran.out
    calibration = read_calibration(folder)
    assert calibration is not None
    assert calibration.checks["face"].faulty == (0.3, 0.36, 0.7, 0.8, 0.9)


def test_without_a_promise_scores_are_kept_and_thresholds_proposed(tmp_path: Path, run: Run) -> None:
    folder = recipe(tmp_path, STATED)
    ran = run(folder, pictures(tmp_path / "good", range(1, 40)))
    calibration = read_calibration(folder)
    assert calibration is not None
    face = calibration.checks["face"]
    assert (face.threshold, face.review_threshold, calibration.promise) == (0.6, 0.5, None)
    assert len(face.good) == 39
    assert (
        "With 'false_reject_rate: 0.01' in place of thresholds 2.50% of good parts would FAIL"
        in ran.out
    )
    assert load_recipe(folder).thresholds(load_recipe(folder).text.checks[0]).fail == 0.6


def test_a_faulty_part_among_the_good_ones_is_named(tmp_path: Path, run: Run) -> None:
    folder = recipe(tmp_path)
    ran = run(folder, pictures(tmp_path / "good", [*range(20, 50), 230, *range(20, 30)]))
    assert "look unlike the others: good/part-030. Look at them" in ran.out


def test_too_few_parts_are_told_and_what_they_suffice_for_is_kept(tmp_path: Path, run: Run) -> None:
    folder = recipe(tmp_path, PROMISE.replace("0.05", "0.01"))
    ran = run(folder, pictures(tmp_path / "good", range(1, 20)))
    said = "a false_reject_rate of 0.01 takes 99 good parts, and there are 19; what can be promised now is 0.05"
    assert ran.code == 0
    assert said in ran.err
    with pytest.raises(ConfigError, match=f"recipe.yaml:5: {said}") as caught:
        load_recipe(folder)
    assert "99 good parts or more" in caught.value.remedy
    loaded = load_recipe(folder, promises="attainable")
    assert loaded.thresholds(loaded.text.checks[0]).fail == np.nextafter(0.19, 1)
    assert said in loaded.warnings[0]


def test_evaluate_warns_and_goes_on_where_check_refuses(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import inspector.cli.evaluate

    folder = recipe(tmp_path, PROMISE.replace("0.05", "0.01"))
    run(folder, pictures(tmp_path / "good", range(1, 20)))
    monkeypatch.setattr(
        inspector.cli.evaluate,
        "build_station",
        lambda recipe, config, **_: fake_station(recipe, config, live=False),
    )
    for kind, marks in {"good": [5, 18, 30], "bent": [60]}.items():
        pictures(tmp_path / "data" / "test" / kind, marks)
    report = tmp_path / "report.json"
    ran = run_here(monkeypatch, capsys, "evaluate", folder, tmp_path / "data", "--report", report)
    assert ran.code == 0
    assert "takes 99 good parts" in ran.err
    assert any("takes 99 good parts" in note for note in json.loads(report.read_text())["notes"])
    line = tmp_path / "line.yaml"
    line.write_text(
        f"line: line1\ntimezone: UTC\nstate_dir: {tmp_path}\nstations:\n"
        f"  - {{name: s, topic: acme/plant/packing/line1/station1/vision, recipe: {folder}}}\n"
    )
    refused = run_here(monkeypatch, capsys, "check", line)
    assert refused.code == 2
    assert "recipe.yaml:5: a false_reject_rate of 0.01 takes 99 good parts" in refused.err


@pytest.mark.parametrize(("marks", "said"), [((), "no picture"), ((5,), "1 good part")])
def test_an_empty_folder_and_one_part_are_refused(
    tmp_path: Path, run: Run, marks: tuple[int, ...], said: str
) -> None:
    good = tmp_path / "good"
    good.mkdir()
    ran = run(recipe(tmp_path), pictures(good, marks))
    assert ran.code == 2
    assert said in ran.err
    assert not (tmp_path / "soap" / "calibration.json").exists()


def test_a_picture_that_cannot_be_read_is_named(tmp_path: Path, run: Run) -> None:
    good = pictures(tmp_path / "good", range(5))
    (good / "part-009_0.png").write_bytes(b"no picture")
    ran = run(recipe(tmp_path), good)
    assert ran.code == 2
    assert "part-009_0.png" in ran.err


def test_a_score_that_is_no_number_ends_the_calibration(tmp_path: Path) -> None:
    loaded = load_recipe(recipe(tmp_path), promises="open")
    station = make_station(
        loaded, FakeDetector(), AnomalyCheck("face", FakeAnomalyModel(float("nan")), 1, 1)
    )
    with pytest.raises(InputError, match="no number"):
        list(inspect(station, [write_picture(tmp_path / "a_0.png", 3)]))


def test_an_untrusted_picture_counts_as_review_and_its_score_does_not(tmp_path: Path) -> None:
    loaded = load_recipe(recipe(tmp_path), promises="open")
    station = fake_station(loaded, StationConfig(name="s", topic="a/b", recipe=tmp_path), live=False)
    paths = sorted(pictures(tmp_path / "good", [10, 90]).iterdir())
    parts = parts_of(inspect(station, paths, frozenset(paths[1:])), ("face",))
    first, second = parts.values()
    assert (first.scores, first.doubted) == ({"face": 0.1}, False)
    assert (second.scores, second.doubted) == ({}, True)


def test_calibrating_needs_no_torch() -> None:
    code = (
        "import sys; sys.modules['torch'] = sys.modules['scipy'] = None\n"
        "import inspector.cli.calibrate, inspector.cli.evaluate"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_the_version_is_raised_wherever_it_stands(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_bytes(b"# version: 9\r\n{product: soap, version: 41, checks: []} # end\r\n")
    assert raise_version(path) == (41, 42)
    assert path.read_bytes() == b"# version: 9\r\n{product: soap, version: 42, checks: []} # end\r\n"


def test_pictures_that_differ_after_the_last_underscore_show_one_part() -> None:
    assert part_of(Path("clip-f-003_0040.png")) == part_of(Path("clip-f-003_0044.png"))
    assert part_of(Path("photo7.png")) == "photo7"


def test_a_still_is_the_whole_picture_of_one_part(tmp_path: Path) -> None:
    path = write_picture(tmp_path / "a_0.png", 7)
    part = still(path, read_still(path), 3, "soap")
    assert (part.trigger.part_id, part.frames[0].recorded, part.box) == ("image#4", True, None)
    with pytest.raises(DataError, match=r"b\.png cannot be read"):
        read_still(tmp_path / "b.png")


# --- what a recipe may promise -------------------------------------------------------------------

DETECT = "  - {kind: detect, model: detector, labels: [scratch]"
REFUSED = {
    "threshold-too": (PROMISE.replace(RATES, f"threshold: 0.6, {RATES}"), 5, "not both"),
    "review-threshold-too": (
        PROMISE.replace(RATES, f"threshold: 0.6, review_threshold: 0.5, {RATES}"), 5, "not both"),
    "review-rate-alone": (PROMISE.replace("false_reject_rate: 0.05, ", ""), 5, "'false_reject_rate' beside it"),
    "zero": (PROMISE.replace("0.05", "0"), 5, "greater than 0"),
    "different": (PROMISE + DETECT + ", false_reject_rate: 0.01}\n", 6, "promises other rates"),
    "twice": (PROMISE.replace("checks:", "false_reject_rate: 0.05\nchecks:"), 6, "promises already"),
    "nothing-left": (STATED.replace("checks:", "false_reject_rate: 0.05\nchecks:"), 3, "no check is left"),
    "assembly": (
        PROMISE + "  - {kind: assembly, model: detector, false_reject_rate: 0.05, review_rate: 0.1,"
        " expect: [{label: cap, per: bottle}]}\n", 6, "no score"),
    "criteria": (
        PROMISE + DETECT + f", {RATES}, criteria: {{scratch: {{threshold: 0.3}}}}}}\n", 6, "thresholds of their own"),
    "uncalibrated": (PROMISE, 5, "no calibration.json that sets the thresholds of the check 'face'"),
    "uncalibrated-detector": (
        STATED.replace("version", "false_reject_rate: 0.05\nversion") + DETECT + "}\n", 2, "check 'detect'"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_promises_that_cannot_be_held_are_refused_with_their_line(tmp_path: Path, case: str) -> None:
    text, line, said = REFUSED[case]
    with pytest.raises(ConfigError) as caught:
        load_recipe(recipe(tmp_path, text))
    assert said in str(caught.value)
    assert caught.value.line == line


def test_a_promise_may_stand_once_for_all_checks(tmp_path: Path, run: Run) -> None:
    whole = PROMISE.replace(f", {RATES}", "").replace(
        "checks:", "false_reject_rate: 0.05\nreview_rate: 0.1\nchecks:"
    )
    folder = recipe(tmp_path, whole)
    assert run(folder, pictures(tmp_path / "good", range(1, 40))).code == 0
    loaded = load_recipe(folder)
    assert loaded.thresholds(loaded.text.checks[0]).fail == np.nextafter(0.38, 1)


def test_other_models_void_a_calibration(tmp_path: Path, run: Run) -> None:
    folder = recipe(tmp_path, STATED)
    run(folder, pictures(tmp_path / "good", range(1, 40)))
    write_bundle(folder / "face", "anomaly", ("anomaly",), {"threshold": 0.7}, b"another face")
    with pytest.raises(InputError, match="made with other models") as caught:
        load_recipe(folder)
    assert "Calibrate again" in caught.value.remedy
    assert load_recipe(folder, promises="open").calibration is None


def test_another_promise_wants_another_calibration(tmp_path: Path, run: Run) -> None:
    folder = recipe(tmp_path)
    run(folder, pictures(tmp_path / "good", range(1, 40)))
    text = (folder / "recipe.yaml").read_text()
    (folder / "recipe.yaml").write_text(text.replace("0.05", "0.04"))
    with pytest.raises(ConfigError, match="another promise"):
        load_recipe(folder)


def test_another_threshold_of_another_check_wants_another_calibration(tmp_path: Path, run: Run) -> None:
    folder = recipe(
        tmp_path, PROMISE.replace("  # the face", f"{DETECT}, threshold: 0.5}}\n  # the face")
    )
    run(folder, pictures(tmp_path / "good", range(1, 40)))
    load_recipe(folder)
    text = (folder / "recipe.yaml").read_text()
    (folder / "recipe.yaml").write_text(text.replace("threshold: 0.5", "threshold: 0.3"))
    with pytest.raises(ConfigError, match="'detect' are not those of the calibration"):
        load_recipe(folder)


def test_without_calibration_the_cards_scores_stand_in_and_are_called_approximate(
    tmp_path: Path,
) -> None:
    folder = recipe(tmp_path)
    with_scores(folder / "face", np.linspace(0.1, 0.4, 39))
    loaded = load_recipe(folder)
    limits = loaded.thresholds(loaded.text.checks[0])
    assert limits.fail == np.nextafter(np.linspace(0.1, 0.4, 39)[-2], 1)
    assert "approximate" in loaded.warnings[0]
    with_scores(folder / "face", [0.2, 0.3])
    with pytest.raises(ConfigError, match="takes 19 good parts, and there are 2"):
        load_recipe(folder)


def test_checks_that_take_their_cards_scores_share_the_rate(tmp_path: Path) -> None:
    second = PROMISE + PROMISE.splitlines()[-1].replace("model: face", "model: back") + "\n"
    folder = recipe(tmp_path, second)
    write_bundle(folder / "back", "anomaly", ("anomaly",), {"threshold": 0.6}, b"dummy back")
    for name in ("face", "back"):
        with_scores(folder / name, np.linspace(0.1, 0.4, 39))
    loaded = load_recipe(folder)
    # each one block of forty: together the two that are promised
    assert {loaded.thresholds(check).fail for check in loaded.text.checks} == {np.nextafter(0.4, 1)}
    assert loaded.settled is not None
    assert loaded.settled.kept.false_reject_rate == pytest.approx(0.05)
