"""What goes wrong with pictures on a line, in three grades: to prove what a station makes of it.

Each disturbance of a ``(height, width, 3)`` ``uint8`` BGR picture gives a new picture of the same size
and type. Lengths go by the picture's width, so that a grade means the same at any resolution. Grade 0
(mild) is a trace that a good part should survive, 1 (strong) is plainly visible, 2 (severe) is a
picture that nobody would judge by.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from inspector.domain import Image

GRADES = ("mild", "strong", "severe")
Generator: TypeAlias = np.random.Generator
Mask: TypeAlias = npt.NDArray[Any]
"""``(height, width, 1)``, ``float32``: how much of the disturbance shows, 0..1."""

_SKIN = (110.0, 140.0, 205.0)
_STICKERS = ((40.0, 60.0, 220.0), (60.0, 200.0, 240.0), (200.0, 90.0, 30.0), (245.0, 245.0, 245.0))
"""BGR: red, yellow, blue, white."""


def disturb(image: Image, name: str, grade: int, rng: Generator) -> Image:
    """The picture with the disturbance ``name`` (a key of :data:`DISTURBANCES`) of ``grade`` 0, 1 or 2.

    ``rng`` draws places, directions and colours. Raises ``KeyError`` for another name, ``IndexError``
    for another grade.
    """
    return DISTURBANCES[name](image, grade, rng)


def _defocus(image: Image, grade: int, rng: Generator) -> Image:
    sigma = (0.5, 2.0, 5.0)[grade] * image.shape[1] / 640
    return _image(cv2.GaussianBlur(image, (0, 0), sigma))


def _motion(image: Image, grade: int, rng: Generator) -> Image:
    """The part moved in a straight line during the exposure."""
    length = max(1.0, (1.5, 9.0, 24.0)[grade] * image.shape[1] / 640)
    side = 2 * math.ceil(length / 2) + 1
    angle, middle = rng.uniform(0, math.pi), (side - 1) / 2
    # drawn finely, then averaged: a short line in a coarse grid would have but four directions
    fine = np.zeros((side * 8, side * 8), np.float32)
    reach, centre = length / 2 * 8, (middle + 0.5) * 8
    step = np.array([math.cos(angle), math.sin(angle)]) * reach
    ends = [tuple(round(v) for v in (centre, centre) + sign * step) for sign in (-1, 1)]
    cv2.line(fine, ends[0], ends[1], 1.0, 1)
    kernel = cv2.resize(fine, (side, side), interpolation=cv2.INTER_AREA)
    return _image(cv2.filter2D(image, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REFLECT))


def _darker(image: Image, grade: int, rng: Generator) -> Image:
    return _image(image * np.float32((0.9, 0.65, 0.35)[grade]))


def _brighter(image: Image, grade: int, rng: Generator) -> Image:
    return _image(image * np.float32((1.1, 1.5, 2.2)[grade]))


def _flatter(image: Image, grade: int, rng: Generator) -> Image:
    """Less contrast, as by haze."""
    mean = float(image.mean())
    return _image(mean + (image - np.float32(mean)) * np.float32((0.9, 0.6, 0.3)[grade]))


def _noise(image: Image, grade: int, rng: Generator) -> Image:
    return _image(image + rng.normal(0, (1.0, 8.0, 25.0)[grade], image.shape).astype(np.float32))


def _hand(image: Image, grade: int, rng: Generator) -> Image:
    """A hand from one side: first its soft shadow, then itself over a part of the picture."""
    height, width = image.shape[:2]
    reach = (0.12, 0.45, 0.7)[grade]
    along = rng.uniform(0.35, 0.65)
    mask: Mask = np.zeros((height, width), np.float32)
    for finger in (-1.5, -0.5, 0.5, 1.5):
        y = (along + 0.07 * finger) * height
        tip = reach * width * (1 - 0.08 * abs(finger))
        cv2.line(mask, (0, int(y)), (int(tip), int(y)), 1.0, max(3, int(0.085 * height)))
    side = int(rng.integers(4))
    if side % 2:
        mask = np.ascontiguousarray(cv2.resize(mask.T, (width, height)))
    mask = mask[::-1, ::-1] if side > 1 else mask
    if grade == 0:
        soft = cv2.GaussianBlur(mask, (0, 0), width * 0.03)[..., None]
        return _image(image * (1 - 0.06 * soft))
    return _blend(image, _SKIN, cv2.GaussianBlur(mask, (0, 0), width / 400)[..., None])


def _dirt(image: Image, grade: int, rng: Generator) -> Image:
    """Dust and smears on the lens: soft spots that let less light through."""
    height, width = image.shape[:2]
    mask: Mask = np.zeros((height, width), np.float32)
    for _ in range((4, 8, 16)[grade]):
        x, y = int(rng.uniform(0, width)), int(rng.uniform(0, height))
        radius = int(width * rng.uniform(0.02, (0.03, 0.06, 0.12)[grade]))
        cv2.circle(mask, (x, y), radius, 1.0, -1)
    mask = cv2.GaussianBlur(mask, (0, 0), width * 0.01)[..., None]
    return _blend(image, (70.0, 80.0, 85.0), mask * np.float32((0.06, 0.6, 0.9)[grade]))


def _turned(image: Image, grade: int, rng: Generator) -> Image:
    angle = (2.0, 20.0, 45.0)[grade] * rng.choice((-1.0, 1.0))
    height, width = image.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), angle, 1.0)
    return _image(cv2.warpAffine(image, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE))


def _cut(image: Image, grade: int, rng: Generator) -> Image:
    """The part lies off its place, and from grade 1 up beyond the picture's edge."""
    height, width = image.shape[:2]
    share, side = (0.01, 0.3, 0.5)[grade], int(rng.integers(4))
    x, y = ((1, 0), (-1, 0), (0, 1), (0, -1))[side]
    rows = _shifted(height, round(y * share * height))
    columns = _shifted(width, round(x * share * width))
    return _image(image[rows[:, None], columns])


