"""Components that must come in a certain order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher

from inspector.checks.sites import Site
from inspector.domain import Box, Detection, Finding, FindingKind
from inspector.expectation import Order


def verify_order(
    check: str, order: Order, site: Site, seen: Sequence[Detection], sure: float
) -> Iterator[Finding]:
    """Findings where the row of components on ``site`` differs from the expected one.

    Counted are those with more than the confidence ``sure``. A row of the right length is compared
    place by place; else the smallest difference tells what is missing and what is too many.
    """
    row = _row(order, site, [one for one in seen if one.confidence > sure])
    found, expected = [one.label for one in row], list(order.labels)

    def finding(kind: FindingKind, label: str, box: Box, score: float) -> Finding:
        place = None if kind is FindingKind.EXTRA else box
        return Finding(check, kind, order.name or label, score, sure, box, expected_box=place)

    if len(found) == len(expected):
        for label, one in zip(expected, row, strict=True):
            if label != one.label:
                yield finding(FindingKind.WRONG, label, one.box, one.confidence)
        return
    for tag, i1, i2, j1, j2 in SequenceMatcher(None, expected, found, autojunk=False).get_opcodes():
        if tag == "equal":
            continue
        common = min(i2 - i1, j2 - j1)
        for label, one in zip(expected[i1 : i1 + common], row[j1 : j1 + common], strict=True):
            yield finding(FindingKind.WRONG, label, one.box, one.confidence)
        for label in expected[i1 + common : i2]:
            yield finding(FindingKind.MISSING, label, _gap(row, j1 + common, site.box), 1.0)
        for one in row[j1 + common : j2]:
            yield finding(FindingKind.EXTRA, one.label, one.box, one.confidence)


def _row(order: Order, site: Site, seen: Sequence[Detection]) -> list[Detection]:
    there = [one for one in seen if one.label in order.labels and site.covers(*one.box.centre)]
    axis = 0 if order.along == "x" else 1
    kept: list[Detection] = []
    for one in sorted(there, key=lambda one: -one.confidence):
        # two labels on one spot are one component: the more confident has it
        if all(one.box.iou(other.box) < 0.5 for other in kept):
            kept.append(one)
    return sorted(kept, key=lambda one: site.pose.back(*one.box.centre)[axis])


def _gap(row: Sequence[Detection], index: int, part: Box) -> Box:
    """Where the component that is missing before ``row[index]`` should be, as far as can be told."""
    beside = [one.box for one in row[max(0, index - 1) : index + 1]]
    if not beside:
        return part
    if len(beside) == 1 or index in (0, len(row)):
        return beside[0]
    one, other = beside
    x, y = ((a + b) / 2 for a, b in zip(one.centre, other.centre, strict=True))
    half_w, half_h = (one.width + other.width) / 4, (one.height + other.height) / 4
    return Box(x - half_w, y - half_h, x + half_w, y + half_h)
