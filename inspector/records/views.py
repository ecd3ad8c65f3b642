"""What :mod:`inspector.records.queries` returns: frozen, typed, without a database behind it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias

PixelBox: TypeAlias = tuple[float, float, float, float]
"""``x1, y1, x2, y2`` in pixels of the picture."""


@dataclass(frozen=True, slots=True)
class PartSummary:
    """One inspection, as a list shows it."""

    id: int
    """Order of recording."""
    result_id: str
    station: str
    part_id: str
    attempt: int
    verdict: str
    cause: str
    cause_code: int
    causes: tuple[str, ...]
    result_state: int
    is_partial: bool
    is_simulated: bool
    is_challenge: bool
    challenge: str | None
    recipe_id: str
    recipe_version: int
    recipe_hash: str
    model_hash: str
    batch_id: str | None
    product_id: str | None
    meas_id: str | None
    station_boot_id: int
    seq: int
    plc_boot_id: int
    trigger_id: int
    created_at: datetime
    """UTC."""
    age_ms: float
    deadline_ms: float | None
    acquisition_ms: float
    processing_ms: float
    stages: Mapping[str, float]
    """Milliseconds by check."""
    source: str
    frame: int
    image_width: int | None
    image_height: int | None
    part_box: PixelBox | None
    findings_total: int
    picture: str | None
    """Relative path of the first evidence picture, None when there is none (any more)."""


@dataclass(frozen=True, slots=True)
class FindingView:
    """One finding of a part."""

    check: str
    kind: str
    label: str
    score: float
    threshold: float
    box: PixelBox
    expected_box: PixelBox | None


@dataclass(frozen=True, slots=True)
class ScoreView:
    """What a check measured of a part."""

    check: str
    score: float
    threshold: float
    review_threshold: float


@dataclass(frozen=True, slots=True)
class EvidenceView:
    """A file of the image archive."""

    kind: str
    """``picture``, ``overlay`` or ``heat``."""
    name: str
    path: str
    """Relative to the evidence folder; open it through ``EvidenceStore.resolve``."""
    bytes: int
    created_at: datetime
    removed_at: datetime | None
    """When retention removed the file; None while it is there."""


@dataclass(frozen=True, slots=True)
class PartRecord:
    """Everything that is known of one inspection."""

    summary: PartSummary
    findings: tuple[FindingView, ...]
    scores: tuple[ScoreView, ...]
    evidence: tuple[EvidenceView, ...]
    attempts: tuple[PartSummary, ...]
    """All inspections of this part id in this station, first attempt first, this one included;
    at most the last 100."""


@dataclass(frozen=True, slots=True)
class Tally:
    """Parts by verdict."""

    parts: int = 0
    passed: int = 0
    failed: int = 0
    review: int = 0


@dataclass(frozen=True, slots=True)
class Counters:
    """Production counters: ``parts`` = ``passed + failed + review``, challenge parts apart.

    Simulated parts count, and are given once more on their own.
    """

    parts: int = 0
    passed: int = 0
    failed: int = 0
    review: int = 0
    challenge: int = 0
    simulated: Tally = Tally()
    causes: Mapping[str, int] = field(default_factory=dict)
    """Production parts by cause, most frequent first, without ``None``."""


@dataclass(frozen=True, slots=True)
class Latency:
    """Age of the last verdicts, milliseconds; all zero without any."""

    parts: int = 0
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    max_ms: float = 0.0
    missed: int = 0
    """Verdicts older than their deadline."""


@dataclass(frozen=True, slots=True)
class StationState:
    """What a station last said of itself."""

    station: str
    state: str
    mode: str
    online: bool
    health: str
    error_code: int
    error_text: str
    clock_synced: bool
    recipe_id: str
    recipe_version: int
    boot_id: int
    deadline_ms: float
    counters: Mapping[str, int]
    cameras: Mapping[str, str]
    updated_at: datetime
    """UTC; a state much older than a few seconds is that of a station which no longer runs."""


@dataclass(frozen=True, slots=True)
class EventView:
    """Something that happened to a station."""

    id: int
    station: str
    at: datetime
    level: str
    event: str
    text: str
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RecipeUse:
    """A recipe version that has judged parts."""

    recipe_id: str
    recipe_version: int
    recipe_hash: str
