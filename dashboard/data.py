"""What the pages show, read from records and evidence; the only place that touches them.

Nothing is written. Answers that several browsers ask for within a moment are given once.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import streamlit as st
from sqlalchemy import Engine

from dashboard import alarms, overlays, texts
from inspector.config import LineConfig, StationConfig, load_config
from inspector.domain import Box
from inspector.errors import InputError
from inspector.records import queries, statistics
from inspector.records.database import check_schema, open_engine
from inspector.records.evidence import EvidenceStore
from inspector.records.search import Wanted
from inspector.records.views import (
    Counters,
    EventView,
    EvidenceView,
    FindingView,
    Latency,
    PartRecord,
    PartSummary,
    PixelBox,
    RecipeUse,
    StationState,
)
from inspector.shifts import ShiftTime, current_shift

STATE_DIR = "INSPECTOR_STATE_DIR"
"""Environment variable that overrides the configuration's ``state_dir``."""
STRIP = 20
FOUND_LIMIT = 200
COUNT_LIMIT = 10_000
"""So many parts are counted exactly."""
_SAME_PART = 0.9
"""A detection that overlaps the part's box so much (IoU) names the part."""


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """One station's records and pictures."""

    config: LineConfig
    station: StationConfig
    engine: Engine
    evidence: EvidenceStore

    @property
    def key(self) -> tuple[str, str, str]:
        """What tells this source from others in caches."""
        return str(self.engine.url), self.station.name, str(self.config.evidence_dir(self.station))

    @property
    def zone(self) -> ZoneInfo:
        return self.config.zone


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """The Live page at one moment."""

    now: datetime
    state: StationState | None
    last: PartRecord | None
    recent: tuple[PartSummary, ...]
    """Newest first."""
    shift: ShiftTime
    counters: Counters
    latency: Latency
    per_minute: int
    deadline_ms: float

    @property
    def silent_since(self) -> datetime | None:
        """When a station that does not respond was last heard of; None while it responds."""
        return alarms.silent_since(self.state, self.now)

    @property
    def lost_cameras(self) -> tuple[str, ...]:
        """Names of the cameras that give no pictures."""
        return alarms.lost_cameras(self.state)


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture to show, or the sentence that stands in its place."""

    data: bytes | None
    """JPEG."""
    note: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """What a search gave."""

    parts: tuple[PartSummary, ...]
    total: int
    more: bool = False
    """There are more than ``total``; nobody counts them."""


def load(path: Path) -> LineConfig:
    """The line's configuration, its state directory replaced if the environment says so."""
    config = load_config(path)
    override = os.environ.get(STATE_DIR)
    return config.model_copy(update={"state_dir": Path(override).resolve()}) if override else config


def source(config: LineConfig, name: str) -> Source:
    """The station's records; raises :class:`~inspector.errors.InspectorError` with the remedy."""
    known = [station.name for station in config.stations]
    if name not in known:
        raise InputError(
            texts.NO_STATION.format(station=name),
            texts.NO_STATION_REMEDY.format(stations=", ".join(known)),
        )
    station = config.station(name)
    url, root = config.database_url(station), config.evidence_dir(station)
    engine = _engine(url)
    _verify(url, engine)
    return Source(config, station, engine, EvidenceStore(root, station.evidence))


def snapshot(source: Source, now: datetime | None = None) -> Snapshot:
    """Everything that the Live page shows."""
    moment = now or datetime.now(UTC)
    engine, name = source.engine, source.station.name
    recent = queries.latest(engine, name, STRIP)
    state = queries.state(engine, name)
    shift = current_shift(source.config.shifts, source.zone, moment)
    newest = recent[0].id if recent else 0
    deadline = state.deadline_ms if state and state.deadline_ms > 0 else source.station.deadline_ms
    return Snapshot(
        moment,
        state,
        record(source, recent[0].result_id) if recent else None,
        recent,
        shift,
        _counters(source.key, shift.start, newest, source),
        _latency(source.key, newest, source),
        queries.count(engine, station=name, since=moment - timedelta(minutes=1)),
        deadline,
    )


def record(source: Source, result_id: str) -> PartRecord | None:
    """Everything about one inspection of this station."""
    # Attempts are added to it for as long as the part comes back, so it is cached for a moment only.
    return _record(source.key, result_id, source)


