"""What stands in for the outside of a station in tests: models, a PLC, records, a journal, clocks."""

from __future__ import annotations

import hashlib
import json
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from inspector.challenge import ChallengeRun
from inspector.checks.quality import Limits, QualityGate
from inspector.contract import (
    AckPayload,
    HeartbeatPayload,
    Payload,
    ResultPayload,
    StatePayload,
)
from inspector.domain import (
    AnomalyMap,
    Box,
    Detection,
    DriftReading,
    Frame,
    Health,
    Image,
    Inspection,
    Level,
    Part,
    RecipeRef,
    ShadowVerdict,
    StationStatus,
    Trigger,
)
from inspector.errors import StorageError
from inspector.ports import Check, Detector, Inbound, Message, Received
from inspector.recipe import Recipe, load_recipe
from inspector.station import Station

PLC_BOOT = 77
PLC_BEAT = HeartbeatPayload(boot_id=PLC_BOOT, n=1).encode()
PayloadT = TypeVar("PayloadT", bound=Payload)

# --- clocks --------------------------------------------------------------------------------------


class FakeClock:
    """Stands still unless moved."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


class SteeredClock:
    """The monotonic clock, until a test stops it at an instant."""

    def __init__(self) -> None:
        self._stopped_at: float | None = None

    def __call__(self) -> float:
        return time.monotonic() if self._stopped_at is None else self._stopped_at

    def stop_at(self, instant: float) -> None:
        self._stopped_at = instant


# --- pictures and models -------------------------------------------------------------------------


def picture(mark: int = 0, size: tuple[int, int] = (64, 48), seed: int | None = None) -> Image:
    """Noise that no two calls share, whose first pixel is ``mark``, for the fake models to read."""
    width, height = size
    image = np.random.default_rng(seed).integers(60, 200, (height, width, 3)).astype(np.uint8)
    image[0, 0] = mark
    return image


def mark_of(image: Image) -> int:
    return int(image[0, 0, 0])


def frame(
    image: Image | None = None, index: int = 0, exposed_s: float = 1000.0, **changes: Any
) -> Frame:
    """A frame of the camera ``top``."""
    return Frame(picture() if image is None else image, "top", index, exposed_s, **changes)


class FakeDetector:
    """Sees what it is told to; ``answer`` may be a function of the picture."""

    def __init__(
        self, answer: Sequence[Detection] | Callable[[Image], Sequence[Detection]] = ()
    ) -> None:
        self.answer = answer
        self.calls = 0

    def detect(self, image: Image) -> tuple[Detection, ...]:
        self.calls += 1
        return tuple(self.answer(image) if callable(self.answer) else self.answer)


class FakeAnomalyModel:
    """Gives one score, or the heat map it is given, and remembers the pictures."""

    def __init__(self, score: float = 0.1, heat: Any = None) -> None:
        self.result = AnomalyMap(score, np.full((4, 4), score, np.float32) if heat is None else heat)
        self.seen: list[Image] = []

    def score(self, image: Image) -> AnomalyMap:
        self.seen.append(image)
        return self.result


class Gate:
    """Holds a model back until the test lets it go."""

    def __init__(self, answer: Sequence[Detection] = ()) -> None:
        self.entered, self.opened = threading.Event(), threading.Event()
        self._answer = answer

    def __call__(self, image: Image) -> Sequence[Detection]:
        self.entered.set()
        assert self.opened.wait(20), "the test never let the model go"
        return self._answer


def scratch_if_marked(image: Image) -> Sequence[Detection]:
    """A scratch as sure as the picture's mark says, in percent."""
    return (Detection("scratch", mark_of(image) / 100, Box(10, 10, 20, 20)),)


