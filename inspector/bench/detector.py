"""Our detector path against Ultralytics' own, on one network, interleaved in one process.

Both get the same decoded frames from memory, one at a time, at the same input size, with equal numbers
of threads. The peer is ``ultralytics.YOLO(...).predict`` on its own OpenVINO export in FP32 of the very
weights that the bundle holds; ours is the bundle as the line runs it: ``uint8`` in, preprocessing in
the graph, :class:`~inspector.runtimes.yolo.YoloDetector`. That is ``ratio``, frame by frame. A line has
several parts in flight, two requests on the same threads; the peer takes one frame after the other
whatever it is given. That is ``throughput_ratio``.

On processors that have it, OpenVINO computes an FP32 export in bfloat16 unless told otherwise. Ours is
told otherwise, so that a verdict does not depend on the processor. The ratio compares like with like,
both in ``f32``; both left alone are measured beside it.

The network in INT8 is the bundle's, or is quantised on the frames for the measurement, which says how
fast it is and not how good.
"""

from __future__ import annotations

import contextlib
import sys
import tempfile
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import openvino as ov
import torch

from inspector.bench.turns import IN_FLIGHT, WARM_UP, Runner, Several, interleave, ratio_of
from inspector.bundle import Bundle
from inspector.domain import Box, Image
from inspector.errors import InputError
from inspector.ports import Detector
from inspector.runtimes.fitting import Fitter
from inspector.runtimes.load import load_detector
from inspector.runtimes.openvino import OpenVinoNetwork
from inspector.runtimes.yolo import YoloDetector
from inspector.training.library import quiet_ultralytics
from inspector.training.quantise import quantised

CONFIDENCE = 0.25
IOU = 0.6
CALIBRATION = 32
_SAME_IOU = 0.9
_CORE = "core.model."
"""Before the names of the network's weights in ``torch.pt2``."""


@dataclass(frozen=True, slots=True)
class DetectorFigures:
    """What the benchmark found; ratios are of frames a second, medians over all turns."""

    ratio: float
    """Ours over the peer's, both computing in ``f32``, a frame at a time."""
    throughput_ratio: float
    """The same with two of our requests in flight on as many threads."""
    unpinned_ratio: float
    """The same with both left to OpenVINO's choice, which may be bfloat16."""
    line_over_unpinned: float
    """Ours as the line runs it, in ``f32``, over the peer's as it is: not like with like."""
    int8_ratio: float
    """Our network in INT8 over our full one."""
    int8_over_peer: float
    """Our network in INT8 over the peer's in ``f32``."""
    ours_ms: float
    int8_ms: float
    peer_ms: float
    unpinned_ms: float
    ours_unpinned_ms: float
    """Medians of a frame's time."""
    same_boxes: float
    """Share of the peer's detections that ours has too: else unlike things were compared."""
    detections: int
    """How many of the peer's were looked at for that."""
    threads: int
    imgsz: int
    frames: int
    rounds: int
    unpinned_bf16: int
    """1: the peer, left alone, computes in bfloat16 on this processor."""
    int8_shipped: int
    """1: the network in INT8 is the bundle's; 0: made for the measurement."""


def bench_detector(
    bundle: Bundle, frames: Sequence[Image], *, rounds: int, threads: int | None = None
) -> DetectorFigures:
    """Measure ``rounds`` rounds over ``frames``, a few frames each in turn.

    ``threads``: of either network; by default as many as OpenVINO gives the peer of itself. Raises
    :class:`InputError` when the bundle is no plain detector.
    """
    card = bundle.card
    if card.task != "detect" or card.input.tile is not None:
        raise InputError(
            f"{bundle.path} is no detector of whole pictures",
            "Give a bundle for 'detect' without tiles",
        )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        exported = export_peer(bundle, folder)
        alone = _compiled_alone(exported)
        threads = threads or int(alone.get_property("INFERENCE_NUM_THREADS"))
        torch.set_num_threads(threads)
        peers = [
            _peer(exported, card.input.width, frames[0], {"INFERENCE_NUM_THREADS": threads, **extra})
            for extra in ({"INFERENCE_PRECISION_HINT": "f32"}, {})
        ]
        ours = load_detector(bundle, threads=threads, min_confidence=CONFIDENCE)
        whole = OpenVinoNetwork(bundle.file("openvino"), threads, fastest=True)
        fastest = YoloDetector(whole, card, CONFIDENCE)
        int8, shipped = _int8(bundle, frames, folder, threads)
        runners = [Runner(run) for run in (*peers, ours.detect, fastest.detect, int8.detect)]
        several = load_detector(bundle, threads=threads, requests=IN_FLIGHT, min_confidence=CONFIDENCE)
        line = Several(several.detect)
        interleave([*runners, line], frames, rounds)
        line.pool.shutdown()
        theirs, unpinned, mine, quick, small = runners
        same, detections = _same_boxes(peers[0], ours, frames[:WARM_UP])
        return DetectorFigures(
            ratio=ratio_of(theirs, mine),
            throughput_ratio=ratio_of(theirs, line),
            unpinned_ratio=ratio_of(unpinned, quick),
            line_over_unpinned=ratio_of(unpinned, mine),
            int8_ratio=ratio_of(mine, small),
            int8_over_peer=ratio_of(theirs, small),
            ours_ms=mine.median_ms,
            int8_ms=small.median_ms,
            peer_ms=theirs.median_ms,
            unpinned_ms=unpinned.median_ms,
            ours_unpinned_ms=quick.median_ms,
            same_boxes=same,
            detections=detections,
            threads=threads,
            imgsz=card.input.width,
            frames=len(frames),
            rounds=rounds,
            unpinned_bf16=int(alone.get_property("INFERENCE_PRECISION_HINT") == ov.Type.bf16),
            int8_shipped=int(shipped),
        )


