"""The shortcut test: can the label be told from the background alone, the objects masked out?

A network that was to tell tanks from trees learnt the weather. Here a small linear classifier sees
nothing but the colours of the background in a 4 by 4 grid; where it tells, cross-validated, which
pictures hold a class, so may any network, without looking at the object.

So that the hole does not tell, masked pixels are left out of the averages, and every picture is masked
where the objects of two pictures are, its own if it has any, and another one's. Pictures of a
classification set have no boxes: their border stands for the background.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from inspector.audit.findings import AuditFinding, Gravity
from inspector.audit.look import COLOUR_SIDE, Look
from inspector.datasets.yolo import YoloData

_GRID = 4
_BORDER = 0.12
"""Width of the border of a classification set's picture, as a share of its side."""
_MARGIN = 0.1
"""By how much of its size a box is widened before it is masked: shadows and halos lie around."""
_FEWEST = 10
"""Pictures with, and without, a class below which nothing is claimed."""
_SUSPICIOUS = 0.8
"""Area under the ROC curve from which the background tells the label."""
_PERMUTATIONS = 199
_CHANCE = 0.01
"""Largest share of shuffled labels that may be told as well."""
_FOLDS = 5
_RIDGE = 100.0


@dataclass(frozen=True)
class Backgrounds:
    """What is left of the readable pictures when their objects are masked."""

    paths: tuple[Path, ...]
    features: NDArray[np.float64]
    """``(pictures, features)``."""
    brightness: Mapping[Path, float]
    """Of every readable picture: mean lightness of the background, 0..255."""
    presence: Mapping[str, NDArray[np.bool_]]
    """Of each class: in which of the pictures it is."""
    groups: tuple[str, ...] | None
    """The group key of each picture, if the data set has one."""


def backgrounds_of(data: YoloData, looks: Mapping[Path, Look]) -> Backgrounds:
    """Mask the objects of every picture and describe the rest."""
    rng = np.random.default_rng(0)
    readable = [look for look in looks.values() if not look.problem]
    masks = [_mask(data, look) for look in readable]
    holes = [mask for mask in masks if mask.any()]
    paths, features, brightness, kept = [], [], {}, []
    for look, mask in zip(readable, masks, strict=True):
        seen = ~mask
        # two holes in every picture, whether one of them is its own or not
        for index in rng.integers(0, max(1, len(holes)), 1 if mask.any() else 2):
            seen &= ~holes[index] if holes else True
        if not seen.any():
            # objects everywhere: no background to be told by
            brightness[look.path] = float(look.colour[:, :, 0].mean())
            continue
        brightness[look.path] = float(look.colour[:, :, 0][seen].mean())
        paths.append(look.path)
        kept.append(look)
        features.append(_features(look.colour, seen))
    presence = {}
    for number, label in enumerate(data.labels):
        if data.task == "classify":
            here = [data.category(look.path) == label for look in kept]
        else:
            here = [any(row.number == number for row in look.rows) for look in kept]
        presence[label] = np.array(here, bool)
    groups = None
    if data.group:
        groups = tuple(data.group_of(path) or str(path) for path in paths)
    return Backgrounds(tuple(paths), np.array(features, float), brightness, presence, groups)


def shortcut_findings(backgrounds: Backgrounds) -> Iterator[AuditFinding]:
    """The classes that are told by the background."""
    classes = {
        label: here
        for label, here in backgrounds.presence.items()
        if min(int(here.sum()), int((~here).sum())) >= _FEWEST
    }
    for label, here in classes.items():
        area = _told(backgrounds, here, len(classes))
        if area is None:
            continue
        yield AuditFinding(
            "shortcut",
            Gravity.SERIOUS,
            f"the background alone, objects masked out, tells which pictures hold '{label}': "
            f"area under the ROC curve {area:.2f}, cross-validated on {len(here)} pictures",
            "Take pictures with and without it before the same background and in the same light; a "
            "network may learn the background",
            tuple(path for path, present in zip(backgrounds.paths, here, strict=True) if present),
        )


