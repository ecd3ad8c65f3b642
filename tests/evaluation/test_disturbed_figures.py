"""What the report says of disturbed pictures, of a check that knows bright from dark and no more."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from evaluation.measured import ANOMALY, DETECT, detecting, line_of, write_boxed
from evaluation.measured import A as BOX
from fakes import FakeDetector, make_recipe, make_station

from inspector.checks.anomaly import AnomalyCheck
from inspector.disturbances import DISTURBANCES
from inspector.domain import AnomalyMap, Image
from inspector.errors import InputError
from inspector.evaluation.command import Outputs, evaluate_recipe, table
from inspector.evaluation.data import EvaluationData, read_data
from inspector.evaluation.disturbed import chosen
from inspector.evaluation.run import evaluate
from inspector.station import Station


class Dark:
    """The darker a picture the stranger; 120 is the threshold's brightness."""

    def score(self, image: Image) -> AnomalyMap:
        score = 0.6 * 120 / max(1.0, float(image.mean()))
        return AnomalyMap(score, np.full((2, 2), score, np.float32))


@pytest.fixture
def station(tmp_path: Path) -> Station:
    check = AnomalyCheck("face", Dark(), 0.6, 0.6)
    return make_station(make_recipe(tmp_path / "recipes", ANOMALY), FakeDetector(), check)


@pytest.fixture
def data(tmp_path: Path) -> EvaluationData:
    for kind, level, count in (("good", 150, 3), ("dark", 90, 2)):
        for number in range(count):
            rng = np.random.default_rng(number)
            image = np.clip(rng.normal(level, 3, (48, 64, 3)), 0, 255).astype(np.uint8)
            path = tmp_path / "set" / "test" / kind / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), image)
    return read_data(tmp_path / "set")


def test_the_curve_is_in_all_that_is_written(
    tmp_path: Path, station: Station, data: EvaluationData
) -> None:
    outputs = Outputs.proven(tmp_path / "r.json", None)
    evaluation = evaluate_recipe(station, data, outputs, disturbed=True)
    rows = json.loads((tmp_path / "r.json").read_text())["disturbed"]
    assert len(rows) == 3 * len(DISTURBANCES)
    by_name = {(row["disturbance"], row["grade"]): row for row in rows}
    mild, severe = by_name["brighter", "mild"], by_name["brighter", "severe"]
    assert (mild["goodPassed"], mild["faultyStopped"], mild["passedByIt"]) == (1.0, 1.0, [])
    assert (severe["goodPassed"], severe["faultyStopped"]) == (1.0, 0.0)
    assert severe["passedByIt"] == ["test/dark/0.png", "test/dark/1.png"]
    assert severe["faulty"] == {"PASS": 2, "FAIL": 0, "REVIEW": 0}
    assert (severe["goodStillPass"], severe["faultyStillFail"]) == (1.0, 0.0)
    dark = by_name["darker", "severe"]
    assert dark["good"] == {"PASS": 0, "FAIL": 3, "REVIEW": 0}
    told = list(table(evaluation))
    (line,) = [line for line in told if line.startswith("brighter")]
    assert line.split("%")[-2].strip().endswith("/ 0")
    assert any(line.startswith("faulty parts passed by a disturbance") for line in told)
    page = (tmp_path / "r.html").read_text()
    assert "Disturbed pictures" in page
    assert "grade of disturbance" in page


def test_without_the_option_nothing_is_disturbed(
    tmp_path: Path, station: Station, data: EvaluationData
) -> None:
    evaluation = evaluate_recipe(station, data, Outputs.proven(tmp_path / "r.json", None))
    assert evaluation.disturbed == ()
    assert json.loads((tmp_path / "r.json").read_text())["disturbed"] == []
    assert "Disturbed pictures" not in (tmp_path / "r.html").read_text()


def test_of_many_parts_some_are_chosen_evenly(station: Station, data: EvaluationData) -> None:
    outcomes = list(evaluate(station, data))
    assert [part.sample.name for part in chosen(outcomes, 2)] == [
        *("test/good/0.png", "test/good/2.png"),
        *("test/dark/0.png", "test/dark/1.png"),
    ]
    assert len(chosen(outcomes)) == 5


def test_data_that_do_not_tell_good_from_faulty_are_refused(tmp_path: Path) -> None:
    """Where the boxes are of parts, and not of faults."""
    yaml = write_boxed(tmp_path / "boxed", {"one": (10, [line_of(BOX)])}, "[bottle]")
    text = f"{DETECT}  - {{kind: anomaly, model: face, region: {{of: bottle}}, threshold: 0.6, name: face}}\n"
    whole = detecting(tmp_path, {}, text)
    with pytest.raises(InputError, match="leave out --disturbed"):
        evaluate_recipe(whole, read_data(yaml), Outputs.proven(None, None), disturbed=True)
