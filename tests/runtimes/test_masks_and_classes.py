"""Outputs of segmentation and classification networks, told and exported."""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from fakes import part
from runtimes.test_yolo_decoding import Floats, Told, card, rows
from torch import Tensor, nn

from inspector.build import build_station
from inspector.bundle import Bundle, Card, Runtime, Tile, write_card
from inspector.config import StationConfig
from inspector.domain import Box, Image, Verdict
from inspector.errors import BundleError, DefectError
from inspector.recipe import load_recipe
from inspector.runtimes.classifier import WholeImageClassifier
from inspector.runtimes.load import load_classifier, load_detector
from inspector.runtimes.tiled import TiledDetector
from inspector.runtimes.yolo import YoloDetector
from inspector.training.export import Preprocessing, export_network

SIDE, QUARTER = 320, 80


def segment_card(head: str = "raw", fit: str = "letterbox") -> Card:
    return card(head, "segment", fit)


def ramp_prototypes(*logits: Floats) -> Floats:
    """32 prototypes, the first ones given, the others noise that no coefficient uses."""
    found = np.random.default_rng(1).normal(size=(1, 32, QUARTER, QUARTER)).astype(np.float32)
    for index, logit in enumerate(logits):
        found[0, index] = logit
    return found


def disc(x: float, y: float, radius: float) -> Floats:
    """Positive inside a circle, in pixels of the input; linear, so that interpolation is exact."""
    ys, xs = np.mgrid[:QUARTER, :QUARTER].astype(np.float32) * 4 + 2
    return (radius - np.hypot(xs - x, ys - y)).astype(np.float32)


