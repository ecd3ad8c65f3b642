"""Whole pictures by class."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from fakes import part, picture

from inspector.checks.classify import ClassifyCheck
from inspector.criteria import PartRegion
from inspector.domain import Box, Detection, FindingKind, Image, Verdict
from inspector.judge import judge

GOOD = frozenset({"clean", "dusty"})


class Told:
    """Answers by the pictures' first pixel, and remembers their sizes."""

    def __init__(self, *answers: Mapping[str, float]) -> None:
        self.answers = list(answers)
        self.seen: list[Image] = []

    def classify(self, image: Image) -> Mapping[str, float]:
        self.seen.append(image)
        return self.answers[min(len(self.seen), len(self.answers)) - 1]


def answer(clean: float, dusty: float, cracked: float, bent: float) -> Mapping[str, float]:
    return {"clean": clean, "dusty": dusty, "cracked": cracked, "bent": bent}


@pytest.mark.parametrize(
    ("probabilities", "verdict", "label"),
    [
        (answer(0.5, 0.21, 0.2, 0.09), Verdict.PASS, None),
        (answer(0.4, 0.3, 0.1, 0.2), Verdict.REVIEW, "bent"),
        (answer(0.3, 0.11, 0.3, 0.29), Verdict.REVIEW, "cracked"),
        # no single class is above 0.5, but that it is a good one is unlikely
        (answer(0.4, 0.0, 0.31, 0.29), Verdict.FAIL, "cracked"),
        (answer(0.0, 0.0, 0.2, 0.8), Verdict.FAIL, "bent"),
    ],
)
def test_all_good_classes_together_decide(
    probabilities: Mapping[str, float], verdict: Verdict, label: str | None
) -> None:
    check = ClassifyCheck("classify", Told(probabilities), GOOD, 0.6, 0.3)
    result = check.inspect(part(image=picture(size=(80, 60))))
    assert judge(result.findings).verdict is verdict
    expected = 1 - probabilities["clean"] - probabilities["dusty"]
    assert result.scores[0].score == pytest.approx(expected)
    assert [(f.kind, f.label, f.box) for f in result.findings] == (
        [(FindingKind.DEFECT, label, Box(0, 0, 80, 60))] if label else []
    )


def test_each_part_is_classified_by_its_region() -> None:
    model = Told(answer(1, 0, 0, 0), answer(0, 0, 1, 0))
    region = PartRegion(of="bottle", inner=(0, 0.5, 1, 1))
    check = ClassifyCheck("classify", model, GOOD, 0.6, 0.3, region, "detector")
    image = np.zeros((100, 200, 3), np.uint8)
    image[30:50, 110:140] = 9
    seen = (
        Detection("bottle", 0.9, Box(10, 10, 40, 50)),
        Detection("bottle", 0.8, Box(110, 10, 140, 50)),
    )
    result = check.inspect(part(*seen, image=image))
    assert [crop.shape for crop in model.seen] == [(20, 30, 3), (20, 30, 3)]
    assert (model.seen[1] == 9).all()
    assert [(f.label, f.box) for f in result.findings] == [("cracked", Box(110, 30, 140, 50))]
    assert result.scores[0].score == 1.0


def test_a_region_without_its_part_is_for_a_person() -> None:
    check = ClassifyCheck("c", Told(answer(1, 0, 0, 0)), GOOD, 0.6, 0.3, PartRegion(of="bottle"), "d")
    result = check.inspect(part(image=picture()))
    assert [finding.label for finding in result.findings] == ["NoPart"]
    assert judge(result.findings).verdict is Verdict.REVIEW
    assert result.scores == ()
