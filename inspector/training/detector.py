"""A network from a data set: plan, training, export, measurement of what was exported, card.

The data set's labels decide what is trained: boxes, outlines, or a class for each picture.
"""

from __future__ import annotations

import math
import re
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import structlog
import torch

from inspector.bundle import Bundle, Card, DataSpec, InputSpec, Tile, write_card, writing_bundle
from inspector.cameras.footage import PICTURES
from inspector.datasets.yolo import Task, YoloData
from inspector.errors import InputError
from inspector.training.auditing import audited
from inspector.training.card import data_digest, quality_statistics, versions
from inspector.training.export import Preprocessing, export_network, openvino_model
from inspector.training.fit import DEFAULT_EPOCHS, FitSettings, FitState, Fitted, Progress, fit
from inspector.training.library import quiet_ultralytics, write_json
from inspector.training.measure import measure, measure_model, network_pictures
from inspector.training.network import YoloCore
from inspector.training.plan import (
    BASES,
    ENOUGH_EPOCHS,
    Wishes,
    choose,
    epoch_seconds,
    reserve_s,
    thinned,
)
from inspector.training.quantise import CALIBRATION_PICTURES, kept, quantised, save_int8
from inspector.training.speed import seconds_a_picture
from inspector.training.statistics import statistics_of
from inspector.training.workset import drawn_from, write_workset

log = structlog.get_logger(__name__)

ARCHITECTURES = ("yolo26", "yolo11", "yolov8")
SUFFIXES: dict[Task, str] = {"detect": "", "segment": "-seg", "classify": "-cls"}
DEFAULT_MINUTES = 60.0
MAX_FILE_BYTES = 6_000_000
_UNTIMED_S = 0.05
"""Taken for granted where nothing depends on the speed."""

Metrics = dict[str, float | tuple[float, float]]


@dataclass(frozen=True)
class _Source:
    """The data set, whether a label that is none may be left out, and what the card says of it."""

    data: YoloData
    digest: str
    strict: bool
    told: tuple[str, ...] = ()


def train_detector(
    data_yaml: Path,
    out: Path,
    *,
    minutes: float | None = None,
    epochs: int | None = None,
    wishes: Wishes | None = None,
    seed: int = 0,
    int8: bool = True,
    allow_findings: bool = False,
    resume_dir: Path | None = None,
    progress: Progress | None = None,
    command: str,
) -> Card:
    """Train on ``data_yaml`` and write the bundle ``out``.

    ``minutes``: how long it may take, audit and export included; 60 unless ``epochs`` is given or there
    is CUDA. ``wishes``: what the user chooses in place of the data (see
    :func:`inspector.training.plan.choose`); a base is an architecture (``yolo11n.yaml``: trained from
    scratch) or a weights file (``.pt``) that is there; nothing is downloaded. ``int8``: also write a
    network in INT8, if it keeps 98 % of the figure on ``val``. ``allow_findings``: train although the
    audit has found what should be repaired first.
    ``resume_dir``: the work folder, by default ``.NAME-training`` beside ``out``; a training that was
    killed goes on from its last epoch there. ``progress`` is called after each epoch.

    The epoch that is best on ``val`` is kept; when ``val`` shares pictures with ``train``, the last one
    is, and the card has no figures of ``val`` and no INT8. A ``test`` split is only measured.

    Raises :class:`InputError` for an unknown base or size, :class:`DataError` for a data set that
    cannot be read or that the audit refuses.
    """
    started = time.monotonic()
    wishes = wishes or Wishes()
    if wishes.imgsz is not None and (wishes.imgsz <= 0 or wishes.imgsz % 32):
        raise InputError(
            f"An input of {wishes.imgsz} px does not fit", "Give a multiple of 32, such as 320"
        )
    data = YoloData.read(data_yaml)
    base = known_base(wishes.base or BASES[data.task], data.task)
    if minutes is None and epochs is None and not torch.cuda.is_available():
        minutes = DEFAULT_MINUTES
    data, told = audited(data, allow_findings)
    digest = data_digest(data.files(), data.root)
    work = (resume_dir or out.parent / f".{out.name}-training").resolve()
    settings = FitSettings(
        data=str(data.yaml),
        digest=digest,
        task=data.task,
        wishes=wishes,
        epochs=epochs,
        minutes=minutes,
        seed=seed,
        validate=data.own_val,
    )
    state = FitState.read(work / "state.json", settings)
    source = _Source(data, digest, strict=not allow_findings, told=told)
    if state is None:
        state = _begin(source, settings, base, work, started)
    for sentence in state.plan.why:
        log.info("plan", choice=sentence)
    fitted = fit(state, work, progress)
    return _write(source, state, fitted, work, out, command, int8)


