"""All figures of one evaluation together, as the report's JSON and page have them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from inspector.contract import FindingRecord
from inspector.evaluation import disturbed as by_disturbance
from inspector.evaluation import objects as by_object
from inspector.evaluation import parts as by_part
from inspector.evaluation import pixels as by_pixel
from inspector.evaluation.data import EvaluationData
from inspector.evaluation.disturbed import Disturbed
from inspector.evaluation.objects import NONE, ObjectFigures
from inspector.evaluation.operating import OperatingPoint, operating_points
from inspector.evaluation.parts import Agreement, PartFigures, Ranking, Repeats, Share
from inspector.evaluation.pixels import PixelFigures
from inspector.evaluation.run import Outcome, Reading
from inspector.recipe import Recipe
from inspector.training.card import versions

FAULT = "fault"
"""The one label of faults where no model of the recipe can name them."""
NOTED_MOST = 20
"""Pictures with a problem that are named each."""
PACKAGES = ("pycocotools", "scikit-learn", "scipy", "numpy", "opencv-python", "openvino")


@dataclass(frozen=True)
class Evaluation:
    """A recipe, measured on a data set."""

    recipe: Recipe
    data: EvaluationData
    digest: str
    """Of the data."""
    outcomes: tuple[Outcome, ...]
    notes: tuple[str, ...]
    """What a reader of the figures must know, in sentences."""
    labels: tuple[str, ...]
    objects: ObjectFigures | None
    confusion: npt.NDArray[np.int64] | None
    masks: tuple[float, float] | None
    """mAP50 and mAP50-95 of masks, where the data have outlines."""
    published: tuple[float, float | None, float | None] | None
    """IoU, mean average precision and F-score by the published protocol, where it was asked for."""
    parts: PartFigures | None
    operating: tuple[OperatingPoint, ...]
    """Of the anomaly checks: the recipe's, and anomalib's default beside it."""
    ranking: Ranking | None
    pixels: PixelFigures | None
    repeats: Repeats | None
    created: datetime
    command: str
    disturbed: tuple[Disturbed, ...] = ()
    """How the verdicts stand up to disturbed pictures, where it was asked for."""

    @property
    def unreadable(self) -> tuple[Outcome, ...]:
        """Pictures that the station has not seen."""
        return tuple(outcome for outcome in self.outcomes if outcome.elapsed_ms is None)

    @property
    def latency_ms(self) -> dict[str, float]:
        """p50, p95 and p99 of the station's time for one part, milliseconds."""
        return by_part.percentiles([o.elapsed_ms for o in self.outcomes if o.elapsed_ms is not None])

    @property
    def stages_ms(self) -> dict[str, dict[str, float]]:
        """The same by check."""
        stages: dict[str, list[float]] = {}
        for outcome in self.outcomes:
            for name, value in (outcome.judged.stages_ms or {}).items():
                stages.setdefault(name, []).append(value)
        return {name: by_part.percentiles(values) for name, values in stages.items()}

    @property
    def metrics(self) -> dict[str, float | int | tuple[float, float]]:
        """Plain numbers under the names that the field gives them; bounds as ``…_ci95``."""
        found: dict[str, float | int | tuple[float, float] | None] = {}
        if self.objects is not None:
            found["map50"] = self.objects.mean_ap(0)
            found["map50_95"] = self.objects.mean_ap()
            found["precision"] = self.objects.precision
            found["recall"] = self.objects.recall
            found["f1"] = self.objects.f1
        if self.masks is not None:
            found["mask_map50"], found["mask_map50_95"] = self.masks
        if self.published is not None:
            name = iou_name(self.published[0])
            found[f"map{name}"], found[f"f{name}"] = self.published[1:]
        if self.parts is not None:
            agreement = self.parts.rejecting
            found["escapes"] = self.parts.escapes.count
            found["false_rejects"] = self.parts.false_rejects.count
            shares = {
                "escape_rate": self.parts.escapes,
                "false_reject_rate": self.parts.false_rejects,
                "miss_rate": agreement.miss,
                "false_alarm_rate": agreement.false_alarm,
            }
            for name, share in shares.items():
                found[name] = share.rate
                if share.upper is not None:
                    found[f"{name}_ci95"] = (0.0, share.upper)
            found["review_rate_good"] = self.parts.good_in_review.rate
            found["review_rate_faulty"] = self.parts.faulty_in_review.rate
            found["effectiveness"] = agreement.effectiveness.rate
            found["kappa"] = agreement.kappa
        if self.ranking is not None:
            found["image_auroc"] = self.ranking.auroc
            found["image_auroc_ci95"] = (self.ranking.low, self.ranking.high)
        if self.pixels is not None:
            found["pixel_auroc"], found["aupro"] = self.pixels.auroc, self.pixels.aupro
        return {name: value for name, value in found.items() if value is not None}


