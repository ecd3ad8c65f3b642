"""Each picture through the station of the line, and what it said beside what is true."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TypeAlias

from inspector.checks.reference import LABEL as DIFFERENCE
from inspector.checks.regions import PART_CONFIDENCE
from inspector.checkspecs import AnomalySpec, AssemblySpec, ClassifySpec, DetectSpec, check_name
from inspector.domain import (
    Box,
    Cause,
    Detection,
    Finding,
    FindingKind,
    Image,
    Verdict,
)
from inspector.errors import DataError, InputError
from inspector.evaluation.data import GOOD, EvaluationData, Sample
from inspector.mask import Mask
from inspector.recipe import CrossingTrigger, Recipe
from inspector.station import Judged, Station, aborted
from inspector.stills import read_golden, read_still, still

SEVERAL = "several"
"""The kind of a part with faults of more than one label."""
MIN_CONFIDENCE = 0.001
"""Of the detections that an evaluation wants to see: average precision needs the weak ones too."""
ONE_OBJECT = 0.5
"""Two checks whose boxes of one label overlap so much (IoU) have seen one object."""
Polygon: TypeAlias = tuple[tuple[float, float], ...]
"""Corners ``x, y`` in pixels."""


@dataclass(frozen=True, slots=True)
class Seen:
    """An object that the recipe's models have seen, however weakly."""

    label: str
    score: float
    box: Box
    threshold: float
    """It counts at or above it."""
    mask: Mask | None = None
    """Its pixels, where the model gives them."""

    @property
    def counts(self) -> bool:
        return self.score >= self.threshold


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """One picture, judged, and the truth about it."""

    sample: Sample
    judged: Judged
    kind: str | None
    """``good``, a kind of fault, or ``several``; None: the data do not say."""
    faulty: bool | None = None
    """Whether the part should fail; None: the data do not say."""
    truth: tuple[tuple[str, Box], ...] = ()
    """The boxes of the data set, in pixels."""
    outlines: tuple[Polygon | None, ...] = ()
    """Of each box the outline, where the data set has outlines."""
    seen: tuple[Seen, ...] = ()
    weak: tuple[Finding, ...] = ()
    """What a ``detect`` or ``reference`` check saw below its thresholds: no findings, but wanted for
    curves."""
    score: float = 0.0
    """Largest anomaly score, raw; without one the largest score of any check, else 0."""
    anomaly: float | None = None
    """The largest anomaly score, where there is one."""
    elapsed_ms: float | None = None
    """How long the station took; None: the picture could not be read."""
    size: tuple[int, int] = (0, 0)
    """Width and height in pixels."""
    problem: str = ""
    """What went wrong, in words, when something did."""

    @property
    def verdict(self) -> Verdict:
        return self.judged.judgement.verdict

    @property
    def cause(self) -> Cause:
        return self.judged.judgement.cause