def known_base(base: str, task: Task) -> str:
    """The architecture's full name, or the absolute path of the weights.

    Raises :class:`InputError` when there is no such thing, or it is of another task.
    """
    path = Path(base)
    if path.suffix == ".pt":
        if not path.is_file():
            raise InputError(
                f"The weights {base} are not here, and nothing is downloaded",
                f"Copy the file here, or train from scratch with --base {BASES[task]}",
            )
        return str(path.resolve())
    known = re.fullmatch(rf"((?:{'|'.join(ARCHITECTURES)})[nsmlx])(-seg|-cls)?(\.yaml)?", base)
    if known is None:
        raise InputError(
            f"No detector '{base}'",
            f"Give one of {', '.join(ARCHITECTURES)} with its size ({BASES[task]}), or a .pt file",
        )
    if known[2] not in (None, SUFFIXES[task]):
        raise InputError(
            f"'{base}' does not fit a data set for '{task}'", f"Give {known[1]}{SUFFIXES[task]}.yaml"
        )
    return f"{known[1]}{SUFFIXES[task]}.yaml"


def _begin(source: _Source, settings: FitSettings, base: str, work: Path, started: float) -> FitState:
    """Look at the data, make the plan and the library's copy of the data set."""
    data, minutes = source.data, settings.minutes
    work.mkdir(parents=True, exist_ok=True)
    statistics = statistics_of(data, strict=source.strict)
    timed = minutes is not None and settings.epochs is None
    picture_s = seconds_a_picture(base, data.task, work) if timed else _UNTIMED_S
    budget_s = minutes * 60 if minutes is not None and timed else None
    plan = choose(
        statistics,
        training_s=0.9 * budget_s if budget_s else None,
        picture_s=picture_s,
        wishes=replace(settings.wishes, base=base),
        repeat=settings.epochs is None,
    )
    workset = write_workset(data, plan, work / "data", settings.seed, strict=source.strict)
    training_s, epochs = None, settings.epochs or DEFAULT_EPOCHS
    if budget_s is not None:
        val = len(data.splits["val"]) + len(data.splits.get("test", ()))
        left_s = budget_s - (time.monotonic() - started)
        training_s = max(1.0, left_s - reserve_s(budget_s, val, plan.imgsz, picture_s))
        plan, epochs = thinned(
            plan, workset.train, workset.val, training_s=training_s, picture_s=picture_s
        )
        if epochs < ENOUGH_EPOCHS:
            one_s = epoch_seconds(plan, workset.train // plan.every, workset.val, picture_s)
            log.warning(
                "too little time",
                epochs=epochs,
                because=f"about {ENOUGH_EPOCHS} epochs are wanted, and one takes {one_s:.0f} s: give "
                f"--minutes {math.ceil((ENOUGH_EPOCHS * one_s + budget_s - training_s) / 60)}",
            )
        if plan.every > 1:
            workset = write_workset(data, plan, work / "data", settings.seed, strict=source.strict)
    state = FitState(
        settings=settings,
        plan=plan,
        training_s=training_s,
        workset=str(workset.path),
        pictures=workset.train,
        epochs=epochs,
    )
    write_json(work / "state.json", asdict(state))
    return state


def _write(
    source: _Source,
    state: FitState,
    fitted: Fitted,
    work: Path,
    out: Path,
    command: str,
    int8: bool,
) -> Card:
    quiet_ultralytics(work)
    data, plan, settings = source.data, state.plan, state.settings
    core = YoloCore(fitted.weights, plan.imgsz, data.task)
    preprocessing = Preprocessing(plan.imgsz, plan.imgsz)
    with writing_bundle(out) as folder:
        files = export_network(core, preprocessing, core.outputs, folder)
        card = Card(
            task=data.task,
            architecture=core.architecture or Path(plan.base).stem,
            labels=data.labels,
            input=InputSpec(
                width=plan.imgsz,
                height=plan.imgsz,
                fit="stretch" if data.task == "classify" else "letterbox",
                resize="host",
                tile=Tile(side=plan.tile, overlap=plan.overlap) if plan.tile else None,
            ),
            head=core.head,
            files=files,
            data=DataSpec(
                source=f"{len(data.splits['train'])} training pictures: {data.source}; "
                f"{fitted.epochs} epochs in {fitted.minutes:.0f} minutes",
                digest=source.digest,
                split={
                    split: len(pictures)
                    for split, pictures in data.splits.items()
                    if split != "val" or settings.validate
                },
            ),
            metrics={},
            calibration=quality_statistics(list(data.splits["train"])),
            licence="AGPL-3.0 (network by Ultralytics)",
            versions=versions("torch", "ultralytics", "openvino", "nncf"),
            command=command,
            training=(*source.told, *plan.why),
        )
        write_card(folder, card)
        metrics: Metrics = {}
        if settings.validate:
            metrics |= _figures(folder, source, "val", "")
            if int8:
                card = _with_int8(folder, card, core, preprocessing, source, work / "data", metrics)
        if "test" in data.splits:
            metrics |= _figures(folder, source, "test", "test_")
        card = card.model_copy(update={"metrics": metrics})
        write_card(folder, card)
        _check_sizes(folder, card)
    log.info("bundle written", out=str(out), **metrics)
    return card


def _with_int8(
    folder: Path,
    card: Card,
    core: YoloCore,
    preprocessing: Preprocessing,
    source: _Source,
    workset: Path,
    metrics: Metrics,
) -> Card:
    """The card with the network in INT8, if that keeps enough; its figures are noted in any case."""
    model = openvino_model(core, preprocessing, core.outputs)
    main = "accuracy" if card.task == "classify" else "map50_95"
    fp32 = measure_model(model, card, source.data, "val", strict=source.strict)[main]
    metrics[f"fp32_{main}"] = fp32
    if fp32 == 0:
        return card
    seen = sorted(path for path in workset.rglob("train/**/*") if path.suffix in PICTURES)
    smaller = quantised(model, network_pictures(drawn_from(seen, CALIBRATION_PICTURES), card.input))
    small = measure_model(smaller, card, source.data, "val", strict=source.strict)[main]
    metrics[f"int8_{main}"] = small
    if not kept(small, fp32):
        log.warning("int8 left out", figure=main, fp32=fp32, int8=small)
        return card
    card = card.model_copy(update={"files": (*card.files, *save_int8(smaller, folder))})
    write_card(folder, card)
    return card


def _figures(folder: Path, source: _Source, split: str, prefix: str) -> Metrics:
    found = measure(Bundle.load(folder), source.data, split, strict=source.strict)
    return {f"{prefix}{name}": value for name, value in found.items()}


def _check_sizes(folder: Path, card: Card) -> None:
    """Tell of files that are too large to be shipped: a base larger than the default makes them."""
    for file in card.files:
        size = (folder / file.name).stat().st_size
        if size > MAX_FILE_BYTES:
            log.warning("large file", name=file.name, bytes=size, intended=MAX_FILE_BYTES)
