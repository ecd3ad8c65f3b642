"""Pictures that are too bright, too dark or tinted become as the good ones were, in the graph."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from inspector.domain import Image
from inspector.training.backbone import IMAGENET_MEAN, IMAGENET_STD

STRONGEST = 1.67
"""Most that a channel is brightened or dimmed: what differs more stays strange."""


class EvenLight(nn.Module):
    """``(1, 3, height, width)`` RGB, 0..255, to the same in the good pictures' light, normalised.

    Each channel is scaled so that its mean is ``reference``, that of the good pictures (the grey-world
    rule of Buchsbaum, "A spatial processor model for object colour perception", 1980, with the good
    pictures in place of grey).
    """

    def __init__(self, reference: Sequence[float]) -> None:
        super().__init__()
        self.reference: Tensor
        self.mean: Tensor
        self.scale: Tensor
        self.register_buffer("reference", torch.tensor(reference, dtype=torch.float32).view(1, 3, 1, 1))
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1))
        self.register_buffer("scale", torch.tensor(IMAGENET_STD).view(1, 3, 1, 1))

    def forward(self, picture: Tensor) -> Tensor:
        # a black picture has a mean of 0
        seen = picture.mean((2, 3), keepdim=True).clamp(min=1.0)
        gain = (self.reference / seen).clamp(1 / STRONGEST, STRONGEST)
        return ((picture * gain).clamp(0.0, 255.0) - self.mean) / self.scale


def mean_light(views: Iterable[Image]) -> tuple[float, float, float]:
    """The mean of red, green and blue over the means of ``views``, ``uint8`` BGR."""
    blue, green, red = np.mean([view.mean((0, 1)) for view in views], axis=0)
    return float(red), float(green), float(blue)