def iou_name(iou: float) -> str:
    """``33`` for 0.33, as metrics are named."""
    return f"{iou * 100:g}".replace(".", "_")


def summarise(
    recipe: Recipe,
    data: EvaluationData,
    outcomes: Sequence[Outcome],
    notes: Sequence[str] = (),
    *,
    created: datetime,
    command: str = "",
    iou: float | None = None,
    repeated: bool = False,
) -> Evaluation:
    """Measure. ``iou``: also by the published protocol at that IoU; ``repeated``: file names say which
    pictures are of one part."""
    reading = Reading.of(recipe)
    notes = [*recipe.warnings, *notes, *_notes(outcomes)]
    labels, compared = data.labels, outcomes
    nameless = not set(labels) & reading.models
    if nameless:
        labels, compared = (FAULT,), [_nameless(outcome) for outcome in outcomes]
    if data.boxed is None or (nameless and not reading.nameless):
        labels, figures, confusion, published, masks = (), None, None, None, None
    else:
        figures = by_object.measure(compared, labels)
        confusion = by_object.confusion(compared, labels)
        published = None if iou is None else (iou, *by_object.published(compared, labels, iou))
        masks = by_object.mask_precision(compared, labels) if data.has_outlines else None
    told = by_part.measure(outcomes)
    if told is None:
        notes.append(
            "The boxes of the data are of parts and components, not of faults: they do not say which "
            "part is faulty, so there are no figures by part. A folder test/<kind>/ would say it."
        )
    return Evaluation(
        recipe,
        data,
        data.digest(),
        tuple(outcomes),
        tuple(notes),
        tuple(labels),
        figures,
        confusion,
        masks,
        published,
        told,
        operating_points(recipe, outcomes),
        by_part.rank(outcomes),
        by_pixel.measure(outcomes) if data.has_masks else None,
        by_part.repeats(outcomes) if repeated else None,
        created,
        command,
    )


def _nameless(outcome: Outcome) -> Outcome:
    return replace(
        outcome,
        truth=tuple((FAULT, box) for _, box in outcome.truth),
        seen=tuple(replace(seen, label=FAULT) for seen in outcome.seen),
    )


def _notes(outcomes: Sequence[Outcome]) -> list[str]:
    notes = [
        f"{outcome.sample.name}: {outcome.problem}. It counts as {outcome.verdict.value}, "
        f"{outcome.cause.word}."
        for outcome in outcomes
        if outcome.problem
    ]
    if (more := len(notes) - NOTED_MOST) > 0:
        notes[NOTED_MOST:] = [f"{more} more pictures had a problem: the predictions name them all."]
    scoreless = sum(outcome.anomaly is None and outcome.elapsed_ms is not None for outcome in outcomes)
    if 0 < scoreless < sum(outcome.elapsed_ms is not None for outcome in outcomes):
        notes.append(
            f"{scoreless} pictures have no anomaly score, for the check found no part in them: they "
            "are left out of the ROC."
        )
    return notes


def prediction(outcome: Outcome) -> dict[str, Any]:
    """One line of ``--predictions``."""
    findings = (*outcome.judged.findings, *outcome.weak)
    return {
        "image": outcome.sample.name,
        "verdict": outcome.verdict.value,
        "cause": outcome.cause.word,
        "score": outcome.score,
        "findings": [
            FindingRecord.of(finding).model_dump(mode="json", by_alias=True, exclude_none=True)
            for finding in findings
        ],
    }