def anchor(
    box: tuple[float, float, float, float], scores: tuple[float, float], *weights: float
) -> Floats:
    x1, y1, x2, y2 = box
    coefficients = list(weights) + [0.0] * (32 - len(weights))
    row = [(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1, *scores, *coefficients]
    return np.array(row, np.float32)


def truth_disc(size: tuple[int, int], x: float, y: float, rx: float, ry: float) -> Image:
    ys, xs = np.mgrid[: size[1], : size[0]] + 0.5
    return ((xs - x) / rx) ** 2 + ((ys - y) / ry) ** 2 < 1


def full(mask: object, size: tuple[int, int]) -> Image:
    canvas = np.zeros(size[::-1], np.bool_)
    m = mask
    canvas[m.y : m.y + m.height, m.x : m.x + m.width] = m.pixels  # type: ignore[attr-defined]
    return canvas


def iou(one: Image, other: Image) -> float:
    return float((one & other).sum() / (one | other).sum())


@pytest.mark.parametrize(
    ("size", "fit", "scale", "left", "top"),
    [
        ((320, 320), "letterbox", (1.0, 1.0), 0, 0),
        ((640, 480), "letterbox", (0.5, 0.5), 0, 40),
        ((300, 1200), "letterbox", (320 / 1200, 320 / 1200), 120, 0),
        ((1280, 640), "stretch", (0.25, 0.5), 0, 0),
        ((100, 160), "letterbox", (2.0, 2.0), 60, 0),
    ],
)
def test_masks_come_back_in_pixels_of_the_picture(
    size: tuple[int, int], fit: str, scale: tuple[float, float], left: int, top: int
) -> None:
    """A disc in the middle of the input is an ellipse of the picture, by way of its prototypes."""
    anchors = np.stack([anchor((120, 130, 200, 190), (0.2, 0.9), 1.0)])
    network = Told(
        detections=anchors.T[None], prototypes=ramp_prototypes(disc(160, 160, 25)), other=rows((0,))
    )
    image = np.zeros((size[1], size[0], 3), np.uint8)
    (found,) = YoloDetector(network, segment_card(fit=fit)).detect(image)
    assert (found.label, round(found.confidence, 2)) == ("cap", 0.9)
    assert found.mask is not None
    centre = ((160 - left) / scale[0], (160 - top) / scale[1])
    truth = truth_disc(size, *centre, 25 / scale[0], 25 / scale[1])
    assert iou(full(found.mask, size), truth) > 0.93
    assert found.box.contains(*centre)


def test_a_mask_ends_at_its_box() -> None:
    anchors = np.stack([anchor((140, 150, 160, 200), (0.9, 0.1), 1.0)])
    network = Told(detections=anchors.T[None], prototypes=ramp_prototypes(disc(160, 160, 40)))
    (found,) = YoloDetector(network, segment_card()).detect(np.zeros((320, 320, 3), np.uint8))
    assert found.box == Box(140, 150, 160, 200)
    assert found.mask is not None
    canvas = full(found.mask, (320, 320))
    assert canvas[150:200, 140:160].sum() == canvas.sum()
    assert canvas[170, 150]
    # the disc ends above the box's lower edge in its left part, and is cut by the box elsewhere
    assert iou(canvas, truth_disc((320, 320), 160, 160, 40, 40) & canvas) > 0.97


def test_prototypes_are_weighted_and_every_object_has_its_own_pixels() -> None:
    both = ramp_prototypes(disc(80, 80, 20), disc(240, 240, 20))
    anchors = np.stack(
        [
            anchor((50, 50, 110, 110), (0.9, 0.1), 1.0, -0.001),
            anchor((210, 210, 270, 270), (0.8, 0.1), -0.001, 1.0),
            # twice the weight of a disc is the same disc; the weak anchor is suppressed
            anchor((51, 50, 110, 110), (0.7, 0.1), 2.0),
        ]
    )
    network = Told(detections=anchors.T[None], prototypes=both)
    first, second = YoloDetector(network, segment_card()).detect(np.zeros((320, 320, 3), np.uint8))
    assert first.mask is not None
    assert second.mask is not None
    assert iou(full(first.mask, (320, 320)), truth_disc((320, 320), 80, 80, 20, 20)) > 0.93
    assert iou(full(second.mask, (320, 320)), truth_disc((320, 320), 240, 240, 20, 20)) > 0.93


def test_a_class_score_is_never_mistaken_for_a_mask_weight() -> None:
    """The 32 weights may exceed 1 by far; without them the raw head has as many rows."""
    anchors = np.stack([anchor((50, 50, 110, 110), (0.3, 0.6), *([7.0] * 32))])
    network = Told(detections=anchors.T[None], prototypes=ramp_prototypes(disc(80, 80, 20)))
    (found,) = YoloDetector(network, segment_card()).detect(np.zeros((320, 320, 3), np.uint8))
    assert (found.label, round(found.confidence, 2)) == ("cap", 0.6)


def test_the_other_head_carries_masks_as_well() -> None:
    row = np.array([[[50, 50, 110, 110, 0.8, 1, 1.0, *([0.0] * 31)]]], np.float32)
    network = Told(detections=row, prototypes=ramp_prototypes(disc(80, 80, 20)))
    (found,) = YoloDetector(network, segment_card("end2end")).detect(np.zeros((320, 320, 3), np.uint8))
    assert found.label == "cap"
    assert found.mask is not None
    assert iou(full(found.mask, (320, 320)), truth_disc((320, 320), 80, 80, 20, 20)) > 0.93


def test_a_mask_without_a_pixel_is_none_and_the_object_stays() -> None:
    anchors = np.stack([anchor((50, 50, 110, 110), (0.9, 0.1), 1.0)])
    network = Told(detections=anchors.T[None], prototypes=ramp_prototypes(disc(250, 250, 9)))
    (found,) = YoloDetector(network, segment_card()).detect(np.zeros((320, 320, 3), np.uint8))
    assert found.mask is None
    assert found.box == Box(50, 50, 110, 110)


@pytest.mark.parametrize("poison", [np.nan, np.inf])
def test_a_prototype_that_is_no_number_is_a_fault(poison: float) -> None:
    anchors = np.stack([anchor((50, 50, 110, 110), (0.9, 0.1), 1.0)])
    prototypes = ramp_prototypes(disc(80, 80, 20))
    prototypes[0, 5, 7, 7] = poison
    network = Told(detections=anchors.T[None], prototypes=prototypes)
    with pytest.raises(DefectError, match="a number that is none"):
        YoloDetector(network, segment_card()).detect(np.zeros((320, 320, 3), np.uint8))


def test_a_segmentation_network_without_prototypes_is_a_fault() -> None:
    network = Told(detections=np.zeros((1, 38, 10), np.float32))
    with pytest.raises(DefectError, match="not detections and prototypes"):
        YoloDetector(network, segment_card()).detect(np.zeros((320, 320, 3), np.uint8))


# --- classification ------------------------------------------------------------------------------


def classify_card(fit: str = "stretch") -> Card:
    return card("classify", "classify", fit)


def test_scores_are_probabilities_by_label() -> None:
    network = Told(scores=rows((0.25, 0.75)))
    model = WholeImageClassifier(network, classify_card())
    assert model.classify(np.full((20, 90, 3), 7, np.uint8)) == {"bottle": 0.25, "cap": 0.75}
    assert network.seen is not None
    assert network.seen.shape == (320, 320, 3)
    assert (network.seen == 7).all()
    WholeImageClassifier(network, classify_card("letterbox")).classify(
        np.full((20, 90, 3), 7, np.uint8)
    )
    assert network.seen[0, 0].tolist() == [114, 114, 114]


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        ((np.nan, 0.5), "a number that is none"),
        ((np.inf, 0.5), "a number that is none"),
        ((3.0, -2.0), "no probabilities"),
        ((0.2, 0.2), "no probabilities"),
        ((0.2, 0.3, 0.5), "3 scores for 2 labels"),
    ],
)
def test_scores_that_are_none_are_a_fault(scores: tuple[float, ...], message: str) -> None:
    model = WholeImageClassifier(Told(scores=rows(scores)), classify_card())
    with pytest.raises(DefectError, match=message):
        model.classify(np.zeros((32, 32, 3), np.uint8))