def _mask(data: YoloData, look: Look) -> NDArray[np.bool_]:
    """Where the objects are, on the thumbnail."""
    mask = np.zeros((COLOUR_SIDE, COLOUR_SIDE), bool)
    if data.task == "classify":
        edge = max(2, round(_BORDER * COLOUR_SIDE))
        mask[edge:-edge, edge:-edge] = True
        return mask
    for row in look.rows:
        left, top, right, bottom = row.edges
        across, down = _MARGIN * (right - left), _MARGIN * (bottom - top)
        # one pixel more on every side, as the thumbnail mixes neighbours
        columns = _span(left - across, right + across)
        rows = _span(top - down, bottom + down)
        mask[rows, columns] = True
    return mask


def _span(low: float, high: float) -> slice:
    first = int(np.floor(low * COLOUR_SIDE)) - 1
    last = int(np.ceil(high * COLOUR_SIDE)) + 1
    return slice(max(0, first), max(0, last))


def _features(colour: NDArray[np.uint8], seen: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Mean colour in each cell of a grid, and mean and spread of the whole."""
    pixels = colour.astype(float)
    mean, spread = pixels[seen].mean(0), pixels[seen].std(0)
    step = COLOUR_SIDE // _GRID
    cells = (_GRID, step, _GRID, step)
    counts = seen.reshape(cells).sum((1, 3))
    sums = (pixels * seen[:, :, None]).reshape(*cells, 3).sum((1, 3))
    # a cell without background says what the whole says
    means = np.where(counts[:, :, None] > 0, sums / np.maximum(counts, 1)[:, :, None], mean)
    return np.concatenate([means.ravel(), mean, spread])


def _told(backgrounds: Backgrounds, here: NDArray[np.bool_], classes: int) -> float | None:
    """Area under the ROC curve of the cross-validated classifier, if it is suspicious, else None.

    Folds are consecutive pictures, or whole groups, so that neighbouring frames do not tell each other.
    Suspicious is what is large, and what is reached by at most one in a hundred of the labels shuffled
    within the folds (a permutation test: Ojala and Garriga, 2010), after the rank test of Mann and
    Whitney, all classes counted, which bounds what so few shuffles cannot.
    """
    # only here: what reads no data set needs none of it
    from sklearn.linear_model import Ridge
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    order = np.argsort([str(path) for path in backgrounds.paths])
    features, target = backgrounds.features[order], here[order].astype(float)
    if backgrounds.groups is None:
        splits = list(StratifiedKFold(_FOLDS).split(features, target))
    else:
        groups = np.array(backgrounds.groups)[order]
        if min(len(set(groups[target == 1])), len(set(groups[target == 0]))) < 2:
            return None  # one group holds all of it: whether background or group tells is open
        count = min(_FOLDS, len(set(groups)))
        splits = list(StratifiedGroupKFold(count).split(features, target, groups))
    model = make_pipeline(StandardScaler(), Ridge(alpha=_RIDGE))
    area = float(roc_auc_score(target, cross_val_predict(model, features, target, cv=splits)))
    ones, zeros = int(here.sum()), int((~here).sum())
    spread = np.sqrt((ones + zeros + 1) / (12 * ones * zeros))
    if area < _SUSPICIOUS or area - 0.5 < NormalDist().inv_cdf(1 - _CHANCE / classes) * spread:
        return None
    rng = np.random.default_rng(0)
    shuffled = np.repeat(target[:, None], _PERMUTATIONS, axis=1)
    for _, fold in splits:
        shuffled[fold] = rng.permuted(shuffled[fold], axis=0)
    predicted = cross_val_predict(model, features, shuffled, cv=splits)
    as_well = sum(
        roc_auc_score(labels, scores) >= area
        for labels, scores in zip(shuffled.T, predicted.T, strict=True)
    )
    return area if (as_well + 1) / (_PERMUTATIONS + 1) <= _CHANCE else None
