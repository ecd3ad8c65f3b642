"""Pictures that cannot be trusted."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from fakes import frame, part, picture, trigger

from inspector.checks.quality import DARK, Limits, QualityGate
from inspector.domain import Box, Image, Part, Verdict
from inspector.judge import judge
from inspector.recipe import QualityGate as GateSpec

LIMITS = Limits(48, 100.0, (40.0, 220.0))
GOOD = picture(size=(320, 240), seed=1)


def causes(image: Image, limits: Limits = LIMITS, box: Box | None = None, **changes: Any) -> list[str]:
    gate = QualityGate(limits, notice_frozen=True)
    judgement = judge(gate.inspect(part(image=image, box=box, **changes)).findings)
    assert not judgement.causes or judgement.verdict is Verdict.REVIEW
    return [cause.word for cause in judgement.causes]


def test_a_good_picture_has_no_findings() -> None:
    assert causes(GOOD) == []


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (picture(size=(320, 40), seed=1), ["LowResolution"]),
        ((GOOD // 8).astype(np.uint8), ["Exposure"]),
        (np.clip(GOOD.astype(int) + 120, 0, 255).astype(np.uint8), ["Exposure"]),
        (cv2.GaussianBlur(GOOD, (0, 0), 4), ["Blur"]),
        (np.zeros_like(GOOD), ["Blur", "Exposure"]),
    ],
    ids=["small", "dark", "bright", "blurred", "black"],
)
def test_each_fault_of_a_picture_has_its_cause(image: Image, expected: list[str]) -> None:
    assert causes(image) == expected


@pytest.mark.parametrize(("exposure", "expected"), [("auto", ["Exposure"]), ("off", [])])
def test_a_covered_lens_is_noticed_though_nobody_has_said_what_is_dark(
    exposure: str, expected: list[str]
) -> None:
    limits = Limits.of(GateSpec.model_validate({"exposure": exposure}), {})
    # a little noise is left of the sensor
    assert causes((GOOD // 80).astype(np.uint8), limits) == expected
    assert causes((GOOD // 8).astype(np.uint8), limits) == []


def test_a_repeated_live_frame_is_frozen() -> None:
    assert causes(GOOD, repeats=True) == ["FrozenFrame"]
    ignoring = QualityGate(LIMITS, notice_frozen=False)
    assert ignoring.inspect(part(image=GOOD, repeats=True)).findings == ()


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        (Box(20, 20, 300, 200), []),
        (Box(1, 20, 300, 200), ["PartialPart"]),
        (Box(20, 0, 300, 200), ["PartialPart"]),
        (Box(20, 20, 319.5, 200), ["PartialPart"]),
        (Box(20, 20, 300, 239), ["PartialPart"]),
        (None, []),
    ],
)
def test_a_part_cut_off_by_the_edge_is_partial(box: Box | None, expected: list[str]) -> None:
    assert causes(GOOD, box=box) == expected


def test_every_picture_of_a_part_is_judged() -> None:
    frames = (frame(GOOD), frame(np.zeros_like(GOOD)))
    findings = QualityGate(LIMITS, notice_frozen=True).inspect(Part(trigger(), frames)).findings
    assert {finding.label for finding in findings} == {"Blur", "Exposure"}


@pytest.mark.parametrize(
    ("spec", "calibration", "expected"),
    [
        ({}, {}, Limits(64, None, (DARK, 255.0))),
        ({}, {"sharpness_min": 9, "exposure_low": 30}, Limits(64, 9.0, (DARK, 255.0))),
        ({}, {"exposure_low": 30, "exposure_high": 200}, Limits(64, None, (30.0, 200.0))),
        ({"sharpness": 5, "exposure": (1, 2)}, {"sharpness_min": 9}, Limits(64, 5.0, (1.0, 2.0))),
        (
            {"sharpness": "off", "exposure": "off", "min_side_px": 10},
            {"sharpness_min": 9, "exposure_low": 30, "exposure_high": 200},
            Limits(10, None, None),
        ),
    ],
)
def test_limits_come_from_the_recipe_or_for_auto_from_the_card(
    spec: dict[str, Any], calibration: dict[str, float | str], expected: Limits
) -> None:
    assert Limits.of(GateSpec.model_validate(spec), calibration) == expected


def test_findings_say_by_how_much_the_limit_is_missed() -> None:
    (finding,) = (
        QualityGate(Limits(96, None, None), True).inspect(part(image=picture(size=(64, 48)))).findings
    )
    assert (finding.score, finding.threshold) == (2.0, 1.0)
