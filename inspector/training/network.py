"""Trained YOLO weights as a module that can be exported."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from inspector.datasets.yolo import Task
from inspector.errors import InputError

OUTPUTS: dict[Task, tuple[str, ...]] = {
    "detect": ("detections",),
    "segment": ("detections", "prototypes"),
    "classify": ("scores",),
}


class YoloCore(nn.Module):
    """Weights, ready for export: ``(1, 3, side, side)`` RGB 0..1 to the outputs of their task.

    ``detections``: YOLO26 gives its own ``(1, 300, 6)``, the older ones ``(1, 4 + classes, anchors)``;
    for masks 32 more values each, and ``prototypes`` ``(1, 32, side / 4, side / 4)``. ``scores``:
    ``(1, classes)``, softmax applied.

    Raises :class:`InputError` when the weights are of another task.
    """

    def __init__(self, weights: Path, imgsz: int, task: Task) -> None:
        super().__init__()
        from ultralytics.models import YOLO
        from ultralytics.nn.tasks import BaseModel

        loaded = YOLO(str(weights), task=task)
        model = loaded.model
        if not isinstance(model, BaseModel) or loaded.task != task:
            raise InputError(
                f"{weights} is no network for '{task}'", f"Give the weights of a YOLO for '{task}'"
            )
        model = model.float().eval()
        # of a network with two heads the one that needs no suppression; fusing drops the other
        if task != "classify":
            model.end2end = bool(model.yaml.get("end2end"))
        model = model.fuse(verbose=False)
        head = model.model[-1]
        head.export = True
        self.outputs: tuple[str, ...] = OUTPUTS[task]
        self.end2end: bool = bool(getattr(head, "end2end", False))
        self.architecture: str = Path(str(model.yaml.get("yaml_file", ""))).stem
        self.model: nn.Module = model
        with torch.no_grad():
            model(torch.zeros((1, 3, imgsz, imgsz)))
        if task != "classify":
            # the grid of this size, which the run has made as views of one tensor, as two constants
            head.anchors, head.strides = head.anchors.contiguous(), head.strides.contiguous()

    @property
    def head(self) -> str:
        """The card's word for the layout of the output."""
        if self.outputs == OUTPUTS["classify"]:
            return "classify"
        return "end2end" if self.end2end else "raw"

    def forward(self, picture: Tensor) -> Tensor | tuple[Tensor, ...]:
        result: Tensor | tuple[Tensor, ...] = self.model(picture)
        return result
