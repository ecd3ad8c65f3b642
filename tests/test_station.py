"""One part from its pictures to a judgement."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from fakes import (
    FakeAnomalyModel,
    FakeDetector,
    frame,
    make_recipe,
    make_station,
    part,
    picture,
    scratch_if_marked,
    trigger,
)

from inspector.checks.anomaly import AnomalyCheck
from inspector.checks.detect import DetectCheck
from inspector.checks.quality import Limits
from inspector.contract import record_fields
from inspector.criteria import PartRegion
from inspector.domain import (
    AnomalyMap,
    Box,
    Cause,
    CheckResult,
    Detection,
    Finding,
    FindingKind,
    Part,
    Verdict,
)
from inspector.errors import BundleError, DefectError
from inspector.issue import Issuer, reference
from inspector.recipe import Recipe
from inspector.station import ABORTED, COMPLETED, FAILED, Judged, Station, aborted

SCRATCHES = DetectCheck("detect", "detector", frozenset({"scratch"}), 0.5, 0.3)


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    return make_recipe(tmp_path)


class Says:
    """A check that gives what it is told to."""

    def __init__(self, *findings: Finding, error: Exception | None = None) -> None:
        self.name = "says"
        self._findings, self._error = findings, error

    def inspect(self, part: Part) -> CheckResult:
        if self._error is not None:
            raise self._error
        return CheckResult(self._findings)


def finding(score: float, threshold: float = 0.5) -> Finding:
    return Finding("says", FindingKind.DEFECT, f"{score}", score, threshold, Box(0, 0, 1, 1))


@pytest.mark.parametrize(
    ("mark", "verdict", "cause"),
    [
        (10, Verdict.PASS, Cause.NONE),
        (40, Verdict.REVIEW, Cause.UNCERTAIN),
        (90, Verdict.FAIL, Cause.DEFECT),
    ],
)
def test_a_part_is_judged_by_what_its_checks_find(
    recipe: Recipe, mark: int, verdict: Verdict, cause: Cause
) -> None:
    station = make_station(recipe, FakeDetector(scratch_if_marked), SCRATCHES)
    judged = station.inspect(Part(trigger(), (frame(picture(mark)),)))
    assert (judged.judgement.verdict, judged.judgement.cause) == (verdict, cause)
    assert judged.result_state == COMPLETED
    assert judged.scores[0].score == mark / 100
    assert [found.label for found in judged.detections] == ["scratch"]
    assert set(judged.stages_ms or {}) == {"quality", "detect"}


def test_what_tracking_has_seen_is_not_detected_again(recipe: Recipe) -> None:
    detector = FakeDetector()
    station = make_station(recipe, detector, SCRATCHES)
    judged = station.inspect(part(Detection("scratch", 0.9, Box(1, 1, 5, 5))))
    assert detector.calls == 0
    assert judged.judgement.verdict is Verdict.FAIL


def test_a_picture_that_cannot_be_trusted_is_review_though_a_check_fails(recipe: Recipe) -> None:
    station = make_station(recipe, FakeDetector(), Says(finding(0.9)), limits=Limits(100, None, None))
    judged = station.inspect(part())
    assert judged.judgement.cause is Cause.LOW_RESOLUTION
    assert judged.judgement.causes == (Cause.DEFECT, Cause.LOW_RESOLUTION)
    assert {found.check for found in judged.findings} == {"quality", "says"}


def test_a_part_without_a_picture_is_a_camera_fault(recipe: Recipe) -> None:
    judged = make_station(recipe, FakeDetector()).inspect(Part(trigger(), ()))
    assert (judged.judgement.cause, judged.result_state) == (Cause.CAMERA_FAULT, ABORTED)


@pytest.mark.parametrize("error", [BundleError("network broken"), DefectError("output is odd")])
def test_a_model_that_fails_is_review_model_fault_with_its_words(
    recipe: Recipe, error: Exception
) -> None:
    judged = make_station(recipe, FakeDetector(), Says(error=error)).inspect(part())
    assert (judged.judgement.verdict, judged.judgement.cause) == (Verdict.REVIEW, Cause.MODEL_FAULT)
    assert judged.result_state == FAILED
    assert judged.fault == str(error)


def test_a_detector_that_fails_is_a_model_fault_too(recipe: Recipe) -> None:
    def fail(_: object) -> list[Detection]:
        raise DefectError("out of memory")

    judged = make_station(recipe, FakeDetector(fail), SCRATCHES).inspect(Part(trigger(), (frame(),)))
    assert judged.judgement.cause is Cause.MODEL_FAULT


def test_a_defect_of_ours_propagates(recipe: Recipe) -> None:
    station = make_station(recipe, FakeDetector(), Says(error=ZeroDivisionError("ours")))
    with pytest.raises(ZeroDivisionError):
        station.inspect(part())


@pytest.mark.parametrize("score", [math.nan, math.inf, -math.inf])
def test_an_anomaly_score_that_is_no_number_is_a_model_fault_never_a_pass(
    recipe: Recipe, score: float
) -> None:
    check = AnomalyCheck("face", FakeAnomalyModel(score), 0.6, 0.4)
    judged = make_station(recipe, FakeDetector(), check).inspect(part())
    assert (judged.judgement.verdict, judged.judgement.cause) == (Verdict.REVIEW, Cause.MODEL_FAULT)
    assert "no number" in judged.fault
    # and it can be recorded
    issued = Issuer("s", 1, reference(recipe), simulated=False).issue(
        1, trigger(), judged, (), 0.0, (0.0, 0.0)
    )
    assert record_fields(issued)["cause"] == "ModelFault"


def test_one_score_that_is_no_number_is_not_hidden_by_the_other_regions(recipe: Recipe) -> None:
    class Second:
        def __init__(self) -> None:
            self.calls = 0

        def score(self, image: object) -> AnomalyMap:
            self.calls += 1
            score = math.nan if self.calls == 2 else 0.1
            return AnomalyMap(score, np.full((2, 2), score, np.float32))

    check = AnomalyCheck("face", Second(), 0.6, 0.4, PartRegion(of="bottle"), "detector")
    bottles = [Detection("bottle", 0.9, Box(x, 5, x + 10, 40)) for x in (5, 25, 45)]
    judged = make_station(recipe, FakeDetector(), check).inspect(part(*bottles))
    assert judged.judgement.cause is Cause.MODEL_FAULT


def test_gravest_findings_come_first(recipe: Recipe) -> None:
    check = Says(finding(0.6), finding(0.9), finding(0.7, 0.1), finding(0.3, 0.0))
    judged = make_station(recipe, FakeDetector(), check).inspect(part())
    assert [found.score for found in judged.findings] == [0.3, 0.7, 0.9, 0.6]


def test_overlay_is_scaled_so_that_one_is_the_threshold(recipe: Recipe) -> None:
    heat = np.array([[0.3, 0.6], [1.2, 0.0]], np.float32)
    check = AnomalyCheck("face", FakeAnomalyModel(1.2, heat), 0.6, 0.4)
    judged = make_station(recipe, FakeDetector(), check).inspect(part())
    assert judged.overlay is not None
    assert np.allclose(judged.overlay.heat, [[0.5, 1.0], [2.0, 0.0]])
    assert judged.overlay.box == Box(0, 0, 64, 48)


def test_warming_up_runs_every_model_once(recipe: Recipe) -> None:
    detector, model = FakeDetector(), FakeAnomalyModel()
    gate = make_station(recipe, detector)
    Station(recipe, gate._gate, {"detector": detector}, (), (model.score,)).warm_up()
    assert (detector.calls, len(model.seen)) == (1, 1)


def test_aborted_is_review_in_state_three() -> None:
    judged = aborted(Cause.HALTED, "stopped")
    assert (judged.judgement.verdict, judged.result_state) == (Verdict.REVIEW, ABORTED)
    assert judged.fault == "stopped"


def test_issuer_numbers_results_within_the_boot_and_names_the_picture(recipe: Recipe) -> None:
    issuer = Issuer("s", 0xAB, reference(recipe), simulated=True)
    numbers = [issuer.number() for _ in range(3)]
    judged = Judged(aborted(Cause.HALTED).judgement, ABORTED)
    issued = issuer.issue(numbers[-1], trigger(), judged, (frame(index=7),), 0.25, (1.0, 2.0))
    assert numbers == [1, 2, 3]
    assert (issued.result_id, issued.seq) == ("000000ab-3", 3)
    assert (issued.source, issued.frame, issued.simulated) == ("top", 7, True)
    assert (issued.recipe.recipe_id, issued.recipe.version) == ("soap", 3)
    assert issuer.issue(4, trigger(), judged, (), 0.0, (0.0, 0.0)).frame == -1
