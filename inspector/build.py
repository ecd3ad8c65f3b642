"""Everything is wired here, and here alone: configuration in, a line ready to start out."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import cv2
import numpy as np
import structlog

from inspector.cameras.folder import WatchedFolder
from inspector.cameras.footage import read_picture
from inspector.cameras.opencv import LiveCamera, PlayedFile
from inspector.checks.acceptance import Acceptance
from inspector.checks.anomaly import AnomalyCheck
from inspector.checks.assembly import AssemblyCheck
from inspector.checks.classify import ClassifyCheck
from inspector.checks.detect import DetectCheck
from inspector.checks.quality import Limits, QualityGate
from inspector.checks.reference import ReferenceCheck
from inspector.checkspecs import (
    AnomalySpec,
    AssemblySpec,
    CheckSpec,
    ClassifySpec,
    DetectSpec,
    ReferenceSpec,
    check_name,
)
from inspector.config import (
    Broker,
    CameraConfig,
    FileCamera,
    FolderCamera,
    LineConfig,
    OpenCvCamera,
    StationConfig,
)
from inspector.contract import StatePayload, record_fields
from inspector.control import draw_boot_id
from inspector.domain import Cause
from inspector.errors import BusyError, InputError, StorageError
from inspector.expectation import LocateByPhoto
from inspector.issue import Issuer, reference
from inspector.line import StationLine
from inspector.plc.mqtt import MqttPlc
from inspector.ports import AnomalyModel, Camera, Check, Classifier, Detector, Inbound
from inspector.recipe import Recipe, load_recipe
from inspector.records.evidence import EvidenceStore
from inspector.records.journal import Journal, Leftover, read_leftover
from inspector.records.recorder import DatabaseRecorder
from inspector.runtimes.judge import DifferenceJudge
from inspector.runtimes.load import load_anomaly, load_classifier, load_detector, load_judge
from inspector.sim.camera import SimulatedSource
from inspector.station import Station, aborted

DEFAULT_THRESHOLD = 0.5
"""Of a detector's confidence, where neither recipe nor card state one."""
MIN_CONFIDENCE = 0.05
"""Of detections at the line."""

log = structlog.get_logger(__name__)


def build_station(
    recipe: Recipe, config: StationConfig, *, live: bool, min_confidence: float = MIN_CONFIDENCE
) -> Station:
    """Load the recipe's models on the configured runtime.

    ``live`` frames can be frozen, recorded ones cannot. Of a detector, what is weaker than
    ``min_confidence`` is not seen: an evaluation wants more of it than a line. Raises
    :class:`~inspector.errors.BundleError` for a model that cannot be loaded.
    """
    requests, threads = config.workers, config.threads or os.cpu_count() or 1
    detectors: dict[str, Detector] = {}
    anomaly_models: dict[str, AnomalyModel] = {}
    classifiers: dict[str, Classifier] = {}
    judges: dict[str, DifferenceJudge] = {}
    for name, bundle in recipe.bundles.items():
        if bundle.card.task == "reference":
            judges[name] = load_judge(bundle, config.runtime, threads, requests)
        elif bundle.card.task == "anomaly":
            anomaly_models[name] = load_anomaly(bundle, config.runtime, threads, requests)
        elif bundle.card.task == "classify":
            classifiers[name] = load_classifier(bundle, config.runtime, threads, requests)
        else:
            detectors[name] = load_detector(bundle, config.runtime, threads, requests, min_confidence)
    checks = [
        _reference(spec, recipe, judges)
        if isinstance(spec, ReferenceSpec)
        else _check(spec, recipe, anomaly_models, classifiers)
        for spec in recipe.text.checks
        if spec.model is None or spec.model in recipe.bundles
    ]
    spec = recipe.text.quality
    calibration = next(
        (one.card.calibration for one in recipe.bundles.values() if one.card.task != "anomaly"), {}
    )
    gate = QualityGate(Limits.of(spec, calibration), notice_frozen=live and spec.frozen)
    others = (
        *(model.score for model in anomaly_models.values()),
        *(model.classify for model in classifiers.values()),
        *(model.warm_up for model in judges.values()),
    )
    return Station(recipe, gate, detectors, checks, others)


