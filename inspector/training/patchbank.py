"""Good pictures into a bank of patches, and the scores of those that a bank has not seen."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from inspector.bundle import InputSpec
from inspector.domain import Image
from inspector.runtimes.views import shown, views
from inspector.stills import part_of
from inspector.training.bar import TrainingBar
from inspector.training.card import read_picture
from inspector.training.export import PreprocessedNetwork
from inspector.training.goodparts import MOST_COPIES, turned
from inspector.training.patchcore import MAX_PATCHES, PatchFeatures, PatchScores, choose_bank

T = TypeVar("T")

MOST_VIEWS = 400
"""Views, copies included, whose features are computed: what fits into a minute on two cores."""


@dataclass(frozen=True)
class Learnt:
    """The features of the good pictures."""

    grids: Mapping[Path, tuple[Tensor, ...]]
    """Of each picture, for each view ``(rows, columns, channels)``, half precision."""
    patches: Mapping[Path, Tensor]
    """Random patches of each picture and its copies, ``(n, channels)``."""
    copies: int
    """Turned copies of each picture."""


def look_at(
    paths: Sequence[Path],
    features: PreprocessedNetwork,
    spec: InputSpec,
    *,
    rotate: bool,
    seed: int,
    bar: TrainingBar,
) -> Learnt:
    """The features of ``paths`` and, where parts lie at any rotation, of turned copies."""
    each = len(views(*_size(paths[0]), spec))
    copies = min(MOST_COPIES - 1, max(1, MOST_VIEWS // (len(paths) * each) - 1)) if rotate else 0
    # as they lie counts as much as all turned copies together: turning blurs, and moves the light
    share = 2 * MAX_PATCHES / (len(paths) * each * (2 if copies else 1))
    own_share, turned_share = math.ceil(share), math.ceil(share / max(1, copies))
    generator = torch.Generator().manual_seed(seed)
    rng = np.random.default_rng(seed)
    grids: dict[Path, tuple[Tensor, ...]] = {}
    patches: dict[Path, Tensor] = {}
    for path in counted(paths, bar, "features", 0.0, 0.7):
        image = read_picture(path)
        # evenly spread, each at a place of its own
        angles = [
            (index + rng.uniform(-0.4, 0.4)) * 360 / (copies + 1) for index in range(1, copies + 1)
        ]
        own = tuple(grids_of(image, features, spec))
        grids[path] = tuple(grid.half() for grid in own)
        drawn = [_drawn(grid, own_share, generator) for grid in own]
        for angle in angles:
            seen = grids_of(turned(image, angle), features, spec)
            drawn += [_drawn(grid, turned_share, generator) for grid in seen]
        patches[path] = torch.cat(drawn)
    return Learnt(grids, patches, copies)


def grids_of(image: Image, features: PreprocessedNetwork, spec: InputSpec) -> Iterator[Tensor]:
    """Patch features ``(rows, columns, channels)`` of each view of a picture."""
    height, width = image.shape[:2]
    with torch.inference_mode():
        for view in views(width, height, spec):
            seen = np.ascontiguousarray(shown(image, view, spec))
            yield features(torch.from_numpy(seen[None]))["features"]


def held_out_scores(
    learnt: Learnt,
    features: PatchFeatures,
    held_out: Sequence[frozenset[str]],
    *,
    bank: int,
    weight: Tensor | None,
    seed: int,
    bar: TrainingBar,
) -> dict[Path, float]:
    """The raw score of each picture, by a bank of the other folds' parts."""
    scores: dict[Path, float] = {}
    for fold in counted(held_out, bar, "held-out scores", 0.7, 0.95):
        known = [patches for path, patches in learnt.patches.items() if part_of(path) not in fold]
        network = PatchScores(features, choose_bank(known, bank, seed), weight).eval()
        with torch.inference_mode():
            for path, grids in learnt.grids.items():
                if part_of(path) in fold:
                    scores[path] = max(float(network.compare(grid.float())[0][0]) for grid in grids)
    return {path: scores[path] for path in learnt.grids}


def _size(path: Path) -> tuple[int, int]:
    height, width = read_picture(path).shape[:2]
    return width, height


def _drawn(grid: Tensor, count: int, generator: torch.Generator) -> Tensor:
    rows = grid.flatten(0, 1)
    return rows[torch.randperm(len(rows), generator=generator)[:count]].clone()


def counted(items: Sequence[T], bar: TrainingBar, doing: str, start: float, end: float) -> Iterator[T]:
    """The items one by one, the bar told of each: they take it from ``start`` to ``end``."""
    begun = time.monotonic()
    for number, item in enumerate(items):
        share = start + (end - start) * number / len(items)
        # the rest is taken to go at the pace of this stretch
        done = share - start
        left = (time.monotonic() - begun) / done * (1 - share) if done else None
        bar.tell(share, left, doing)
        yield item