class ScriptedCamera:
    """Delivers, or raises, what is put into it; None ends it."""

    def __init__(self, continuous: bool = False) -> None:
        self.continuous = continuous
        self._items: queue.SimpleQueue[Frame | Exception | None] = queue.SimpleQueue()
        self.closed = False

    def put(self, *items: Frame | Exception | None) -> None:
        for item in items:
            self._items.put(item)

    def read(self) -> Frame | None:
        item = self._items.get()
        if isinstance(item, Exception):
            raise item
        return item

    def close(self) -> None:
        self.closed = True
        self._items.put(None)


# --- PLC, records, journal -----------------------------------------------------------------------


class FakePlc:
    """Collects what was published; ``up`` false: there is no link."""

    def __init__(self) -> None:
        self.up = True
        self.messages: list[Message] = []
        self.will: StatePayload | None = None
        self._inbox: Callable[[Inbound], None] = lambda _: None

    def connect(self, inbox: Callable[[Inbound], None], will: StatePayload) -> FakePlc:
        """What :class:`inspector.line.StationLine` is given to make its link."""
        self._inbox, self.will = inbox, will
        return self

    def send(self, message: Inbound) -> None:
        """From the PLC to the station."""
        self._inbox(message)

    def publish(self, message: Message) -> bool:
        if not self.up:
            return False
        assert message.encode()
        self.messages.append(message)
        return True

    def of(self, kind: type[PayloadT]) -> list[PayloadT]:
        return [message for message in list(self.messages) if isinstance(message, kind)]

    @property
    def acks(self) -> list[AckPayload]:
        return self.of(AckPayload)

    @property
    def results(self) -> list[ResultPayload]:
        return self.of(ResultPayload)

    @property
    def states(self) -> list[str]:
        return [message.state.value for message in self.of(StatePayload)]

    @property
    def beats(self) -> list[HeartbeatPayload]:
        return self.of(HeartbeatPayload)


class FakeRecorder:
    """Remembers in lists; ``error`` is raised by :meth:`check`."""

    def __init__(self) -> None:
        self.inspections: list[Inspection] = []
        self.statuses: list[StationStatus] = []
        self.acks: list[tuple[str, bool, str]] = []
        self.events: list[tuple[str, str, str]] = []
        self.challenges: list[ChallengeRun] = []
        self.shadows: list[ShadowVerdict] = []
        self.readings: list[tuple[RecipeRef, tuple[DriftReading, ...]]] = []
        self.health = Health()
        self.error: Exception | None = None

    def record(self, inspection: Inspection, fields: Any = None) -> None:
        self.inspections.append(inspection)

    def acknowledge(self, result_id: str, taken: bool, reason: str) -> None:
        self.acks.append((result_id, taken, reason))

    def show(self, status: StationStatus) -> None:
        self.statuses.append(status)

    def event(self, level: Level, event: str, text: str, **fields: Any) -> None:
        self.events.append((level, event, text))

    def challenge(self, run: ChallengeRun) -> None:
        self.challenges.append(run)

    def shadow(self, seen: ShadowVerdict) -> None:
        self.shadows.append(seen)

    def drift(self, recipe: RecipeRef, readings: Sequence[DriftReading]) -> None:
        self.readings.append((recipe, tuple(readings)))

    def check(self) -> None:
        if self.error is not None:
            raise self.error

    def named(self, event: str) -> list[str]:
        return [text for _, name, text in list(self.events) if name == event]


class FakeJournal:
    """Notes in lists; ``full`` refuses everything, ``on_verdict`` runs while a verdict is noted."""

    def __init__(self) -> None:
        self.full = False
        self.accepted: list[Trigger] = []
        self.verdicts: list[Mapping[str, Any]] = []
        self.on_verdict: Callable[[], None] = lambda: None

    def accept(self, trigger: Trigger, recipe: RecipeRef) -> None:
        self.check()
        self.accepted.append(trigger)

    def verdict(self, key: tuple[int, int], fields: Mapping[str, Any]) -> None:
        self.check()
        json.dumps(fields, allow_nan=False)
        assert key == (fields["plcBootId"], fields["triggerId"])
        self.verdicts.append(fields)
        self.on_verdict()

    def check(self) -> None:
        if self.full:
            raise StorageError("the journal's disk is full", "Free some space")