def _thresholds(spec: CheckSpec, recipe: Recipe) -> tuple[float, float]:
    """FAIL and REVIEW from there up: the recipe's, else what the model's card calibrated."""
    threshold = spec.threshold
    if threshold is None:
        calibration = recipe.bundles[spec.model].card.calibration if spec.model is not None else {}
        threshold = float(calibration.get("threshold", DEFAULT_THRESHOLD))
    return threshold, threshold if spec.review_threshold is None else spec.review_threshold


def _reference(
    spec: ReferenceSpec, recipe: Recipe, judges: Mapping[str, DifferenceJudge]
) -> ReferenceCheck:
    judge = judges[spec.model] if spec.model is not None else None
    threshold, review = _thresholds(spec, recipe)
    golden = None
    if spec.golden is not None:
        golden = cv2.imread(str(recipe.path / spec.golden))
        if golden is None:
            raise InputError(f"{recipe.path / spec.golden} is no picture", "Put a good part's there")
    return ReferenceCheck(
        check_name(spec),
        threshold,
        review,
        golden=None if golden is None else np.asarray(golden, np.uint8),
        judge=judge,
        level=spec.level,
        min_area_px=spec.min_area_px,
    )


def _check(
    spec: DetectSpec | ClassifySpec | AnomalySpec | AssemblySpec,
    recipe: Recipe,
    anomaly_models: Mapping[str, AnomalyModel],
    classifiers: Mapping[str, Classifier],
) -> Check:
    name = check_name(spec)
    card = recipe.bundles[spec.model].card
    threshold, review = _thresholds(spec, recipe)
    if isinstance(spec, AnomalySpec):
        detector = recipe.detector_of(spec.region.of) if spec.region else ""
        model = anomaly_models[spec.model]
        return AnomalyCheck(name, model, threshold, review, spec.region, detector)
    if isinstance(spec, AssemblySpec):
        photo = spec.locate.photo if isinstance(spec.locate, LocateByPhoto) else None
        reference_photo = None if photo is None else read_picture(recipe.path / photo)
        judge = classifiers.get(spec.model)
        return AssemblyCheck.of(name, spec, threshold, review, reference_photo, judge)
    if isinstance(spec, ClassifySpec):
        detector = recipe.detector_of(spec.region.of) if spec.region else ""
        good, classifier = frozenset(spec.good), classifiers[spec.model]
        return ClassifyCheck(name, classifier, good, threshold, review, spec.region, detector)
    labels = frozenset(spec.labels or card.labels)
    criteria = {
        label: Acceptance.of(criterion, threshold, review, recipe)
        for label, criterion in spec.criteria.items()
    }
    return DetectCheck(name, spec.model, labels, threshold, review, criteria)


def build_camera(config: CameraConfig) -> Camera:
    """The camera of that configuration; a device is opened by its first read."""
    if isinstance(config, OpenCvCamera):
        return LiveCamera(config)
    if isinstance(config, FileCamera):
        return PlayedFile(config)
    if isinstance(config, FolderCamera):
        return WatchedFolder(config)
    return SimulatedSource(config)


def build_recorder(
    config: LineConfig,
    station: StationConfig,
    on_recorded: Callable[[Sequence[str]], None] = lambda _: None,
) -> DatabaseRecorder:
    """The station's recorder, not yet started."""
    return DatabaseRecorder(
        config.database_url(station),
        station.name,
        config.station_dir(station),
        config=station.records,
        evidence=EvidenceStore(config.evidence_dir(station), station.evidence),
        on_recorded=on_recorded,
    )


