"""Recorded footage through the same station as a live line, and the comparison of two runs.

Time is that of the footage, so two runs of one recording give equal verdicts, whatever the machine.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog

from inspector.contract import record_fields
from inspector.domain import Frame, Inspection, Part
from inspector.errors import FootageError, InputError, StorageError
from inspector.freerun import Crossings, EveryFrame
from inspector.issue import Issuer
from inspector.ports import Recording
from inspector.recipe import CrossingTrigger
from inspector.station import Station

NEAR_FRAMES = 5
"""Triggers of two runs so far apart are still the same part."""

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class ReplaySummary:
    """What came of a replay."""

    parts: int = 0
    frames: int = 0
    verdicts: dict[str, int] = field(default_factory=lambda: {"PASS": 0, "FAIL": 0, "REVIEW": 0})
    problems: list[str] = field(default_factory=list)
    """Footage that could not be read, one sentence each."""


@dataclass(slots=True)
class Replay:
    """Runs footage through a station and hands each inspection to the sinks."""

    station: Station
    issuer: Issuer
    deadline_s: float
    sinks: tuple[Callable[[Inspection], None], ...]
    realtime: bool = False
    summary: ReplaySummary = field(default_factory=ReplaySummary)

    def run(self, source: Recording) -> None:
        """Inspect one recording to its end, or to where it cannot be read any further."""
        feed = self._feed()
        started = time.monotonic()
        for frame in self._frames(source):
            self.summary.frames += 1
            if self.realtime:
                time.sleep(max(0.0, started + frame.exposed_s - time.monotonic()))
            for part in feed(frame):
                self._inspect(part)

    def _feed(self) -> Callable[[Frame], list[Part]]:
        spec, first = self.station.recipe.text.trigger, self.summary.parts + 1
        if isinstance(spec, CrossingTrigger):
            return Crossings(self.station, spec, self.deadline_s, first).feed
        return EveryFrame(self.station, self.deadline_s, first).feed

    def _frames(self, source: Recording) -> Iterator[Frame]:
        while True:
            try:
                frame = source.read()
            except FootageError as error:
                # a picture that is none must not cost the others; a truncated video ends next time
                self.summary.problems.append(str(error))
                log.error("footage", problem=str(error))
                if source.ends_on_error:
                    return
                continue
            if frame is None:
                return
            yield frame

    def _inspect(self, part: Part) -> None:
        started = time.perf_counter()
        judged = self.station.inspect(part)
        elapsed = time.perf_counter() - started
        inspection = self.issuer.issue(
            self.issuer.number(),
            part.trigger,
            judged,
            part.frames,
            elapsed,
            (0.0, elapsed * 1000),
        )
        self.summary.parts += 1
        self.summary.verdicts[inspection.verdict] += 1
        log.info(
            "inspected",
            part=part.trigger.part_id,
            frame=inspection.frame,
            verdict=inspection.verdict.value,
            cause=inspection.judgement.cause.word,
        )
        for sink in self.sinks:
            sink(inspection)


class JsonLines:
    """Writes one line an inspection; an existing file is replaced."""

    def __init__(self, path: Path) -> None:
        """Raises :class:`InputError` when the file cannot be written."""
        try:
            self._stream = path.open("w", encoding="utf-8")
            self._path = path
        except OSError as error:
            raise InputError(
                f"{path} cannot be written: {error.strerror}", "Name another file after --jsonl"
            ) from error

    def __call__(self, inspection: Inspection) -> None:
        """Write the line through to the file; :class:`StorageError` when the disk is full."""
        line = json.dumps(record_fields(inspection), ensure_ascii=False)
        try:
            self._stream.write(line + "\n")
            self._stream.flush()
        except OSError as error:
            raise StorageError(
                f"{self._path} cannot be written: {error.strerror}", "Free some space"
            ) from error

    def close(self) -> None:
        """Finish the file."""
        # what could not be flushed has been reported
        with suppress(OSError):
            self._stream.close()


@dataclass(frozen=True, slots=True)
class Change:
    """A part that two runs do not agree on."""

    source: str
    frame: int
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.source} frame {self.frame}: {self.before} -> {self.after}"


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    """The lines of an earlier run. Raises :class:`InputError` for a file that is none."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        rows = [json.loads(line) for line in lines if line.strip()]
        for row in rows:
            row["verdict"], row["cause"]
            if not isinstance(row["source"], str) or not isinstance(row["frame"], int):
                raise ValueError(f"source {row['source']!r}, frame {row['frame']!r}")
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}", "Check --against") from error
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path} is no JSONL of a replay: {error}", "Name a file that --jsonl has written"
        ) from error
    return rows


def compare(before: Iterable[dict[str, Any]], after: Iterable[dict[str, Any]]) -> list[Change]:
    """Parts whose verdict differs, joined on source and the nearest trigger frame within 5."""
    places: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for row in before:
        places.setdefault((row["source"], row["frame"]), []).append(row)
    unmatched = list(after)
    changes = []
    # the nearest first: a part that one run lacks must not shift all that follow
    for distance in range(NEAR_FRAMES + 1):
        waiting, unmatched = unmatched, []
        for row in waiting:
            source, frame = row["source"], row["frame"]
            near = places.get((source, frame - distance)) or places.get((source, frame + distance))
            if not near:
                unmatched.append(row)
                continue
            match = near.pop(0)
            if match["verdict"] != row["verdict"]:
                changes.append(Change(source, frame, _said(match), _said(row)))
    changes += [Change(row["source"], row["frame"], "not there", _said(row)) for row in unmatched]
    gone = [row for rows in places.values() for row in rows]
    changes += [Change(row["source"], row["frame"], _said(row), "not there") for row in gone]
    return sorted(changes, key=lambda change: (change.source, change.frame))


def _said(row: dict[str, Any]) -> str:
    return f"{row['verdict']} ({row['cause']})"
