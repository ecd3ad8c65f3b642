"""Small data sets, clean until something is planted in them."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import yaml

from inspector.domain import Image

LABELS = ("disc", "square")
SIDE = 128
Picture = tuple[Image, list[str]]


def textured(rng: np.random.Generator, brightness: float = 120, side: int = SIDE) -> Image:
    """A surface of its own in every call: soft coloured noise."""
    noise = rng.normal(0, 1, (side, side, 3)).astype(np.float32)
    soft = cv2.GaussianBlur(noise, (0, 0), 4)
    soft = soft / soft.std() * 18 + noise * 6
    return np.clip(brightness + soft, 0, 255).astype(np.uint8)


def disc(image: Image, x: int, y: int, radius: int = 10) -> str:
    """Draw one and return its line."""
    cv2.circle(image, (x, y), radius, (250, 250, 250), -1)
    side = image.shape[0]
    return f"0 {x / side:.6f} {y / side:.6f} {2 * radius / side:.6f} {2 * radius / side:.6f}"


def square(image: Image, x: int, y: int, half: int = 10) -> str:
    """Draw one and return its line."""
    cv2.rectangle(image, (x - half, y - half), (x + half, y + half), (5, 5, 5), -1)
    side = image.shape[0]
    return f"1 {x / side:.6f} {y / side:.6f} {2 * half / side:.6f} {2 * half / side:.6f}"


def ordinary(rng: np.random.Generator, number: int) -> Picture:
    """A disc, a square, or both, anywhere."""
    image = textured(rng, rng.uniform(100, 140))
    x, y = (int(v) for v in rng.integers(20, SIDE - 20, 2))
    lines = []
    if number % 3 != 1:
        lines.append(disc(image, x, y))
    if number % 3 != 0:
        lines.append(square(image, SIDE - x, y))
    return image, lines


def write(
    root: Path,
    sizes: Sequence[tuple[str, int]] = (("train", 30), ("val", 12)),
    draw: Callable[[np.random.Generator, int], Picture] = ordinary,
    **keys: object,
) -> Path:
    """A data set of drawn pictures; returns its data.yaml."""
    rng = np.random.default_rng(5)
    for split, count in sizes:
        for folder in ("images", "labels"):
            (root / folder / split).mkdir(parents=True)
        for number in range(count):
            image, lines = draw(rng, number)
            name = f"{split}-{number:03d}"
            cv2.imwrite(str(root / "images" / split / f"{name}.png"), image)
            (root / "labels" / split / f"{name}.txt").write_text("".join(f"{line}\n" for line in lines))
    return write_yaml(root, {split: f"images/{split}" for split, _ in sizes} | keys)


def write_yaml(root: Path, keys: dict[str, object]) -> Path:
    path = root / "data.yaml"
    path.write_text(yaml.safe_dump({"names": list(LABELS)} | keys, sort_keys=False))
    return path


def read(path: Path) -> Image:
    image = cv2.imread(str(path))
    assert image is not None
    return np.asarray(image, np.uint8)


def huge_png(width: int, height: int) -> bytes:
    """The header of a picture that nobody can decode in time; its pixels are missing."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + header
    data = b"IDAT" + zlib.compress(b"")
    return (
        b"\x89PNG\r\n\x1a\n"
        + struct.pack(">I", len(header)) + chunk + struct.pack(">I", zlib.crc32(chunk))
        + struct.pack(">I", len(data) - 4) + data + struct.pack(">I", zlib.crc32(data))
    )  # fmt: skip
