"""A detector from a data set: training, export, measurement of the export, card."""

from __future__ import annotations

import re
from pathlib import Path

import structlog
import torch
from torch import Tensor, nn

from inspector.bundle import (
    Bundle,
    Card,
    DataSpec,
    InputSpec,
    write_card,
    writing_bundle,
)
from inspector.datasets.yolo import YoloData
from inspector.errors import InputError
from inspector.runtimes.load import load_detector
from inspector.training.card import data_digest, quality_statistics, read_picture, versions
from inspector.training.export import Preprocessing, export_network
from inspector.training.fit import FitSettings, Fitted, Progress, fit
from inspector.training.library import quiet_ultralytics
from inspector.training.precision import mean_average_precision

log = structlog.get_logger(__name__)

ARCHITECTURES = ("yolo26", "yolo11", "yolov8")
DEFAULT_IMGSZ = 320
DEFAULT_MINUTES = 60.0
_MIN_CONFIDENCE = 0.001
"""Average precision needs the weak detections too."""


def train_detector(
    data_yaml: Path,
    out: Path,
    *,
    minutes: float | None = None,
    base: str = "yolo26n.yaml",
    imgsz: int | None = None,
    epochs: int | None = None,
    seed: int = 0,
    fliplr: float = 0.5,
    resume_dir: Path | None = None,
    progress: Progress | None = None,
    command: str,
) -> Card:
    """Train on ``data_yaml`` and write the bundle ``out``.

    ``minutes``: how long it may take, export included; 60 unless ``epochs`` is given or there is
    CUDA. ``base``: an architecture (``yolo26n.yaml``: trained from scratch) or a weights file
    (``.pt``) that is there; nothing is downloaded. ``imgsz``: the square input's side in pixels, a
    multiple of 32, 320 by default. ``fliplr``: how often a picture is mirrored; 0 where left and
    right mean something.
    ``resume_dir``: the work folder, by default ``.NAME-training`` beside ``out``; a training that was
    killed goes on from its last epoch there. ``progress`` is called after each epoch.

    The epoch that is best on ``val`` is kept; when ``val`` shares pictures with ``train``, the last one
    is, and the card has no ``map50``. A ``test`` split is only measured.

    Raises :class:`InputError` for an unknown base or size, :class:`DataError` for a data set that
    cannot be read.
    """
    data = YoloData.read(data_yaml)
    size = DEFAULT_IMGSZ if imgsz is None else imgsz
    if size <= 0 or size % 32:
        raise InputError(f"An input of {size} px does not fit", "Give a multiple of 32, such as 320")
    if minutes is None and epochs is None and not torch.cuda.is_available():
        minutes = DEFAULT_MINUTES
    digest = data_digest(data.files(), data.root)
    work = (resume_dir or out.parent / f".{out.name}-training").resolve()
    settings = FitSettings(
        data=str(data.yaml),
        digest=digest,
        base=_known_base(base),
        imgsz=size,
        epochs=epochs,
        minutes=minutes,
        seed=seed,
        fliplr=fliplr,
        validate=data.own_val,
    )
    fitted = fit(settings, work, progress)
    return _write(data, digest, settings, fitted, work, out, command)


def _known_base(base: str) -> str:
    path = Path(base)
    if path.suffix == ".pt":
        if not path.is_file():
            raise InputError(
                f"The weights {base} are not here, and nothing is downloaded",
                "Copy the file here, or train from scratch with --base yolo26n.yaml",
            )
        return str(path.resolve())
    if re.fullmatch(rf"({'|'.join(ARCHITECTURES)})[nsmlx](\.yaml)?", base):
        return base.removesuffix(".yaml") + ".yaml"
    raise InputError(
        f"No detector '{base}'",
        f"Give one of {', '.join(ARCHITECTURES)} with its size (yolo26n.yaml), or a .pt file",
    )


