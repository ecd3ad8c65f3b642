"""Any anomaly model of anomalib's by its name, trained by its own engine, giving raw scores.

anomalib's post-processing, which normalises and clamps, is left out; its models then give raw scores
and a map. Nothing is fetched: see :func:`inspector.training.backbone.offline`.
"""

from __future__ import annotations

import contextlib
import inspect
import logging
import sys
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import torch
from torch import Tensor, nn

from inspector.bundle import InputSpec
from inspector.domain import Image
from inspector.errors import DataError, InputError
from inspector.training.backbone import INSTALLED, default_layers, offline
from inspector.training.export import Preprocessing

with warnings.catch_warnings():
    # anomalib warns of its own deprecated modules while it imports them
    warnings.simplefilter("ignore")
    from anomalib.data import Folder
    from anomalib.engine import Engine
    from anomalib.models import image as image_models

BATCH = 8
EPOCHS = 30
"""Of methods that learn in epochs and name no number themselves."""
FEATURES = 100
"""Dimensions kept by methods that have no number for the backbone."""
_ONE_BY_ONE = ("efficientad",)
"""Methods that take one picture at a time."""
_VALIDATED = 0.1
"""Share of the pictures that the engine holds back, which some methods scale their maps by."""
_FEWEST = 4


def methods() -> tuple[str, ...]:
    """The names of all methods for pictures, by the alphabet."""
    return tuple(sorted(name.lower() for name in image_models.__all__))


def method_named(name: str) -> str:
    """The method's name in small letters, whatever case or separators were typed.

    Raises :class:`InputError` when there is no such method.
    """
    plain = name.lower().replace("_", "").replace("-", "")
    if plain not in methods():
        raise InputError(f"No anomaly method '{name}'", f"Available: {', '.join(methods())}")
    return plain


class RawScores(nn.Module):
    """``(1, 3, height, width)`` to raw score ``(1,)`` and map ``(1, 1, rows, columns)``."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, picture: Tensor) -> tuple[Tensor, Tensor]:
        result = self.model(picture)
        heat, score = result.anomaly_map, result.pred_score
        if heat is None:
            heat = score.reshape(1, 1, 1, 1)
        heat = heat.reshape(1, 1, *heat.shape[-2:])
        score = heat.amax((1, 2, 3)) if score is None else score.reshape(-1)[:1]
        return score, heat


def fitted(
    method: str,
    pictures: Sequence[Image],
    spec: InputSpec,
    *,
    backbone: str = INSTALLED,
    weights: Path | None = None,
    seed: int = 0,
) -> tuple[RawScores, Preprocessing]:
    """The network that ``method`` makes of good ``pictures``, and what it wants done before.

    ``pictures`` have the aspect of the input. Raises :class:`InputError` when the method needs files
    that are not on this computer, or cannot be used like this, :class:`DataError` for too few pictures.
    """
    if len(pictures) < _FEWEST:
        raise DataError(
            f"{len(pictures)} pictures are too few for {method}",
            f"Add other good parts until {_FEWEST} pictures are left to learn from, or take patchcore",
        )
    if weights is not None:
        weights = weights.absolute()
    size = spec.height, spec.width
    with tempfile.TemporaryDirectory() as name, offline(weights), _quietly():
        folder = Path(name)
        (folder / "good").mkdir()
        for number, picture in enumerate(pictures):
            resized = cv2.resize(picture, (spec.width, spec.height), interpolation=cv2.INTER_LINEAR)
            cv2.imwrite(str(folder / "good" / f"{number:06d}.png"), resized)
        torch.manual_seed(seed)
        model = _new(method, backbone, size)
        data = Folder(
            name="good",
            root=folder,
            normal_dir="good",
            train_batch_size=1 if method in _ONE_BY_ONE else min(BATCH, len(pictures)),
            eval_batch_size=1,
            num_workers=0,
            test_split_mode="none",
            val_split_mode="from_train",
            val_split_ratio=max(_VALIDATED, 1 / len(pictures)),
            seed=seed,
        )
        engine = Engine(
            default_root_dir=folder / "results",
            accelerator="cpu",
            max_epochs=EPOCHS,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        engine.fit(model, datamodule=data)
        core = model.model.eval()
        steps = getattr(model.pre_processor.transform, "transforms", [])
    normalise = next((step for step in steps if hasattr(step, "mean") and hasattr(step, "std")), None)
    mean, std = ((0.0,) * 3, (1.0,) * 3) if normalise is None else (normalise.mean, normalise.std)
    preprocessing = Preprocessing(spec.width, spec.height, _of_255(mean), _of_255(std), resize=True)
    return RawScores(core), preprocessing


def _of_255(values: Sequence[float]) -> tuple[float, float, float]:
    red, green, blue = (255.0 * float(value) for value in values)
    return red, green, blue


def _new(method: str, backbone: str, size: tuple[int, int]) -> Any:
    """The model, without what would clamp its scores or draw them."""
    kind = next(getattr(image_models, name) for name in image_models.__all__ if name.lower() == method)
    known = inspect.signature(kind).parameters
    options: dict[str, Any] = {"post_processor": False, "evaluator": False, "visualizer": False}
    options["pre_processor"] = kind.configure_pre_processor(size)
    if "backbone" in known and isinstance(known["backbone"].default, str):
        options["backbone"] = backbone
        if "layers" in known:
            options["layers"] = list(default_layers(backbone))
        if "n_features" in known and known["n_features"].default is None:
            options["n_features"] = FEATURES
    try:
        return kind(**{key: value for key, value in options.items() if key in known})
    except (TypeError, ValueError, AttributeError, KeyError) as error:
        raise InputError(
            f"{method} cannot be used with the backbone {backbone}: {error}",
            "Choose another --backbone, with its weights by --weights",
        ) from error


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Without the library's own talk: results go to stdout, and ours alone."""
    loggers = [logging.getLogger(name) for name in ("anomalib", "lightning", "lightning.pytorch")]
    levels = [one.level for one in loggers]
    with contextlib.redirect_stdout(sys.stderr), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for one in loggers:
            one.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for one, level in zip(loggers, levels, strict=True):
                one.setLevel(level)
