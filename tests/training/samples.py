"""Small things to train on: drawn pictures, textures, and the bundles made of them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from inspector.domain import Box, Image
from inspector.training.dataset import prepare, write_data_yaml, write_example

LABELS = ("disc", "square")
SIDE = 96


def drawn(rng: np.random.Generator) -> tuple[Image, list[tuple[str, Box]]]:
    """A noisy picture with a bright disc and a dark square, and their boxes."""
    image = rng.integers(90, 130, (SIDE, SIDE, 3), dtype=np.uint8)
    x, y = (int(v) for v in rng.integers(14, 34, 2))
    cv2.circle(image, (x, y), 12, (240, 240, 240), -1)
    left, top = (int(v) for v in rng.integers(50, 66, 2))
    cv2.rectangle(image, (left, top), (left + 24, top + 24), (10, 10, 10), -1)
    disc, square = Box(x - 12, y - 12, x + 13, y + 13), Box(left, top, left + 25, top + 25)
    return image, [("disc", disc), ("square", square)]


def drawn_dataset(out: Path) -> Path:
    """Twelve drawn pictures as a data set; returns its data.yaml."""
    rng = np.random.default_rng(3)
    prepare(out)
    for number in range(12):
        split = "train" if number < 8 else "val"
        write_example(out, split, f"drawn-{number:02d}", *drawn(rng), LABELS)
    return write_data_yaml(out, LABELS, ("train", "val"), "drawn discs and squares")


def outlined_dataset(out: Path) -> Path:
    """The drawn pictures, their boxes as outlines of four corners; returns its data.yaml."""
    path = drawn_dataset(out)
    for file in sorted((out / "labels").rglob("*.txt")):
        lines = []
        for line in file.read_text().splitlines():
            kind, x, y, w, h = (float(word) for word in line.split())
            left, top, right, bottom = x - w / 2, y - h / 2, x + w / 2, y + h / 2
            corners = (left, top, right, top, right, bottom, left, bottom)
            lines.append(" ".join([str(int(kind)), *(f"{value:.6f}" for value in corners)]))
        file.write_text("".join(f"{line}\n" for line in lines))
    return path


def sorted_dataset(out: Path) -> Path:
    """Dark and light pictures, a folder each; returns the folder of the data set."""
    rng = np.random.default_rng(4)
    for split, numbers in (("train", range(10)), ("val", range(10, 14))):
        for label, grey in (("dark", 50), ("light", 200)):
            folder = out / split / label
            folder.mkdir(parents=True)
            for number in numbers:
                image = rng.integers(grey - 30, grey + 30, (72, 96, 3), dtype=np.uint8)
                cv2.imwrite(str(folder / f"picture-{number:02d}.png"), image)
    return out


def texture(rng: np.random.Generator) -> Image:
    """A good part: brushed grain under uneven light, 128 wide and 96 high."""
    grain = rng.normal(0, 14, (96, 128)).astype(np.float32)
    grain = cv2.GaussianBlur(grain, (0, 0), sigmaX=6, sigmaY=0.7) * 3
    light = np.linspace(110, 150, 128, dtype=np.float32)[None, :]
    grey = np.clip(grain + light + rng.normal(0, 3), 0, 255).astype(np.uint8)
    return np.asarray(cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR), dtype=np.uint8)


def spoilt(image: Image) -> Image:
    """The same part with a dark ring on it, whose centre is at x = 90, y = 40."""
    picture = image.copy()
    cv2.circle(picture, (90, 40), 10, (20, 20, 60), 4)
    return picture


def textures(out: Path, parts: int, seed: int = 5) -> Path:
    """A folder of good parts."""
    out.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    for number in range(parts):
        cv2.imwrite(str(out / f"part-{number:03d}_0.png"), texture(rng))
    return out