def test_a_classifier_refuses_what_it_cannot_use() -> None:
    with pytest.raises(BundleError, match="cannot classify"):
        WholeImageClassifier(Told(), card())
    with pytest.raises(BundleError, match="cannot detect"):
        YoloDetector(Told(), classify_card())
    model = WholeImageClassifier(Told(scores=rows((1.0, 0.0))), classify_card())
    with pytest.raises(DefectError, match="empty picture"):
        model.classify(np.zeros((0, 32, 3), np.uint8))
    with pytest.raises(DefectError, match="not scores"):
        WholeImageClassifier(Told(other=rows((1.0, 0.0))), classify_card()).classify(
            np.zeros((32, 32, 3), np.uint8)
        )


# --- exported, on both runtimes ------------------------------------------------------------------


class Brightness(nn.Module):
    """Dark pictures are ``bottle``, bright ones ``cap``: a classifier without training."""

    def forward(self, picture: Tensor) -> Tensor:
        light = picture.mean((1, 2, 3))
        return torch.softmax(torch.stack(((0.5 - light) * 20, (light - 0.5) * 20), 1), 1)


class BrightSpot(nn.Module):
    """One anchor around the input's bright pixels, whose prototype they are."""

    def forward(self, picture: Tensor) -> tuple[Tensor, Tensor]:
        bright = picture.mean(1, keepdim=True) - 0.5
        prototype = nn.functional.avg_pool2d(bright, 4)
        weights = torch.zeros((1, 32, 1))
        weights[0, 0, 0] = 1.0
        box = torch.tensor([[[32.0], [32.0], [50.0], [50.0], [0.9], [0.1]]])
        others = torch.zeros((1, 31, 16, 16))
        known = bright.amax().reshape(1, 1, 1) * 0
        return torch.cat((box + known, weights), 1), torch.cat((prototype, others), 1)


def exported(folder: Path, core: nn.Module, outputs: tuple[str, ...], base: Card) -> Bundle:
    folder.mkdir(parents=True)
    files = export_network(core, Preprocessing(64, 64), outputs, folder)
    spec = base.input.model_copy(update={"width": 64, "height": 64})
    write_card(folder, base.model_copy(update={"files": files, "input": spec}))
    return Bundle.load(folder)


@pytest.fixture(scope="module")
def classifier_bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    folder = tmp_path_factory.mktemp("classify") / "model"
    return exported(folder, Brightness(), ("scores",), classify_card())


@pytest.fixture(scope="module")
def segment_bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    folder = tmp_path_factory.mktemp("segment") / "model"
    return exported(folder, BrightSpot(), ("detections", "prototypes"), segment_card())