class StationLock:
    """At most one instance a station: held for as long as the process lives."""

    def __init__(self, folder: Path, station: str) -> None:
        """Take the lock. Raises :class:`BusyError` when another process has it."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file: TextIO = (folder / "lock").open("w")
        except OSError as error:
            raise StorageError(
                f"{folder} cannot be written: {error.strerror}",
                "Free space, or set 'state_dir' to a writable folder",
            ) from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.close()
            raise BusyError(
                f"station '{station}' is already run by another process",
                "Stop that one first, or name another station",
            ) from None

    def release(self) -> None:
        """Let another process have it."""
        self._file.close()


@dataclass(slots=True)
class LiveStation:
    """A station with everything that it holds open."""

    line: StationLine
    recorder: DatabaseRecorder
    journal: Journal
    lock: StationLock

    def start(self) -> None:
        """Connect and start all threads."""
        if isinstance(self.line.plc, MqttPlc):
            self.line.plc.start()
        self.line.start()

    def check(self) -> None:
        """Raise what ended a thread, if something did."""
        self.line.check()

    def stop(self) -> None:
        """Finish the parts in flight, say goodbye, store what is waiting."""
        self.line.stop()
        self.recorder.show(self.line.status(online=False))
        if isinstance(self.line.plc, MqttPlc):
            self.line.plc.close(self.line.control.state_payload(online=False))
        self.recorder.close()
        self.journal.close()
        self.lock.release()


def build_live_station(
    config: LineConfig,
    station: StationConfig,
    *,
    cameras: Mapping[str, Camera] | None = None,
    simulated: bool | None = None,
) -> LiveStation:
    """Wire one live station; what an earlier run left open is recorded first.

    ``cameras`` replace the configured ones. ``simulated`` is by default true when a configured
    camera is a simulated or recorded one.
    """
    recipe = load_recipe(station.recipe)
    if cameras is None and not station.cameras:
        raise InputError(
            f"station '{station.name}' has no camera", "Add one under 'cameras' to run it live"
        )
    lock = StationLock(config.station_dir(station), station.name)
    boot_id = draw_boot_id()
    leftover = read_leftover(config.station_dir(station))
    journal = Journal(config.station_dir(station), boot_id, station.records.journal_fsync)
    recorder = build_recorder(config, station, journal.recorded)
    recorder.start()
    if simulated is None:
        simulated = any(camera.kind in ("sim", "file") for camera in station.cameras)
    issuer = Issuer(
        station.name,
        boot_id,
        reference(recipe),
        simulated=simulated or station.mode == "commissioning",
    )
    _recover(leftover, issuer, recorder, journal)
    if cameras is None:
        cameras = {camera.name: build_camera(camera) for camera in station.cameras}
    line = StationLine(
        station,
        build_station(recipe, station, live=True),
        cameras,
        journal,
        recorder,
        issuer,
        None if station.broker is None else _plc_maker(station.broker, station),
    )
    return LiveStation(line, recorder, journal, lock)


def _plc_maker(
    broker: Broker, station: StationConfig
) -> Callable[[Callable[[Inbound], None], StatePayload], MqttPlc]:
    def make(inbox: Callable[[Inbound], None], will: StatePayload) -> MqttPlc:
        return MqttPlc(broker, station.topic, f"inspector-{station.name}", inbox, will)

    return make


def _recover(leftover: Leftover, issuer: Issuer, recorder: DatabaseRecorder, journal: Journal) -> None:
    """Give every trigger that an earlier run accepted its one record.

    All of it is written to the new journal before the old ones go: a kill meanwhile loses nothing.
    """
    restarted = [
        issuer.issue(issuer.number(), trigger, aborted(Cause.STATION_RESTARTED), (), 0.0, (0.0, 0.0))
        for trigger in leftover.unanswered
    ]
    for fields in (*leftover.verdicts, *map(record_fields, restarted)):
        journal.verdict((fields["plcBootId"], fields["triggerId"]), fields)
    for path in leftover.files:
        path.unlink(missing_ok=True)
    recorder.recover(leftover.verdicts)
    for inspection in restarted:
        recorder.record(inspection)
    if restarted:
        log.warning("station restarted with open parts", parts=len(restarted))