def report(evaluation: Evaluation) -> dict[str, Any]:
    """The content of the report's JSON file."""
    recipe, data = evaluation.recipe, evaluation.data
    return {
        "v": 1,
        "created": evaluation.created.isoformat(timespec="seconds"),
        "command": evaluation.command,
        "versions": versions(*PACKAGES),
        "recipe": {
            "id": recipe.recipe_id,
            "product": recipe.text.product,
            "version": recipe.text.version,
            "hash": recipe.recipe_hash,
            "modelHash": recipe.model_hash,
            "promise": None if recipe.text.stated is None else recipe.text.stated.promise.model_dump(),
            "kept": None if recipe.settled is None else recipe.settled.kept.model_dump(),
            "models": {
                name: {
                    "task": bundle.card.task,
                    "architecture": bundle.card.architecture,
                    "digest": bundle.digest,
                    "files": {file.name: file.sha256 for file in bundle.card.files},
                }
                for name, bundle in recipe.bundles.items()
            },
        },
        "data": {
            "path": str(data.path),
            "split": data.split,
            "digest": evaluation.digest,
            "images": len(data.samples),
            "labels": list(data.labels),
            "unreadable": [outcome.sample.name for outcome in evaluation.unreadable],
        },
        "metrics": {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in evaluation.metrics.items()
        },
        "objects": _objects(evaluation),
        "parts": _parts(evaluation),
        "latencyMs": evaluation.latency_ms,
        "stagesMs": evaluation.stages_ms,
        "disturbed": by_disturbance.report(evaluation.disturbed),
        "notes": list(evaluation.notes),
    }


def _objects(evaluation: Evaluation) -> dict[str, Any] | None:
    figures = evaluation.objects
    if figures is None or evaluation.confusion is None:
        return None
    return {
        "ious": list(figures.ious),
        "classes": [
            {
                "label": row.label,
                "threshold": row.threshold,
                "truth": row.truth,
                "found": row.found,
                "right": row.right,
                "precision": row.precision,
                "recall": row.recall,
                "f1": row.f1,
                "ap50": None if row.ap is None else row.ap[0],
                "ap50_95": None if row.ap is None else float(np.mean(row.ap)),
                "curve": {
                    "recall": [recall for recall, _ in row.curve],
                    "precision": [precision for _, precision in row.curve],
                },
            }
            for row in figures.classes
        ],
        "confusion": {
            "labels": [*evaluation.labels, NONE],
            "truthByRow": evaluation.confusion.tolist(),
        },
    }


def _parts(evaluation: Evaluation) -> dict[str, Any] | None:
    figures = evaluation.parts
    if figures is None:
        return None
    ranking, again = evaluation.ranking, evaluation.repeats
    return {
        "escapes": _share(figures.escapes),
        "falseRejects": _share(figures.false_rejects),
        "goodInReview": _share(figures.good_in_review),
        "faultyInReview": _share(figures.faulty_in_review),
        "reviewAsReject": _agreement(figures.rejecting),
        "reviewLeftOut": _agreement(figures.decided),
        "verdicts": figures.verdicts,
        "causes": figures.causes,
        "named": figures.named,
        "ranking": None
        if ranking is None
        else {
            "auroc": ranking.auroc,
            "ci95": [ranking.low, ranking.high],
            "good": ranking.good,
            "faulty": ranking.faulty,
            "curve": [list(point) for point in ranking.curve],
        },
        "operating": [
            {
                "name": point.name,
                "thresholds": dict(point.thresholds),
                "escapes": _share(point.escapes),
                "falseRejects": _share(point.false_rejects),
                "goodInReview": _share(point.diverted),
                "note": point.note,
            }
            for point in evaluation.operating
        ],
        "repeats": None if again is None else {**_share(again.parts), "looks": again.looks},
    }


def _share(share: Share) -> dict[str, float | int | None]:
    return {"count": share.count, "of": share.of, "rate": share.rate, "upper95": share.upper}


def _agreement(agreement: Agreement) -> dict[str, Any]:
    return {
        "effectiveness": _share(agreement.effectiveness),
        "miss": _share(agreement.miss),
        "falseAlarm": _share(agreement.false_alarm),
        "kappa": agreement.kappa,
    }
