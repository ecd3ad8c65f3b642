"""A judge of differences from a data set with golden images: training, export, measurement, card."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import structlog
import torch
from torch import Tensor, nn

from inspector.bundle import Bundle, Card, DataSpec, InputSpec, write_card, writing_bundle
from inspector.checks.differences import SIDE, compare
from inspector.checks.reference import judged
from inspector.datasets.yolo import YoloData
from inspector.domain import Box, Detection
from inspector.golden import golden_file
from inspector.runtimes.load import load_judge
from inspector.training.auditing import audited
from inspector.training.card import data_digest, quality_statistics, versions
from inspector.training.export import Preprocessing, export_network
from inspector.training.judge import (
    JudgeNetwork,
    JudgeSettings,
    epochs_begun,
    fit_judge,
    seconds_an_epoch,
)
from inspector.training.judging import DELTA_PX, collect, read_pair
from inspector.training.precision import IOUS, average_precisions, published_precision

log = structlog.get_logger(__name__)

IOU = 0.33
"""Of the published protocol for DeepPCB, by which the threshold is chosen."""
DEFAULT_MINUTES = 60.0
FEWEST, MOST = 8, 40
"""Epochs: fewer do not suffice, more have not helped."""
TRAINING_SHARE = 0.85
VIEWS = ((False, False, False), (True, False, False), (False, True, False), (True, True, False))

Labelled = Sequence[tuple[str, Box]]


class JudgeCore(nn.Module):
    """Trained networks, ready for export: probabilities, and sides in pixels of the crop.

    Each looks at the crop and at its mirror images, and what they see is averaged:
    ``(1, 3, side, side)`` to ``(1, classes + 1)`` and ``(1, 4)``.
    """

    def __init__(self, networks: Sequence[JudgeNetwork]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)

    def forward(self, crop: Tensor) -> tuple[Tensor, Tensor]:
        crop = crop.flip(1)  # the exported pre-processing makes RGB of BGR; these are no colours
        views = torch.cat([crop, crop.flip(3), crop.flip(2), crop.flip(2, 3)])
        seen = [network(views) for network in self.networks]
        shares = torch.cat([logits.softmax(1) for logits, _ in seen]).mean(0, keepdim=True)
        deltas = torch.stack([moved for _, moved in seen]).mean(0)
        left, top, right, bottom = deltas.unbind(1)
        sides = torch.stack(
            [
                (left[0] - right[1] + left[2] - right[3]) / 4,
                (top[0] + top[1] - bottom[2] - bottom[3]) / 4,
                (right[0] - left[1] + right[2] - left[3]) / 4,
                (bottom[0] + bottom[1] - top[2] - top[3]) / 4,
            ]
        )
        return shares, sides[None] * DELTA_PX


def train_reference(
    data_yaml: Path,
    out: Path,
    *,
    minutes: float | None = None,
    epochs: int | None = None,
    members: int = 1,
    seed: int = 0,
    allow_findings: bool = False,
    resume_dir: Path | None = None,
    command: str,
) -> Card:
    """Train a judge of the differences on ``data_yaml`` and write the bundle ``out``.

    Each picture has its golden image where :func:`inspector.golden.golden_file` says. ``minutes``: how
    long it may take, 60 unless ``epochs`` is given; the epochs are fitted to it. ``members``: how many
    networks are trained, from seeds that follow each other, whose opinions are averaged; each costs its
    time again, in training and at the line. The threshold of the
    card is the one with the best F-score at IoU 0.33 on ``val``; ``test`` is only measured.

    Raises :class:`~inspector.errors.DataError` for a data set that cannot be read or lacks golden
    images.
    """
    data, told = audited(YoloData.read(data_yaml), allow_findings)
    examples = collect(data, "train")
    work = (resume_dir or out.parent / f".{out.name}-training").resolve()
    if epochs is None:
        budget = (minutes or DEFAULT_MINUTES) * 60 * TRAINING_SHARE / members
        each = seconds_an_epoch(len(data.labels), len(examples.labels))
        epochs = int(np.clip(budget / each, FEWEST, MOST))
        log.info("epochs fitted to the time", epochs=epochs, seconds_each=round(each))
        # an interrupted training goes on with its own: the same speed is never measured twice
        epochs = epochs_begun(work / f"seed-{seed}") or epochs
    pictures = sorted({*data.splits["train"], *data.splits["val"]})
    goldens = [golden for golden in map(golden_file, pictures) if golden is not None]
    digest = data_digest([*data.files(), *goldens], data.root)
    networks: list[JudgeNetwork] = []
    spent = 0.0
    for one in range(seed, seed + members):
        settings = JudgeSettings(digest, len(data.labels), epochs, one)
        network, took = fit_judge(settings, examples, work / f"seed-{one}")
        networks.append(network)
        spent += took
    core = JudgeCore(networks)
    weights = sum(parameter.numel() for parameter in core.parameters())
    with writing_bundle(out) as folder:
        files = export_network(
            core,
            Preprocessing(SIDE, SIDE),
            ("scores", "sides"),
            folder,
        )
        card = Card(
            task="reference",
            architecture=f"difference judge of {weights / 1e6:.1f} M weights",
            labels=data.labels,
            input=InputSpec(width=SIDE, height=SIDE, fit="stretch"),
            head="judge",
            files=files,
            data=DataSpec(
                source=f"{len(data.splits['train'])} training pictures and golden images, "
                f"{len(examples.labels)} differences: {data.source}; "
                f"{epochs} epochs in {spent:.0f} minutes",
                digest=digest,
                split={split: len(found) for split, found in data.splits.items()},
            ),
            metrics={},
            calibration=quality_statistics(list(data.splits["train"])),
            licence="AGPL-3.0-or-later",
            versions=versions("torch", "openvino"),
            command=command,
            training=told,
        )
        write_card(folder, card)
        judge = Bundle.load(folder)
        found, truth = detections(judge, data, "val")
        threshold = best_threshold(found, truth)
        metrics = figures(found, truth, threshold)
        if "test" in data.splits:
            tested = figures(*detections(judge, data, "test"), threshold)
            metrics |= {f"test_{name}": value for name, value in tested.items()}
        note = f"best F at IoU {IOU} on {len(found)} validation pictures"
        calibration = card.calibration | {"threshold": round(threshold, 3), "note": note}
        card = card.model_copy(update={"metrics": metrics, "calibration": calibration})
        write_card(folder, card)
    log.info("bundle written", out=str(out), **metrics)
    return card


def detections(
    bundle: Bundle, data: YoloData, split: str
) -> tuple[list[list[Detection]], list[list[tuple[str, Box]]]]:
    """What the judge finds in each picture of a split, and the truth."""
    judge = load_judge(bundle)
    found, truth = [], []
    started = time.monotonic()
    for path in data.splits[split]:
        image, golden = read_pair(path)
        found.append(judged(compare(image, golden), judge.judge, judge.side))
        truth.append(data.boxes(path, image.shape[1], image.shape[0]))
    each = (time.monotonic() - started) / max(1, len(found))
    log.info("judged", split=split, pictures=len(found), ms_each=round(1000 * each, 1))
    return found, truth


def figures(
    found: Sequence[Sequence[Detection]], truth: Sequence[Labelled], threshold: float
) -> dict[str, float | tuple[float, float]]:
    """``map33`` by the published protocol, ``map50, map50_95`` as COCO has them, of all detections;
    ``f33, precision33, recall33`` of those at or above ``threshold``."""
    coco = average_precisions(found, truth, IOUS)
    right, reported, wanted = counts(found, truth, threshold)
    precision, recall = right / max(reported, 1), right / max(wanted, 1)
    values = {
        "map33": published_precision(found, truth, IOU),
        "map50": float(coco[:, 0].mean()),
        "map50_95": float(coco.mean()),
        "f33": 2 * precision * recall / max(precision + recall, 1e-9),
        "precision33": precision,
        "recall33": recall,
    }
    return {name: round(value, 4) for name, value in values.items()}


def best_threshold(found: Sequence[Sequence[Detection]], truth: Sequence[Labelled]) -> float:
    """The confidence, in steps of 0.01, with the best F-score; of equals the middle one."""
    steps = np.arange(0.2, 0.96, 0.01)
    scores = []
    for step in steps:
        right, reported, wanted = counts(found, truth, float(step))
        scores.append(2 * right / max(reported + wanted, 1))
    best = np.flatnonzero(np.array(scores) >= max(scores) - 1e-12)
    return float(steps[best[len(best) // 2]])


def counts(
    found: Sequence[Sequence[Detection]], truth: Sequence[Labelled], threshold: float
) -> tuple[int, int, int]:
    """How many detections at or above ``threshold`` are right, how many there are, and true boxes."""
    right = reported = wanted = 0
    for seen, boxes in zip(found, truth, strict=True):
        free = list(boxes)
        wanted += len(boxes)
        for one in sorted(seen, key=lambda item: -item.confidence):
            if one.confidence < threshold:
                continue
            reported += 1
            mine = [(box.iou(one.box), label, box) for label, box in free if label == one.label]
            best = max(mine, key=lambda entry: entry[0], default=None)
            if best is not None and best[0] >= IOU:
                right += 1
                free.remove((best[1], best[2]))
    return right, reported, wanted