def export_peer(bundle: Bundle, folder: Path) -> Path:
    """Ultralytics' OpenVINO export in FP32 of the bundle's weights; returns its folder.

    The weights come from ``torch.pt2``. Raises :class:`InputError` when they do not fit the
    architecture on the card.
    """
    quiet_ultralytics(folder)
    from ultralytics.models import YOLO
    from ultralytics.nn.tasks import DetectionModel

    program = torch.export.load(bundle.file("torch"))
    weights = {
        name.removeprefix(_CORE): value.float()
        for name, value in program.state_dict.items()
        if name.startswith(_CORE)
    }
    labels = bundle.card.labels
    source = YOLO(f"{bundle.card.architecture}.yaml", task="detect")
    model = DetectionModel(f"{bundle.card.architecture}.yaml", nc=len(labels), verbose=False)  # type: ignore[no-untyped-call]
    model.end2end = bundle.card.head == "end2end"
    model = model.eval().fuse(verbose=False)  # type: ignore[no-untyped-call]
    missing = sorted(set(model.state_dict()) - set(weights))
    if missing:
        raise InputError(
            f"The weights of {bundle.path} do not fit {bundle.card.architecture}: no {missing[0]}",
            "Train the bundle again with this version",
        )
    model.load_state_dict({name: weights[name] for name in model.state_dict()})
    model.names = dict(enumerate(labels))
    source.model = model
    path = folder / "network.pt"
    source.save(path)
    with contextlib.redirect_stdout(sys.stderr), warnings.catch_warnings():
        # of torch's tracer about its own exporter
        warnings.simplefilter("ignore")
        nms = False if bundle.card.head == "end2end" else None
        done = YOLO(path, task="detect").export(
            format="openvino", imgsz=bundle.card.input.width, nms=nms, verbose=False
        )
    return Path(str(done))


def _compiled_alone(exported: Path) -> ov.CompiledModel:
    """The export as the peer compiles it when it is left alone."""
    core = ov.Core()
    network = core.read_model(next(exported.glob("*.xml")))
    return core.compile_model(network, "CPU", {"PERFORMANCE_HINT": "LATENCY"})


def _peer(
    exported: Path, imgsz: int, frame: Image, extra: dict[str, str | int]
) -> Callable[[Image], object]:
    """``predict``, its network compiled with ``extra`` properties, for which it has no option."""
    from ultralytics.models import YOLO

    model = YOLO(exported, task="detect")
    compile_model = ov.Core.compile_model

    def with_extra(core: ov.Core, *args: Any, config: dict[str, Any], **kwargs: Any) -> Any:
        return compile_model(core, *args, config={**config, **extra}, **kwargs)

    def predict(frame: Image) -> object:
        return model.predict(frame, imgsz=imgsz, conf=CONFIDENCE, iou=IOU, verbose=False, device="cpu")

    with mock.patch.object(ov.Core, "compile_model", with_extra):
        predict(frame)  # loads the network
    return predict


def _int8(bundle: Bundle, frames: Sequence[Image], folder: Path, threads: int) -> tuple[Detector, bool]:
    if any(file.precision == "int8" for file in bundle.card.files):
        detector = load_detector(bundle, threads=threads, min_confidence=CONFIDENCE, precision="int8")
        return detector, True
    fitter = Fitter(bundle.card.input)
    seen = [fitter.fit(frame).image.copy() for frame in frames[:CALIBRATION]]
    path = folder / "int8.xml"
    ov.save_model(quantised(ov.Core().read_model(bundle.file("openvino")), seen), path)
    return YoloDetector(OpenVinoNetwork(path, threads), bundle.card, CONFIDENCE), False


def _same_boxes(
    peer: Callable[[Image], object], ours: Detector, frames: Sequence[Image]
) -> tuple[float, int]:
    """Share of the peer's detections that ours has too, and their number.

    The same is one of the same label at nearly the same place.
    """
    found, total = 0, 0
    for frame in frames:
        mine = ours.detect(frame)
        for result in peer(frame):  # type: ignore[attr-defined]
            for corners, kind in zip(
                result.boxes.xyxy.tolist(), result.boxes.cls.tolist(), strict=True
            ):
                total += 1
                box, label = Box(*corners), result.names[int(kind)]
                found += any(one.label == label and one.box.iou(box) > _SAME_IOU for one in mine)
    return (found / total if total else 1.0), total
