"""What was tried for the anomaly default: layers, sizes and a second method beside PatchCore.

    python tests/training/tried.py ../shared/data/metal_nut

Learns from 40 good training nuts and tells 40 others from the same 40 with a fault drawn on them. The
test split is not touched. One process, one seed; the AUROC's standard error is about 0.04.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
from sklearn.metrics import roc_auc_score

from inspector.bundle import Bundle
from inspector.domain import Image
from inspector.runtimes.load import load_anomaly
from inspector.training.anomaly import train_anomaly
from inspector.training.card import read_picture
from inspector.training.goodparts import AnomalyWishes

VARIANTS: dict[str, tuple[str, AnomalyWishes]] = {
    "default": ("patchcore", AnomalyWishes()),
    "stride 8": ("patchcore", AnomalyWishes(layers=("blocks.2",))),
    "stride 16": ("patchcore", AnomalyWishes(layers=("blocks.4",))),
    "strides 4, 8, 16": ("patchcore", AnomalyWishes(layers=("blocks.1", "blocks.2", "blocks.4"))),
    "320 px": ("patchcore", AnomalyWishes(size=(320, 320))),
    "576 px": ("patchcore", AnomalyWishes(size=(576, 576))),
    "padim": ("padim", AnomalyWishes()),
}


def spoilt(image: Image, rng: np.random.Generator) -> Image:
    """With a scratch, a dent, a patch from elsewhere on the part, or a spot; 1 to 6 % of its width."""
    height, width = image.shape[:2]
    done = image.copy()
    # the ring of the nut, where there is something to be spoilt
    angle, reach = rng.uniform(0, 2 * np.pi), rng.uniform(0.22, 0.36) * width
    x, y = int(width / 2 + reach * np.cos(angle)), int(height / 2 + reach * np.sin(angle))
    size = int(rng.uniform(0.01, 0.06) * width)
    kind = rng.integers(4)
    shade = int(np.clip(image[y, x].mean() + rng.choice([-1, 1]) * rng.uniform(25, 60), 0, 255))
    if kind == 0:
        turn = rng.uniform(0, np.pi)
        end = (int(x + 3 * size * np.cos(turn)), int(y + 3 * size * np.sin(turn)))
        cv2.line(done, (x, y), end, (shade,) * 3, max(1, size // 6), cv2.LINE_AA)
    elif kind == 1:
        area = done[max(0, y - size) : y + size, max(0, x - size) : x + size]
        area[:] = cv2.GaussianBlur(area, (0, 0), max(1.0, size / 3))
    elif kind == 2:
        other = done[height // 2 - size : height // 2 + size, width // 4 - size : width // 4 + size]
        target = done[y - size : y + size, x - size : x + size]
        if target.shape == other.shape:
            target[:] = other
    else:
        cv2.circle(done, (x, y), max(2, size // 2), (shade,) * 3, -1, cv2.LINE_AA)
    return done


def main(folder: Path) -> None:
    """Print the AUROC of each variant, and of PaDiM and PatchCore together."""
    numbered = sorted(
        (folder / "good").iterdir(), key=lambda path: int("".join(filter(str.isdigit, path.stem)))
    )
    rng = np.random.default_rng(0)
    good = [read_picture(path) for path in numbered[100:140]]
    pictures = [*good, *(spoilt(image, rng) for image in good)]
    truth = [0] * len(good) + [1] * len(good)
    standard: dict[str, np.ndarray] = {}
    with tempfile.TemporaryDirectory() as scratch:
        learn = Path(scratch) / "good"
        learn.mkdir()
        for path in numbered[:40]:
            (learn / path.name).symlink_to(path)
        for number, (name, (method, wishes)) in enumerate(VARIANTS.items()):
            out = Path(scratch) / f"bundle-{number}"
            card = train_anomaly(learn, out, method=method, wishes=wishes, command="")
            model = load_anomaly(Bundle.load(out))
            scores = np.array([model.score(image).score for image in pictures])
            usual = np.array(card.good_scores)
            standard[name] = (scores - usual.mean()) / usual.std()
            sys.stdout.write(f"{name:20} {roc_auc_score(truth, scores):.3f}\n")
            sys.stdout.flush()
    both = standard["default"] + standard["padim"]
    sys.stdout.write(f"{'default and padim':20} {roc_auc_score(truth, both):.3f}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
