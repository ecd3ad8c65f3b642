"""The recipe's operating point beside anomalib's default threshold on the same scores."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from evaluation.measured import suspecting, write_picture

from inspector.bundle import Bundle
from inspector.calibration import Calibration, CheckCalibration, write_calibration
from inspector.evaluation.command import Outputs, evaluate_recipe, table
from inspector.evaluation.data import read_data
from inspector.evaluation.operating import f1_threshold, operating_points
from inspector.evaluation.page import render
from inspector.evaluation.run import Outcome, evaluate
from inspector.recipe import Recipe

MARKS = {"good": (10, 25, 35, 52, 65), "bent": (20, 45, 55, 90)}


def evaluated(root: Path) -> tuple[Recipe, list[Outcome]]:
    """The recipe fails from 0.6 and reviews from 0.5; scores are the marks in percent."""
    for kind, marks in MARKS.items():
        for mark in marks:
            write_picture(root / "data" / "test" / kind / f"{mark}.png", mark)
    station = suspecting(root)
    return station.recipe, list(evaluate(station, read_data(root / "data")))


def with_card(recipe: Recipe, **changes: object) -> Recipe:
    bundle = recipe.bundles["face"]
    card = bundle.card.model_copy(update=changes)
    return replace(recipe, bundles={**recipe.bundles, "face": Bundle(bundle.path, card)})


def calibrated(recipe: Recipe, good: tuple[float, ...], faulty: tuple[float, ...] = ()) -> Recipe:
    check = CheckCalibration(threshold=0.6, review_threshold=0.5, good=good, faulty=faulty)
    found = Calibration(
        parts=len(good), pictures=len(good), source="", digest="", model_hash="", checks={"face": check}, command=""
    )  # fmt: skip
    write_calibration(recipe.path, found)
    return replace(recipe, calibration=found)


def test_each_point_counts_escapes_false_rejects_and_what_is_diverted(tmp_path: Path) -> None:
    recipe, outcomes = evaluated(tmp_path)
    ours, theirs = operating_points(calibrated(recipe, (0.1, 0.3, 0.35)), outcomes)
    counts = [(p.escapes.count, p.false_rejects.count, p.diverted.count) for p in (ours, theirs)]
    # ours: 20 and 45 escape, 65 fails, 52 goes to REVIEW; theirs: what equals the threshold passes
    assert counts == [(2, 1, 1), (1, 2, 0)]
    assert (ours.escapes.of, ours.false_rejects.of) == (4, 5)
    assert dict(theirs.thresholds) == {"face": 0.35}
    assert "normal images alone" in theirs.note


def test_its_threshold_comes_from_the_calibration_else_from_the_card(tmp_path: Path) -> None:
    recipe, outcomes = evaluated(tmp_path)
    assert [point.name for point in operating_points(recipe, outcomes)] == ["recipe"]
    largest = with_card(recipe, calibration={"threshold": 0.6, "good_max": 0.4})
    scored = with_card(recipe, good_scores=(0.2, 0.5))
    faulty = calibrated(scored, (0.1, 0.3), (0.25, 0.7))
    thresholds = [
        operating_points(one, outcomes)[1].thresholds["face"]
        for one in (largest, scored, calibrated(scored, (0.1, 0.3)), faulty)
    ]
    assert thresholds == [0.4, 0.5, 0.3, 0.25]


@pytest.mark.parametrize(
    ("good", "faulty"), [((1, 2, 3), (4, 5)), ((1, 2, 5), (3, 4, 6)), ((1, 1, 2), (1, 2)), ((5,), (1,))]
)
def test_the_best_f1_is_anomalibs_own(good: tuple[float, ...], faulty: tuple[float, ...]) -> None:
    import torch
    from anomalib.data import ImageBatch
    from anomalib.metrics import F1AdaptiveThreshold

    scores = torch.tensor([*good, *faulty], dtype=torch.float64)
    truth = torch.tensor([False] * len(good) + [True] * len(faulty))
    theirs = F1AdaptiveThreshold(fields=["pred_score", "gt_label"])
    theirs.update(
        ImageBatch(image=torch.zeros(len(scores), 3, 4, 4), pred_score=scores, gt_label=truth)
    )
    assert f1_threshold(good, faulty) == pytest.approx(float(theirs.compute()))


def test_the_report_has_both_in_all_its_forms(tmp_path: Path) -> None:
    evaluated(tmp_path)
    station = suspecting(tmp_path)
    station.recipe = calibrated(station.recipe, (0.1, 0.3, 0.35))
    path = tmp_path / "report.json"
    evaluation = evaluate_recipe(station, read_data(tmp_path / "data"), Outputs.proven(path, None))
    ours, theirs = json.loads(path.read_text())["parts"]["operating"]
    assert ours["escapes"]["count"] == 2
    assert theirs["falseRejects"] == {
        "count": 2,
        "of": 5,
        "rate": 0.4,
        "upper95": pytest.approx(0.8107, abs=1e-4),
    }
    said = "\n".join(table(evaluation))
    assert "anomalib's default: 1 of 4 escape, 2 of 5 good FAIL, 0 of 5 good REVIEW" in said
    page = render(evaluation)
    assert "Operating points on the same raw anomaly scores" in page
    assert "0.350" in page
