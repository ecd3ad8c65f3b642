"""The report as one page that needs nothing beside it: to be read, printed, and signed."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import jinja2
from markupsafe import Markup

from inspector.evaluation import charts
from inspector.evaluation.mistakes import drawn, worst
from inspector.evaluation.objects import NONE
from inspector.evaluation.parts import Share
from inspector.evaluation.run import Reading
from inspector.evaluation.summary import Evaluation

EFFECTIVENESS, MISS, FALSE_ALARM, KAPPA = 0.90, 0.02, 0.05, 0.75
"""What AIAG asks of an acceptable appraiser."""
MATRIX_MOST = 24
"""Labels of a confusion matrix that fits a page."""


def render(evaluation: Evaluation) -> str:
    """The whole page as HTML."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": percent, "number": number}
    mistakes = worst(evaluation)
    return environment.get_template("page.html").render(
        e=evaluation,
        recipe=evaluation.recipe,
        words=list(in_words(evaluation)),
        charts=[(title, Markup(svg)) for title, svg in _charts(evaluation)],
        agreement=_agreement(evaluation),
        matrix=_matrix(evaluation),
        named=_named(evaluation),
        mistakes=[(mistake, drawn(mistake)) for mistake in mistakes],
        good_kinds=Reading.of(evaluation.recipe).good,
        program=version("line-inspector"),
    )


def percent(value: float | None, digits: int = 1) -> str:
    """A share for people; a dash where there is none. Never rounds what is not all up to 100 %."""
    if value is None:
        return "–"
    text = f"{value * 100:.{digits}f}"
    if float(text) >= 100 > value * 100:
        text = f"{100 - 10**-digits:.{digits}f}"
    return f"{text} %"


def number(value: float | None, digits: int = 3) -> str:
    """A number for people; a dash where there is none."""
    return "–" if value is None else f"{value:.{digits}f}"


def in_words(evaluation: Evaluation) -> Iterator[str]:
    """What a reader must know first, in sentences."""
    data, figures = evaluation.data, evaluation.parts
    if figures is not None:
        faulty, good = figures.escapes.of, figures.false_rejects.of
        if faulty:
            yield (
                f"Of {_many(faulty, 'faulty part')}, {figures.escapes.count} escaped (were passed)"
                f"{_at_most(figures.escapes)}."
            )
        if good:
            yield (
                f"Of {_many(good, 'good part')}, {figures.false_rejects.count} were rejected falsely"
                f"{_at_most(figures.false_rejects)}."
            )
        yield (
            f"The station left the decision to a person (REVIEW) for {figures.faulty_in_review.count} "
            f"of the faulty and {figures.good_in_review.count} of the good parts."
        )
        unmet = [name for name, _, _, _, met in _agreement(evaluation) if met is False]
        if unmet:
            yield f"By AIAG's measure of attribute agreement it does not reach: {', '.join(unmet)}."
        else:
            yield "It reaches what AIAG's attribute agreement asks for, as far as it can be computed."
        if not faulty or not good:
            missing = "faulty" if not faulty else "good"
            yield f"The data hold no {missing} part, so half of the picture is unknown."
    if evaluation.objects is not None:
        found = evaluation.objects
        yield (
            f"Over all labels, {percent(found.recall)} of the objects are found and "
            f"{percent(found.precision)} of what is found is right at the recipe's thresholds; "
            f"mAP50 is {percent(found.mean_ap(0))}, mAP50-95 {percent(found.mean_ap())}."
        )
    if evaluation.ranking is not None:
        ranking = evaluation.ranking
        yield (
            f"The anomaly score tells faulty from good parts with an image AUROC of "
            f"{number(ranking.auroc)} (95 % interval {number(ranking.low)} to {number(ranking.high)})."
        )
    if evaluation.latency_ms:
        yield (
            f"A part takes {evaluation.latency_ms['p50']:.1f} ms in the middle and "
            f"{evaluation.latency_ms['p99']:.1f} ms at the 99th percentile, one at a time."
        )
    if evaluation.unreadable:
        yield f"{_many(len(evaluation.unreadable), 'picture')} could not be read and counted as REVIEW."
    if data.split != "test":
        yield (
            f"The data have no test split: these are figures of '{data.split}', which training may "
            "have used to choose between networks. They flatter."
        )


def _many(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _at_most(share: Share) -> str:
    upper = share.upper
    return "" if upper is None else f", with 95 % confidence at most {percent(upper)}"


Row = tuple[str, str, str, str, bool | None]


def _agreement(evaluation: Evaluation) -> list[Row]:
    """Name, value with REVIEW as reject, value without REVIEW, what is asked for, whether it is met."""
    figures = evaluation.parts
    if figures is None:
        return []
    with_review, alone = figures.rejecting, figures.decided
    rows: list[Row] = []
    for name, first, second, limit, floor in (
        ("effectiveness", with_review.effectiveness, alone.effectiveness, EFFECTIVENESS, True),
        ("miss rate", with_review.miss, alone.miss, MISS, False),
        ("false-alarm rate", with_review.false_alarm, alone.false_alarm, FALSE_ALARM, False),
    ):
        met = None if first.rate is None else (first.rate >= limit if floor else first.rate <= limit)
        wanted = f"{'at least' if floor else 'at most'} {percent(limit, 0)}"
        rows.append((name, _counted(first, not floor), _counted(second, not floor), wanted, met))
    met = None if with_review.kappa is None else with_review.kappa >= KAPPA
    rows.append(("kappa", number(with_review.kappa), number(alone.kappa), f"at least {KAPPA}", met))
    return rows


def _counted(share: Share, bounded: bool) -> str:
    if share.rate is None:
        return "–"
    bound = f", at most {percent(share.upper)}" if bounded else ""
    return f"{percent(share.rate)} ({share.count} of {share.of}{bound})"


def _charts(evaluation: Evaluation) -> Iterator[tuple[str, str]]:
    if evaluation.objects is not None and any(row.curve for row in evaluation.objects.classes):
        yield (
            "Precision and recall at IoU 0.5; a dot where the recipe works",
            charts.precision_recall(evaluation.objects.classes),
        )
    if evaluation.ranking is not None:
        yield "ROC of the anomaly score", charts.roc(evaluation.ranking)
    if evaluation.disturbed:
        yield (
            "Verdicts on disturbed pictures, each disturbance thin",
            charts.disturbed(evaluation.disturbed),
        )
    checks = list(
        dict.fromkeys(s.check for outcome in evaluation.outcomes for s in outcome.judged.scores)
    )
    for check in checks if evaluation.parts is not None else ():
        told = [
            (outcome.faulty, score)
            for outcome in evaluation.outcomes
            for score in outcome.judged.scores
            if score.check == check and outcome.faulty is not None
        ]
        if told:
            last = told[-1][1]
            good = [score.score for faulty, score in told if not faulty]
            bad = [score.score for faulty, score in told if faulty]
            yield (
                f"Scores of the check ‘{check}’",
                charts.scores(good, bad, last.threshold, last.review_threshold),
            )


def _named(evaluation: Evaluation) -> list[str]:
    """Labels under which parts failed, when there are several to tell apart."""
    if evaluation.parts is None:
        return []
    labels = {label for counts in evaluation.parts.named.values() for label in counts}
    labels -= {"PASS", "REVIEW"}
    return sorted(labels) if 1 < len(labels) <= MATRIX_MOST else []


def _matrix(evaluation: Evaluation) -> tuple[list[str], list[list[int]]] | None:
    if evaluation.confusion is None or len(evaluation.labels) > MATRIX_MOST:
        return None
    return [*evaluation.labels, NONE], evaluation.confusion.tolist()
