"""What an exported network is worth, measured as the line would run it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path

import openvino as ov

from inspector.bundle import Bundle, Card, InputSpec, NetworkFile, Precision
from inspector.datasets.yolo import YoloData
from inspector.domain import Image
from inspector.runtimes.fitting import Fitter
from inspector.runtimes.load import load_classifier, load_detector
from inspector.training.card import read_picture
from inspector.training.precision import mean_average_precision
from inspector.training.workset import objects

MIN_CONFIDENCE = 0.001
"""Average precision needs the weak detections too."""


def measure(
    bundle: Bundle,
    data: YoloData,
    split: str,
    *,
    precision: Precision | None = None,
    strict: bool = True,
) -> dict[str, float]:
    """``map50`` and ``map50_95`` of the bundle's OpenVINO network on a split, or ``accuracy``.

    Rounded to four places. Of masks the boxes are measured.
    """
    if data.task == "classify":
        classifier = load_classifier(bundle, precision=precision)
        right = 0
        for path in data.splits[split]:
            scores = classifier.classify(read_picture(path))
            right += max(scores, key=lambda label: scores[label]) == data.category(path)
        return {"accuracy": round(right / len(data.splits[split]), 4)}
    detector = load_detector(bundle, min_confidence=MIN_CONFIDENCE, precision=precision)
    found, truth = [], []
    for path in data.splits[split]:
        image = read_picture(path)
        found.append(detector.detect(image))
        marked = objects(data, path, image.shape[1], image.shape[0], strict=strict)
        truth.append([(data.labels[item.kind], item.box) for item in marked])
    map50, map50_95 = mean_average_precision(found, truth)
    return {"map50": round(map50, 4), "map50_95": round(map50_95, 4)}


def measure_model(
    model: ov.Model, card: Card, data: YoloData, split: str, *, strict: bool = True
) -> dict[str, float]:
    """The same for a network that is in no bundle yet; ``card`` says how it is fed and read."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.xml"
        ov.save_model(model, path, compress_to_fp16=False)
        file = NetworkFile(name=path.name, runtime="openvino", sha256="", precision="fp32")
        bundle = Bundle(path.parent, card.model_copy(update={"files": (file,)}))
        return measure(bundle, data, split, strict=strict)


def network_pictures(paths: Iterable[Path], spec: InputSpec) -> list[Image]:
    """The pictures at the network's size, as the line would make them."""
    fitter = Fitter(spec)
    return [fitter.fit(read_picture(path)).image.copy() for path in paths]
