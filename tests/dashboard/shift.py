"""A line's records as a shift leaves them: simulated pictures, findings, a station state."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import cv2
import numpy as np
from sqlalchemy import update

from inspector.config import load_config
from inspector.domain import (
    Box,
    Cause,
    Detection,
    Finding,
    FindingKind,
    Frame,
    Inspection,
    Judgement,
    Overlay,
    RecipeRef,
    Score,
    ShadowVerdict,
    StationStatus,
    Timings,
    Trigger,
)
from inspector.records.database import open_engine
from inspector.records.evidence import EvidenceStore
from inspector.records.recorder import DatabaseRecorder
from inspector.records.tables import STATION_STATE
from inspector.sim.scene import FaultKind, PartTruth, SceneRenderer

STATION = "cover-1"
BOOT = 0x5EED0001
WHOLE = Box(0, 0, 640, 480)
_CONFIG = """\
line: pump-covers
timezone: Europe/Berlin
shifts: [{name: early, start: "SIX_HOURS_AGO"}]
state_dir: state
stations:
  - name: cover-1
    topic: demo/plant/assembly/covers/cover-1/vision
    recipe: recipes/pump-cover
    deadline_ms: 500
    evidence: {pass_share: 1.0}
"""
_FAULTS = [
    FaultKind.SCRATCH,
    FaultKind.MISSING_SCREW,
    FaultKind.STAIN,
    FaultKind.FOREIGN,
    FaultKind.DENT,
]
_THRESHOLD, _REVIEW = 0.62, 0.48


class Shift:
    """A line's configuration and records below ``folder``; close it to stop its recorder."""

    def __init__(self, folder: Path) -> None:
        self.config_path = folder / "line.yaml"
        # No shift may end while a test counts its parts.
        start = datetime.now(ZoneInfo("Europe/Berlin")) - timedelta(hours=6)
        self.config_path.write_text(_CONFIG.replace("SIX_HOURS_AGO", f"{start:%H}:00"))
        self.config = load_config(self.config_path)
        self.station = self.config.station(STATION)
        self.url = self.config.database_url(self.station)
        evidence = EvidenceStore(self.config.evidence_dir(self.station), self.station.evidence)
        folder = self.config.station_dir(self.station)
        self._recorder = DatabaseRecorder(self.url, STATION, folder, evidence=evidence).start()
        self._scene = SceneRenderer(1)

    def fill(self, count: int, last: datetime | None = None) -> list[Inspection]:
        """Parts one second apart; every third is faulty, each eleventh cannot be judged."""
        end = last or datetime.now(UTC)
        made = [self.inspect(n, end - timedelta(seconds=count - n)) for n in range(1, count + 1)]
        self.add(made)
        self.report()
        return made

    def add(self, inspections: Sequence[Inspection]) -> None:
        """Record and wait until it is in the database."""
        for inspection in inspections:
            self._recorder.record(inspection)
        assert self._recorder.flush(20)

    def report(self, **changes: object) -> None:
        """Say that the station is alive."""
        fields: dict[str, object] = {
            "state": "Ready",
            "boot_id": BOOT,
            "recipe_id": "pump-cover",
            "recipe_version": 3,
            "deadline_ms": 500.0,
            "cameras": {"top": "live"},
        }
        self._recorder.show(StationStatus(STATION, **{**fields, **changes}))  # type: ignore[arg-type]
        assert self._recorder.flush(20)

    def shadow(self, seen: ShadowVerdict) -> None:
        """A candidate has judged a part beside the station."""
        self._recorder.shadow(seen)
        assert self._recorder.flush(20)

    def warn(self, text: str) -> None:
        """Something happened to the station."""
        self._recorder.event("warning", "camera", text)
        assert self._recorder.flush(20)

    def age_state(self, age: timedelta) -> None:
        """As if the station had said nothing for so long."""
        engine = open_engine(self.url)
        with engine.begin() as connection:
            connection.execute(update(STATION_STATE).values(updated_at=datetime.now(UTC) - age))
        engine.dispose()

    def close(self) -> None:
        """End the recorder's thread."""
        self._recorder.close()

    def inspect(
        self, n: int, created: datetime | None = None, fault: FaultKind | None = None
    ) -> Inspection:
        """The ``n``-th part as the station would have judged it."""
        rng = np.random.default_rng(n)
        usual = _FAULTS[n // 3 % len(_FAULTS)] if n % 3 == 0 else FaultKind.GOOD
        kind = usual if fault is None else fault
        image, truth = self._scene.render(kind, rng)
        blurred = fault is None and n % 11 == 0
        if blurred:
            image = np.asarray(cv2.GaussianBlur(image, (0, 0), 4), np.uint8)
        findings = [*_quality(blurred), *_findings(kind, truth, float(rng.uniform(0.1, 0.9)))]
        strange = 0.2 + 0.2 * float(rng.random())
        if kind not in (FaultKind.GOOD, FaultKind.MISSING_SCREW):
            strange = findings[-1].score
        missing = max((f.score for f in findings if f.kind is FindingKind.MISSING), default=0.04)
        model = float(rng.normal(24, 2))
        return Inspection(
            f"{BOOT:08x}-{n}",
            n,
            STATION,
            BOOT,
            Trigger(77, n, f"PC-{4000 + n:06d}", 0.0, 0.5, "pump-cover", batch_id="B-2231"),
            RecipeRef("pump-cover", 3, "9f2c41d07be85a16", "03bd5ce2f1a94478"),
            _judge(findings),
            1,
            tuple(findings),
            (
                Score("surface", strange, _THRESHOLD, _REVIEW),
                Score("screws", missing, 0.5, 0.5),
            ),
            Timings(6.5, model + 21, {"quality": 1.2, "surface": model, "screws": 17.4}),
            (model + 31) / 1000,
            created or datetime.now(UTC),
            "top",
            n * 25,
            simulated=True,
            part_box=Box(*truth.housing),
            detections=tuple(_detections(truth)),
            frames=(Frame(image, "top", n * 25, 0.0),),
            overlay=Overlay(_heat(truth, strange / _THRESHOLD), Box(*truth.housing)),
        )


def _judge(findings: Sequence[Finding]) -> Judgement:
    causes = []
    for finding in findings:
        if finding.kind is FindingKind.QUALITY:
            causes.append(Cause.named(finding.label))
        elif finding.fails:
            causes.append(Cause.named(finding.kind.value.capitalize()))
        else:
            causes.append(Cause.UNCERTAIN)
    if not causes:
        return Judgement(Cause.NONE.verdict, Cause.NONE, ())
    untrusted = [cause for cause in causes if cause.code >= Cause.BLUR.code]
    first = min(untrusted or causes, key=lambda cause: cause.code)
    return Judgement(first.verdict, first, tuple(sorted(set(causes), key=lambda cause: cause.code)))


def _quality(blurred: bool) -> Iterator[Finding]:
    if blurred:
        yield Finding("quality", FindingKind.QUALITY, Cause.BLUR.word, 1.4, 1.0, WHOLE)


def _findings(kind: FaultKind, truth: PartTruth, draw: float) -> Iterator[Finding]:
    if kind is FaultKind.GOOD or truth.defect is None:
        return
    x1, y1, x2, y2 = truth.defect
    box = Box(x1 - 6, y1 - 6, x2 + 6, y2 + 6)
    if kind is FaultKind.MISSING_SCREW:
        yield Finding("screws", FindingKind.MISSING, "screw", 0.97, 0.5, box, expected_box=box)
        return
    score = 0.5 + 0.8 * draw
    yield Finding("surface", FindingKind.ANOMALY, "anomaly", score, _THRESHOLD, box, _REVIEW)


def _detections(truth: PartTruth) -> Iterator[Detection]:
    yield Detection("cover", 0.98, Box(*truth.housing))
    for screw in truth.screws:
        yield Detection("screw", 0.95, Box(*screw))


def _heat(truth: PartTruth, peak: float) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """A map of 28 by 28 cells with its peak at the fault, or in the middle."""
    x1, y1, x2, y2 = truth.housing
    place = truth.defect or truth.housing
    column = ((place[0] + place[2]) / 2 - x1) / (x2 - x1) * 28
    row = ((place[1] + place[3]) / 2 - y1) / (y2 - y1) * 28
    rows, columns = np.mgrid[0:28, 0:28].astype(np.float32)
    distance = (rows - row) ** 2 + (columns - column) ** 2
    return np.asarray(0.25 + (peak - 0.25) * np.exp(-distance / 9), np.float32)