def reference(source: Source, record: PartRecord) -> PartRecord | None:
    """The newest good part of the same recipe that has a picture, to compare with."""
    result_id = _reference(source.key, record.summary.recipe_id, source)
    if result_id is None or result_id == record.summary.result_id:
        return None
    return _record(source.key, result_id, source)


def find(source: Source, wanted: Wanted) -> Found:
    """The newest parts that fulfil all conditions, and how many there are."""
    criteria: Wanted = {**wanted, "station": source.station.name}
    text = criteria.get("part_id")
    if text and "*" not in text:
        # A whole id, as a scanner gives it, is found at once.
        whole: Wanted = {**criteria, "exact": True}
        if parts := queries.find(source.engine, limit=FOUND_LIMIT, **whole):
            return Found(parts, len(parts))
    parts = queries.find(source.engine, limit=FOUND_LIMIT, **criteria)
    total = len(parts)
    if total == FOUND_LIMIT:
        total = queries.count(source.engine, most=COUNT_LIMIT + 1, **criteria)
    return Found(parts, min(total, COUNT_LIMIT), total > COUNT_LIMIT)


def state(source: Source) -> StationState | None:
    """What the station last said of itself."""
    return queries.state(source.engine, source.station.name)


def is_simulated(source: Source) -> bool:
    """Whether the station's last part was no production part, because of its camera or its mode."""
    return any(part.is_simulated for part in queries.latest(source.engine, source.station.name, 1))


def checks(source: Source) -> tuple[str, ...]:
    """Names of the checks that have scored parts."""
    return queries.checks(source.engine)


def events(
    source: Source,
    levels: Sequence[str],
    since: datetime | None = None,
    until: datetime | None = None,
    limit: int = 200,
) -> tuple[EventView, ...]:
    """What happened to the station, newest first."""
    name = source.station.name
    return queries.events(source.engine, name, levels=levels, since=since, until=until, limit=limit)


def recipes(source: Source) -> tuple[RecipeUse, ...]:
    """Recipe versions that have judged parts."""
    return queries.recipes(source.engine)


def pictures(record: PartRecord) -> tuple[EvidenceView, ...]:
    """The part's pictures in their order, whether their files are still there or not."""
    found = (item for item in record.evidence if item.kind == "picture")
    # frame-10.jpg comes after frame-9.jpg
    return tuple(sorted(found, key=lambda item: (len(item.name), item.name)))


def picture(
    source: Source,
    record: PartRecord,
    number: int = 0,
    *,
    boxes: bool = True,
    heat: bool = False,
    view: PixelBox | None = None,
    mark: tuple[PixelBox, str] | None = None,
) -> Picture:
    """The part's picture of that number, or its cutout ``view``, with what is asked for drawn over.

    ``mark`` is a box that a person draws, and what it is called.
    """
    views = pictures(record)
    if number >= len(views):
        passed = record.summary.verdict == "PASS" and record.summary.frame >= 0
        return Picture(None, texts.NO_PICTURE_PASS if passed else texts.NO_PICTURE)
    evidence = views[number]
    if evidence.removed_at is not None:
        date = evidence.removed_at.astimezone(source.zone).date().isoformat()
        return Picture(None, texts.PICTURE_REMOVED.format(date=date))
    data = _drawn(source.key, record.summary.result_id, number, boxes, heat, view, mark, source, record)
    return Picture(data) if data else Picture(None, texts.PICTURE_MISSING)


def has_heat(record: PartRecord) -> bool:
    """Whether a heat map of the part was kept."""
    return any(item.kind == "heat" and item.removed_at is None for item in record.evidence)


def noun(source: Source, record: PartRecord) -> str:
    """What the detector calls the part, such as ``bottle``; empty when it does not say."""
    if record.summary.part_box is None:
        return ""
    part = Box(*record.summary.part_box)
    for seen in _overlay(source, record).get("detections", ()):
        if Box(*seen["box"]).iou(part) >= _SAME_PART:
            return str(seen["label"])
    return ""


@st.cache_resource(show_spinner=False, max_entries=32)
def _engine(url: str) -> Engine:
    return open_engine(url, readonly=True)


