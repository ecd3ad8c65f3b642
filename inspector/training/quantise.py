"""A network in INT8: calibrated on training pictures, nothing trained.

Everything behind the head's last convolutions stays in floating point. There coordinates (0..640) and
confidences (0..1) meet in one tensor, and one scale for both would round the confidences to nothing.
"""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import openvino as ov

from inspector.bundle import NetworkFile, file_digest
from inspector.domain import Image

INT8_XML = "openvino-int8.xml"
CALIBRATION_PICTURES = 300
KEPT_SHARE = 0.98
"""Of the figure in FP32 that INT8 must keep."""
_WEIGHTED = ("Convolution", "GroupConvolution", "MatMul")


def quantised(model: ov.Model, pictures: Sequence[Image]) -> ov.Model:
    """``model``, as :func:`inspector.training.export.openvino_model` gives it, in INT8.

    ``pictures``: ``(height, width, 3)`` ``uint8`` BGR at the network's size, as the line sees them.
    """
    import nncf

    # it tells of every pass; what came of them is measured
    logging.getLogger("nncf").setLevel(logging.ERROR)
    # its bars are no result of ours
    with contextlib.redirect_stdout(sys.stderr):
        result: ov.Model = nncf.quantize(
            model,
            nncf.Dataset([picture[None] for picture in pictures]),
            preset=nncf.QuantizationPreset.MIXED,
            target_device=nncf.TargetDevice.CPU,
            subset_size=len(pictures),
            ignored_scope=nncf.IgnoredScope(names=sorted(behind_the_last_weights(model))),
        )
    return result


def behind_the_last_weights(model: ov.Model) -> set[str]:
    """Names of the operations between the last layers with trained weights and the outputs.

    The fixed convolution that takes the mean of a box's distribution (one output channel) is one of
    them. The layers with weights themselves are not.
    """
    found: dict[str, ov.Node] = {}
    waiting = [result.input_value(0).get_node() for result in model.get_results()]
    while waiting:
        node = waiting.pop()
        name, kind = node.get_friendly_name(), node.get_type_name()
        if name in found or kind in ("Constant", "Parameter") or _has_weights(node):
            continue
        found[name] = node
        waiting += [value.get_node() for value in node.input_values()]
    return set(found)


def save_int8(model: ov.Model, folder: Path) -> tuple[NetworkFile, ...]:
    """Write ``openvino-int8.xml`` and ``.bin`` into ``folder``."""
    path = folder / INT8_XML
    ov.save_model(model, path, compress_to_fp16=True)
    return tuple(
        NetworkFile(name=file.name, runtime="openvino", sha256=file_digest(file), precision="int8")
        for file in (path, path.with_suffix(".bin"))
    )


def kept(int8: float, fp32: float) -> bool:
    """Whether INT8 keeps enough of the figure to ship; never where there is nothing to lose."""
    return fp32 > 0 and int8 >= KEPT_SHARE * fp32


def _has_weights(node: ov.Node) -> bool:
    if node.get_type_name() not in _WEIGHTED:
        return False
    weights = node.input_value(1).get_node()
    while weights.get_type_name() in ("Convert", "Multiply", "Reshape", "FakeQuantize"):
        weights = weights.input_value(0).get_node()
    if weights.get_type_name() != "Constant":
        return False
    return bool(np.prod(weights.get_output_shape(0)[:1]) > 1)
