"""What is wrong with the labels themselves: lines, boxes, classes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sized
from pathlib import Path

from inspector.audit.findings import AuditFinding, Gravity
from inspector.audit.look import Look
from inspector.datasets.labels import TOLERANCE, LabelRow, label_file
from inspector.datasets.yolo import YoloData

RARE_IN_TRAIN = 20
"""Fewer objects of a class than this teach little."""
RARE_IN_OTHERS = 5
"""Fewer objects of a class than this measure nothing."""


def label_findings(data: YoloData, looks: Mapping[Path, Look]) -> Iterator[AuditFinding]:
    """Unreadable lines, boxes outside or of no area, mixed labels, classes without example."""
    unreadable = [problem for look in looks.values() for problem in look.label_problems]
    if unreadable:
        more = f", and {len(unreadable) - 1} more" if len(unreadable) > 1 else ""
        yield AuditFinding(
            "unreadable-label",
            Gravity.BLOCKING,
            f"{unreadable[0]}{more}",
            "Correct the lines: 'class cx cy width height' or 'class x1 y1 x2 y2 …', fractions 0..1",
            tuple(dict.fromkeys(problem.path for problem in unreadable)),
        )
    if data.task == "segment":
        boxed = tuple(
            label_file(look.path)
            for look in looks.values()
            if look.rows and all(row.polygon is None for row in look.rows)
        )
        if boxed:
            yield AuditFinding(
                "mixed-labels",
                Gravity.SERIOUS,
                f"{_count(boxed, 'label file')} with boxes in a data set of outlines",
                "Outline these objects too: trainers drop all outlines of a set that has both",
                boxed,
            )
    yield from _bad_boxes(looks)
    yield from _classes(data, looks)


def _bad_boxes(looks: Mapping[Path, Look]) -> Iterator[AuditFinding]:
    kinds = (
        ("box-outside", "outside of the picture", "Clip them to the picture", _outside),
        ("box-empty", "of no area", "Remove the lines, or draw them again", _empty),
    )
    for kind, what, remedy, is_bad in kinds:
        bad = [(look.path, row) for look in looks.values() for row in look.rows if is_bad(row)]
        if not bad:
            continue
        path, row = bad[0]
        yield AuditFinding(
            kind,
            Gravity.SERIOUS,
            f"{_count(bad, 'object')} {what}, the first at {label_file(path)}:{row.line}",
            remedy,
            tuple(dict.fromkeys(label_file(path) for path, _ in bad)),
        )


def _outside(row: LabelRow) -> bool:
    return min(row.edges) < -TOLERANCE or max(row.edges) > 1 + TOLERANCE


def _empty(row: LabelRow) -> bool:
    left, top, right, bottom = row.edges
    if right - left <= 0 or bottom - top <= 0:
        return True
    corners = row.polygon
    if corners is None:
        return False
    # the shoelace formula: corners on one line enclose nothing
    pairs = zip(corners, (*corners[1:], corners[0]), strict=True)
    return abs(sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in pairs)) < 1e-9


def _classes(data: YoloData, looks: Mapping[Path, Look]) -> Iterator[AuditFinding]:
    counts = {split: _objects(data, looks, split) for split in data.splits}
    thing = "picture" if data.task == "classify" else "object"
    for number, label in enumerate(data.labels):
        here = {split: found[label] for split, found in counts.items()}
        if not any(here.values()):
            yield AuditFinding(
                "class-without-example",
                Gravity.SERIOUS,
                f"{data.place_of_label(number)}: the class '{label}' has no example in any split",
                "Label some, or remove the class",
            )
            continue
        for split, count in here.items():
            least = RARE_IN_TRAIN if split == "train" else RARE_IN_OTHERS
            if not count:
                yield AuditFinding(
                    "class-absent",
                    Gravity.SERIOUS,
                    f"the class '{label}' has no example in {split}, of {sum(here.values())} in all",
                    "Move some pictures of it there: what is not in train is never found, what is not "
                    "in the others is never measured",
                )
            elif count < least:
                yield AuditFinding(
                    "class-rare",
                    Gravity.NOTE,
                    f"the class '{label}' has only {count} {thing}{'s' * (count > 1)} in {split}",
                    f"Add more: fewer than {least} "
                    + ("teach little" if split == "train" else "measure nothing"),
                )


def _objects(data: YoloData, looks: Mapping[Path, Look], split: str) -> Counter[str]:
    if data.task == "classify":
        return Counter(data.category(picture) for picture in data.splits[split])
    return Counter(
        data.labels[row.number] for picture in data.splits[split] for row in looks[picture].rows
    )


def _count(things: Sized, name: str) -> str:
    number = len(things)
    return f"{number} {name}{'s' if number > 1 else ''}"
