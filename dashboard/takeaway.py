"""What the Statistics page hands out: tables and the shift report."""

from __future__ import annotations

from datetime import UTC, datetime

from dashboard import data, markup, statistics
from dashboard.data import Source
from dashboard.export import csv_bytes
from dashboard.report import Shift, shift_report
from dashboard.spans import Named
from dashboard.statistics import Answer, Question
from dashboard.texts import statistics as words
from inspector.records.statistics import Tallied


def rounded(cell: Tallied, share: float) -> float | None:
    """A quantile of the ages to the millisecond, which is more than is known of it."""
    value = cell.quantile_ms(share)
    return None if value is None else round(value)


def trend_csv(source: Source, answer: Answer) -> bytes:
    """A row a step of the trend."""
    rows = (
        (
            markup.instant(point.piece.since, source.zone),
            markup.instant(point.piece.until, source.zone),
            point.piece.name,
            point.parts.parts,
            point.parts.passed,
            point.parts.failed,
            point.parts.review,
            point.parts.first,
            point.parts.first_passed,
            point.parts.late,
            rounded(point.parts, 0.5),
            rounded(point.parts, 0.99),
        )
        for point in answer.trend
    )
    return csv_bytes(words.TREND_COLUMNS, rows)


def parts_csv(source: Source, question: Question) -> bytes:
    """A row a part, the newest first, up to the limit."""
    rows = (
        (
            markup.instant(part.created_at, source.zone),
            part.part_id,
            part.attempt,
            part.verdict,
            part.cause,
            " ".join(word for word in part.causes if word != part.cause),
            part.recipe_id,
            part.recipe_version,
            part.recipe_hash,
            part.model_hash,
            part.batch_id,
            part.product_id,
            part.station,
            part.age_ms,
            part.deadline_ms,
            part.is_simulated,
            part.challenge if part.is_challenge else None,
            part.result_id,
        )
        for part in statistics.parts_of(source, question)
    )
    return csv_bytes(words.PART_COLUMNS, rows)


def report_of(source: Source, question: Question, piece: Named) -> bytes:
    """The report of one shift, for the station and the kind of parts in question."""
    now = datetime.now(UTC)
    shift = Question(piece.since, piece.until, "hour", question.station, kind=question.kind)
    return shift_report(
        Shift(
            source.config.line,
            source.station.name,
            question.kind,
            piece,
            source.zone,
            now,
            statistics.answer(source, shift),
            statistics.breakdown(source, shift, "recipe"),
            data.events(source, ("warning", "error"), piece.since, piece.until),
        )
    )
