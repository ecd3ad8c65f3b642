"""INT8: what is left in floating point, what is kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openvino as ov
import pytest
import torch
from torch import Tensor, nn

from inspector.bundle import Bundle, Card, DataSpec, InputSpec, NetworkFile, file_digest
from inspector.errors import BundleError
from inspector.runtimes.openvino import OpenVinoNetwork
from inspector.training.export import Preprocessing, openvino_model
from inspector.training.quantise import behind_the_last_weights, kept, quantised, save_int8

SIDE = 32


class TwoScales(nn.Module):
    """Coordinates up to 320 and confidences up to 1 in one output, as a detector has them."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU())
        self.boxes, self.scores = nn.Conv2d(8, 4, 1), nn.Conv2d(8, 2, 1)

    def forward(self, picture: Tensor) -> Tensor:
        seen = self.stem(picture)
        boxes, scores = self.boxes(seen).sigmoid() * 320, self.scores(seen).sigmoid() * 0.5
        return torch.cat((boxes.flatten(2), scores.flatten(2)), 1)


@pytest.fixture(scope="module")
def model() -> ov.Model:
    return openvino_model(TwoScales().eval(), Preprocessing(SIDE, SIDE), ("detections",))


def pictures(count: int) -> list[np.ndarray]:
    rng = np.random.default_rng(2)
    return [rng.integers(0, 255, (SIDE, SIDE, 3), dtype=np.uint8) for _ in range(count)]


def test_what_lies_behind_the_last_weights_is_found(model: ov.Model) -> None:
    names = behind_the_last_weights(model)
    kinds = {
        operation.get_type_name()
        for operation in model.get_ordered_ops()
        if operation.get_friendly_name() in names
    }
    assert {"Sigmoid", "Concat"} <= kinds
    assert not kinds & {"Convolution", "Relu", "Parameter", "Constant"}


def test_int8_keeps_small_confidences_beside_large_coordinates(model: ov.Model, tmp_path: Path) -> None:
    small = quantised(model.clone(), pictures(16))
    assert any(operation.get_type_name() == "FakeQuantize" for operation in small.get_ops())
    ov.save_model(model, tmp_path / "full.xml", compress_to_fp16=False)
    files = save_int8(small, tmp_path)
    assert [file.precision for file in files] == ["int8", "int8"]
    full, quick = OpenVinoNetwork(tmp_path / "full.xml"), OpenVinoNetwork(tmp_path / files[0].name)
    picture = pictures(20)[-1]
    wanted, got = full(picture)["detections"], quick(picture)["detections"]
    assert np.abs(wanted[:, :4] - got[:, :4]).max() < 8
    # one scale for both would have steps of 320 / 255
    assert np.abs(wanted[:, 4:] - got[:, 4:]).max() < 0.02


def test_int8_is_kept_only_with_98_percent_of_the_figure() -> None:
    assert kept(0.784, 0.8)
    assert not kept(0.783, 0.8)
    assert not kept(0.0, 0.0), "nothing is known of a network that finds nothing"


def test_the_full_network_is_loaded_unless_int8_is_asked_for(tmp_path: Path) -> None:
    for name in ("openvino.xml", "openvino-int8.xml"):
        (tmp_path / name).write_text(name)
    files = tuple(
        NetworkFile(
            name=name,
            runtime="openvino",
            sha256=file_digest(tmp_path / name),
            precision=precision,  # type: ignore[arg-type]
        )
        for name, precision in (("openvino-int8.xml", "int8"), ("openvino.xml", "fp16"))
    )
    card = Card(
        task="detect",
        architecture="yolo11n",
        labels=("a",),
        input=InputSpec(width=32, height=32, fit="letterbox"),
        head="raw",
        files=files,
        data=DataSpec(source="", digest="", split={}),
        metrics={},
        calibration={},
        licence="",
        versions={},
        command="",
    )
    bundle = Bundle(tmp_path, card)
    assert bundle.file("openvino").name == "openvino.xml"
    assert bundle.file("openvino", "int8").name == "openvino-int8.xml"
    without = Bundle(tmp_path, card.model_copy(update={"files": files[1:]}))
    with pytest.raises(BundleError, match="no network in int8") as caught:
        without.file("openvino", "int8")
    assert "kept its accuracy" in str(caught.value)
