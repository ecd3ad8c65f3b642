"""How fast this machine trains a network: a few steps are timed before the plan is made."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from inspector.datasets.yolo import Task
from inspector.training.library import quiet_ultralytics

SIDE = 320
BATCH = 4
STEPS = 2
REST = 1.4
"""The loss, the optimiser and the augmentation of pictures, beside the network's own passes."""


def seconds_a_picture(base: str, task: Task, work: Path) -> float:
    """Seconds that a training step of ``base`` takes for one picture of 320x320 px on this machine."""
    quiet_ultralytics(work)
    from ultralytics.models import YOLO

    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = YOLO(base, task=task).model
    assert isinstance(model, nn.Module)
    model = model.float().to(device).train()
    for parameter in model.parameters():
        parameter.requires_grad_(True)
    pictures = torch.rand((BATCH, 3, SIDE, SIDE), device=device)
    taken = []
    for _ in range(1 + STEPS):
        started = time.perf_counter()
        total = sum(output.float().mean() for output in _tensors(model(pictures)))
        assert isinstance(total, Tensor)
        total.backward()
        if device == "cuda":
            torch.cuda.synchronize()
        taken.append(time.perf_counter() - started)
    # the first one also builds the kernels
    return REST * statistics.median(taken[1:]) / BATCH


def _tensors(value: object) -> Iterator[Tensor]:
    """All tensors of what a network gives in training, however nested."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from _tensors(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _tensors(part)
