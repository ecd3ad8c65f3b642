"""Everything is wired here, and here alone: configuration in, a line ready to start out."""

from __future__ import annotations

import os
import queue
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime

import cv2
import numpy as np

from inspector.cameras.folder import WatchedFolder
from inspector.cameras.footage import read_picture
from inspector.cameras.genicam import HarvestedCamera
from inspector.cameras.mjpeg import MjpegCamera
from inspector.cameras.opencv import LiveCamera, PlayedFile
from inspector.cameraspecs import CameraConfig, FileCamera, FolderCamera, GenICamCamera, OpenCvCamera
from inspector.checks.acceptance import Acceptance
from inspector.checks.anomaly import AnomalyCheck
from inspector.checks.assembly import AssemblyCheck
from inspector.checks.classify import ClassifyCheck
from inspector.checks.detect import DetectCheck
from inspector.checks.quality import Limits, PartPlace, QualityGate
from inspector.checks.reference import ReferenceCheck
from inspector.checkspecs import (
    AnomalySpec,
    AssemblySpec,
    ClassifySpec,
    DetectSpec,
    ReferenceSpec,
    check_name,
)
from inspector.config import Broker, LineConfig, StationConfig
from inspector.contract import StatePayload
from inspector.control import draw_boot_id
from inspector.duty import Duty
from inspector.errors import InputError
from inspector.expectation import LocateByPhoto
from inspector.issue import Issuer, reference
from inspector.knownparts import known_parts
from inspector.line import StationLine
from inspector.livestation import LiveStation, StationLock
from inspector.plc.mqtt import MqttPlc
from inspector.ports import AnomalyModel, Camera, Check, Classifier, Detector, Inbound
from inspector.recipe import Recipe, load_recipe
from inspector.records.challenges import challenge_runs
from inspector.records.database import open_engine
from inspector.records.evidence import EvidenceStore
from inspector.records.halted import HaltFile
from inspector.records.journal import Journal, read_leftover
from inspector.records.outbox import Outbox
from inspector.records.recorder import SPILL_NAME, TOOLS_SPILL_NAME, DatabaseRecorder
from inspector.records.requests import Requests
from inspector.records.spill import spilled_parts
from inspector.records.store import RecipeShelf, RecipeStore
from inspector.recovery import recover, unrecorded
from inspector.runtimes.judge import DifferenceJudge
from inspector.runtimes.load import load_anomaly, load_classifier, load_detector, load_judge
from inspector.sim.camera import SimulatedSource
from inspector.station import Station
from inspector.uplink import Uplink
from inspector.views import prove_cameras

MIN_CONFIDENCE = 0.05
"""Of detections at the line."""


def build_station(
    recipe: Recipe, config: StationConfig, *, live: bool, min_confidence: float = MIN_CONFIDENCE
) -> Station:
    """Load the recipe's models on the configured runtime.

    ``live`` frames can be frozen, recorded ones cannot. Of a detector, what is weaker than
    ``min_confidence`` is not seen: an evaluation wants more of it than a line. Raises
    :class:`~inspector.errors.BundleError` for a model that cannot be loaded.
    """
    if live:
        prove_cameras(recipe, config)
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
    gate = build_gate(recipe, live=live)
    others = (
        *(model.score for model in anomaly_models.values()),
        *(model.classify for model in classifiers.values()),
        *(model.warm_up for model in judges.values()),
    )
    cameras = [camera.name for camera in config.cameras]
    return Station(recipe, gate, detectors, checks, others, cameras)


def build_gate(recipe: Recipe, *, live: bool = False) -> QualityGate:
    """The recipe's quality gate; ``live`` frames can be frozen."""
    spec = recipe.text.quality
    cards = (bundle.card for bundle in recipe.bundles.values())
    card = next((one.calibration for one in cards if one.task != "anomaly"), {})
    limits = Limits.of(spec, card, recipe.calibration)
    return QualityGate(limits, live and spec.frozen, PartPlace.of(recipe))


