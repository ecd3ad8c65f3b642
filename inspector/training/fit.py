"""The training loop of a detector: Ultralytics, seeded, bounded in time, resumable.

The work folder holds ``state.json`` (the settings and how far it got), the run of Ultralytics with
its checkpoints, and its settings. A training that was killed goes on from the last finished epoch when
it is started with the same settings and folder.
"""

from __future__ import annotations

import contextlib
import json
import math
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import structlog
import torch

from inspector.errors import InputError
from inspector.training.library import quiet_ultralytics, write_json

if TYPE_CHECKING:
    from ultralytics.engine.trainer import BaseTrainer

log = structlog.get_logger(__name__)

DEFAULT_EPOCHS = 100
TRAINING_SHARE = 0.9
"""Part of the given minutes that training may use; export and measurement take the rest."""


@dataclass(frozen=True)
class FitSettings:
    """What decides the outcome of a training; a resumed one must have the same."""

    data: str
    digest: str
    base: str
    imgsz: int
    epochs: int | None
    """None: as many as fit into ``minutes``."""
    minutes: float | None
    seed: int
    fliplr: float
    """Probability of a mirrored picture; 0 where left and right mean something."""
    validate: bool
    """Whether the data set has a validation split of its own, from which the best epoch is chosen."""


@dataclass(frozen=True)
class FitState:
    """How far a training got, as ``state.json``."""

    settings: FitSettings
    epochs_done: int = 0
    spent_s: float = 0.0
    finished: bool = False

    @classmethod
    def read(cls, path: Path) -> FitState | None:
        if not path.exists():
            return None
        try:
            raw = json.loads(path.read_text(encoding="utf-8"))
            return cls(**{**raw, "settings": FitSettings(**raw["settings"])})
        except (ValueError, TypeError, KeyError):
            raise InputError(
                f"{path} is no state of a training", "Remove the folder and train again"
            ) from None


@dataclass(frozen=True)
class Fitted:
    """A finished training."""

    weights: Path
    epochs: int
    minutes: float


Progress: TypeAlias = Callable[[int, int, float], None]
"""Called after each epoch with its number from 1, the expected number in all, and its mAP50-95."""


def fit(settings: FitSettings, work: Path, progress: Progress | None = None) -> Fitted:
    """Train, or go on training, in ``work``.

    Raises :class:`InputError` when ``work`` holds a training with other settings.
    """
    work.mkdir(parents=True, exist_ok=True)
    path = work / "state.json"
    state = FitState.read(path) or FitState(settings)
    if state.settings != settings:
        different = [
            name for name, value in asdict(settings).items() if asdict(state.settings)[name] != value
        ]
        raise InputError(
            f"{work} holds a training with other settings: {', '.join(different)}",
            "Give the same settings, or another folder",
        )
    weights = work / "run" / "weights" / ("best.pt" if settings.validate else "last.pt")
    if not state.finished:
        state = _train(settings, state, work, progress)
        write_json(path, asdict(state))
    return Fitted(weights, state.epochs_done, state.spent_s / 60)


def _train(settings: FitSettings, state: FitState, work: Path, progress: Progress | None) -> FitState:
    quiet_ultralytics(work)
    from ultralytics.models import YOLO
    from ultralytics.nn.tasks import DetectionModel

    last = work / "run" / "weights" / "last.pt"
    resumed = state.epochs_done > 0 and last.exists()
    if not resumed:
        state = FitState(settings)
    begun = state
    started = time.monotonic()

    def after_epoch(trainer: BaseTrainer) -> None:
        nonlocal state
        if state.finished or not state.epochs_done <= trainer.epoch < trainer.epochs:
            return  # the best epoch is measured once more after the last one
        state = replace(
            begun,
            epochs_done=trainer.epoch + 1,
            spent_s=begun.spent_s + time.monotonic() - started,
            finished=bool(trainer.stop),
        )
        write_json(work / "state.json", asdict(state))
        # with a time budget the number of epochs is known only once some have been measured
        trainer.args.close_mosaic = max(1, round(trainer.epochs * 0.2))
        metrics: dict[str, float] = trainer.metrics or {}
        precision = metrics.get("metrics/mAP50-95(B)", math.nan)
        log.info(
            "epoch",
            done=state.epochs_done,
            of=trainer.epochs,
            map50_95=round(precision, 4),
            spent_s=round(state.spent_s),
        )
        if progress is not None:
            progress(state.epochs_done, trainer.epochs, precision)

    model = YOLO(str(last) if resumed else settings.base, task="detect")
    model.add_callback("on_fit_epoch_end", after_epoch)
    arguments = _arguments(settings, state, work)
    if isinstance(model.model, DetectionModel) and model.model.yaml.get("end2end"):
        arguments["nms"] = False  # judge the epochs by the head that will be exported
    if resumed:
        arguments["resume"] = str(last)
    # its progress bars are no result of ours
    with contextlib.redirect_stdout(sys.stderr):
        model.train(**arguments)
    return replace(state, finished=True)


def _arguments(
    settings: FitSettings, state: FitState, work: Path
) -> dict[str, str | int | float | bool | None]:
    cuda = torch.cuda.is_available()
    budget: dict[str, float | int] = {"epochs": settings.epochs or DEFAULT_EPOCHS}
    if settings.minutes is not None and settings.epochs is None:
        left = settings.minutes * 60 * TRAINING_SHARE - state.spent_s
        budget["time"] = max(left, 1.0) / 3600
    return {
        **budget,
        "data": settings.data,
        "imgsz": settings.imgsz,
        "batch": 16,
        # one optimiser step a batch: a short training needs the steps more than the large batch
        "nbs": 16,
        "optimizer": "AdamW",
        "lr0": 0.0015,
        "lrf": 0.02,
        "momentum": 0.9,
        "warmup_epochs": 1.0,
        "warmup_bias_lr": 0.0,
        "close_mosaic": max(1, round((settings.epochs or DEFAULT_EPOCHS) * 0.2)),
        "seed": settings.seed,
        "deterministic": True,
        "device": "0" if cuda else "cpu",
        # bf16 needs no check, and the check of the others downloads weights
        "amp": "bf16" if cuda and torch.cuda.is_bf16_supported() else False,
        "cache": "ram",
        "plots": False,
        "verbose": False,
        "val": settings.validate,
        "save_dir": str(work / "run"),
        "pretrained": settings.base.endswith(".pt"),
        # a fixed camera: no part is upside down, far nearer or in another light's colour
        "degrees": 0.0,
        "translate": 0.1,
        "scale": 0.3,
        "flipud": 0.0,
        "fliplr": settings.fliplr,
        "hsv_h": 0.01,
        "hsv_s": 0.4,
        "hsv_v": 0.4,
        "mosaic": 0.5,
    }
