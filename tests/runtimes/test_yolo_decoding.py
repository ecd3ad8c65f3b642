"""Decoding of YOLO outputs and letterboxing, with networks that answer as told."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pytest

from inspector.bundle import Card, DataSpec, InputSpec
from inspector.domain import Box, Image
from inspector.errors import BundleError, DefectError
from inspector.runtimes.patchcore import PatchAnomalyModel
from inspector.runtimes.yolo import YoloDetector

Floats = npt.NDArray[np.float32]


def card(head: str = "end2end", task: str = "detect", fit: str = "letterbox") -> Card:
    return Card.model_validate(
        {
            "task": task,
            "architecture": "yolo",
            "labels": ("bottle", "cap"),
            "input": InputSpec(width=320, height=320, fit=fit, resize="host"),  # type: ignore[arg-type]
            "head": head,
            "files": (),
            "data": DataSpec(source="", digest="", split={}),
            "metrics": {},
            "calibration": {},
            "licence": "",
            "versions": {},
            "command": "",
        }
    )


class Told:
    """A network that remembers its picture and answers as told."""

    def __init__(self, **outputs: Floats) -> None:
        self.outputs = outputs
        self.seen: Image | None = None

    def __call__(self, image: Image) -> Mapping[str, Floats]:
        self.seen = image.copy()
        return self.outputs


def rows(*values: tuple[float, ...]) -> Floats:
    return np.array([values], np.float32)


def test_end2end_rows_come_back_in_pixels_of_the_picture() -> None:
    network = Told(
        detections=rows((10, 40, 50, 80, 0.5, 1), (20, 60, 60, 100, 0.9, 0), (0, 0, 9, 9, 0.01, 0))
    )
    found = YoloDetector(network, card()).detect(np.full((480, 640, 3), 7, np.uint8))
    # 640x480 is halved to 320x240 and lies 40 px below the top
    assert [(item.label, round(item.confidence, 3)) for item in found] == [
        ("bottle", 0.9),
        ("cap", 0.5),
    ]
    assert found[0].box == Box(40, 40, 120, 120)
    assert found[1].box == Box(20, 0, 100, 80)
    assert network.seen is not None
    assert (network.seen[:40] == 114).all()
    assert (network.seen[40:280] == 7).all()
    assert (network.seen[280:] == 114).all()


def test_a_picture_of_the_right_size_is_passed_on_untouched() -> None:
    network = Told(detections=rows((10, 40, 50, 80, 0.5, 1)))
    image = np.random.default_rng(0).integers(0, 255, (320, 320, 3), dtype=np.uint8)
    found = YoloDetector(network, card()).detect(image)
    assert found[0].box == Box(10, 40, 50, 80)
    assert network.seen is not None
    assert (network.seen == image).all()


def test_stretching_has_a_scale_for_each_side() -> None:
    network = Told(detections=rows((10, 40, 50, 80, 0.5, 1)))
    found = YoloDetector(network, card(fit="stretch")).detect(np.zeros((640, 1280, 3), np.uint8))
    assert found[0].box == Box(40, 80, 200, 160)


def test_boxes_end_at_the_picture_and_empty_ones_are_dropped() -> None:
    network = Told(detections=rows((-9, 30, 50, 80, 0.5, 1), (0, 10, 40, 30, 0.5, 1)))
    found = YoloDetector(network, card()).detect(np.zeros((480, 640, 3), np.uint8))
    assert [item.box for item in found] == [Box(0, 0, 100, 80)]


def test_raw_output_is_suppressed_within_each_class() -> None:
    anchors = np.array(
        # centre, size, bottle, cap
        [
            [100, 100, 40, 40, 0.8, 0.1],
            [102, 100, 40, 40, 0.9, 0.1],
            [101, 100, 40, 40, 0.1, 0.6],
            [200, 200, 20, 40, 0.7, 0.0],
            [300, 300, 20, 20, 0.02, 0.0],
        ],
        np.float32,
    )
    network = Told(detections=anchors.T[None])
    found = YoloDetector(network, card("raw")).detect(np.zeros((320, 320, 3), np.uint8))
    assert [(item.label, round(item.confidence, 2)) for item in found] == [
        ("bottle", 0.9),
        ("bottle", 0.7),
        ("cap", 0.6),
    ]
    assert found[1].box == Box(190, 180, 210, 220)


def test_nothing_found_is_no_detection() -> None:
    empty = np.zeros((1, 6, 30), np.float32)
    image = np.zeros((320, 320, 3), np.uint8)
    assert YoloDetector(Told(detections=empty), card("raw")).detect(image) == ()
    assert YoloDetector(Told(detections=rows((0, 0, 0, 0, 0, 0))), card()).detect(image) == ()


@pytest.mark.parametrize("poison", [np.nan, np.inf])
def test_a_number_that_is_none_is_a_fault(poison: float) -> None:
    image = np.zeros((320, 320, 3), np.uint8)
    with pytest.raises(DefectError):
        YoloDetector(Told(detections=rows((0, 0, 9, 9, poison, 0))), card()).detect(image)
    good, bad = np.zeros((1,), np.float32), np.full((1,), poison, np.float32)
    heat = np.zeros((1, 1, 4, 4), np.float32)
    model = card("patchcore", "anomaly")
    with pytest.raises(DefectError):
        PatchAnomalyModel(Told(score=bad, map=heat), model).score(image)
    with pytest.raises(DefectError):
        PatchAnomalyModel(Told(score=good, map=heat + np.float32(poison)), model).score(image)
    assert PatchAnomalyModel(Told(score=good, map=heat), model).score(image).score == 0


def test_an_empty_picture_is_a_fault() -> None:
    network = Told(detections=rows((0, 0, 9, 9, 0.9, 0)))
    with pytest.raises(DefectError, match="empty picture"):
        YoloDetector(network, card()).detect(np.zeros((0, 40, 3), np.uint8))
    with pytest.raises(DefectError, match="empty picture"):
        PatchAnomalyModel(network, card("patchcore", "anomaly")).score(np.zeros((40, 0, 3), np.uint8))


def test_a_model_for_something_else_is_refused() -> None:
    with pytest.raises(BundleError, match="cannot detect"):
        YoloDetector(Told(), card("patchcore", "anomaly"))
    with pytest.raises(BundleError, match="cannot find anomalies"):
        PatchAnomalyModel(Told(), card())
