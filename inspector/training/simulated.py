"""Training pictures of the simulated line, labelled by its own truth."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from inspector.domain import Box, Image
from inspector.errors import DataError
from inspector.sim.faults import FaultKind
from inspector.sim.scene import PartTruth, SceneRenderer
from inspector.training.dataset import prepare, write_data_yaml, write_example

LABELS = ("housing", "screw", "hole")
"""``hole`` is a screw's place without the screw: unless it is learnt as a thing of its own, a detector
takes the small dark disc for the small dark disc that a screw is."""
MISSING_SHARE = 0.5
OTHER_FAULTS_SHARE = 0.25
CENTRED_SHARE = 0.6
"""Parts that lie where a trigger would catch them; the others are anywhere on the belt."""
EMPTY_SHARE = 0.1
"""Pictures of the empty belt, by the number of parts."""
GOOD_SHARE = 0.25
"""Crops of good housings, by the number of parts."""
VAL_SHARE = 0.2
MIN_VISIBLE_PX = 24
"""A housing that shows less of its width is not labelled."""
JITTER_PX = 2
"""By how much a detector's box may be off the truth, each side."""


def simulated_dataset(out: Path, parts: int, seed: int) -> Path:
    """Render ``parts`` parts and some empty belt into ``out``; returns the path of ``data.yaml``.

    Half of the parts lack a screw, a quarter have another fault. A part is in one split only. ``good/``
    gets crops of further good housings, see :func:`good_crops`. ``seed`` is of the line, as a camera's
    of the kind ``sim``, and of the parts on it.

    Raises :class:`DataError` for fewer than ten parts.
    """
    if parts < 10:
        raise DataError(f"--parts {parts} are too few to train on", "Give 10 or more")
    prepare(out)
    good_crops(out / "good", round(parts * GOOD_SHARE), seed)
    renderer = SceneRenderer(seed)
    rng = np.random.default_rng((seed, 1))
    first_val = round(parts * (1 - VAL_SHARE))
    for number, fault in enumerate(_plan(parts, rng)):
        split = "train" if number < first_val else "val"
        centred = bool(rng.random() < CENTRED_SHARE)
        centre_x = None if centred else float(rng.uniform(-100, 740))
        image, truth = renderer.render(fault, rng, float(rng.uniform(0, 5000)), centre_x)
        write_example(out, split, f"part-{number:04d}", image, _boxes(truth), LABELS)
    empty = round(parts * EMPTY_SHARE)
    for number in range(empty):
        split = "train" if number < round(empty * (1 - VAL_SHARE)) else "val"
        image = renderer.empty_belt(rng, float(rng.uniform(0, 5000)))
        write_example(out, split, f"belt-{number:04d}", image, (), LABELS)
    source = f"simulated pump covers, {parts} parts, seed {seed}"
    return write_data_yaml(out, LABELS, ("train", "val"), source)


def good_crops(out: Path, parts: int, seed: int) -> int:
    """Write crops of ``parts`` good housings to ``out`` and return their number.

    They lie where a trigger would catch them and are cut as a station would cut them by its detector's
    box: ``part-<number>_0.png``.
    """
    out.mkdir(parents=True, exist_ok=True)
    renderer = SceneRenderer(seed)
    rng = np.random.default_rng((seed, 2))
    for number in range(parts):
        image, truth = renderer.render(FaultKind.GOOD, rng, float(rng.uniform(0, 5000)))
        _write_crop(out / f"part-{number:04d}_0.png", image, Box(*truth.housing), rng)
    return parts


def _plan(parts: int, rng: np.random.Generator) -> list[FaultKind]:
    missing, others = round(parts * MISSING_SHARE), round(parts * OTHER_FAULTS_SHARE)
    kinds = [kind for kind in FaultKind if kind not in (FaultKind.GOOD, FaultKind.MISSING_SCREW)]
    plan = [FaultKind.MISSING_SCREW] * missing
    plan += [kinds[number % len(kinds)] for number in range(others)]
    plan += [FaultKind.GOOD] * (parts - len(plan))
    return [plan[index] for index in rng.permutation(parts)]


def _boxes(truth: PartTruth) -> list[tuple[str, Box]]:
    housing = Box(*truth.housing)
    found = [("housing", housing)] if housing.width >= MIN_VISIBLE_PX else []
    if truth.fault is FaultKind.MISSING_SCREW and truth.defect is not None:
        found.append(("hole", Box(*truth.defect)))
    return found + [("screw", Box(*screw)) for screw in truth.screws]


def _write_crop(path: Path, image: Image, box: Box, rng: np.random.Generator) -> None:
    rows, columns = image.shape[:2]
    off = rng.uniform(-JITTER_PX, JITTER_PX, 4)
    loose = Box(box.x1 + off[0], box.y1 + off[1], box.x2 + off[2], box.y2 + off[3])
    inside = loose.clipped(columns, rows)
    crop = image[round(inside.y1) : round(inside.y2), round(inside.x1) : round(inside.x2)]
    if not cv2.imwrite(str(path), crop):
        raise DataError(f"{path} cannot be written", "Check the free space and the permissions")
