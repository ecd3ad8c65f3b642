"""The report's curves, as SVG that can stand inside a page."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from inspector.disturbances import GRADES
from inspector.evaluation.disturbed import Disturbed
from inspector.evaluation.objects import ClassFigures
from inspector.evaluation.parts import Ranking

INK = "#1f2933"
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#5b5b5b", "#8c6d31")
"""Okabe and Ito's palette, which the colour-blind can tell apart; line styles repeat it in print."""
LINES = ("-", "--", "-.", ":")
GOOD, FAULTY = COLOURS[0], COLOURS[1]


def precision_recall(classes: Sequence[ClassFigures]) -> str:
    """Precision against recall at IoU 0.5, a curve a label; a dot where the recipe works."""
    figure, axes = _axes("recall", "precision")
    shown = [row for row in classes if row.curve]
    for number, row in enumerate(shown):
        colour = COLOURS[number % len(COLOURS)]
        line = LINES[number // len(COLOURS) % len(LINES)]
        axes.plot(*zip(*row.curve, strict=True), line, color=colour, linewidth=1.6, label=row.label)
        if row.precision is not None and row.recall is not None:
            axes.plot([row.recall], [row.precision], "o", color=colour, markersize=5)
    axes.set(xlim=(0, 1.02), ylim=(0, 1.02))
    if len(shown) <= 2 * len(COLOURS):
        _legend(axes)
    return _svg(figure)


def roc(ranking: Ranking) -> str:
    """The receiver operating characteristic of the anomaly score."""
    figure, axes = _axes("good parts flagged", "faulty parts flagged")
    axes.plot([0, 1], [0, 1], ":", color="#9aa5b1", linewidth=1)
    axes.plot(*zip(*ranking.curve, strict=True), color=GOOD, linewidth=1.8)
    axes.set(xlim=(-0.01, 1.01), ylim=(0, 1.02))
    return _svg(figure)


def scores(good: Sequence[float], faulty: Sequence[float], threshold: float, review: float) -> str:
    """Histogram of a check's score, with the thresholds of the recipe."""
    figure, axes = _axes("score", "parts")
    low, high = min([*good, *faulty]), max([*good, *faulty])
    span = (low, high if high > low else low + 1)
    axes.hist(
        [good, faulty],
        bins=24,
        range=span,
        stacked=True,
        color=[GOOD, FAULTY],
        label=["good", "faulty"],
    )
    axes.axvline(threshold, color=INK, linewidth=1.4, label="fails from here")
    if review < threshold:
        axes.axvline(review, color=INK, linewidth=1.2, linestyle="--", label="review from here")
    axes.yaxis.get_major_locator().set_params(integer=True)
    _legend(axes)
    return _svg(figure)


def disturbed(rows: Sequence[Disturbed]) -> str:
    """The operating curve: good parts that pass and faulty ones that are stopped, by grade."""
    figure, axes = _axes("grade of disturbance", "share of parts")
    names = list(dict.fromkeys(row.name for row in rows))
    for number, name in enumerate(names):
        here = [row for row in rows if row.name == name]
        for colour, values in (
            (GOOD, [row.good_passed for row in here]),
            (FAULTY, [row.faulty_stopped for row in here]),
        ):
            told = [
                (row.grade, value) for row, value in zip(here, values, strict=True) if value is not None
            ]
            if told:
                line = LINES[number % len(LINES)]
                axes.plot(*zip(*told, strict=True), line, color=colour, linewidth=0.8, alpha=0.4)
    for colour, label, share in (
        (GOOD, "good parts passed, mean", [row.good_passed for row in rows]),
        (FAULTY, "faulty parts stopped, mean", [row.faulty_stopped for row in rows]),
    ):
        means = []
        for grade in range(len(GRADES)):
            known = [
                value
                for row, value in zip(rows, share, strict=True)
                if row.grade == grade and value is not None
            ]
            means += [(grade, sum(known) / len(known))] if known else []
        if means:
            axes.plot(*zip(*means, strict=True), "o-", color=colour, linewidth=2, label=label)
    axes.set_xticks(range(len(GRADES)), GRADES)
    axes.set(ylim=(-0.02, 1.04))
    _legend(axes)
    return _svg(figure)


def _axes(x: str, y: str) -> tuple[Figure, Any]:
    figure = Figure(figsize=(4.4, 3.1), layout="constrained")
    axes = figure.add_subplot()
    axes.set_xlabel(x, color=INK)
    axes.set_ylabel(y, color=INK)
    axes.grid(color="#e4e7eb", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _legend(axes: Any) -> None:
    axes.legend(loc="best", frameon=False, fontsize=8)


def _svg(figure: Figure) -> str:
    buffer = io.StringIO()
    # text stays text, and equal figures give equal files
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "inspector"}):
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(buffer, format="svg", metadata=nothing, transparent=True)
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    # inside a page the name spaces are known; without them it names no address at all
    return re.sub(r' xmlns(:\w+)?="[^"]*"', "", text)