@st.cache_data(show_spinner=False, ttl=2, max_entries=32)
def _verify(url: str, _engine: Engine) -> None:
    """Every two seconds, for the database may be migrated while the dashboard runs."""
    check_schema(_engine)


@st.cache_data(show_spinner=False, max_entries=32)
def _counters(key: tuple[str, ...], since: datetime, newest: int, _source: Source) -> Counters:
    """Cached until ``newest``, the last part's number, changes."""
    return statistics.counters(_source.engine, _source.station.name, since)


@st.cache_data(show_spinner=False, max_entries=32)
def _latency(key: tuple[str, ...], newest: int, _source: Source) -> Latency:
    return statistics.latency(_source.engine, _source.station.name)


@st.cache_data(show_spinner=False, ttl=2, max_entries=256)
def _record(key: tuple[str, ...], result_id: str, _source: Source) -> PartRecord | None:
    found = queries.part(_source.engine, result_id)
    return found if found and found.summary.station == _source.station.name else None


@st.cache_data(show_spinner=False, ttl=30, max_entries=32)
def _reference(key: tuple[str, ...], recipe_id: str, _source: Source) -> str | None:
    return queries.reference(_source.engine, _source.station.name, recipe_id)


@st.cache_data(show_spinner=False, max_entries=128)
def _drawn(
    key: tuple[str, ...],
    result_id: str,
    number: int,
    boxes: bool,
    heat: bool,
    view: PixelBox | None,
    mark: tuple[PixelBox, str] | None,
    _source: Source,
    _record: PartRecord,
) -> bytes | None:
    image = overlays.decode(_read(_source, pictures(_record)[number].path))
    if image is None:
        return None
    findings = _findings_on(number, _source, _record) if boxes else ()
    if mark is not None:
        findings = (*findings, FindingView("", "defect", mark[1], 1.0, 1.0, mark[0], None))
    drawn = overlays.draw(
        image,
        findings,
        _record.summary.part_box if boxes and number == 0 else None,
        _heat(number, _source, _record) if heat else None,
        outlines=_outlines(number, _source, _record) if boxes else (),
        view=view,
    )
    return overlays.encode(drawn)


def _findings_on(number: int, source: Source, record: PartRecord) -> tuple[FindingView, ...]:
    """The findings whose boxes lie on that picture; only the evidence knows on which they do."""
    described = _overlay(source, record).get("findings", ())
    on = [finding.get("picture", 0) for finding in described]
    return tuple(found for n, found in enumerate(record.findings) if (on[n : n + 1] or [0]) == [number])


def _outlines(number: int, source: Source, record: PartRecord) -> list[overlays.Outline]:
    """The edges of that picture's findings that have pixels; only the evidence knows them."""
    return [
        overlays.Outline(tuple(map(float, points)), finding["score"] >= finding["threshold"])
        for finding in _overlay(source, record).get("findings", ())
        if finding.get("picture", 0) == number
        for points in finding.get("polygons", ())
    ]


def _heat(number: int, source: Source, record: PartRecord) -> overlays.Heat | None:
    described = _overlay(source, record).get("heat")
    path = next((item.path for item in record.evidence if item.kind == "heat"), None)
    image = overlays.decode(_read(source, path)) if path else None
    if image is None or not described or described.get("picture", 0) != number:
        return None
    x1, y1, x2, y2 = (float(value) for value in described["box"])
    values = image[:, :, 0].astype(np.float32) / float(described["threshold"])
    box: PixelBox = (x1, y1, x2, y2)
    return overlays.Heat(np.asarray(values, np.float32), box)


def _overlay(source: Source, record: PartRecord) -> dict[str, Any]:
    path = next((item.path for item in record.evidence if item.kind == "overlay"), None)
    data = _read(source, path) if path else b""
    try:
        content = json.loads(data) if data else {}
    except ValueError:
        # Cut off by a power cut: the picture is shown without what only this file knows.
        return {}
    return content if isinstance(content, dict) else {}


def _read(source: Source, relative: str) -> bytes:
    """The file's bytes, empty when it is gone: retention may remove it at any moment."""
    path = source.evidence.resolve(relative)
    try:
        return path.read_bytes() if path else b""
    except OSError:
        return b""
