"""PatchCore: what good looks like is a bank of patch features, strangeness the distance to the nearest.

Source: Roth et al., "Towards Total Recall in Industrial Anomaly Detection", CVPR 2022; the parts come
from anomalib (Apache-2.0). Unlike anomalib's own forward pass this one gives raw scores and the coarse
map of patch distances, and its bank is bounded before the coreset is chosen, because the choice takes
minutes otherwise and gains nothing visible. The score is the map's maximum: the paper weighs it by how
isolated the nearest good patch is, which changed no ranking here and hides where the score comes from.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from inspector.training.backbone import default_layers, known_layers, offline

with warnings.catch_warnings():
    # anomalib warns of its own deprecated modules while it imports them
    warnings.simplefilter("ignore", FutureWarning)
    from anomalib.models.image.patchcore.torch_model import PatchcoreModel

MAX_PATCHES = 30_000
"""Random patches among which the coreset is chosen."""
PROJECTED = 64
"""Dimensions in which the coreset's distances are measured."""
NEIGHBOURS = 1
"""Of the nearest good patch; from 2 on the score would be weighed by them."""


class PatchFeatures(nn.Module):
    """``(1, 3, height, width)`` RGB to ``(rows, columns, channels)`` patch features.

    ``height`` and ``width`` are multiples of 32; a patch is as large as the finest layer's stride.
    ``light``: takes 0..255 and normalises; None: the picture is normalised.
    """

    def __init__(self, model: PatchcoreModel, light: nn.Module | None = None) -> None:
        super().__init__()
        self.model = model
        self.light = light
        self.seen: Tensor | None
        self.register_buffer("seen", None)

    def show_only(self, seen: Tensor) -> None:
        """Hide what is 0 in ``seen``, ``(height, width)`` of the input, from now on.

        Hidden pixels become the mean colour, for a patch sees far beyond its own square.
        """
        self.seen = seen[None, None]

    def forward(self, picture: Tensor) -> Tensor:
        if self.light is not None:
            picture = self.light(picture)
        if self.seen is not None:
            picture = picture * self.seen
        features = self.model.feature_extractor(picture)
        pooled = {layer: self.model.feature_pooler(value) for layer, value in features.items()}
        embedding: Tensor = self.model.generate_embedding(pooled)
        return embedding[0].permute(1, 2, 0)


class PatchScores(nn.Module):
    """``(1, 3, height, width)`` RGB to score ``(1,)`` and map ``(1, 1, rows, columns)``.

    ``weight``: ``(rows, columns)`` 0 where nothing is looked at, else 1; None: everywhere.
    """

    def __init__(self, features: PatchFeatures, bank: Tensor, weight: Tensor | None = None) -> None:
        super().__init__()
        self.features = features
        # distances do not change when both sides are shifted, but half precision keeps them better
        self.register_buffer("centre", bank.mean(0))
        self.centre: Tensor
        self.register_buffer("weight", weight)
        self.weight: Tensor | None
        features.model.memory_bank = (bank - self.centre).half().float()

    def forward(self, picture: Tensor) -> tuple[Tensor, Tensor]:
        return self.compare(self.features(picture))

    def compare(self, embedding: Tensor) -> tuple[Tensor, Tensor]:
        """Score and map of patch features ``(rows, columns, channels)``."""
        model = self.features.model
        embedding = embedding - self.centre
        rows, columns, channels = embedding.shape
        patches = embedding.reshape(rows * columns, channels)
        distances, nearest = model.nearest_neighbors(patches, n_neighbors=1)
        if self.weight is not None:
            distances = distances.reshape(-1) * self.weight.reshape(-1)
        score = model.compute_anomaly_score(distances.reshape(1, -1), nearest.reshape(1, -1), patches)
        return score, distances.reshape(1, 1, rows, columns)


def patch_features(
    backbone: str,
    layers: Sequence[str] | None = None,
    weights: Path | None = None,
    light: nn.Module | None = None,
) -> PatchFeatures:
    """The pretrained extractor, its features taken from ``layers``, the finest first.

    ``weights``: of a backbone that no installed package carries. Raises :class:`InputError` for an
    unknown backbone or layer, or weights that do not fit.
    """
    chosen = tuple(layers or default_layers(backbone))
    with offline(weights):
        model = PatchcoreModel(
            layers=list(known_layers(backbone, chosen)),
            backbone=backbone,
            pre_trained=True,
            num_neighbors=NEIGHBOURS,
        ).eval()
    extractor = model.feature_extractor.feature_extractor
    blocks = [
        int(name) for kind, _, name in (layer.rpartition(".") for layer in chosen) if kind == "blocks"
    ]
    if len(blocks) == len(chosen):
        # stages behind the last one used would only make the files larger
        extractor.blocks = extractor.blocks[: max(blocks) + 1]
    return PatchFeatures(model, light).eval()


def choose_bank(patches: Sequence[Tensor], size: int, seed: int) -> Tensor:
    """A coreset of at most ``size`` rows from the patches ``(n, channels)`` of several pictures.

    Greedy k-centre selection (Sener and Savarese, ICLR 2018) among at most ``MAX_PATCHES`` random rows,
    by distances after a random projection as in the PatchCore paper. anomalib's own selection keeps
    more dimensions than these features have, and takes several times as long.
    """
    generator = torch.Generator().manual_seed(seed)
    rows = torch.cat(list(patches))
    if len(rows) > MAX_PATCHES:
        rows = rows[torch.randperm(len(rows), generator=generator)[:MAX_PATCHES]]
    if len(rows) <= size:
        return rows
    projection = torch.randn(rows.shape[1], PROJECTED, generator=generator)
    points = (rows - rows.mean(0)) @ projection / PROJECTED**0.5
    squares = points.square().sum(1)
    index = int(torch.randint(len(points), (1,), generator=generator))
    nearest = torch.full((len(points),), torch.inf)
    chosen = []
    for _ in range(size):
        chosen.append(index)
        distances = squares - 2 * (points @ points[index]) + squares[index]
        torch.minimum(nearest, distances, out=nearest)
        nearest[index] = -torch.inf
        index = int(nearest.argmax())
    return rows[chosen]