@pytest.mark.parametrize("runtime", ["openvino", "torch"])
def test_both_runtimes_classify(classifier_bundle: Bundle, runtime: Runtime) -> None:
    model = load_classifier(classifier_bundle, runtime)
    dark = model.classify(np.full((40, 50, 3), 90, np.uint8))
    assert dark == pytest.approx({"bottle": 0.9972, "cap": 0.0028}, abs=2e-3)
    assert model.classify(np.full((40, 50, 3), 200, np.uint8))["cap"] > 0.99


@pytest.mark.parametrize("runtime", ["openvino", "torch"])
def test_both_runtimes_give_masks(segment_bundle: Bundle, runtime: Runtime) -> None:
    image = np.zeros((64, 64, 3), np.uint8)
    cv2.rectangle(image, (20, 24), (39, 35), (255, 255, 255), -1)
    (found,) = load_detector(segment_bundle, runtime).detect(image)
    assert found.mask is not None
    assert iou(full(found.mask, (64, 64)), image[:, :, 0] > 0) > 0.9


@pytest.mark.parametrize("runtime", ["openvino", "torch"])
def test_the_card_says_whether_pictures_are_tiled(segment_bundle: Bundle, runtime: Runtime) -> None:
    assert isinstance(load_detector(segment_bundle, runtime), YoloDetector)
    spec = segment_bundle.card.input.model_copy(update={"tile": Tile(side=64, overlap=24)})
    tiled = Bundle(segment_bundle.path, segment_bundle.card.model_copy(update={"input": spec}))
    detector = load_detector(tiled, runtime)
    assert isinstance(detector, TiledDetector)
    image = np.zeros((64, 104, 3), np.uint8)
    # in the overlap of the two tiles, 40..64
    cv2.rectangle(image, (44, 24), (55, 35), (255, 255, 255), -1)
    found = detector.detect(image)
    canvas = np.zeros((64, 104), np.bool_)
    for one in found:
        if one.mask is not None:
            canvas |= full(one.mask, (104, 64))
    assert iou(canvas, image[:, :, 0] > 0) > 0.6


def test_a_station_fails_a_part_by_its_class_and_by_its_pixels(
    classifier_bundle: Bundle, segment_bundle: Bundle, tmp_path: Path
) -> None:
    """Recipe, bundles, checks and verdict, wired as on the line."""
    folder = tmp_path / "lid"
    folder.mkdir()
    (folder / "whole").symlink_to(classifier_bundle.path)
    (folder / "pixels").symlink_to(segment_bundle.path)
    (folder / "recipe.yaml").write_text(
        "product: lid\nversion: 1\nmm_per_px: 0.5\n"
        "quality: {min_side_px: 16, frozen: false}\n"
        "checks:\n"
        "  - {kind: classify, model: whole, good: [bottle], threshold: 0.5}\n"
        "  - {kind: detect, model: pixels, criteria: {bottle: {min_area_mm2: 40}}}\n"
    )
    station = build_station(
        load_recipe(folder), StationConfig(name="s", topic="a/b", recipe=folder), live=False
    )
    station.warm_up()
    verdicts = {}
    for name, corner in (("small", (27, 27)), ("large", (37, 40))):
        # not quite black: that would be no picture to trust
        image = np.full((64, 64, 3), 8, np.uint8)
        cv2.rectangle(image, (20, 20), corner, (255, 255, 255), -1)
        judged = station.inspect(part(image=image))
        verdicts[name] = judged
    # 8 x 8 pixels are 16 mm², 18 x 21 about 95
    assert verdicts["small"].judgement.verdict is Verdict.PASS, verdicts["small"].fault
    assert verdicts["large"].judgement.verdict is Verdict.FAIL
    assert [f.check for f in verdicts["large"].findings] == ["detect"]
    assert verdicts["large"].findings[0].mask is not None
    bright = station.inspect(part(image=np.full((64, 64, 3), 160, np.uint8)))
    assert "classify" in {f.check for f in bright.findings}
    assert {s.check: round(s.score, 1) for s in bright.scores}["classify"] == 1.0


def test_the_line_classifies_without_torch(classifier_bundle: Bundle) -> None:
    import subprocess

    program = f"""
import sys
from pathlib import Path
import numpy as np
from inspector.bundle import Bundle
from inspector.runtimes.load import load_classifier
load_classifier(Bundle.load(Path({str(classifier_bundle.path)!r}))).classify(np.zeros((9, 9, 3), np.uint8))
assert 'torch' not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)
