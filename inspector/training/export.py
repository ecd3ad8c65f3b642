"""From a torch module to the files of a bundle, the same preprocessing inside each.

Every exported network takes ``uint8`` ``(1, height, width, 3)`` BGR, as a camera gives it, and
begins with the conversion to ``float32`` RGB, resizing and normalisation. For OpenVINO these steps are
added by its own ``PrePostProcessor``; for torch they are part of the exported program. Weights are
stored with half precision and computed with in single precision, which halves the files at no cost on
a CPU.
"""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import openvino as ov
import torch
from openvino.preprocess import ColorFormat, PrePostProcessor, ResizeAlgorithm
from torch import Tensor, nn
from torch.nn import functional

from inspector.bundle import NetworkFile, file_digest

_PROVENANCE = ("stack_trace", "nn_module_stack", "source_fn_stack", "torch_fn", "from_node")


@dataclass(frozen=True)
class Preprocessing:
    """What happens to a BGR picture before the network proper."""

    width: int
    height: int
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """RGB, of 0..255 values."""
    scale: tuple[float, float, float] = (255.0, 255.0, 255.0)
    """RGB, of 0..255 values; divides."""
    resize: bool = False
    """True: any picture size goes in and is resized bilinearly."""


class PreprocessedNetwork(nn.Module):
    """``core`` behind its preprocessing; returns its outputs by name."""

    def __init__(self, core: nn.Module, preprocessing: Preprocessing, outputs: tuple[str, ...]):
        super().__init__()
        self.core = core
        self.preprocessing = preprocessing
        self.outputs = outputs
        self.mean: Tensor
        self.scale: Tensor
        self.register_buffer("mean", torch.tensor(preprocessing.mean).view(1, 3, 1, 1))
        self.register_buffer("scale", torch.tensor(preprocessing.scale).view(1, 3, 1, 1))

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """``image``: ``uint8`` ``(1, height, width, 3)`` BGR."""
        picture = image.permute(0, 3, 1, 2).flip(1).float()
        if self.preprocessing.resize:
            size = (self.preprocessing.height, self.preprocessing.width)
            picture = functional.interpolate(picture, size=size, mode="bilinear", align_corners=False)
        picture = (picture - self.mean) / self.scale
        # convolutions on a CPU take little more than half the time in this layout
        result = self.core(picture.contiguous(memory_format=torch.channels_last))
        values = result if isinstance(result, tuple) else (result,)
        return dict(zip(self.outputs, values, strict=True))


def export_network(
    core: nn.Module,
    preprocessing: Preprocessing,
    outputs: tuple[str, ...],
    folder: Path,
    precision: Literal["fp16", "fp32"] = "fp16",
) -> tuple[NetworkFile, ...]:
    """Write ``openvino.xml``, ``openvino.bin`` and ``torch.pt2`` into ``folder``.

    ``core`` maps ``(1, 3, height, width)`` ``float32`` to one tensor or a tuple of them, named by
    ``outputs``. ``precision`` is that of the stored weights.
    """
    core = core.eval().cpu().float()
    with torch.no_grad():
        # a first run lets modules remember their grids, which they may not during the export
        core(torch.zeros((1, 3, preprocessing.height, preprocessing.width)))
        _export_openvino(core, preprocessing, outputs, folder / "openvino.xml", precision)
        _export_torch(core, preprocessing, outputs, folder / "torch.pt2", precision)
    return (
        NetworkFile(
            name="openvino.xml",
            runtime="openvino",
            sha256=file_digest(folder / "openvino.xml"),
            precision=precision,
        ),
        NetworkFile(
            name="openvino.bin",
            runtime="openvino",
            sha256=file_digest(folder / "openvino.bin"),
            precision=precision,
        ),
        NetworkFile(
            name="torch.pt2",
            runtime="torch",
            sha256=file_digest(folder / "torch.pt2"),
            precision=precision,
        ),
    )


def _export_openvino(
    core: nn.Module, preprocessing: Preprocessing, outputs: tuple[str, ...], path: Path, precision: str
) -> None:
    half = precision == "fp16"
    ov.save_model(openvino_model(core, preprocessing, outputs), path, compress_to_fp16=half)


