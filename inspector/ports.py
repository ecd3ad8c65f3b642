"""The seams of the system, each a Protocol of one or two methods.

Whatever implements one of these lives in an adapter package (``cameras``, ``checks``, ``runtimes``,
``plc``, ``records``, ``sim``) and is named in :mod:`inspector.build` alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
import numpy.typing as npt

from inspector.challenge import ChallengeRun
from inspector.domain import (
    AnomalyMap,
    CheckResult,
    Detection,
    DriftReading,
    Frame,
    Health,
    Image,
    Inspection,
    Level,
    Opinion,
    Part,
    RecipeRef,
    ShadowVerdict,
    StationStatus,
    Trigger,
)


class Camera(Protocol):
    """A source of frames, read by a thread of its own."""

    @property
    def continuous(self) -> bool:
        """Whether it delivers frames all the time, so that silence means that it is gone."""
        ...

    def read(self) -> Frame | None:
        """The next frame; None at the end of a source that ends.

        Blocks until there is one. Raises :class:`~inspector.errors.CameraError` when the camera is
        gone; a later call tries to reach it again.
        """
        ...

    def close(self) -> None:
        """Let go of the device; a blocked :meth:`read` returns soon after."""
        ...


@runtime_checkable
class Reachable(Protocol):
    """A camera that is silent between parts, and can tell without a frame that it is there."""

    def reached(self) -> bool:
        """Whether it is there; asked before the first :meth:`Camera.read`, and after one has failed."""
        ...


class Recording(Protocol):
    """Footage that can be read frame by frame."""

    @property
    def ends_on_error(self) -> bool:
        """Whether nothing can be read any more after a
        :class:`~inspector.errors.FootageError`."""
        ...

    def read(self) -> Frame | None:
        """The next frame; None at the end."""
        ...


class Network(Protocol):
    """A network as a runtime executes it. Safe to call from several threads at once."""

    def __call__(self, image: Image) -> Mapping[str, npt.NDArray[np.float32]]:
        """Run on one picture of the network's own input size, ``uint8`` BGR.

        Returns the outputs by name, batch dimension kept. Raises
        :class:`~inspector.errors.InspectorError` when the runtime fails.
        """
        ...


class Detector(Protocol):
    """A model that finds objects."""

    def detect(self, image: Image) -> tuple[Detection, ...]:
        """All objects seen, most confident first, boxes in pixels of ``image``."""
        ...


class Classifier(Protocol):
    """A model that tells what a picture shows as a whole."""

    def classify(self, image: Image) -> Mapping[str, float]:
        """The probability of each label; together 1."""
        ...


class Judge(Protocol):
    """A model that names what differs from a golden image."""

    side: int
    """Pixels of the crop's side."""

    def judge(self, crop: Image) -> Opinion:
        """What one candidate is: ``crop`` holds picture, golden image and differences as channels."""
        ...


class AnomalyModel(Protocol):
    """A model that has learnt what good looks like."""

    def score(self, image: Image) -> AnomalyMap:
        """How strange ``image`` is, and where."""
        ...


class Check(Protocol):
    """One thing that a good part must satisfy."""

    name: str

    def inspect(self, part: Part) -> CheckResult:
        """Turn the part's pictures into findings. No I/O, no clock, no state between parts."""
        ...


class Journal(Protocol):
    """Notes what was accepted and decided before it is answered."""

    def accept(self, trigger: Trigger, recipe: RecipeRef) -> None:
        """Note an accepted trigger, and the recipe that is active.

        :class:`~inspector.errors.StorageError` when that fails.
        """
        ...

    def verdict(self, key: tuple[int, int], fields: Mapping[str, Any]) -> None:
        """Note the verdict on ``plcBootId, triggerId``, as ``contract.record_fields`` has it."""
        ...

    def check(self) -> None:
        """Raise :class:`~inspector.errors.StorageError` while nothing can be noted."""
        ...


class HaltMark(Protocol):
    """Remembers over a restart of the process that the station is halted."""

    @property
    def is_set(self) -> bool:
        """Whether it is."""
        ...

    def set(self, on: bool) -> None:
        """Note it for good, or that it is over.

        Raises :class:`~inspector.errors.StorageError` when that fails.
        """
        ...


class Recorder(Protocol):
    """Remembers inspections, the station's state, and what happened to it. Never blocks."""

    def record(self, inspection: Inspection, fields: Mapping[str, Any] | None = None) -> None:
        """Take it over; what cannot be stored now is kept and counted.

        ``fields`` are the inspection's :func:`~inspector.contract.record_fields` where they are there.
        """
        ...

    def acknowledge(self, result_id: str, taken: bool, reason: str) -> None:
        """The PLC took a result, or did not, for a reason."""
        ...

    def show(self, status: StationStatus) -> None:
        """Replace what the dashboard shows of the station."""
        ...

    def event(self, level: Level, event: str, text: str, **fields: Any) -> None:
        """Note something that happened to the station, in words."""
        ...

    def drift(self, recipe: RecipeRef, readings: Sequence[DriftReading]) -> None:
        """Note what the watch for drift has seen; at a bounded rate."""
        ...

    def challenge(self, run: ChallengeRun) -> None:
        """Remember a challenge run."""
        ...

    def shadow(self, seen: ShadowVerdict) -> None:
        """Note what a candidate recipe would have made of a part."""
        ...

    def check(self) -> None:
        """Raise what ended the recorder, if something did."""
        ...

    @property
    def health(self) -> Health:
        """How recording goes."""
        ...


class Message(Protocol):
    """Something that can be published; the payloads of :mod:`inspector.contract` are."""

    @property
    def topic(self) -> str: ...
    @property
    def qos(self) -> int: ...
    @property
    def retain(self) -> bool: ...

    def encode(self) -> bytes:
        """The bytes on the wire."""
        ...


class Plc(Protocol):
    """The way to the PLC."""

    def publish(self, message: Message) -> bool:
        """Send it now or not at all.

        False: there is no link, and nothing was kept to be sent later.
        """
        ...


@dataclass(frozen=True, slots=True)
class ArchiveEvent:
    """A message for the historian."""

    number: int
    """Of its row; with a source that is its own."""
    event_id: str
    data: bytes


class ArchiveSource(Protocol):
    """Where a publisher of archive events gets them, in order. Never waits for a database."""

    def take(self, timeout_s: float) -> ArchiveEvent | None:
        """The next event to publish; None when there is none in time."""
        ...

    def delivered(self, event: ArchiveEvent) -> None:
        """The broker has confirmed it."""
        ...

    def complain(self, text: str) -> None:
        """Why events are not delivered; empty when they are."""
        ...


@dataclass(frozen=True, slots=True)
class Received:
    """A message from the PLC or the plant, not yet parsed."""

    topic: str
    """Below the station's base topic, such as ``cmd/trigger``."""
    data: bytes
    at_s: float
    """Monotonic clock at receipt."""


@dataclass(frozen=True, slots=True)
class LinkUp:
    """Connected and subscribed, for the first time or again."""


@dataclass(frozen=True, slots=True)
class LinkDown:
    """The connection is gone; it is being tried again."""

    reason: str
    evicted: bool = False
    """Connections end one after the other as if a second client with the same id ended them."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody asks of the station by way of the records: from the dashboard, as a rule."""

    request_id: int
    kind: str
    """``challenge``, ``prepareRecipe``, ``reset`` or ``shadow``."""
    arguments: Mapping[str, Any]
    user: str


Inbound: TypeAlias = Received | LinkUp | LinkDown | Asked
"""What an implementation of :class:`Plc`, or the recorder, hands to the line, in order, from a thread
of its own."""
