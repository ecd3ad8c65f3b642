"""A detector, from pictures to a bundle that finds things."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

import pytest
from training.samples import LABELS, SIDE, drawn_dataset

from inspector.bundle import Bundle
from inspector.errors import DataError, InputError
from inspector.runtimes.load import load_detector
from inspector.training.card import read_picture


def test_a_stopped_training_goes_on_and_ends_in_a_bundle(detector_bundle: Bundle) -> None:
    card = detector_bundle.card
    assert card.task == "detect"
    assert card.architecture == "yolo26n"
    assert card.labels == LABELS
    assert card.head == "end2end"
    assert (card.input.width, card.input.height, card.input.fit) == (64, 64, "letterbox")
    assert card.data.split == {"train": 8, "val": 4}
    assert set(card.metrics) == {"map50", "map50_95"}
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
            imgsz=64,
            seed=1,
            resume_dir=folder / ".detector-training",
            command="",
        )
    assert not (tmp_path / "detector").exists()


@pytest.mark.parametrize(
    ("base", "sentence"),
    [("missing.pt", "are not here, and nothing is downloaded"), ("yolo99n.yaml", "No detector")],
)
def test_an_unknown_base_is_a_sentence(tmp_path: Path, base: str, sentence: str) -> None:
    from inspector.training.detector import train_detector

    data = drawn_dataset(tmp_path / "data")
    with pytest.raises(InputError, match=sentence):
        train_detector(data, tmp_path / "out", base=base, epochs=1, command="")


def test_an_input_size_that_does_not_fit_is_a_sentence(tmp_path: Path) -> None:
    from inspector.training.detector import train_detector

    data = drawn_dataset(tmp_path / "data")
    with pytest.raises(InputError, match="multiple of 32"):
        train_detector(data, tmp_path / "out", imgsz=100, epochs=1, command="")


def test_a_data_set_that_is_none_is_a_sentence(tmp_path: Path) -> None:
    from inspector.training.detector import train_detector

    with pytest.raises(DataError, match="does not exist"):
        train_detector(tmp_path / "data.yaml", tmp_path / "out", epochs=1, command="")
    (tmp_path / "data.yaml").write_text("train: here\n")
    with pytest.raises(DataError, match="is no data set: val"):
        train_detector(tmp_path / "data.yaml", tmp_path / "out", epochs=1, command="")


def test_a_training_fits_its_schedule_to_the_time_given(
    detector_bundle: Bundle, tmp_path: Path
) -> None:
    from inspector.training.fit import FitSettings, fit

    settings = FitSettings(
        data=str(detector_bundle.path.parent / "drawn" / "data.yaml"),
        digest="",
        base="yolo26n.yaml",
        imgsz=64,
        epochs=None,
        minutes=0.05,
        seed=0,
        fliplr=0.5,
        validate=True,
    )
    seen: list[tuple[int, int]] = []
    fitted = fit(settings, tmp_path, lambda done, of, _: seen.append((done, of)))
    assert fitted.weights.exists()
    assert 1 <= fitted.epochs < 50
    assert fitted.epochs == seen[-1][0] == len(seen)
    # nothing is trained again
    assert fit(settings, tmp_path) == fitted
