"""The judge of differences: a small network that names what differs from a golden image.

It sees each candidate of :mod:`inspector.checks.differences` with its surroundings, says which
defect it is or that it is none, and where the defect's box ends. About a million weights, trained from
scratch.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import structlog
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel

from inspector.checks.differences import SIDE
from inspector.errors import InputError
from inspector.training.judging import IGNORED, MARGIN, Examples, augmented
from inspector.training.library import write_json

log = structlog.get_logger(__name__)

WIDTHS = (24, 48, 96, 160)
Tensors: TypeAlias = tuple[Tensor, ...] | list[Tensor]

BATCH = 64
RATE = 2e-3
DECAY = 0.02
AVERAGING = 0.998
"""Of the weights' moving average, which is what is kept."""
BOX_WEIGHT = 1.0
SMOOTHING = 0.02


class _Block(nn.Module):
    """Two convolutions around which the input is added (He et al., CVPR 2016)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
        )

    def forward(self, values: Tensor) -> Tensor:
        return functional.relu(values + self.layers(values))


class JudgeNetwork(nn.Module):
    """``(n, 3, 96, 96)`` in 0..1 to class logits ``(n, classes + 1)`` and deltas ``(n, 4)``."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = 3
        for number, width in enumerate(WIDTHS):
            layers += [
                nn.Conv2d(before, width, 3, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(inplace=True),
            ]
            if number:
                layers.append(_Block(width))
            before = width
        self.features = nn.Sequential(*layers)
        self.hidden = nn.Sequential(
            nn.AvgPool2d(2), nn.Flatten(), nn.Dropout(0.2), nn.Linear(9 * before, 128), nn.ReLU()
        )
        self.classes = nn.Linear(128, classes + 1)
        self.box = nn.Linear(128, 4)

    def forward(self, crops: Tensor) -> tuple[Tensor, Tensor]:
        hidden = self.hidden(self.features(crops))
        return self.classes(hidden), self.box(hidden)


@dataclass(frozen=True)
class JudgeSettings:
    """What decides the outcome of a training; a resumed one must have the same."""

    digest: str
    classes: int
    epochs: int
    seed: int


Progress: TypeAlias = Callable[[int, int, float], None]
"""Called after each epoch with its number from 1, how many there are, and the minutes left."""


def fit_judge(
    settings: JudgeSettings, examples: Examples, work: Path, progress: Progress | None = None
) -> tuple[JudgeNetwork, float]:
    """Train, or go on training, in ``work``; the network and the minutes spent.

    Raises :class:`InputError` when ``work`` holds a training with other settings.
    """
    work.mkdir(parents=True, exist_ok=True)
    _check_settings(settings, work / "judge.json")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(settings.seed)
    network = JudgeNetwork(settings.classes).to(device).to(memory_format=torch.channels_last)
    kept = np.flatnonzero(examples.labels != IGNORED)
    steps = settings.epochs * (len(kept) // BATCH + 1)
    average, optimizer, schedule = _tools(network, steps)
    half = _half_is_faster(network, device)
    checkpoint = work / "judge.pt"
    done, spent_s = 0, 0.0
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True, map_location=device)
        network.load_state_dict(state["network"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
        schedule.load_state_dict(state["schedule"])
        done, spent_s = state["done"], state["spent_s"]
    for epoch in range(done, settings.epochs):
        started = time.monotonic()
        seed = settings.seed, epoch
        # dropout too must be that of this epoch, whether the training was interrupted or not
        torch.manual_seed(1000 * settings.seed + epoch)
        loss = _epoch(network, average, optimizer, schedule, examples, kept, seed, device, half)
        spent_s += time.monotonic() - started
        state = {
            "network": network.state_dict(),
            "average": average.state_dict(),
            "optimizer": optimizer.state_dict(),
            "schedule": schedule.state_dict(),
            "done": epoch + 1,
            "spent_s": spent_s,
        }
        torch.save(state, checkpoint.with_suffix(".tmp"))
        checkpoint.with_suffix(".tmp").replace(checkpoint)
        left = (settings.epochs - epoch - 1) * spent_s / (epoch + 1) / 60
        log.info(
            "epoch",
            done=epoch + 1,
            of=settings.epochs,
            loss=round(loss, 4),
            minutes_left=round(left, 1),
        )
        if progress is not None:
            progress(epoch + 1, settings.epochs, left)
    trained = average.module
    assert isinstance(trained, JudgeNetwork)
    # exported weights must lie in order
    return trained.cpu().to(memory_format=torch.contiguous_format).eval(), spent_s / 60


def seconds_an_epoch(classes: int, examples: int) -> float:
    """What one pass over so many examples takes on this machine, measured on a few batches."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = JudgeNetwork(classes).to(device).to(memory_format=torch.channels_last)
    average, optimizer, schedule = _tools(network, 10)
    rng = np.random.default_rng(0)
    side = SIDE + 2 * MARGIN
    few = Examples(
        rng.integers(0, 256, (2 * BATCH, side, side, 3)).astype(np.uint8),
        rng.integers(0, classes + 1, 2 * BATCH),
        np.zeros((2 * BATCH, 4), np.float32),
    )
    half = _half_is_faster(network, device)
    took = []
    for _ in range(3):
        started = time.perf_counter()
        kept = np.arange(2 * BATCH)
        _epoch(network, average, optimizer, schedule, few, kept, (0, 0), device, half)
        took.append(time.perf_counter() - started)
    return min(took) * examples / (2 * BATCH)


def _tools(
    network: JudgeNetwork, steps: int
) -> tuple[AveragedModel, torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    """What a training of so many steps needs beside the network."""
    optimizer = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps, pct_start=0.1)
    average = AveragedModel(network, multi_avg_fn=_averaged, use_buffers=True)
    return average, optimizer, schedule


@torch.no_grad()
def _averaged(averages: Tensors, values: Tensors, count: Tensor | int) -> None:
    """One step of the moving average, which forgets the first steps faster; counters are taken over."""
    kept = min(AVERAGING, (1 + int(count)) / (10 + int(count)))
    for average, value in zip(averages, values, strict=True):
        if average.is_floating_point():
            average.lerp_(value, 1 - kept)
        else:
            average.copy_(value)


def _half_is_faster(network: JudgeNetwork, device: torch.device) -> bool:
    """Whether bfloat16 saves time; without instructions for it, it is emulated."""
    if device.type == "cuda":
        return True
    batch = torch.zeros((BATCH, 3, SIDE, SIDE)).to(memory_format=torch.channels_last)
    took = []
    for half in (False, True):
        times = []
        for _ in range(3):
            started = time.perf_counter()
            with torch.no_grad(), torch.autocast(device.type, torch.bfloat16, enabled=half):
                network(batch)
            times.append(time.perf_counter() - started)
        took.append(min(times))
    network.zero_grad()
    return took[1] < took[0]


def epochs_begun(work: Path) -> int | None:
    """For how many epochs the training in ``work`` was begun; None where there is none."""
    path = work / "judge.json"
    if not path.exists():
        return None
    return int(json.loads(path.read_text(encoding="utf-8"))["epochs"])


def _check_settings(settings: JudgeSettings, path: Path) -> None:
    if not path.exists():
        write_json(path, asdict(settings))
    elif json.loads(path.read_text(encoding="utf-8")) != asdict(settings):
        raise InputError(
            f"{path.parent} holds a training with other settings",
            "Give the same settings, or another folder",
        )


def _epoch(
    network: JudgeNetwork,
    average: AveragedModel,
    optimizer: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
    examples: Examples,
    kept: np.ndarray[tuple[int], np.dtype[np.int64]],
    seed: tuple[int, int],
    device: torch.device,
    half: bool,
) -> float:
    """One pass over all examples; the mean loss."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(kept)
    network.train()
    total = 0.0
    batches = range(0, len(order), BATCH)
    for first in batches:
        chosen = order[first : first + BATCH]
        if len(chosen) < 2:
            continue  # a batch of one has no variance to normalise by
        crops, deltas = augmented(examples, chosen, rng)
        labels = torch.from_numpy(examples.labels[chosen]).to(device)
        wanted = torch.from_numpy(deltas).to(device)
        values = torch.from_numpy(crops).to(device).permute(0, 3, 1, 2)
        values = values.to(memory_format=torch.channels_last, dtype=torch.float32) / 255
        with torch.autocast(device.type, torch.bfloat16, enabled=half):
            logits, moved = network(values)
        logits, moved = logits.float(), moved.float()
        loss = functional.cross_entropy(logits, labels, label_smoothing=SMOOTHING)
        defects = labels < logits.shape[1] - 1
        if bool(defects.any()):
            loss = loss + BOX_WEIGHT * functional.smooth_l1_loss(
                moved[defects], wanted[defects], beta=0.1
            )
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimizer.step()
        schedule.step()
        average.update_parameters(network)
        total += float(loss.detach()) * len(chosen)
    return total / len(order)
