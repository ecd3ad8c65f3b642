"""One evaluation from a station and a data set to its files."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TextIO

import typer

from inspector.disturbances import DISTURBANCES, GRADES
from inspector.errors import InputError, StorageError
from inspector.evaluation.data import EvaluationData
from inspector.evaluation.disturbed import Disturbed, chosen, inspect_disturbed
from inspector.evaluation.disturbed import lines as disturbed_lines
from inspector.evaluation.page import number, percent, render
from inspector.evaluation.parts import Share
from inspector.evaluation.run import Outcome, evaluate, prove_fit
from inspector.evaluation.summary import Evaluation, iou_name, prediction, report, summarise
from inspector.station import Station


@dataclass(frozen=True, slots=True)
class Outputs:
    """The files that are asked for; existing ones are replaced as a whole, at the end."""

    report: Path | None = None
    predictions: Path | None = None

    @property
    def page(self) -> Path | None:
        """The page beside the report."""
        return None if self.report is None else self.report.with_suffix(".html")

    @classmethod
    def proven(cls, report: Path | None, predictions: Path | None) -> Outputs:
        """Raises :class:`InputError` for a file that could not be written at the end of the work."""
        for option, path in (("--report", report), ("--predictions", predictions)):
            if path is None:
                continue
            if path.is_dir():
                raise InputError(f"{path} is a folder", f"Name a file after {option}")
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                with tempfile.TemporaryFile(dir=path.parent):
                    pass
            except OSError as error:
                raise InputError(
                    f"{path} cannot be written: {error.strerror}", f"Name another file after {option}"
                ) from error
        outputs = cls(report, predictions)
        if report is not None and report in (outputs.page, predictions):
            raise InputError(
                f"{report} would be written twice", "Name different files; --report ends in .json"
            )
        return outputs


def evaluate_recipe(
    station: Station,
    data: EvaluationData,
    outputs: Outputs,
    *,
    iou: float | None = None,
    repeated: bool = False,
    disturbed: bool = False,
    command: str = "",
    progress: TextIO | None = None,
) -> Evaluation:
    """Inspect all pictures, measure, and write what is asked for.

    ``disturbed``: parts are inspected once more on disturbed pictures. ``progress``: where a bar is
    drawn. Raises :class:`InputError` when recipe and data do not fit.
    """
    notes = prove_fit(station.recipe, data)
    if progress is None:
        outcomes = _inspected(evaluate(station, data), outputs)
    else:
        with typer.progressbar(
            evaluate(station, data), len(data.samples), label="inspecting", file=progress
        ) as bar:
            outcomes = _inspected(bar, outputs)
    evaluation = summarise(
        station.recipe,
        data,
        outcomes,
        notes,
        created=datetime.now(UTC),
        command=command,
        iou=iou,
        repeated=repeated,
    )
    if disturbed:
        evaluation = replace(evaluation, disturbed=_disturbed(station, outcomes, progress))
    if outputs.report is not None and outputs.page is not None:
        text = json.dumps(report(evaluation), indent=1, ensure_ascii=False, allow_nan=False)
        page = render(evaluation)
        with _replacing(outputs.report) as json_file, _replacing(outputs.page) as page_file:
            json_file.write(text + "\n")
            page_file.write(page)
    return evaluation


def _disturbed(
    station: Station, outcomes: Sequence[Outcome], progress: TextIO | None
) -> tuple[Disturbed, ...]:
    parts = chosen(outcomes)
    if not parts:
        raise InputError(
            "the data do not say which part is good and which is faulty",
            "Give a folder test/<kind>/, or leave out --disturbed",
        )
    rows = inspect_disturbed(station, parts)
    if progress is None:
        return tuple(rows)
    count = len(DISTURBANCES) * len(GRADES)
    with typer.progressbar(rows, count, label="disturbing", file=progress) as bar:
        return tuple(bar)


def _inspected(outcomes: Iterable[Outcome], outputs: Outputs) -> list[Outcome]:
    """All of them, their predictions written as they come."""
    if outputs.predictions is None:
        return list(outcomes)
    kept = []
    with _replacing(outputs.predictions) as stream:
        for outcome in outcomes:
            stream.write(json.dumps(prediction(outcome), ensure_ascii=False, allow_nan=False) + "\n")
            kept.append(outcome)
    return kept


@contextmanager
def _replacing(path: Path) -> Iterator[IO[str]]:
    """A file that takes the place of ``path`` when it is whole, and is gone when it is not."""
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", dir=path.parent, prefix=f".{path.name}-", delete=False
    ) as stream:
        scratch = Path(stream.name)
        try:
            yield stream
            stream.close()
            scratch.chmod(0o666 & ~_umask())
            scratch.replace(path)
        except OSError as error:
            raise StorageError(
                f"{path} cannot be written: {error.strerror}", "Free some space, and run it again"
            ) from error
        finally:
            scratch.unlink(missing_ok=True)


def _umask() -> int:
    # it can only be read by setting it
    mask = os.umask(0)
    os.umask(mask)
    return mask


def table(evaluation: Evaluation) -> Iterator[str]:
    """The figures for a terminal, one line each."""
    recipe, data = evaluation.recipe, evaluation.data
    yield (
        f"{recipe.recipe_id} version {recipe.text.version} on {len(data.samples)} pictures, "
        f"split {data.split}"
    )
    figures = evaluation.parts
    if figures is not None:
        width = max(map(len, figures.verdicts))
        yield f"{'truth':{width}}   PASS   FAIL REVIEW"
        for kind, counts in figures.verdicts.items():
            yield f"{kind:{width}} " + " ".join(f"{count:6d}" for count in counts.values())
        yield _line("escapes", figures.escapes)
        yield _line("false rejects", figures.false_rejects)
        agreement = figures.rejecting
        yield (
            f"effectiveness {percent(agreement.effectiveness.rate)}, "
            f"miss {percent(agreement.miss.rate)}, false alarm {percent(agreement.false_alarm.rate)}, "
            f"kappa {number(agreement.kappa)} (REVIEW as reject)"
        )
    for point in evaluation.operating:
        yield (
            f"{point.name}: {_of(point.escapes)} escape, {_of(point.false_rejects)} good FAIL, "
            f"{_of(point.diverted)} good REVIEW ({point.note})"
        )
    if evaluation.objects is not None:
        yield from _objects(evaluation)
    if evaluation.ranking is not None:
        ranking = evaluation.ranking
        yield (
            f"image AUROC {number(ranking.auroc)} "
            f"(95 % {number(ranking.low)} to {number(ranking.high)})"
        )
    if evaluation.pixels is not None:
        pixels = evaluation.pixels
        yield f"pixel AUROC {number(pixels.auroc)}, AUPRO {number(pixels.aupro)}"
    if evaluation.latency_ms:
        latency = evaluation.latency_ms
        yield (
            f"latency p50 {latency['p50']:.1f} ms, p95 {latency['p95']:.1f} ms, "
            f"p99 {latency['p99']:.1f} ms"
        )
    if evaluation.disturbed:
        yield from disturbed_lines(evaluation.disturbed)
    yield from (f"note: {note}" for note in evaluation.notes)


def _of(share: Share) -> str:
    return f"{share.count} of {share.of}"


def _line(name: str, share: Share) -> str:
    bound = "" if share.upper is None else f", at most {percent(share.upper, 2)} with 95 % confidence"
    return f"{name} {share.count} of {share.of}{bound}"


def _objects(evaluation: Evaluation) -> Iterator[str]:
    figures = evaluation.objects
    if figures is None:
        return
    width = max([5, *(len(row.label) for row in figures.classes)])
    yield f"{'label':{width}}  there  found precision  recall    AP50 AP50-95"
    for row in figures.classes:
        yield (
            f"{row.label:{width}} {row.truth:6d} {row.found:6d}   {percent(row.precision):>7} "
            f"{percent(row.recall):>7} {percent(_first(row.ap)):>7} {percent(_mean(row.ap)):>8}"
        )
    yield (
        f"mAP50 {percent(figures.mean_ap(0))}, mAP50-95 {percent(figures.mean_ap())}, "
        f"precision {percent(figures.precision)}, recall {percent(figures.recall)}, "
        f"F {percent(figures.f1)} at the recipe's thresholds"
    )
    if evaluation.masks is not None:
        first, mean = evaluation.masks
        yield f"masks: mAP50 {percent(first)}, mAP50-95 {percent(mean)}"
    if evaluation.published is not None:
        iou, ap, f1 = evaluation.published
        name = iou_name(iou)
        yield f"published protocol at IoU {iou:g}: mAP{name} {percent(ap, 2)}, F{name} {percent(f1, 2)}"


def _first(values: Sequence[float] | None) -> float | None:
    return values[0] if values else None


def _mean(values: Sequence[float] | None) -> float | None:
    return sum(values) / len(values) if values else None
