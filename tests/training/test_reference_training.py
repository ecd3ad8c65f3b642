"""The judge of differences is trained, exported, measured, and goes on where it was killed."""

from __future__ import annotations

from pathlib import Path

import boards
import numpy as np
import pytest
import torch
from fakes import trigger

from inspector.bundle import Bundle
from inspector.checks.differences import compare, crop_of
from inspector.checks.reference import ReferenceCheck
from inspector.datasets.yolo import YoloData
from inspector.domain import Box, Detection, Frame, Part
from inspector.errors import DataError, InputError
from inspector.runtimes.load import load_judge
from inspector.training.judge import JudgeNetwork, JudgeSettings, fit_judge
from inspector.training.judging import IGNORED, MARGIN, collect, oriented
from inspector.training.reference import (
    JudgeCore,
    best_threshold,
    counts,
    figures,
    train_reference,
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return boards.board_dataset(tmp_path_factory.mktemp("boards") / "set")


@pytest.fixture(scope="module")
def bundle(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    out = tmp_path_factory.mktemp("bundles") / "judge"
    train_reference(data, out, epochs=80, command="test")
    return Bundle.load(out)


def test_examples_carry_their_truth(data: Path) -> None:
    read = YoloData.read(data)
    examples = collect(read, "train")
    assert examples.crops.shape[1:] == (96 + 2 * MARGIN, 96 + 2 * MARGIN, 3)
    true = (examples.labels >= 0) & (examples.labels < 2)
    assert true.sum() >= 36, "three defects on each of twelve boards"
    assert set(np.unique(examples.labels)) <= {IGNORED, 0, 1, 2}
    # the annotated box is the padded candidate, give or take a few pixels
    assert np.abs(examples.deltas[true]).max() < 1.0


def test_a_mirrored_crop_has_mirrored_sides() -> None:
    crop = np.zeros((96, 96, 3), np.uint8)
    crop[10, 20] = 255
    deltas = np.array([1.0, 2.0, 3.0, 4.0], np.float32)
    seen, moved = oriented(crop, deltas, True, False, False)
    assert seen[10, 75].all()
    assert moved.tolist() == [-3.0, 2.0, -1.0, 4.0]
    seen, moved = oriented(crop, deltas, False, False, True)
    assert seen[20, 10].all()
    assert moved.tolist() == [2.0, 1.0, 4.0, 3.0]


def test_the_trained_judge_finds_defects_on_boards_it_has_not_seen(bundle: Bundle) -> None:
    assert bundle.card.task == "reference"
    assert bundle.card.metrics["map33"] >= 0.9
    image = boards.golden(99)
    picture = boards.with_defects(image, [("spot", 48, 77), ("gap", 120, 150)], (1, 0))
    threshold = float(bundle.card.calibration["threshold"])
    check = ReferenceCheck("reference", threshold, threshold, judge=load_judge(bundle), level=100)
    result = check.inspect(Part(trigger(1), (Frame(picture, "top", 0, 0.0, golden=image),)))
    found = {one.label: one.box for one in result.findings}
    assert set(found) == {"spot", "gap"}
    assert found["spot"].iou(boards.box_of("spot", 49, 77)) > 0.6


def test_both_runtimes_agree(bundle: Bundle) -> None:
    image = boards.golden(98)
    seen = compare(boards.with_defects(image, [("spot", 48, 77)]), image)
    crop = crop_of(seen, max(seen.candidates, key=lambda one: one.area)).image
    first = load_judge(bundle, "openvino").judge(crop)
    second = load_judge(bundle, "torch").judge(crop)
    assert first.scores == pytest.approx(second.scores, abs=2e-3)
    assert first.sides == pytest.approx(second.sides, abs=0.1)


def test_a_killed_training_goes_on(data: Path, tmp_path: Path) -> None:
    examples = collect(YoloData.read(data), "train")
    settings = JudgeSettings("digest", 2, 2, 0)
    whole, _ = fit_judge(settings, examples, tmp_path / "whole")

    class KilledError(Exception):
        pass

    def kill(done: int, _of: int, _left: float) -> None:
        if done == 1:
            raise KilledError

    with pytest.raises(KilledError):
        fit_judge(settings, examples, tmp_path / "killed", kill)
    resumed, _ = fit_judge(settings, examples, tmp_path / "killed")
    for name, value in whole.state_dict().items():
        assert np.allclose(value, resumed.state_dict()[name], atol=1e-5), name
    with pytest.raises(InputError, match="other settings"):
        fit_judge(JudgeSettings("digest", 2, 3, 0), examples, tmp_path / "killed")


def test_pictures_without_golden_images_are_refused(data: Path, tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    picture = next((data.parent / "images").iterdir())
    (tmp_path / "images" / picture.name).write_bytes(picture.read_bytes())
    (tmp_path / "data.yaml").write_text("{path: ., train: images, val: images, names: [spot, gap]}")
    with pytest.raises(DataError, match="no golden image"):
        train_reference(tmp_path / "data.yaml", tmp_path / "out", epochs=1, command="test")
    assert not (tmp_path / "out").exists()


def test_the_figures_are_those_of_a_hand_computed_case() -> None:
    box, far = Box(0, 0, 10, 10), Box(50, 50, 60, 60)
    found = [[Detection("a", 0.9, box), Detection("a", 0.6, far), Detection("b", 0.8, box)], []]
    truth = [[("a", box)], [("a", far)]]
    # one of two true boxes found by two reports of 'a' and one of 'b', which is none
    assert counts(found, truth, 0.5) == (1, 3, 2)
    assert counts(found, truth, 0.85) == (1, 1, 2)
    got = figures(found, truth, 0.85)
    assert got["precision33"] == 1.0
    assert got["recall33"] == 0.5
    assert got["f33"] == pytest.approx(0.6667, abs=1e-4)
    # 'a': the first report is right, one of its two boxes is found; 'b' occurs in no truth
    assert got["map33"] == pytest.approx(0.5)
    assert got["map50"] == pytest.approx(51 / 101, abs=1e-4)
    assert best_threshold(found, truth) > 0.8


def test_the_opinions_of_several_networks_are_averaged() -> None:
    torch.manual_seed(0)
    networks = [JudgeNetwork(2).eval(), JudgeNetwork(2).eval()]
    crop = torch.rand(1, 3, 96, 96)
    with torch.inference_mode():
        shares, sides = JudgeCore(networks)(crop)
        alone = [JudgeCore([network])(crop) for network in networks]
    assert not torch.allclose(alone[0][0], alone[1][0])
    assert torch.allclose(shares, (alone[0][0] + alone[1][0]) / 2, atol=1e-6)
    assert torch.allclose(sides, (alone[0][1] + alone[1][1]) / 2, atol=1e-4)
