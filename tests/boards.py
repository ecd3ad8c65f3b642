"""Drawn boards with golden images: tracks and pads, and defects at known places."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import yaml

from inspector.domain import Box, Image

LABELS = ("spot", "gap")
SIDE = 256


def golden(seed: int) -> Image:
    """A board without a fault, ``(256, 256, 3)``: bright ground, dark tracks."""
    rng = np.random.default_rng(seed)
    image = np.full((SIDE, SIDE, 3), 230, np.uint8)
    for x in range(24, SIDE, 48):
        cv2.line(image, (x, 8), (x, SIDE - 8), (20, 20, 20), 9)
        cv2.circle(image, (x, int(rng.integers(30, SIDE - 30))), 11, (20, 20, 20), -1)
    y = int(rng.integers(60, SIDE - 60))
    cv2.line(image, (8, y), (SIDE - 8, y), (20, 20, 20), 7)
    return image


def with_defects(
    image: Image, places: list[tuple[str, int, int]], shift: tuple[int, int] = (0, 0)
) -> Image:
    """A copy with a dark ``spot`` or a bright ``gap`` at each place, moved as a whole, with noise."""
    picture = image.copy()
    for label, x, y in places:
        if label == "spot":
            cv2.circle(picture, (x, y), 6, (20, 20, 20), -1)
        else:
            cv2.rectangle(picture, (x - 6, y - 5), (x + 6, y + 5), (230, 230, 230), -1)
    matrix = np.array([[1, 0, shift[0]], [0, 1, shift[1]]], np.float32)
    picture = cv2.warpAffine(picture, matrix, (SIDE, SIDE), borderMode=cv2.BORDER_REPLICATE)
    noise = np.random.default_rng(len(places)).normal(0, 4, picture.shape)
    return np.asarray(np.clip(picture + noise, 0, 255), np.uint8)


def box_of(label: str, x: int, y: int) -> Box:
    """The box of a defect, as an annotator draws it: 8 px wider than what differs."""
    return (
        Box(x - 14, y - 14, x + 15, y + 15) if label == "spot" else Box(x - 13, y - 13, x + 14, y + 14)
    )


def board_dataset(out: Path, boards: int = 16) -> Path:
    """A data set with golden images; returns its data.yaml."""
    for folder in ("images", "templates", "labels"):
        (out / folder).mkdir(parents=True)
    for number in range(boards):
        image = golden(number)
        places = [
            ("spot", 48, 40 + 5 * number),
            ("gap", 72, 200 - 3 * number),
            ("spot", 192, 60 + 4 * number),
        ]
        cv2.imwrite(
            str(out / "images" / f"{number:02d}.png"), with_defects(image, places, (number % 3, 1))
        )
        cv2.imwrite(str(out / "templates" / f"{number:02d}.png"), image)
        lines = []
        for label, x, y in places:
            box = box_of(label, x + number % 3, y + 1)
            cx, cy = box.centre
            values = (cx / SIDE, cy / SIDE, box.width / SIDE, box.height / SIDE)
            lines.append(f"{LABELS.index(label)} " + " ".join(f"{value:.6f}" for value in values))
        (out / "labels" / f"{number:02d}.txt").write_text("\n".join(lines) + "\n")
    for split, numbers in (("train", range(boards - 4)), ("val", range(boards - 4, boards))):
        (out / f"{split}.txt").write_text("".join(f"./images/{n:02d}.png\n" for n in numbers))
    data = {"path": ".", "train": "train.txt", "val": "val.txt", "names": list(LABELS)}
    (out / "data.yaml").write_text(yaml.safe_dump(data))
    return out / "data.yaml"
