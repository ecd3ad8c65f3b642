"""Our anomaly check against the bare network, and against anomalib's own ``OpenVINOInferencer``.

All get the same decoded pictures from memory, with equal numbers of threads, computing in ``f32``. The
peer runs the bundle's own network behind the input that anomalib exports, ``float32`` RGB of 0..1 in
planes, and gets its pictures as RGB already; our check takes BGR as a camera gives it, and turns the
result into findings, scores and a box. ``ratio`` is a picture at a time; a line has two in flight on
the same threads, which is ``throughput_ratio``.
"""

from __future__ import annotations

import contextlib
import tempfile
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import openvino as ov
import torch
from openvino import opset13 as ops

from inspector.bench.turns import IN_FLIGHT, Runner, Several, interleave, ratio_of
from inspector.bundle import Bundle
from inspector.checks.anomaly import AnomalyCheck
from inspector.domain import Image, Part
from inspector.errors import InputError
from inspector.runtimes.load import load_anomaly, load_network
from inspector.stills import still

_COMPARED = 10


@dataclass(frozen=True, slots=True)
class AnomalyFigures:
    """What the benchmark found; ratios are of pictures a second, medians over all turns."""

    ratio: float
    """Our check over the peer, a picture at a time."""
    throughput_ratio: float
    """The same with two of our requests in flight on as many threads."""
    check_over_bare: float
    """Our check over the bare network: 1 when what it adds costs nothing."""
    check_ms: float
    bare_ms: float
    peer_ms: float
    """Medians of a picture's time."""
    score_difference: float
    """Largest relative difference of the peer's scores from ours: else unlike things were compared."""
    threads: int
    pictures: int
    rounds: int


def bench_anomaly(
    bundle: Bundle, pictures: Sequence[Image], *, rounds: int, threads: int
) -> AnomalyFigures:
    """Measure ``rounds`` rounds over ``pictures``, some of them each in turn.

    Raises :class:`InputError` when the bundle is no anomaly model that sees a picture at once.
    """
    card = bundle.card
    if card.task != "anomaly" or card.input.tile is not None or card.input.region is not None:
        raise InputError(
            f"{bundle.path} is no anomaly model of whole pictures",
            "Give a bundle made by 'inspector train anomaly' without tiles and region",
        )
    torch.set_num_threads(threads)
    threshold = float(card.calibration["threshold"])
    bare = load_network(bundle, threads=threads)
    model = load_anomaly(bundle, threads=threads)
    flying = load_anomaly(bundle, threads=threads, requests=IN_FLIGHT)

    def checking(check: AnomalyCheck) -> Callable[[Image], object]:
        return lambda image: check.inspect(_part(image))

    with tempfile.TemporaryDirectory() as name:
        peer = _peer(bundle, Path(name), threads)
        rgb = {id(picture): np.ascontiguousarray(picture[..., ::-1]) for picture in pictures}
        ours = Runner(checking(AnomalyCheck("surface", model, threshold, threshold)))
        naked = Runner(bare)
        theirs = Runner(lambda picture: peer(rgb[id(picture)]))
        line = Several(checking(AnomalyCheck("surface", flying, threshold, threshold)))
        interleave([ours, naked, theirs, line], pictures, rounds)
        line.pool.shutdown()
        differences = [
            abs(peer(rgb[id(picture)]) / model.score(picture).score - 1)
            for picture in pictures[:_COMPARED]
        ]
    return AnomalyFigures(
        ratio=ratio_of(theirs, ours),
        throughput_ratio=ratio_of(theirs, line),
        check_over_bare=ratio_of(naked, ours),
        check_ms=ours.median_ms,
        bare_ms=naked.median_ms,
        peer_ms=theirs.median_ms,
        score_difference=max(differences),
        threads=threads,
        pictures=len(pictures),
        rounds=rounds,
    )


def _part(image: Image) -> Part:
    return still(Path("picture.png"), image, 0, "bench")


def _peer(bundle: Bundle, folder: Path, threads: int) -> Callable[[Image], float]:
    """anomalib's inferencer on the bundle's network; takes RGB and gives the score."""
    with warnings.catch_warnings():
        # of anomalib's own deprecated modules while they are imported
        warnings.simplefilter("ignore")
        from anomalib.deploy import OpenVINOInferencer
    path = folder / "peer.xml"
    ov.save_model(with_float_input(ov.Core().read_model(bundle.file("openvino"))), path)
    # it puts a cache into the working directory
    with contextlib.chdir(folder):
        inferencer = OpenVINOInferencer(
            path,
            device="CPU",
            config={
                "PERFORMANCE_HINT": "LATENCY",
                "INFERENCE_NUM_THREADS": threads,
                "INFERENCE_PRECISION_HINT": "f32",
            },
        )

    def score(picture: Image) -> float:
        return float(np.asarray(inferencer.predict(picture).pred_score).reshape(-1)[0])

    return score


def with_float_input(model: ov.Model) -> ov.Model:
    """The bundle's network behind anomalib's input and with its names.

    ``float32`` ``(1, 3, height, width)`` RGB of 0..1 in place of
    ``uint8`` ``(1, height, width, 3)`` BGR.
    """
    (given,) = model.get_parameters()
    rows, columns = list(given.get_partial_shape())[1:3]
    taken = ops.parameter(ov.PartialShape([1, 3, rows, columns]), np.float32, name="input")
    scaled = ops.multiply(taken, np.float32(255.0))
    planes = ops.gather(scaled, np.array([2, 1, 0], np.int64), np.int64(1))
    picture = ops.transpose(planes, np.array([0, 2, 3, 1], np.int64))
    for reader in given.output(0).get_target_inputs():
        node = reader.get_node()
        if node.get_type_name() == "Convert":
            # to float, which it is
            for after in node.output(0).get_target_inputs():
                after.replace_source_output(picture.output(0))
        else:
            reader.replace_source_output(ops.convert(picture, np.uint8).output(0))
    peer = ov.Model(model.get_results(), [taken], "peer")
    peer.inputs[0].get_tensor().set_names({"input"})
    for port, name in zip(peer.outputs, ("pred_score", "anomaly_map"), strict=True):
        port.get_tensor().set_names({name})
    return peer
