"""A detector, from pictures to a bundle that finds things."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import time
from pathlib import Path

import pytest
from training.samples import LABELS, SIDE, drawn_dataset, outlined_dataset, sorted_dataset

from inspector.bundle import Bundle
from inspector.datasets.yolo import YoloData
from inspector.errors import DataError, InputError
from inspector.runtimes.load import load_classifier, load_detector
from inspector.training.auditing import audited
from inspector.training.card import read_picture
from inspector.training.plan import Wishes


def test_a_stopped_training_goes_on_and_ends_in_a_bundle(detector_bundle: Bundle) -> None:
    card = detector_bundle.card
    assert card.task == "detect"
    assert card.architecture == "yolo26n"
    assert card.labels == LABELS
    assert card.head == "end2end"
    assert (card.input.width, card.input.height, card.input.fit) == (64, 64, "letterbox")
    assert card.data.split == {"train": 8, "val": 4}
    assert set(card.metrics) == {"map50", "map50_95", "fp32_map50_95"}
    assert card.calibration["sharpness_min"] > 0
    assert card.calibration["exposure_low"] < 110 < card.calibration["exposure_high"]
    assert card.command.startswith("inspector train detector")


def test_the_network_files_are_small_enough_to_ship(detector_bundle: Bundle) -> None:
    sizes = {
        file.name: (detector_bundle.path / file.name).stat().st_size
        for file in detector_bundle.card.files
    }
    assert set(sizes) == {"openvino.xml", "openvino.bin", "torch.pt2"}
    assert max(sizes.values()) < 6_000_000


def test_the_bundle_detects_on_pictures_of_any_size(detector_bundle: Bundle) -> None:
    picture = read_picture(detector_bundle.path.parent / "drawn" / "images" / "val" / "drawn-08.jpg")
    found = load_detector(detector_bundle, min_confidence=0.0).detect(picture[:70])
    assert found
    assert all(a.confidence >= b.confidence for a, b in itertools.pairwise(found))
    for item in found:
        assert item.label in LABELS
        assert 0 <= item.box.x1 < item.box.x2 <= SIDE
        assert 0 <= item.box.y1 < item.box.y2 <= 70


def test_no_download_is_possible(detector_bundle: Bundle) -> None:
    from ultralytics.utils import ONLINE, SETTINGS

    assert os.environ["YOLO_OFFLINE"] == "true"
    assert not ONLINE
    assert not SETTINGS["sync"]


def test_a_training_with_other_settings_is_not_mixed_in(
    detector_bundle: Bundle, tmp_path: Path
) -> None:
    from inspector.training.detector import train_detector

    folder = detector_bundle.path.parent
    with pytest.raises(InputError, match="other settings: seed"):
        train_detector(
            folder / "drawn" / "data.yaml",
            tmp_path / "detector",
            epochs=2,
            wishes=Wishes(base="yolo26n.yaml", imgsz=64),
            seed=1,
            allow_findings=True,
            resume_dir=folder / ".detector-training",
            command="",
        )
    assert not (tmp_path / "detector").exists()


@pytest.mark.parametrize(
    ("base", "sentence"),
    [
        ("missing.pt", "are not here, and nothing is downloaded"),
        ("yolo99n.yaml", "No detector"),
        ("yolo11n-seg.yaml", "does not fit a data set for 'detect'"),
    ],
)
def test_an_unknown_base_is_a_sentence(tmp_path: Path, base: str, sentence: str) -> None:
    from inspector.training.detector import train_detector

    data = drawn_dataset(tmp_path / "data")
    with pytest.raises(InputError, match=sentence):
        train_detector(data, tmp_path / "out", wishes=Wishes(base=base), epochs=1, command="")


def test_an_input_size_that_does_not_fit_is_a_sentence(tmp_path: Path) -> None:
    from inspector.training.detector import train_detector

    data = drawn_dataset(tmp_path / "data")
    with pytest.raises(InputError, match="multiple of 32"):
        train_detector(data, tmp_path / "out", wishes=Wishes(imgsz=100), epochs=1, command="")


def test_a_data_set_that_is_none_is_a_sentence(tmp_path: Path) -> None:
    from inspector.training.detector import train_detector

    with pytest.raises(DataError, match="does not exist"):
        train_detector(tmp_path / "data.yaml", tmp_path / "out", epochs=1, command="")
    (tmp_path / "data.yaml").write_text("train: here\n")
    with pytest.raises(DataError, match="is no data set: val"):
        train_detector(tmp_path / "data.yaml", tmp_path / "out", epochs=1, command="")


def test_leakage_stops_a_training_before_it_begins(tmp_path: Path) -> None:
    from inspector.training.detector import train_detector

    data = drawn_dataset(tmp_path / "data")
    for folder, suffix in (("images", "jpg"), ("labels", "txt")):
        source = tmp_path / "data" / folder / "train" / f"drawn-00.{suffix}"
        shutil.copyfile(source, tmp_path / "data" / folder / "val" / f"drawn-99.{suffix}")
    with pytest.raises(DataError, match=r"should not be trained on: .* in train and val") as caught:
        train_detector(data, tmp_path / "out", epochs=1, command="")
    assert "--allow-findings" in str(caught.value)
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / ".out-training").exists()
    _, told = audited(YoloData.read(data), allow_findings=True)
    assert len(told) == 1
    assert "in train and val" in told[0], "the card says what was allowed"


def test_a_training_ends_with_its_budget(tmp_path: Path) -> None:
    from inspector.training.detector import train_detector

    seen: list[tuple[int, int]] = []
    started = time.monotonic()
    card = train_detector(
        drawn_dataset(tmp_path / "data"),
        tmp_path / "out",
        minutes=0.05,
        allow_findings=True,
        wishes=Wishes(base="yolo26n.yaml", imgsz=64, batch=2),
        int8=False,
        progress=lambda done, of, _: seen.append((done, of)),
        command="",
    )
    # one epoch at least, however little time there is; the machine may be a slow one
    assert 1 <= len(seen) < 50
    assert seen[-1][0] == len(seen)
    assert time.monotonic() - started < 200
    assert card.training, "the choices are on the card"
    state = json.loads((tmp_path / ".out-training" / "state.json").read_text())
    assert state["finished"]
    assert state["epochs_done"] == len(seen)
    assert state["plan"]["repeats"] == 10


def test_outlines_become_masks(tmp_path: Path) -> None:
    from inspector.training.detector import train_detector

    data = outlined_dataset(tmp_path / "data")
    card = train_detector(
        data,
        tmp_path / "out",
        epochs=1,
        wishes=Wishes(imgsz=64),
        int8=False,
        allow_findings=True,
        command="",
    )
    assert (card.task, card.head, card.architecture) == ("segment", "raw", "yolo11n-seg")
    picture = read_picture(tmp_path / "data" / "images" / "val" / "drawn-08.jpg")
    found = load_detector(Bundle.load(tmp_path / "out"), min_confidence=0.0).detect(picture)
    assert found
    assert all(item.label in LABELS for item in found)
    assert set(card.metrics) == {"map50", "map50_95"}


def test_a_folder_a_class_becomes_a_classifier(tmp_path: Path) -> None:
    from inspector.training.detector import train_detector

    data = sorted_dataset(tmp_path / "data")
    card = train_detector(
        data, tmp_path / "out", epochs=8, wishes=Wishes(imgsz=64, batch=4), int8=True, command=""
    )
    assert (card.task, card.head, card.labels) == ("classify", "classify", ("dark", "light"))
    assert card.input.fit == "stretch"
    assert card.metrics["accuracy"] == 1.0
    classifier = load_classifier(Bundle.load(tmp_path / "out"))
    for label in card.labels:
        picture = read_picture(tmp_path / "data" / "val" / label / "picture-10.png")
        scores = classifier.classify(picture[:50])
        assert max(scores, key=lambda name: scores[name]) == label
    # INT8 that keeps the figure is in the bundle, and loads
    assert card.metrics["int8_accuracy"] == card.metrics["fp32_accuracy"] == 1.0
    small = load_classifier(Bundle.load(tmp_path / "out"), precision="int8").classify(picture)
    assert max(small, key=lambda name: small[name]) == "light"