def openvino_model(core: nn.Module, preprocessing: Preprocessing, outputs: tuple[str, ...]) -> ov.Model:
    """``core`` in OpenVINO behind its preprocessing, as :func:`export_network` saves it."""
    shape = (1, 3, preprocessing.height, preprocessing.width)
    program = torch.export.export(core, (torch.zeros(shape),))
    model = ov.convert_model(program)
    model.reshape(shape)
    takes_bgr = _turn_first_weights(model)
    order = -1 if takes_bgr else 1
    pipeline = PrePostProcessor(model)
    image = pipeline.input()
    image.tensor().set_element_type(ov.Type.u8).set_layout(ov.Layout("NHWC"))
    image.tensor().set_color_format(ColorFormat.BGR)
    if preprocessing.resize:
        image.tensor().set_spatial_dynamic_shape()
    steps = image.preprocess()
    steps.convert_element_type(ov.Type.f32)
    if not takes_bgr:
        steps.convert_color(ColorFormat.RGB)
    if preprocessing.resize:
        steps.resize(ResizeAlgorithm.RESIZE_LINEAR)
    if any(preprocessing.mean):
        steps.mean(list(preprocessing.mean[::order]))
    steps.scale(list(preprocessing.scale[::order]))
    image.model().set_layout(ov.Layout("NCHW"))
    model = pipeline.build()
    model.inputs[0].get_tensor().set_names({"image"})
    for port, name in zip(model.outputs, outputs, strict=True):
        port.get_tensor().set_names({name})
    # the names of the source's modules are a third of the file and mean nothing at the line
    for number, operation in enumerate(model.get_ordered_ops()):
        operation.set_friendly_name(f"{number}")
    return model


def _turn_first_weights(model: ov.Model) -> bool:
    """Let the first convolution take BGR by the order of its weights; False if it is not the first.

    OpenVINO turns channels by taking the picture apart and joining it again, at a twentieth of the time
    of a small network in INT8.
    """
    (port,) = model.inputs
    readers = [reader.get_node() for reader in port.get_target_inputs()]
    if len(readers) != 1 or readers[0].get_type_name() != "Convolution":
        return False
    source = readers[0].input_value(1).get_node()
    if source.get_type_name() != "Constant" or source.get_output_shape(0)[1] != 3:
        return False
    turned = np.ascontiguousarray(source.get_data()[:, ::-1])
    readers[0].input(1).replace_source_output(ov.opset13.constant(turned).output(0))
    return True


def _export_torch(
    core: nn.Module, preprocessing: Preprocessing, outputs: tuple[str, ...], path: Path, precision: str
) -> None:
    network = PreprocessedNetwork(core, preprocessing, outputs).eval()
    example = torch.zeros((1, preprocessing.height, preprocessing.width, 3), dtype=torch.uint8)
    dynamic = None
    if preprocessing.resize:
        # a size of its own, so that the export does not take the network's size for a constant
        example = torch.zeros((1, 100, 150, 3), dtype=torch.uint8)
        free = torch.export.Dim.DYNAMIC
        dynamic = {"image": {1: free, 2: free}}
    program = torch.export.export(network, (example,), dynamic_shapes=dynamic)
    for name, value in program.state_dict.items():
        if value.dtype == torch.float32 and precision == "fp16":
            half = value.detach().half()
            parameter = isinstance(value, nn.Parameter)
            program.state_dict[name] = nn.Parameter(half, False) if parameter else half
    # where in the source each step came from, and the example, would be a fifth of the file
    for node in program.graph.nodes:
        for key in _PROVENANCE:
            node.meta.pop(key, None)
    program.example_inputs = None
    buffer = io.BytesIO()
    torch.export.save(program, buffer)
    _compress(buffer, path)


def _compress(archive: io.BytesIO, path: Path) -> None:
    """Write the archive deflated, which torch reads as well, and without the time of day."""
    with zipfile.ZipFile(archive) as stored, zipfile.ZipFile(path, "w") as deflated:
        for name in stored.namelist():
            entry = zipfile.ZipInfo(name)
            deflated.writestr(entry, stored.read(name), zipfile.ZIP_DEFLATED, 9)
