"""What must not differ, or not be shared, between the splits: pictures, groups, sizes, exposure."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from inspector.audit.background import Backgrounds
from inspector.audit.findings import AuditFinding, Gravity
from inspector.audit.look import Look
from inspector.audit.near import near_duplicates
from inspector.datasets.yolo import YoloData

_SEPARATES = 0.85
"""Share of pairs of pictures, one of either side, that a value orders in one way: nearly all."""
_BRIGHTNESS = 12.0
"""Difference of the medians in grey levels below which exposure is called equal."""
_FACTOR = 1.25
"""Ratio of the medians up to which sizes and shapes are called equal."""
_FEWEST = 8
"""Pictures on either side without which nothing is compared."""


def duplicate_findings(data: YoloData, looks: Mapping[Path, Look]) -> Iterator[AuditFinding]:
    """Pictures that are there more than once, and near-duplicates across splits."""
    pairs = list(itertools.combinations(data.splits, 2))
    for one, other in pairs:
        yield from _shared(data, one, other)
        first = [looks[path] for path in data.splits[one]]
        known = set(data.splits[one])
        second = [looks[path] for path in data.splits[other] if path not in known]
        digests = {look.digest: look.path for look in first if look.digest}
        equal = [(digests[look.digest], look.path) for look in second if look.digest in digests]
        if equal:
            yield _leakage(one, other, equal, "equal files")
        if one == "train" and set(data.splits[other]) == known:
            continue
        near = [(pair.first, pair.second) for pair in near_duplicates(first, second)]
        if near:
            yield _leakage(one, other, near, "near-duplicates, confirmed by their pixels,")
    yield from _within(data, looks)


def _leakage(one: str, other: str, pairs: list[tuple[Path, Path]], what: str) -> AuditFinding:
    return AuditFinding(
        "leakage",
        # a model never trains on val or test: shared pictures flatter the choice, less the figures
        Gravity.BLOCKING if one == "train" else Gravity.SERIOUS,
        f"{what} in {one} and {other}: {len(pairs)} picture{'s' * (len(pairs) > 1)}",
        f"Remove them from {one} or {other}: figures measured on them flatter",
        tuple(path for pair in pairs for path in pair),
    )


def _shared(data: YoloData, one: str, other: str) -> Iterator[AuditFinding]:
    """The same path in two splits."""
    shared = [path for path in data.splits[other] if path in set(data.splits[one])]
    if not shared:
        return
    if (one, other) == ("train", "val") and len(shared) == len(data.splits["val"]):
        yield AuditFinding(
            "no-own-validation",
            Gravity.NOTE,
            "every picture of val is also in train, so nothing is chosen or measured by val",
            "Set some pictures aside for val",
        )
        return
    yield _leakage(one, other, [(path, path) for path in shared], "the same files are listed")


def _within(data: YoloData, looks: Mapping[Path, Look]) -> Iterator[AuditFinding]:
    for split, pictures in data.splits.items():
        alike: dict[str, list[Path]] = defaultdict(list)
        for path in pictures:
            if looks[path].digest:
                alike[looks[path].digest].append(path)
        groups = [paths for paths in alike.values() if len(paths) > 1]
        unlike = [paths for paths in groups if len({_labels(data, looks[path]) for path in paths}) > 1]
        if unlike:
            yield AuditFinding(
                "contradiction",
                Gravity.SERIOUS,
                f"equal pictures with different labels in {split}: {len(unlike)}",
                "Keep the copy whose labels are right",
                tuple(path for paths in unlike for path in paths),
            )
        equal = [paths for paths in groups if paths not in unlike]
        if equal:
            spare = sum(len(paths) - 1 for paths in equal)
            yield AuditFinding(
                "duplicate",
                Gravity.NOTE,
                f"pictures that are in {split} more than once: {spare} to spare",
                "Remove the copies: they count double",
                tuple(path for paths in equal for path in paths),
            )


def _labels(data: YoloData, look: Look) -> object:
    if data.task == "classify":
        return data.category(look.path)
    return frozenset((row.number, row.numbers) for row in look.rows)


def group_findings(data: YoloData) -> Iterator[AuditFinding]:
    """Groups (clips, boards, days) of which some pictures are trained on and others measured."""
    if not data.group:
        return
    homes: dict[str, set[str]] = defaultdict(set)
    members: dict[str, list[Path]] = defaultdict(list)
    without = []
    for split, pictures in data.splits.items():
        for path in pictures:
            key = data.group_of(path)
            if key is None:
                without.append(path)
            else:
                homes[key].add(split)
                members[key].append(path)
    if without:
        yield AuditFinding(
            "group-unknown",
            Gravity.SERIOUS,
            f"'{data.group}' finds no group in the names of {len(without)} pictures",
            "Correct the expression: of these pictures nobody knows what they belong to",
            tuple(without),
        )
    stands_in = data.splits["train"] == data.splits["val"]
    for other in ("val", "test"):
        torn = [key for key, places in homes.items() if {"train", other} <= places]
        if torn and not (other == "val" and stands_in):
            yield AuditFinding(
                "group-split",
                Gravity.BLOCKING,
                f"{len(torn)} of {len(homes)} groups are both in train and {other}: "
                f"{', '.join(sorted(torn)[:8])}{' …' * (len(torn) > 8)}",
                "Keep each group in one split: its pictures are too alike to measure with",
                tuple(path for key in sorted(torn) for path in members[key]),
            )


def difference_findings(
    data: YoloData, looks: Mapping[Path, Look], backgrounds: Backgrounds
) -> Iterator[AuditFinding]:
    """Sizes, shapes and exposure that tell one split, or the pictures of one class, from the others."""
    sides: list[tuple[str, str, list[Path], list[Path]]] = [
        (f"{other} and train", "splits", list(data.splits[other]), list(data.splits["train"]))
        for other in data.splits
        if other != "train" and data.splits[other] != data.splits["train"]
    ]
    for label, present in backgrounds.presence.items():
        having = [path for path, here in zip(backgrounds.paths, present, strict=True) if here]
        lacking = [path for path, here in zip(backgrounds.paths, present, strict=True) if not here]
        sides.append((f"pictures with and without '{label}'", "classes", having, lacking))
    for who, where, one, other in sides:
        first = [looks[path] for path in one if not looks[path].problem]
        second = [looks[path] for path in other if not looks[path].problem]
        if min(len(first), len(second)) < _FEWEST:
            continue
        yield from _differences(who, where, first, second, backgrounds)


def _differences(
    who: str, where: str, first: Sequence[Look], second: Sequence[Look], backgrounds: Backgrounds
) -> Iterator[AuditFinding]:
    def values(of: Sequence[Look], what: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        if what == "size":
            return np.array([max(look.width, look.height) for look in of], float)
        if what == "shape":
            return np.array([look.width / look.height for look in of], float)
        return np.array([backgrounds.brightness[look.path] for look in of], float)

    for what in ("size", "shape", "exposure"):
        one, other = values(first, what), values(second, what)
        if not _separated(one, other):
            continue
        a, b = float(np.median(one)), float(np.median(other))
        if what == "exposure":
            differs, told = abs(a - b) >= _BRIGHTNESS, f"{a:.0f} and {b:.0f} of 255"
        else:
            differs = max(a / b, b / a) >= _FACTOR
            told = f"{a:.0f} and {b:.0f} px" if what == "size" else f"{a:.2f} and {b:.2f} wide by high"
        if differs:
            yield AuditFinding(
                f"{what}-differs",
                Gravity.SERIOUS,
                f"the {what} of the {where} differs, {who}: medians {told}",
                "Take the pictures of both under the same conditions, or mix the splits anew",
                tuple(look.path for look in (first[0], second[0])),
            )


def _separated(
    one: np.ndarray[tuple[int], np.dtype[np.float64]],
    other: np.ndarray[tuple[int], np.dtype[np.float64]],
) -> bool:
    """Whether nearly every value of one side is above, or below, nearly every one of the other."""
    below = np.searchsorted(np.sort(other), one, side="left")
    up_to = np.searchsorted(np.sort(other), one, side="right")
    share = float((below + up_to).mean() / (2 * len(other)))
    return max(share, 1 - share) >= _SEPARATES
