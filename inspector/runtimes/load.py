"""From a bundle to a model that can be asked: the entrance to this package."""

from __future__ import annotations

from inspector.bundle import Bundle, Precision, Runtime
from inspector.errors import BundleError
from inspector.ports import AnomalyModel, Classifier, Detector, Network
from inspector.runtimes.classifier import WholeImageClassifier
from inspector.runtimes.judge import DifferenceJudge
from inspector.runtimes.patchcore import PatchAnomalyModel
from inspector.runtimes.tiled import TiledDetector
from inspector.runtimes.yolo import YoloDetector


def load_network(
    bundle: Bundle,
    runtime: Runtime = "openvino",
    threads: int | None = None,
    requests: int = 1,
    precision: Precision | None = None,
) -> Network:
    """The bundle's network on ``runtime``; ``precision`` ``int8`` takes the file in INT8.

    ``threads`` (all cores by default) are shared by ``requests`` that may be in flight at once; torch
    takes its own. Raises :class:`BundleError` when the bundle has no file for it, the file cannot be
    loaded, or the runtime is not installed.
    """
    path = bundle.file(runtime, precision)
    try:
        if runtime == "torch":
            from inspector.runtimes.torch import TorchNetwork

            return TorchNetwork(path)
        from inspector.runtimes.openvino import OpenVinoNetwork

        return OpenVinoNetwork(path, threads, requests)
    except ModuleNotFoundError as error:
        raise BundleError(
            f"The runtime '{runtime}' is not installed ({error.name} is missing)",
            "Set runtime 'openvino', or install 'line-inspector[gpu]'",
        ) from None


def load_detector(
    bundle: Bundle,
    runtime: Runtime = "openvino",
    threads: int | None = None,
    requests: int = 1,
    min_confidence: float = 0.05,
    precision: Precision | None = None,
) -> Detector:
    """The bundle as a detector, with masks or without; in tiles where the card says so.

    Raises :class:`BundleError` as :func:`load_network` does, or if it is none.
    """
    network = load_network(bundle, runtime, threads, requests, precision)
    detector = YoloDetector(network, bundle.card, min_confidence)
    tile = bundle.card.input.tile
    return detector if tile is None else TiledDetector(detector, tile)


def load_classifier(
    bundle: Bundle,
    runtime: Runtime = "openvino",
    threads: int | None = None,
    requests: int = 1,
    precision: Precision | None = None,
) -> Classifier:
    """The bundle as a classifier of whole pictures.

    Raises :class:`BundleError` as :func:`load_network` does, or if it is none.
    """
    network = load_network(bundle, runtime, threads, requests, precision)
    return WholeImageClassifier(network, bundle.card)


def load_judge(
    bundle: Bundle, runtime: Runtime = "openvino", threads: int | None = None, requests: int = 1
) -> DifferenceJudge:
    """The bundle as a judge of differences.

    Raises :class:`BundleError` as :func:`load_network` does, or if it is none.
    """
    return DifferenceJudge(load_network(bundle, runtime, threads, requests), bundle.card)


def load_anomaly(
    bundle: Bundle, runtime: Runtime = "openvino", threads: int | None = None, requests: int = 1
) -> AnomalyModel:
    """The bundle as an anomaly model.

    Raises :class:`BundleError` as :func:`load_network` does, or if it is none.
    """
    return PatchAnomalyModel(load_network(bundle, runtime, threads, requests), bundle.card)