# --- triggers, recipes, stations -----------------------------------------------------------------


def trigger(
    number: int = 1, *, boot: int = PLC_BOOT, received_s: float = 1000.0, **changes: Any
) -> Trigger:
    """An accepted trigger of the recipe ``soap``."""
    fields: dict[str, Any] = {"part_id": f"part-{number}", "deadline_s": 5.0, "recipe_id": "soap"}
    return Trigger(boot, number, received_s=received_s, **(fields | changes))


def trigger_message(number: int = 1, *, at_s: float = 1000.0, **changes: Any) -> Received:
    """The same on the wire; a field that is None is left out."""
    fields: dict[str, Any] = {
        "v": 1,
        "plcBootId": PLC_BOOT,
        "triggerId": number,
        "partId": f"part-{number}",
        "recipeId": "soap",
        "deadlineMs": 5000,
    }
    fields = {key: value for key, value in (fields | changes).items() if value is not None}
    return Received("cmd/trigger", json.dumps(fields).encode(), at_s)


def command(name: str, at_s: float = 1000.0, **fields: Any) -> Received:
    """A command on ``cmd/<name>``."""
    return Received(f"cmd/{name}", json.dumps({"v": 1, "commandId": "c1", **fields}).encode(), at_s)


def write_bundle(
    folder: Path,
    task: str = "detect",
    labels: Sequence[str] = ("bottle", "cap", "scratch"),
    calibration: Mapping[str, Any] | None = None,
    network: bytes = b"dummy network",
    runtime: str = "openvino",
) -> Path:
    """A model bundle whose network is none: reading a recipe does not load it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "openvino.xml").write_bytes(network)
    card = {
        "v": 1,
        "task": task,
        "architecture": "dummy",
        "labels": list(labels),
        "input": {"width": 64, "height": 64, "fit": "letterbox"},
        "head": "patchcore" if task == "anomaly" else "end2end",
        "files": [
            {
                "name": "openvino.xml",
                "runtime": runtime,
                "sha256": hashlib.sha256(network).hexdigest(),
                "precision": "fp32",
            }
        ],
        "data": {"source": "none", "digest": "0", "split": {}},
        "metrics": {},
        "calibration": dict(calibration or {}),
        "licence": "AGPL-3.0",
        "versions": {},
        "command": "none",
    }
    (folder / "model.json").write_text(json.dumps(card, indent=1))
    return folder


RECIPE = """\
product: soap
version: 3
checks:
  - {kind: detect, model: detector, labels: [scratch], threshold: 0.5}
"""
CROSSING = RECIPE + "trigger: {kind: crossing, label: bottle, line_x: 0.5}\n"


def write_recipe(root: Path, text: str = RECIPE, name: str = "soap") -> Path:
    """A recipe folder with a detector ``detector`` and an anomaly model ``face``."""
    folder = root / name
    write_bundle(folder / "detector")
    write_bundle(folder / "face", "anomaly", ("anomaly",), {"threshold": 0.6}, b"dummy face")
    (folder / "recipe.yaml").write_text(text)
    return folder


def make_recipe(root: Path, text: str = RECIPE) -> Recipe:
    return load_recipe(write_recipe(root, text))


NO_LIMITS = Limits(1, None, None)


def make_station(
    recipe: Recipe,
    detector: Detector,
    *checks: Check,
    limits: Limits = NO_LIMITS,
    notice_frozen: bool = True,
) -> Station:
    """A station whose detector is called ``detector``."""
    return Station(recipe, QualityGate(limits, notice_frozen), {"detector": detector}, checks)


def part(
    *detections: Detection, box: Box | None = None, image: Image | None = None, **changes: Any
) -> Part:
    """A part on which ``detector`` has already seen these."""
    return Part(trigger(), (frame(image, **changes),), box, {"detector": detections})
