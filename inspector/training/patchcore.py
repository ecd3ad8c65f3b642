"""PatchCore: what good looks like is a bank of patch features, strangeness the distance to the nearest.

Source: Roth et al., "Towards Total Recall in Industrial Anomaly Detection", CVPR 2022; the parts come
from anomalib (Apache-2.0). Unlike anomalib's own forward pass this one gives raw scores and the coarse
map of patch distances, and its bank is bounded before the coreset is chosen, because the choice takes
minutes otherwise and gains nothing visible.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from inspector.training.backbone import LAYERS, pretrained

with warnings.catch_warnings():
    # anomalib warns of its own deprecated modules while it imports them
    warnings.simplefilter("ignore", FutureWarning)
    from anomalib.models.image.patchcore.torch_model import PatchcoreModel

MAX_PATCHES = 30_000
"""Random patches among which the coreset is chosen."""
PROJECTED = 64
"""Dimensions in which the coreset's distances are measured."""
NEIGHBOURS = 9
"""Of the nearest good patch: how isolated it is weighs the score, as in the paper."""


class PatchFeatures(nn.Module):
    """``(1, 3, height, width)`` normalised RGB to ``(rows, columns, channels)`` patch features.

    ``height`` and ``width`` are multiples of 32; a patch is 8 pixels square.
    """

    def __init__(self, model: PatchcoreModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, picture: Tensor) -> Tensor:
        features = self.model.feature_extractor(picture)
        pooled = {layer: self.model.feature_pooler(value) for layer, value in features.items()}
        embedding: Tensor = self.model.generate_embedding(pooled)
        return embedding[0].permute(1, 2, 0)


class PatchScores(nn.Module):
    """``(1, 3, height, width)`` normalised RGB to score ``(1,)`` and map ``(1, 1, rows, columns)``."""

    def __init__(self, features: PatchFeatures, bank: Tensor) -> None:
        super().__init__()
        self.features = features
        # distances do not change when both sides are shifted, but half precision keeps them better
        self.register_buffer("centre", bank.mean(0))
        self.centre: Tensor
        features.model.memory_bank = (bank - self.centre).half().float()

    def forward(self, picture: Tensor) -> tuple[Tensor, Tensor]:
        model = self.features.model
        embedding = self.features(picture) - self.centre
        rows, columns, channels = embedding.shape
        patches = embedding.reshape(rows * columns, channels)
        distances, nearest = model.nearest_neighbors(patches, n_neighbors=1)
        score = model.compute_anomaly_score(distances.reshape(1, -1), nearest.reshape(1, -1), patches)
        return score, distances.reshape(1, 1, rows, columns)


def patch_features(backbone: str) -> PatchFeatures:
    """The pretrained extractor. Raises :class:`InputError` for an unknown backbone."""
    weights = pretrained(backbone)
    model = PatchcoreModel(
        layers=list(LAYERS[backbone]),
        backbone=backbone,
        pre_trained=False,
        num_neighbors=NEIGHBOURS,
    ).eval()
    extractor = model.feature_extractor.feature_extractor
    # stages behind the last one used would only make the files larger
    last = max(int(layer.rpartition(".")[2]) for layer in LAYERS[backbone])
    extractor.blocks = extractor.blocks[: last + 1]
    wanted = extractor.state_dict()
    extractor.load_state_dict({key: weights.get(key, value) for key, value in wanted.items()})
    return PatchFeatures(model).eval()


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
