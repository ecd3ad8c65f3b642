"""What the station talks about: frames, triggers, findings, verdicts, inspections.

Frozen dataclasses over the standard library and numpy, nothing else, so that every other module may
import them; masks have their own module, :mod:`inspector.mask`. Pictures are ``(height, width, 3)``
``uint8`` arrays in OpenCV's BGR order. Boxes are ``x1, y1, x2, y2`` in pixels of the picture. Instants
named ``…_s`` are seconds on one monotonic clock (of the footage, when a recording is replayed) and say
nothing about the time of day.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, StrEnum
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from inspector.mask import Mask

Image: TypeAlias = npt.NDArray[np.uint8]
"""A picture: ``(height, width, 3)``, ``uint8``, BGR."""


@dataclass(frozen=True, slots=True)
class Box:
    """An axis-aligned rectangle in pixels; ``x2`` and ``y2`` lie outside of it."""

    x1: float
    y1: float
    x2: float
    y2: float

    @property
    def width(self) -> float:
        return self.x2 - self.x1

    @property
    def height(self) -> float:
        return self.y2 - self.y1

    @property
    def area(self) -> float:
        return max(0.0, self.width) * max(0.0, self.height)

    @property
    def centre(self) -> tuple[float, float]:
        return (self.x1 + self.x2) / 2, (self.y1 + self.y2) / 2

    def contains(self, x: float, y: float) -> bool:
        """Whether the point lies inside, the edges included."""
        return self.x1 <= x <= self.x2 and self.y1 <= y <= self.y2

    def intersection(self, other: Box) -> float:
        """The area shared with ``other``, in square pixels."""
        width = min(self.x2, other.x2) - max(self.x1, other.x1)
        height = min(self.y2, other.y2) - max(self.y1, other.y1)
        return max(0.0, width) * max(0.0, height)

    def iou(self, other: Box) -> float:
        """Intersection over union, 0..1."""
        shared = self.intersection(other)
        union = self.area + other.area - shared
        return shared / union if union > 0 else 0.0

    def part(self, x1: float, y1: float, x2: float, y2: float) -> Box:
        """The sub-rectangle given by fractions of this box's width and height."""
        return Box(
            self.x1 + x1 * self.width,
            self.y1 + y1 * self.height,
            self.x1 + x2 * self.width,
            self.y1 + y2 * self.height,
        )

    def clipped(self, width: int, height: int) -> Box:
        """This box without what lies outside a picture of that size."""
        return Box(
            min(max(self.x1, 0.0), width),
            min(max(self.y1, 0.0), height),
            min(max(self.x2, 0.0), width),
            min(max(self.y2, 0.0), height),
        )

    def rounded(self, digits: int = 1) -> tuple[float, float, float, float]:
        """``x1, y1, x2, y2`` as they are written to records."""
        return (
            round(self.x1, digits),
            round(self.y1, digits),
            round(self.x2, digits),
            round(self.y2, digits),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One picture and where it came from."""

    image: Image
    source: str
    """The camera's configured name, or the footage's file stem."""
    index: int
    """Running number of the frame in its source, from 0."""
    exposed_s: float
    """When it was exposed, on the clock that triggers are measured with."""
    recorded: bool = False
    """From a file: equal neighbours are then a property of the recording, not a frozen camera."""
    repeats: bool = False
    """Pixel by pixel equal to the frame before it, which no live sensor delivers."""
    golden: Image | None = None
    """The golden image of this very position, where there is one a position."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.image.shape[1], self.image.shape[0]


@dataclass(frozen=True, slots=True)
class Detection:
    """An object that a detector saw."""

    label: str
    confidence: float
    box: Box
    mask: Mask | None = None
    """Its pixels, where the model's task has them; never without a pixel."""


@dataclass(frozen=True, slots=True, eq=False)
class AnomalyMap:
    """What an anomaly model says of a picture."""

    score: float
    """Raw, unclamped; larger is stranger."""
    heat: npt.NDArray[np.float32]
    """``(rows, columns)`` raw scores over the inspected region, coarser than the picture."""


@dataclass(frozen=True, slots=True)
class Trigger:
    """The order to inspect one part."""

    plc_boot_id: int
    """0: the picture itself triggered."""
    trigger_id: int
    part_id: str
    received_s: float
    deadline_s: float
    """Allowed age of the verdict, seconds from ``received_s`` or from the exposure if earlier."""
    recipe_id: str = ""
    batch_id: str | None = None
    meas_id: str | None = None
    product_id: str | None = None
    challenge: str | None = None
    """``good`` or ``faulty`` for a challenge part, else None."""


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """What is inspected at one trigger: its pictures, and where in them the part is, if known."""

    trigger: Trigger
    frames: tuple[Frame, ...]
    """By camera, in the order of the configuration; of one camera in the order of their exposure."""
    box: Box | None = None
    """The tracked part in the first frame; None: the whole picture is the part."""
    detections: Mapping[str, tuple[Detection, ...]] = field(default_factory=dict)
    """What tracking has already computed on the first frame, by model name."""
    label: str = ""
    """Of the tracked part, as the recipe's trigger names it; empty: unknown."""


class Verdict(StrEnum):
    """PASS and FAIL are decisions; REVIEW says that the station will not decide alone."""

    PASS = "PASS"
    FAIL = "FAIL"
    REVIEW = "REVIEW"


class Cause(Enum):
    """Why a verdict was given: the contract's word and its ``resultEvaluationCode``."""

    NONE = ("None", 0)
    DEFECT = ("Defect", 100)
    ANOMALY = ("Anomaly", 101)
    MISSING = ("Missing", 102)
    EXTRA = ("Extra", 103)
    MISPLACED = ("Misplaced", 104)
    WRONG = ("Wrong", 105)
    UNCERTAIN = ("Uncertain", 200)
    BLUR = ("Blur", 210)
    EXPOSURE = ("Exposure", 211)
    LOW_RESOLUTION = ("LowResolution", 212)
    COVERED = ("Covered", 213)
    PARTIAL_PART = ("PartialPart", 214)
    UNUSUAL_POSE = ("UnusualPose", 215)
    TAMPERED = ("Tampered", 216)
    FROZEN_FRAME = ("FrozenFrame", 217)
    CAMERA_FAULT = ("CameraFault", 230)
    MISSED_ACQUISITION = ("MissedAcquisition", 231)
    NO_PART = ("NoPart", 232)
    MODEL_FAULT = ("ModelFault", 240)
    OVERRUN = ("Overrun", 250)
    DEADLINE_MISSED = ("DeadlineMissed", 251)
    HALTED = ("Halted", 252)
    STATION_RESTARTED = ("StationRestarted", 253)

    @property
    def word(self) -> str:
        return self.value[0]

    @property
    def code(self) -> int:
        return self.value[1]

    @property
    def verdict(self) -> Verdict:
        """The verdict that this cause leads to."""
        if self.code == 0:
            return Verdict.PASS
        return Verdict.FAIL if self.code < 200 else Verdict.REVIEW

    @classmethod
    def named(cls, word: str) -> Cause:
        """The cause of that word; ``KeyError`` when there is none."""
        return _CAUSES[word]


_CAUSES = {cause.word: cause for cause in Cause}


class FindingKind(StrEnum):
    """What sort of thing a check found."""

    DEFECT = "defect"
    ANOMALY = "anomaly"
    MISSING = "missing"
    EXTRA = "extra"
    MISPLACED = "misplaced"
    WRONG = "wrong"
    QUALITY = "quality"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a check found, with the score that makes it count.

    It fails the part when ``score >= threshold`` and sends it to review when
    ``score >= review_threshold``. A finding of kind ``quality`` never fails a part: its ``label`` is
    the word of the REVIEW cause.
    """

    check: str
    kind: FindingKind
    label: str
    score: float
    threshold: float
    box: Box
    review_threshold: float | None = None
    """None: the same as ``threshold``, no band between."""
    expected_box: Box | None = None
    """Where a missing or misplaced component should be."""
    mask: Mask | None = None
    """Its pixels, where the model gives them."""
    picture: int = 0
    """In which of the part's pictures its box lies."""

    @property
    def fails(self) -> bool:
        return self.score >= self.threshold

    @property
    def in_band(self) -> bool:
        lower = self.threshold if self.review_threshold is None else self.review_threshold
        return lower <= self.score < self.threshold


@dataclass(frozen=True, slots=True)
class Score:
    """What a check measured, of a PASS too, so that thresholds can be replayed and drift be seen."""

    check: str
    score: float
    threshold: float
    review_threshold: float


@dataclass(frozen=True, slots=True, eq=False)
class CheckResult:
    """What one check says of one part."""

    findings: tuple[Finding, ...] = ()
    scores: tuple[Score, ...] = ()
    heat: AnomalyMap | None = None
    heat_box: Box | None = None
    """Where ``heat`` lies in the picture."""
    detections: tuple[Detection, ...] = ()
    """What the check itself saw, weak ones too."""
    picture: int = 0
    """On which of the part's pictures ``heat`` lies."""


@dataclass(frozen=True, slots=True)
class Opinion:
    """What a judge of differences says of one candidate."""

    scores: Mapping[str, float]
    """Probability of each kind of defect; what lacks to 1 is that it is none."""
    sides: tuple[float, float, float, float]
    """How far the defect's left, top, right and bottom lie from the candidate's, pixels of the crop."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the judge makes of all findings."""

    verdict: Verdict
    cause: Cause
    causes: tuple[Cause, ...]
    """All that applied, lowest number first."""


@dataclass(frozen=True, slots=True)
class Timings:
    """How long a part took, milliseconds."""

    acquisition_ms: float = 0.0
    """From the trigger to the last of its frames."""
    processing_ms: float = 0.0
    """From that frame to the verdict."""
    stages_ms: Mapping[str, float] = field(default_factory=dict)
    """By check, ``quality`` included."""


@dataclass(frozen=True, slots=True, eq=False)
class Overlay:
    """A heat map to be drawn over the evidence picture."""

    heat: npt.NDArray[np.float32]
    """``(rows, columns)``, 1.0 at the check's threshold."""
    box: Box
    picture: int = 0
    """On which of the part's pictures it lies."""


@dataclass(frozen=True, slots=True)
class RecipeRef:
    """Which recipe judged a part, exactly."""

    recipe_id: str
    version: int
    recipe_hash: str
    model_hash: str


@dataclass(frozen=True, slots=True, eq=False)
class Inspection:
    """One part, judged: what is reported, journaled and recorded."""

    result_id: str
    seq: int
    station: str
    station_boot_id: int
    trigger: Trigger
    recipe: RecipeRef
    judgement: Judgement
    result_state: int
    """1 completed, 3 aborted, 4 failed; as in the contract."""
    findings: tuple[Finding, ...]
    scores: tuple[Score, ...]
    timings: Timings
    age_s: float
    """Age of the verdict when it was decided."""
    created: datetime
    """Time of day, UTC."""
    source: str = ""
    frame: int = -1
    """Index of the trigger frame in ``source``; -1 without a picture."""
    simulated: bool = False
    partial: bool = False
    part_box: Box | None = None
    detections: tuple[Detection, ...] = ()
    frames: tuple[Frame, ...] = ()
    overlay: Overlay | None = None
    measures: Mapping[str, float] = field(default_factory=dict)
    """How the first picture looks, by name of the measure."""

    @property
    def verdict(self) -> Verdict:
        return self.judgement.verdict


HealthLevel: TypeAlias = Literal["good", "watch", "act"]
Level: TypeAlias = Literal["info", "warning", "error"]


@dataclass(frozen=True, slots=True)
class StationStatus:
    """The contract's ``state`` payload and what an operator wants to see beside it."""

    station: str
    state: str
    """The contract's word for it."""
    boot_id: int
    mode: str = "production"
    online: bool = True
    health: HealthLevel = "good"
    error_code: int = 0
    error_text: str = ""
    clock_synced: bool = True
    recipe_id: str = ""
    recipe_version: int = 0
    deadline_ms: float = 0.0
    counters: Mapping[str, int] = field(default_factory=dict)
    cameras: Mapping[str, str] = field(default_factory=dict)
    """State by camera name: ``live``, ``lost``, …"""


@dataclass(frozen=True, slots=True)
class Health:
    """How something goes: ``good``, ``watch`` (behind), ``act`` (somebody must do something)."""

    level: HealthLevel = "good"
    text: str = ""


GRAVITY: Mapping[HealthLevel, int] = {"good": 0, "watch": 1, "act": 2}


def worst(*health: Health) -> Health:
    """The gravest; of equally grave ones the first."""
    return max(health, key=lambda one: GRAVITY[one.level])


@dataclass(frozen=True, slots=True)
class ShadowVerdict:
    """What a candidate recipe would have made of a part, beside what the station made of it."""

    result_id: str
    at: datetime
    """UTC."""
    recipe: RecipeRef
    """The candidate."""
    judgement: Judgement
    scores: tuple[Score, ...]
    station_version: int
    """Version of the recipe that the station acted by."""
    station: Judgement


@dataclass(frozen=True, slots=True)
class DriftReading:
    """How far one measure of the last parts has moved from its reference."""

    measure: str
    """Of the picture, such as ``exposure``; of a check's scores ``score:<check>``."""
    health: HealthLevel
    psi: float
    """Population stability index, without what chance gives."""
    p_value: float
    """Two-sample Kolmogorov-Smirnov test, of this comparison alone."""
    reference: str
    """In words: ``calibration``, or the first parts."""
    reference_n: int
    reference_median: float
    median: float
    """Of the last parts."""
    n: int
    """How many these are."""