def _write(
    data: YoloData,
    digest: str,
    settings: FitSettings,
    fitted: Fitted,
    work: Path,
    out: Path,
    command: str,
) -> Card:
    quiet_ultralytics(work)
    core = DetectorCore(fitted.weights, settings.imgsz)
    with writing_bundle(out) as folder:
        files = export_network(
            core, Preprocessing(settings.imgsz, settings.imgsz), ("detections",), folder
        )
        card = Card(
            task="detect",
            architecture=core.architecture or Path(settings.base).stem,
            labels=core.labels,
            input=InputSpec(
                width=settings.imgsz, height=settings.imgsz, fit="letterbox", resize="host"
            ),
            head="end2end" if core.end2end else "raw",
            files=files,
            data=DataSpec(
                source=f"{len(data.splits['train'])} training pictures: {data.source}; "
                f"{fitted.epochs} epochs in {fitted.minutes:.0f} minutes",
                digest=digest,
                split={
                    split: len(pictures)
                    for split, pictures in data.splits.items()
                    if split != "val" or settings.validate
                },
            ),
            metrics={},
            calibration=quality_statistics(list(data.splits["train"])),
            licence="AGPL-3.0 (network by Ultralytics)",
            versions=versions("torch", "ultralytics", "openvino"),
            command=command,
        )
        write_card(folder, card)
        metrics: dict[str, float | tuple[float, float]] = {}
        if settings.validate:
            metrics["map50"], metrics["map50_95"] = measure(Bundle.load(folder), data, "val")
        if "test" in data.splits:
            metrics["test_map50"], metrics["test_map50_95"] = measure(Bundle.load(folder), data, "test")
        card = card.model_copy(update={"metrics": metrics})
        write_card(folder, card)
    log.info("bundle written", out=str(out), **metrics)
    return card


def measure(bundle: Bundle, data: YoloData, split: str) -> tuple[float, float]:
    """mAP50 and mAP50-95 of the bundle's OpenVINO network on a split, rounded to four places."""
    detector = load_detector(bundle, min_confidence=_MIN_CONFIDENCE)
    found, truth = [], []
    for path in data.splits[split]:
        image = read_picture(path)
        found.append(detector.detect(image))
        truth.append(data.boxes(path, image.shape[1], image.shape[0]))
    map50, map50_95 = mean_average_precision(found, truth)
    return round(map50, 4), round(map50_95, 4)


class DetectorCore(nn.Module):
    """Trained weights, ready for export: ``(1, 3, side, side)`` RGB 0..1 to ``end2end`` or ``raw``.

    YOLO26 gives its own ``(1, 300, 6)``; the older ones ``(1, 4 + classes, anchors)``.
    """

    def __init__(self, weights: Path, imgsz: int) -> None:
        super().__init__()
        from ultralytics.models import YOLO
        from ultralytics.nn.tasks import DetectionModel

        loaded = YOLO(str(weights), task="detect")
        self.labels: tuple[str, ...] = tuple(loaded.names[number] for number in sorted(loaded.names))
        model = loaded.model
        if not isinstance(model, DetectionModel):
            raise InputError(f"{weights} is no detector", "Give the weights of a YOLO detector")
        model = model.float().eval()
        # of a network with two heads the one that needs no suppression; fusing drops the other
        model.end2end = bool(model.yaml.get("end2end"))
        model = model.fuse(verbose=False)
        head = model.model[-1]
        head.export = True
        self.end2end: bool = bool(head.end2end)
        self.architecture: str = Path(str(model.yaml.get("yaml_file", ""))).stem
        self.model: nn.Module = model
        with torch.no_grad():
            model(torch.zeros((1, 3, imgsz, imgsz)))
        # the grid of this size, which the run has made as views of one tensor, becomes two constants
        head.anchors, head.strides = head.anchors.contiguous(), head.strides.contiguous()

    def forward(self, picture: Tensor) -> Tensor:
        result: Tensor = self.model(picture)
        return result