def _reference(
    spec: ReferenceSpec, recipe: Recipe, judges: Mapping[str, DifferenceJudge]
) -> ReferenceCheck:
    judge = judges[spec.model] if spec.model is not None else None
    limits = recipe.thresholds(spec)
    golden = None
    if spec.golden is not None:
        golden = cv2.imread(str(recipe.path / spec.golden))
        if golden is None:
            raise InputError(f"{recipe.path / spec.golden} is no picture", "Put a good part's there")
    return ReferenceCheck(
        check_name(spec),
        limits.fail,
        limits.review,
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
    limits = recipe.thresholds(spec)
    threshold, review = limits.fail, limits.review
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
    """The camera of that configuration; a device is opened by its first read.

    Raises :class:`InputError` for a file or a package that it needs and that is not there.
    """
    if isinstance(config, OpenCvCamera):
        is_http = str(config.device).startswith(("http://", "https://"))
        return MjpegCamera(config) if is_http else LiveCamera(config)
    if isinstance(config, GenICamCamera):
        return HarvestedCamera(config)
    if isinstance(config, FileCamera):
        return PlayedFile(config)
    if isinstance(config, FolderCamera):
        return WatchedFolder(config)
    return SimulatedSource(config)


def build_evidence(config: LineConfig, station: StationConfig) -> EvidenceStore:
    """Where the station keeps its pictures."""
    return EvidenceStore(config.evidence_dir(station), station.evidence)


def build_recorder(
    config: LineConfig,
    station: StationConfig,
    on_recorded: Callable[[Sequence[str]], None] = lambda _: None,
    requests: Requests | None = None,
    outbox: Outbox | None = None,
    evidence: EvidenceStore | None = None,
    *,
    spill: str = TOOLS_SPILL_NAME,
) -> DatabaseRecorder:
    """A recorder of the station, not yet started; ``evidence`` by default as configured.

    ``spill``: the file of what the database did not take; the running station has one of its own.
    """
    return DatabaseRecorder(
        config.database_url(station),
        station.name,
        config.station_dir(station),
        config=station.records,
        evidence=evidence or build_evidence(config, station),
        on_recorded=on_recorded,
        requests=requests,
        outbox=outbox,
        spill=spill,
    )


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
    folder = config.station_dir(station)
    # whatever fails, nothing runs: whoever corrects it may start the station at once
    with ExitStack() as undo:
        lock = StationLock(folder, station.name)
        undo.callback(lock.release)
        recipes = StationRecipes(station, recipe_shelf(config, station))
        recipes.shelf.store.keep(recipe)
        if station.challenge.parts is not None:
            known_parts(station.challenge.parts, recipe.recipe_id)
        boot_id = draw_boot_id()
        leftover, spilled = read_leftover(folder), spilled_parts(folder / SPILL_NAME)
        journal = Journal(folder, boot_id, station.records.journal_fsync)
        undo.callback(journal.close)
        inbox: queue.SimpleQueue[Inbound] = queue.SimpleQueue()
        requests = Requests(station.name, inbox.put)
        uplink = Uplink.of(station, boot_id, journal.note)
        outbox = uplink.outbox if uplink is not None else None
        evidence = build_evidence(config, station)
        recorder = build_recorder(
            config, station, journal.recorded, requests, outbox, evidence, spill=SPILL_NAME
        )
        undo.callback(recorder.close)
        recorder.start()
        if simulated is None:
            simulated = any(camera.kind in ("sim", "file") for camera in station.cameras)
        issuer = Issuer(
            station.name,
            boot_id,
            reference(recipe),
            simulated=simulated or station.mode == "commissioning",
        )
        url = config.database_url(station)
        recover(unrecorded(leftover, spilled, url, station.name), issuer, recorder, journal)
        if cameras is None:
            cameras = {camera.name: build_camera(camera) for camera in station.cameras}
        duty = _duty(config, station)
        line = StationLine(
            station,
            build_station(recipe, station, live=True),
            cameras,
            journal,
            recorder,
            issuer,
            None if station.broker is None else _plc_maker(station.broker, station),
            duty=duty,
            recipes=recipes,
            inbox=inbox,
            tell=requests.answer,
            halt_mark=HaltFile(folder),
        )
        if uplink is not None:
            uplink.show(config, station, line.status, lambda: line.reporter.last)
        undo.pop_all()
        return LiveStation(station, line, recorder, journal, lock, uplink, evidence, duty)


def recipe_shelf(config: LineConfig, station: StationConfig) -> RecipeShelf:
    """The recipes that the station may change to."""
    return RecipeShelf(RecipeStore(config.recipe_store), (station.recipe, *station.recipes))


@dataclass(frozen=True, slots=True)
class StationRecipes:
    """Implements :class:`inspector.changeover.Recipes` for one live station."""

    station: StationConfig
    shelf: RecipeShelf

    def find(self, recipe_id: str, version: int | None) -> Recipe | None:
        """A listed or stored recipe."""
        return self.shelf.find(recipe_id, version)

    def load(self, recipe: Recipe) -> Station:
        """Load its models on the configured runtime, and store it."""
        built = build_station(recipe, self.station, live=True)
        self.shelf.store.keep(recipe)
        return built


def _duty(config: LineConfig, station: StationConfig) -> Duty:
    """What the records say of the last challenge; the recorder has made the tables by now."""
    engine = open_engine(config.database_url(station), readonly=True)
    try:
        last = next((run for run in challenge_runs(engine, station.name) if run.counts), None)
    finally:
        engine.dispose()
    wall, now_s = datetime.now(UTC), time.monotonic()
    return Duty(station.challenge, config.shifts, config.zone, last, wall=wall, now_s=now_s)


def _plc_maker(
    broker: Broker, station: StationConfig
) -> Callable[[Callable[[Inbound], None], StatePayload], MqttPlc]:
    def make(inbox: Callable[[Inbound], None], will: StatePayload) -> MqttPlc:
        return MqttPlc(broker, station.topic, f"inspector-{station.name}", inbox, will)

    return make
