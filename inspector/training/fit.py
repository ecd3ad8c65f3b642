"""The training loop: Ultralytics, seeded, bounded in time, resumable.

The work folder holds ``state.json`` (the settings, the plan and how far it got), the data set as the
library sees it, the run of Ultralytics with its checkpoints, and its settings. A training that was
killed goes on from the last finished epoch when it is started with the same settings and folder.
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

from inspector.datasets.yolo import Task
from inspector.errors import InputError
from inspector.training.bar import TrainingBar, training_bar
from inspector.training.library import quiet_ultralytics, write_json
from inspector.training.plan import Plan, Wishes
from inspector.training.schedule import OVERRUN, epochs_in_all, patience, rate

if TYPE_CHECKING:
    from ultralytics.engine.trainer import BaseTrainer

log = structlog.get_logger(__name__)

DEFAULT_EPOCHS = 100
FIRST_RATE = 0.0015
WARMUP_STEPS = 300
MOSAIC_FREE = 0.2
"""Last part of a training, in which pictures are seen as they are."""


@dataclass(frozen=True)
class FitSettings:
    """What decides the outcome of a training; a resumed one must have the same."""

    data: str
    digest: str
    task: Task
    wishes: Wishes
    epochs: int | None
    """None: as many as fit into ``minutes``."""
    minutes: float | None
    seed: int
    validate: bool
    """Whether the data set has a validation split of its own, from which the best epoch is chosen."""


@dataclass(frozen=True)
class FitState:
    """How far a training got, as ``state.json``."""

    settings: FitSettings
    plan: Plan
    training_s: float | None
    """What the training proper may take, without preparation and export."""
    workset: str
    """What the library is told: a data.yaml or a folder."""
    pictures: int
    """Pictures or tiles of an epoch."""
    epochs: int
    """How many there will be, as estimated after the last one."""
    epochs_done: int = 0
    durations_s: tuple[float, ...] = ()
    """Of the epochs so far."""
    spent_s: float = 0.0
    finished: bool = False

    @classmethod
    def read(cls, path: Path, settings: FitSettings) -> FitState | None:
        """The state at ``path``; None when there is none.

        Raises :class:`InputError` when it is none, or of a training with other settings.
        """
        if not path.exists():
            return None
        try:
            raw = json.loads(path.read_text(encoding="utf-8"))
            given = raw["settings"]
            found = FitSettings(**{**given, "wishes": Wishes(**given["wishes"])})
            plan = Plan(**{**raw["plan"], "why": tuple(raw["plan"]["why"])})
            state = cls(
                **{
                    **raw,
                    "settings": found,
                    "plan": plan,
                    "durations_s": tuple(raw["durations_s"]),
                }
            )
        except (ValueError, TypeError, KeyError):
            # whatever else a file of that name may hold
            raise InputError(
                f"{path} is no state of a training", "Remove the folder and train again"
            ) from None
        if state.settings != settings:
            mine, theirs = _flat(settings), _flat(state.settings)
            different = [name for name, value in mine.items() if theirs[name] != value]
            raise InputError(
                f"{path.parent} holds a training with other settings: {', '.join(different)}",
                "Give the same settings, or another folder",
            )
        return state


@dataclass(frozen=True)
class Fitted:
    """A finished training."""

    weights: Path
    epochs: int
    minutes: float


Progress: TypeAlias = Callable[[int, int, float], None]
"""Called after each epoch with its number from 1, the expected number in all, and its mAP50-95."""


def fit(state: FitState, work: Path, progress: Progress | None = None) -> Fitted:
    """Train, or go on training, in ``work``."""
    best = state.settings.validate
    weights = work / "run" / "weights" / ("best.pt" if best else "last.pt")
    if not state.finished:
        with training_bar() as bar:
            state = _Loop(state, work, progress, bar).run()
        write_json(work / "state.json", asdict(state))
    return Fitted(weights, state.epochs_done, state.spent_s / 60)


def _flat(settings: FitSettings) -> dict[str, object]:
    values = asdict(settings)
    return {**values.pop("wishes"), **values}


class _Loop:
    """What the library calls back: it is told the learning rate, the epochs and when to stop."""

    def __init__(
        self, state: FitState, work: Path, progress: Progress | None, bar: TrainingBar
    ) -> None:
        self._last = work / "run" / "weights" / "last.pt"
        self._resumed = state.epochs_done > 0 and self._last.exists()
        if not self._resumed:
            state = replace(state, epochs_done=0, durations_s=(), spent_s=0.0)
        self._state = self._begun = state
        self._work = work
        self._progress = progress
        self._bar = bar
        self._started = self._epoch_started = time.monotonic()
        self._batch = 0
        self._share = 0.0
        self._best = 0.0

    def run(self) -> FitState:
        """Train to the end."""
        quiet_ultralytics(self._work)
        from ultralytics.models import YOLO

        settings = self._state.settings
        source = str(self._last) if self._resumed else self._state.plan.base
        model = YOLO(source, task=settings.task)
        model.add_callback("on_train_start", self._on_start)
        model.add_callback("on_train_epoch_start", self._on_epoch_start)
        model.add_callback("on_train_batch_start", self._before_batch)
        model.add_callback("on_train_batch_end", self._after_batch)
        model.add_callback("on_fit_epoch_end", self._after_epoch)
        arguments = _arguments(self._state, self._work)
        if getattr(model.model, "yaml", {}).get("end2end"):
            arguments["nms"] = False  # judge the epochs by the head that will be exported
        if self._resumed:
            arguments["resume"] = str(self._last)
        # its progress bars are no result of ours
        with contextlib.redirect_stdout(sys.stderr):
            model.train(**arguments)
        return replace(self._state, finished=True)

    def _spent_s(self) -> float:
        return self._begun.spent_s + time.monotonic() - self._started

    def _on_start(self, trainer: BaseTrainer) -> None:
        self._set_epochs(trainer, self._state.epochs)

    def _set_epochs(self, trainer: BaseTrainer, epochs: int) -> None:
        trainer.epochs = trainer.args.epochs = epochs
        trainer.args.close_mosaic = max(1, round(epochs * MOSAIC_FREE))
        trainer.stopper.patience = patience(epochs)

    def _on_epoch_start(self, trainer: BaseTrainer) -> None:
        self._batch = 0
        self._epoch_started = time.monotonic()

    def _before_batch(self, trainer: BaseTrainer) -> None:
        # a step's own rate, where the library would keep one for an epoch; it still warms up by itself
        done = trainer.epoch + self._batch / len(trainer.train_loader)
        self._share = done / trainer.epochs
        assert trainer.optimizer is not None
        for group in trainer.optimizer.param_groups:
            group["lr"] = group["initial_lr"] * rate(self._share)

    def _after_batch(self, trainer: BaseTrainer) -> None:
        self._batch += 1
        spent, budget = self._spent_s(), self._state.training_s
        if budget is not None and spent > budget * OVERRUN:
            trainer.stop = True
        left = None
        if self._share > 0:
            left = spent / self._share * (1 - self._share)
        self._bar.step(self._share, left, trainer.epoch + 1, trainer.epochs)

    def _after_epoch(self, trainer: BaseTrainer) -> None:
        state = self._state
        if state.finished or not state.epochs_done <= trainer.epoch < trainer.epochs:
            return  # the best epoch is measured once more after the last one
        durations = (*state.durations_s, time.monotonic() - self._epoch_started)
        done, spent = trainer.epoch + 1, self._spent_s()
        # the last one as estimated need not be the last; one without patience is
        if state.training_s is not None and (not trainer.stop or done >= trainer.epochs):
            epochs = epochs_in_all(done, durations, state.training_s - spent)
            self._set_epochs(trainer, epochs)
            trainer.stop = epochs <= done
        self._state = replace(
            state,
            epochs=trainer.epochs,
            epochs_done=done,
            durations_s=durations,
            spent_s=spent,
            finished=bool(trainer.stop),
        )
        write_json(self._work / "state.json", asdict(self._state))
        metrics: dict[str, float] = trainer.metrics or {}
        name = "metrics/mAP50-95(B)"
        if state.settings.task == "classify":
            name = "metrics/accuracy_top1"
        precision = metrics.get(name, math.nan)
        self._best = max(self._best, precision) if precision == precision else self._best
        log.info(
            "epoch",
            done=done,
            of=trainer.epochs,
            figure=round(precision, 4),
            best=round(self._best, 4),
            spent_s=round(spent),
        )
        self._bar.figure(f"best {name.removeprefix('metrics/').removesuffix('(B)')} {self._best:.3f}")
        if self._progress is not None:
            self._progress(done, trainer.epochs, precision)


def _arguments(state: FitState, work: Path) -> dict[str, str | int | float | bool | None]:
    cuda = torch.cuda.is_available()
    settings, plan = state.settings, state.plan
    steps_an_epoch = math.ceil(state.pictures / plan.batch)
    # a tenth of a short training, but a few steps of any
    warmup = max(3, min(WARMUP_STEPS, steps_an_epoch * state.epochs // 10))
    return {
        "epochs": state.epochs,
        "data": state.workset,
        "imgsz": plan.imgsz,
        "batch": plan.batch,
        # one optimiser step a batch: a short training needs the steps more than the large batch
        "nbs": plan.batch,
        "optimizer": "AdamW",
        "lr0": FIRST_RATE,
        "lrf": 0.01,
        "momentum": 0.9,
        "warmup_epochs": warmup / steps_an_epoch,
        "warmup_bias_lr": 0.0,
        "patience": patience(state.epochs),
        "close_mosaic": max(1, round(state.epochs * MOSAIC_FREE)),
        "seed": settings.seed,
        "deterministic": True,
        "device": "0" if cuda else "cpu",
        # bf16 needs no check, and the check of the others downloads weights
        "amp": "bf16" if cuda and torch.cuda.is_bf16_supported() else False,
        "cache": "ram",
        "plots": False,
        "verbose": False,
        "val": settings.validate,
        # a network in its first epochs finds thousands of weak boxes, and sorting them takes long
        "conf": 0.01,
        "save_dir": str(work / "run"),
        "pretrained": plan.base.endswith(".pt"),
        # a fixed camera: no part is in another light's colour
        "degrees": 0.0,
        "translate": 0.1,
        "scale": plan.scale,
        "flipud": plan.flipud,
        "fliplr": plan.fliplr,
        "hsv_h": 0.01,
        "hsv_s": 0.4,
        "hsv_v": 0.4,
        "mosaic": plan.mosaic,
        # of classification: the library's own policy inverts and posterises, which makes faults
        "auto_augment": None,
        "erasing": 0.0,
    }