@dataclass(frozen=True)
class Reading:
    """How the labels of a data set are to be read under a recipe."""

    thresholds: dict[str, float]
    """Confidence from which a detection of that label counts, by label of the models."""
    detected: dict[str, frozenset[str]]
    """Labels that are faults, by name of the ``detect`` or ``reference`` check that looks for them."""
    components: frozenset[str]
    """Labels that belong to a good part: the part itself, and what it must carry."""
    good: frozenset[str]
    """Kinds of a part without a fault: ``good``, and the good classes of a ``classify`` check."""
    anomaly_checks: frozenset[str]
    models: frozenset[str]
    """All labels that the recipe can find in a place."""
    nameless: bool
    """Whether a check finds faults in a place without a model that could name them."""
    twice: bool
    """Whether two checks look for faults of one label."""
    planned: bool
    """Whether a quality plan says which objects of a label count."""

    @classmethod
    def of(cls, recipe: Recipe) -> Reading:
        """Read the recipe."""
        thresholds: dict[str, float] = {}
        detected: dict[str, frozenset[str]] = {}
        components: set[str] = set()
        good, anomaly, models = {GOOD}, set[str](), recipe.labels()
        nameless = planned = False
        if isinstance(recipe.text.trigger, CrossingTrigger):
            components.add(recipe.text.trigger.label)
        for spec in recipe.text.checks:
            name = check_name(spec)
            bundle = recipe.bundles.get(spec.model) if spec.model else None
            labels = bundle.card.labels if bundle else ()
            threshold = recipe.thresholds(spec).fail
            if isinstance(spec, DetectSpec):
                detected[name] = frozenset(spec.labels or labels)
                planned |= bool(spec.criteria)
                for label in detected[name]:
                    own = spec.criteria[label].threshold if label in spec.criteria else None
                    thresholds[label] = threshold if own is None else own
            elif isinstance(spec, AssemblySpec):
                for expected in spec.expect:
                    components |= {expected.label, expected.per or expected.label}
                    # the check's score is the absence
                    thresholds.setdefault(expected.label, 1.0 - threshold)
            elif isinstance(spec, AnomalySpec | ClassifySpec):
                if isinstance(spec, ClassifySpec):
                    good |= set(spec.good)
                else:
                    anomaly.add(name)
                if spec.region is not None:
                    components.add(spec.region.of)
            else:
                detected[name] = frozenset(labels or (DIFFERENCE,))
                nameless |= not labels
                models |= set(labels)
                for label in detected[name]:
                    thresholds.setdefault(label, threshold)
        for label in models:
            thresholds.setdefault(label, PART_CONFIDENCE)
        faults = frozenset[str]().union(*detected.values())
        return cls(
            thresholds,
            detected,
            frozenset(components) - faults,
            frozenset(good),
            frozenset(anomaly),
            frozenset(models),
            nameless,
            sum(map(len, detected.values())) > len(faults),
            planned,
        )

    def kind(self, data: EvaluationData, sample: Sample, labels: Iterable[str]) -> str | None:
        """What the part is, from the folder or from the labels of its boxes."""
        if sample.kind is not None:
            return sample.kind
        if not set(data.labels) - self.components:
            return None
        faults = set(labels) - self.components
        if not faults:
            return GOOD
        return faults.pop() if len(faults) == 1 else SEVERAL


def prove_fit(recipe: Recipe, data: EvaluationData) -> list[str]:
    """What does not fit between recipe and data, in sentences.

    Raises :class:`InputError` when the boxes of the data are of no label that the recipe can see.
    """
    reading = Reading.of(recipe)
    if data.boxed is None:
        return []
    unseen = [label for label in data.labels if label not in reading.models]
    if len(unseen) == len(data.labels):
        if reading.nameless:
            return ["No model of the recipe names faults: they are compared by their place alone."]
        if not reading.models:
            return ["No check of the recipe finds objects: there are figures by part alone."]
        raise InputError(
            f"{data.path} has the labels {', '.join(data.labels)}, and no model of the recipe "
            f"{recipe.recipe_id} knows one of them",
            f"The recipe's labels: {', '.join(sorted(reading.models))}",
        )
    notes = []
    if reading.planned:
        notes.append(
            "The recipe has acceptance criteria. Figures by object take every object at or above its "
            "threshold, whatever its size and place; verdicts apply the criteria, but the truth of a "
            "part does not: one box of a fault makes it faulty."
        )
    if unseen:
        notes.append(
            f"No model of the recipe knows {', '.join(unseen)}: every one of them counts as missed."
        )
    if foreign := sorted(reading.models - set(data.labels)):
        notes.append(
            f"The data have no label {', '.join(foreign)}, which the models know: what is found of "
            "it is left out of the figures by object."
        )
    return notes


def evaluate(station: Station, data: EvaluationData) -> Iterator[Outcome]:
    """Inspect every picture, one after the other, as the whole picture of one part.

    A picture that cannot be read is REVIEW, ``CameraFault``, and the others go on. Raises
    :class:`~inspector.errors.DataError` for a label that cannot be read.
    """
    station.warm_up()
    reading = Reading.of(station.recipe)
    for index, sample in enumerate(data.samples):
        yield _outcome(station, reading, data, sample, index)


