"""Pictures with a known truth, and stations that see in them what they are told to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
from fakes import FakeDetector, make_recipe, make_station, mark_of, picture

from inspector.checks.anomaly import AnomalyCheck
from inspector.checks.detect import DetectCheck
from inspector.domain import AnomalyMap, Box, Cause, Detection, Image
from inspector.evaluation.data import Sample
from inspector.evaluation.run import Outcome, Seen
from inspector.judge import judge
from inspector.station import Judged, Station

SIZE = (64, 48)
A, B, FAR = Box(0, 0, 10, 10), Box(30, 30, 40, 40), Box(50, 0, 60, 10)

DETECT = """\
product: soap
version: 3
checks:
  - {kind: detect, model: detector, labels: [scratch], threshold: 0.5, review_threshold: 0.4}
"""
ANOMALY = """\
product: soap
version: 3
checks:
  - {kind: anomaly, model: face, threshold: 0.6, review_threshold: 0.5}
"""


def seen(box: Box, score: float = 0.9, label: str = "a", threshold: float = 0.5) -> Seen:
    return Seen(label, score, box, threshold)


def outcome(
    found: Iterable[Seen] = (),
    truth: Iterable[tuple[str, Box]] = (),
    *,
    faulty: bool | None = None,
    cause: Cause = Cause.NONE,
    kind: str | None = None,
    anomaly: float | None = None,
    name: str = "x.png",
) -> Outcome:
    """A picture that was judged so."""
    causes = () if cause is Cause.NONE else (cause,)
    if kind is None and faulty is not None:
        kind = "fault" if faulty else "good"
    return Outcome(
        Sample(Path("/data/test") / name, f"test/{name}", kind),
        Judged(judge((), causes), 1),
        kind,
        faulty,
        truth=tuple(truth),
        seen=tuple(sorted(found, key=lambda item: -item.score)),
        anomaly=anomaly,
        elapsed_ms=1.0,
        size=SIZE,
    )


def write_picture(path: Path, mark: int = 0) -> Path:
    """A picture whose mark the stations below read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), picture(mark, SIZE, seed=mark))
    return path


def write_boxed(
    root: Path, pictures: Mapping[str, tuple[int, Sequence[str]]], names: str = "[scratch]"
) -> Path:
    """A data.yaml whose test split holds these: name to mark and lines of the label file."""
    write_picture(root / "images" / "train" / "t.png")
    for name, (mark, lines) in pictures.items():
        write_picture(root / "images" / "test" / f"{name}.png", mark)
        label = root / "labels" / "test" / f"{name}.txt"
        label.parent.mkdir(parents=True, exist_ok=True)
        label.write_text("\n".join(lines))
    yaml = root / "data.yaml"
    yaml.write_text(
        f"path: .\ntrain: images/train\nval: images/train\ntest: images/test\nnames: {names}\n"
    )
    return yaml


def line_of(box: Box, number: int = 0) -> str:
    """A box as a line of a label file."""
    (x, y), (width, height) = box.centre, SIZE
    return f"{number} {x / width} {y / height} {box.width / width} {box.height / height}"


def detecting(root: Path, answer: Mapping[int, Sequence[Detection]], text: str = DETECT) -> Station:
    """Sees by the picture's mark what ``answer`` says; scratches are faults from 0.5, review from 0.4."""

    def look(image: Image) -> Sequence[Detection]:
        return answer.get(mark_of(image), ())

    check = DetectCheck("detect", "detector", frozenset({"scratch"}), 0.5, 0.4)
    return make_station(make_recipe(root, text), FakeDetector(look), check)


class MarkedAnomaly:
    """A picture is as strange as its mark says, in percent, and strangest at the lower right."""

    def score(self, image: Image) -> AnomalyMap:
        score = mark_of(image) / 100
        heat = np.zeros((4, 4), np.float32)
        heat[3, 3] = score
        return AnomalyMap(score, heat)


def suspecting(root: Path) -> Station:
    """Has no detector that sees anything; the anomaly score is the mark in percent."""
    check = AnomalyCheck("face", MarkedAnomaly(), 0.6, 0.5)
    return make_station(make_recipe(root, ANOMALY), FakeDetector(), check)
