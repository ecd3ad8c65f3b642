"""Known parts of the simulated line, as pictures: what a challenge shows to its station."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from inspector.sim.scene import FaultKind, SceneRenderer

GOOD_PARTS = 4
_SEED = 51_413
"""Of these parts alone, so that none of them is on the belt or was learnt from."""


def write_known_parts(folder: Path, world_seed: int) -> Path:
    """Write ``good`` and ``faulty``, the latter with each fault once; existing pictures are replaced.

    ``world_seed`` is that of the line's camera. Returns the folder.
    """
    renderer = SceneRenderer(world_seed)
    faults = [FaultKind.GOOD] * GOOD_PARTS + [kind for kind in FaultKind if kind is not FaultKind.GOOD]
    for number, fault in enumerate(faults):
        image, _ = renderer.render(fault, np.random.default_rng((_SEED, number)), belt_px=61.0 * number)
        expected = "good" if fault is FaultKind.GOOD else "faulty"
        path = folder / expected / f"{number:02d}-{fault.value}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), image)
    return folder
