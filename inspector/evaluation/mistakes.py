"""The worst mistakes, as pictures that a person can judge."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from inspector.cameras.footage import read_picture
from inspector.domain import Box, FindingKind, Image, Verdict
from inspector.errors import FootageError
from inspector.evaluation.run import Outcome
from inspector.evaluation.summary import Evaluation

MOST = 12
SIDE = 520
"""Longer side of the shown picture, pixels."""
TRUE, FOUND, EXPECTED = (60, 160, 20), (30, 30, 220), (178, 114, 0)
"""Green: what is true; red: what the recipe found; blue: where it should be. BGR."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """One picture and what is wrong about its verdict or findings."""

    outcome: Outcome
    title: str
    text: str
    missed: tuple[tuple[str, Box], ...] = ()
    false: tuple[tuple[str, Box], ...] = ()
    gravity: tuple[int, float] = (0, 0.0)
    """Larger is worse."""


def worst(evaluation: Evaluation, most: int = MOST) -> list[Mistake]:
    """The gravest first: escapes, false rejects, wrong or missing objects, good parts in REVIEW."""
    found = sorted(_all(evaluation), key=lambda mistake: mistake.gravity, reverse=True)
    return found[:most]


def _all(evaluation: Evaluation) -> Iterator[Mistake]:
    figures = evaluation.objects
    for index, outcome in enumerate(evaluation.outcomes):
        missed: tuple[tuple[str, Box], ...] = ()
        false: tuple[tuple[str, Box], ...] = ()
        if figures is not None:
            missed = tuple(outcome.truth[place] for place in sorted(figures.missed[index]))
            false = tuple(
                (f"{seen.label} {seen.score:.2f}", seen.box)
                for place, seen in enumerate(outcome.seen)
                if place in figures.false[index]
            )
        kind, gravity = _gravity(outcome, len(missed) + len(false))
        if kind:
            yield Mistake(outcome, kind, _words(outcome, missed, false), missed, false, gravity)


def _gravity(outcome: Outcome, wrong: int) -> tuple[str, tuple[int, float]]:
    ratio = max((s.score / s.threshold for s in outcome.judged.scores), default=0.0)
    if outcome.elapsed_ms is None:
        return "unreadable", (1, 0.0)
    if outcome.faulty and outcome.verdict is Verdict.PASS:
        return f"escape: {outcome.kind}", (5, -ratio)
    if outcome.faulty is False and outcome.verdict is Verdict.FAIL:
        return "false reject", (4, ratio)
    if wrong:
        return f"{wrong} object{'s' if wrong > 1 else ''} wrong", (3, float(wrong))
    if outcome.faulty is False and outcome.verdict is Verdict.REVIEW:
        return "good part in review", (2, ratio)
    return "", (0, 0.0)


def _words(
    outcome: Outcome, missed: tuple[tuple[str, Box], ...], false: tuple[tuple[str, Box], ...]
) -> str:
    cause = f" ({outcome.cause.word})" if outcome.cause.code else ""
    text = [f"{outcome.verdict.value}{cause}"]
    text += [f"{s.check} {s.score:.3g}, fails from {s.threshold:.3g}" for s in outcome.judged.scores]
    if missed:
        text.append(f"not found: {_listed([label for label, _ in missed])}")
    if false:
        text.append(f"found wrongly: {_listed([label for label, _ in false])}")
    return "; ".join(text)


def _listed(words: list[str]) -> str:
    return ", ".join(words[:4]) + (f" and {len(words) - 4} more" if len(words) > 4 else "")


def drawn(mistake: Mistake) -> str:
    """The picture with boxes as a ``data:`` address; empty when it cannot be read."""
    outcome = mistake.outcome
    try:
        image = read_picture(outcome.sample.path)
        mask = None if outcome.sample.mask is None else read_picture(outcome.sample.mask)
    except FootageError:
        # it is among the mistakes because of that, and the text says so
        return ""
    scale = SIDE / max(image.shape[:2])
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    canvas = np.asarray(cv2.resize(image, None, fx=scale, fy=scale, interpolation=way), np.uint8)
    if mask is not None:
        marked = (mask.max(axis=2) > 0).astype(np.uint8)
        marked = np.asarray(cv2.resize(marked, (canvas.shape[1], canvas.shape[0])), np.uint8)
        outlines, _ = cv2.findContours(marked, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        cv2.drawContours(canvas, outlines, -1, TRUE, 2)
    if mistake.missed or mistake.false:
        for label, box in mistake.missed:
            _draw(canvas, box, scale, label, TRUE)
        for label, box in mistake.false:
            _draw(canvas, box, scale, label, FOUND)
    else:
        for label, box in outcome.truth:
            _draw(canvas, box, scale, label, TRUE)
        for finding in outcome.judged.findings:
            if finding.kind is not FindingKind.QUALITY:
                _draw(canvas, finding.box, scale, f"{finding.label} {finding.score:.3g}", FOUND)
            if finding.expected_box is not None and finding.expected_box != finding.box:
                _draw(canvas, finding.expected_box, scale, finding.label, EXPECTED)
    _, data = cv2.imencode(".jpg", canvas, (cv2.IMWRITE_JPEG_QUALITY, 82))
    return "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode()


def _draw(canvas: Image, box: Box, scale: float, label: str, colour: tuple[int, int, int]) -> None:
    x1, y1 = round(box.x1 * scale), round(box.y1 * scale)
    x2, y2 = round(box.x2 * scale), round(box.y2 * scale)
    cv2.rectangle(canvas, (x1, y1), (x2, y2), colour, 2, cv2.LINE_AA)
    (width, height), _ = cv2.getTextSize(label, cv2.FONT_HERSHEY_SIMPLEX, 0.42, 1)
    left = max(0, min(x1, canvas.shape[1] - width - 4))
    # above the box, or inside of it where that is outside the picture
    bottom = y1 - 3 if y1 - height - 6 >= 0 else y1 + height + 5
    cv2.rectangle(canvas, (left, bottom - height - 3), (left + width + 4, bottom + 3), colour, -1)
    cv2.putText(
        canvas,
        label,
        (left + 2, bottom),
        cv2.FONT_HERSHEY_SIMPLEX,
        0.42,
        (255, 255, 255),
        1,
        cv2.LINE_AA,
    )