def _outcome(
    station: Station, reading: Reading, data: EvaluationData, sample: Sample, index: int
) -> Outcome:
    image, problem = _read(sample)
    if image is None:
        # all that is to be found in it is missed, wherever it lies
        truth, outlines = _truth(data, sample, 1, 1)
        kind = reading.kind(data, sample, (label for label, _ in truth))
        return Outcome(
            sample,
            aborted(Cause.CAMERA_FAULT, problem),
            kind,
            None if kind is None else kind not in reading.good,
            truth,
            outlines,
            problem=problem,
        )
    golden, problem = _golden(sample)
    part = still(sample.path, image, index, station.recipe.recipe_id, golden)
    (frame,) = part.frames
    started = time.perf_counter()
    judged = station.inspect(part)
    elapsed_ms = (time.perf_counter() - started) * 1000
    truth, outlines = _truth(data, sample, *frame.size)
    scores = [score.score for score in judged.scores]
    scores = scores or [
        finding.score for finding in judged.findings if finding.kind is not FindingKind.QUALITY
    ]
    kind = reading.kind(data, sample, (label for label, _ in truth))
    anomaly = [score.score for score in judged.scores if score.check in reading.anomaly_checks]
    return Outcome(
        sample,
        # what was seen is kept below; masks of every weak detection would fill the memory
        replace(judged, detections=()),
        kind,
        None if kind is None else kind not in reading.good,
        truth,
        outlines,
        _objects(reading, judged),
        _weak(reading, judged),
        max(anomaly or scores, default=0.0),
        max(anomaly, default=None),
        elapsed_ms,
        frame.size,
        judged.fault or problem,
    )


def _truth(
    data: EvaluationData, sample: Sample, width: int, height: int
) -> tuple[tuple[tuple[str, Box], ...], tuple[Polygon | None, ...]]:
    """Boxes, and outlines where the data set has them, in pixels of a picture of that size."""
    found = data.objects(sample, width, height)
    outlines = tuple(item.polygon for item in found) if data.has_outlines else ()
    return tuple((item.label, item.box) for item in found), outlines


def _read(sample: Sample) -> tuple[Image | None, str]:
    try:
        return read_still(sample.path), ""
    except DataError as error:
        # one broken picture must not cost the figures of the others; the report names it
        return None, error.message


def _golden(sample: Sample) -> tuple[Image | None, str]:
    try:
        return read_golden(sample.path), ""
    except DataError as error:
        # the part is inspected as if its position had none, and the report says so
        return None, error.message


def _objects(reading: Reading, judged: Judged) -> tuple[Seen, ...]:
    """All that detectors and checks saw, strongest first; what two checks saw is one object."""
    counted = {
        (finding.label, finding.score, finding.box): finding.threshold
        for finding in judged.findings
        if finding.fails
    }
    seen: list[Seen] = []
    for found in sorted(judged.detections, key=lambda item: -item.confidence):
        key = (found.label, found.confidence, found.box)
        threshold = counted.get(key, reading.thresholds.get(found.label, PART_CONFIDENCE))
        if reading.twice and any(
            other.label == found.label and other.box.iou(found.box) >= ONE_OBJECT for other in seen
        ):
            continue
        seen.append(Seen(found.label, found.confidence, found.box, threshold, found.mask))
    return tuple(seen)


def _weak(reading: Reading, judged: Judged) -> tuple[Finding, ...]:
    """What the checks that look for faults saw too weakly for a finding."""
    weak: list[Finding] = []
    for check, labels in reading.detected.items():
        told = {
            (finding.label, finding.score, finding.box)
            for finding in (*judged.findings, *weak)
            if finding.check == check or reading.twice
        }
        weak += [
            _finding(check, found, reading.thresholds[found.label])
            for found in judged.detections
            if found.label in labels and (found.label, found.confidence, found.box) not in told
        ]
    return tuple(weak)


def _finding(check: str, found: Detection, threshold: float) -> Finding:
    return Finding(check, FindingKind.DEFECT, found.label, found.confidence, threshold, found.box)