def _shifted(count: int, by: int) -> npt.NDArray[np.int64]:
    """Which pixels are seen; beyond the edge the strip along it, back and forth."""
    places = np.arange(count) - by
    strip = max(2, count // 16)
    beyond = np.where(places < 0, -places, places - (count - 1))
    inwards = strip - np.abs(strip - beyond % (2 * strip))
    return np.where(places < 0, inwards, np.where(places >= count, count - 1 - inwards, places))


def _sticker(image: Image, grade: int, rng: Generator) -> Image:
    """A label of one colour near the middle; in grade 0 only the trace of its glue."""
    mask = _patch(image, (0.12, 0.12, 0.25)[grade], rng)
    colour = _STICKERS[int(rng.integers(len(_STICKERS)))]
    return _blend(image, colour, mask * np.float32((0.04, 1.0, 1.0)[grade]))


def _noise_patch(image: Image, grade: int, rng: Generator) -> Image:
    """A square of coloured noise near the middle, as adversarial patches look.

    Source: Brown et al., "Adversarial Patch", 2017.
    """
    mask = _patch(image, (0.12, 0.12, 0.25)[grade], rng)
    cell = max(1, round(image.shape[1] / 320))
    rows, columns = math.ceil(image.shape[0] / cell), math.ceil(image.shape[1] / cell)
    noise = rng.integers(0, 256, (rows, columns, 3)).astype(np.uint8)
    noise = np.repeat(np.repeat(noise, cell, 0), cell, 1)[: image.shape[0], : image.shape[1]]
    return _blend(image, noise.astype(np.float32), mask * np.float32((0.02, 1.0, 1.0)[grade]))


def _patch(image: Image, share: float, rng: Generator) -> Mask:
    """A turned square whose side is ``share`` of the picture's width, near the middle."""
    height, width = image.shape[:2]
    centre = (width * rng.uniform(0.35, 0.65), height * rng.uniform(0.35, 0.65))
    corners = cv2.boxPoints((centre, (share * width, share * width), rng.uniform(0, 90)))
    mask = np.zeros((height, width), np.float32)
    cv2.fillConvexPoly(mask, np.round(corners).astype(np.int32), 1.0)
    return mask[..., None]


def _blend(image: Image, colour: object, mask: Mask) -> Image:
    return _image(image * (1 - mask) + np.asarray(colour, np.float32) * mask)


def _image(values: object) -> Image:
    return np.clip(np.round(np.asarray(values)), 0, 255).astype(np.uint8)


DISTURBANCES: dict[str, Callable[[Image, int, Generator], Image]] = {
    "defocus": _defocus,
    "motion": _motion,
    "darker": _darker,
    "brighter": _brighter,
    "flatter": _flatter,
    "noise": _noise,
    "hand": _hand,
    "dirt": _dirt,
    "turned": _turned,
    "cut": _cut,
    "sticker": _sticker,
    "noise patch": _noise_patch,
}
"""By name, in the order of a report."""
