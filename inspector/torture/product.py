"""A product whose truth is beyond doubt and whose model costs nothing: green is good, red is not.

What is put to the test is the station around the model. So the network is four operations, and a part
is a colour with noise, new for every exposure.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import openvino as ov
from openvino import opset13 as ops

from inspector.bundle import Card, DataSpec, InputSpec, NetworkFile, file_digest, write_card
from inspector.domain import Image

SIDE = 96
"""Pixels of a picture's sides; larger ones are noisy in one corner alone."""
_INPUT = 64
_STEEPNESS = 0.2
"""Of the softmax, per grey level."""

Look = Literal["good", "faulty", "dark"]
_COLOURS: dict[Look, tuple[int, int, int]] = {
    "good": (60, 160, 50),
    "faulty": (60, 50, 160),
    # as green as a good one, but without light
    "dark": (4, 12, 3),
}
_RECIPE = """\
product: {product}
version: {version}
quality: {{sharpness: "off", exposure: [30, 220], position: "off", foreign: "off"}}
checks:
  - {{kind: classify, model: colour, good: [green], threshold: 0.5}}
"""


def picture_of(look: Look, rng: np.random.Generator, side: int = SIDE) -> Image:
    """``(side, side, 3)`` ``uint8`` BGR; no two are equal."""
    image = np.empty((side, side, 3), np.uint8)
    image[:] = _COLOURS[look]
    image[:SIDE, :SIDE] += rng.integers(0, 8, (SIDE, SIDE, 3), dtype=np.uint8)
    return image


def write_picture(path: Path, image: Image) -> None:
    """Put a picture in place as a whole, as a program that feeds a folder camera should."""
    scratch = path.with_suffix(".part")
    scratch.write_bytes(cv2.imencode(path.suffix, image)[1].tobytes())
    scratch.replace(path)


def write_recipe(folder: Path, product: str, version: int = 1) -> Path:
    """A recipe folder with its model; returns it."""
    bundle = folder / "colour"
    bundle.mkdir(parents=True, exist_ok=True)
    _write_network(bundle / "openvino.xml")
    names = ("openvino.xml", "openvino.bin")
    write_card(
        bundle,
        Card(
            task="classify",
            architecture="mean colour",
            labels=("green", "red"),
            input=InputSpec(width=_INPUT, height=_INPUT, fit="stretch"),
            head="classify",
            files=tuple(
                NetworkFile(
                    name=name, runtime="openvino", sha256=file_digest(bundle / name), precision="fp32"
                )
                for name in names
            ),
            data=DataSpec(source="none: written down, not learnt", digest="0", split={}),
            metrics={},
            calibration={"threshold": 0.5},
            licence="AGPL-3.0",
            versions={},
            command="inspector torture",
        ),
    )
    (folder / "recipe.yaml").write_text(
        _RECIPE.format(product=product, version=version), encoding="utf-8"
    )
    return folder


def _write_network(path: Path) -> None:
    """Mean colour, green against red, softmax: ``(1, 64, 64, 3)`` to ``scores``, ``(1, 2)``."""
    picture = ops.parameter([1, _INPUT, _INPUT, 3], np.uint8, name="picture")
    mean = ops.reduce_mean(
        ops.convert(picture, "f32"), ops.constant(np.array([1, 2], np.int64)), keep_dims=False
    )
    green_red = np.array([[0, 0], [1, 0], [0, 1]], np.float32) * np.float32(_STEEPNESS)
    scores = ops.softmax(ops.matmul(mean, ops.constant(green_red), False, False), axis=1)
    scores.output(0).set_names({"scores"})
    ov.save_model(ov.Model([scores], [picture], "colour"), path, compress_to_fp16=False)
