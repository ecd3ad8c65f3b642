"""Near-duplicates: one picture twice, re-encoded, resized, brightened or shifted.

A descriptor that does not change with a shift proposes pairs; the pixels confirm them. Confirmed is a
pair whose aligned pixels correlate by at least :data:`CORRELATION` *and* nowhere differ much: different
boards of one design may correlate by 0.99, but differ by much of their contrast where a defect is. And
their detail must agree: different surfaces in one uneven light may correlate by as much.
Mirrored, turned or cropped copies are not looked for.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from inspector.audit.look import GREY_SIDE, Look
from inspector.datasets.pictures import decode, open_picture

Grey = NDArray[np.float32]

CORRELATION = 0.98
"""Pearson's, of the pixels that both pictures show."""
DETAIL = 0.7
"""Least correlation without what changes slowly. Copies keep above 0.95, other surfaces have none."""
WORST_TILE = 0.1
"""Largest mean squared difference of a tile, as a share of the picture's variance. On DeepPCB, the 43
pairs of different boards that correlate by 0.98 are above 0.35; copies were below 0.1."""
_NEIGHBOURS = 5
_PROPOSED = 0.5
_THUMB_CORRELATION = 0.85
_THUMB_DETAIL = 0.4
_SLOW = 6.0
"""Sigma in pixels of what counts as changing slowly."""
_SIDE = 1280
"""Pictures are compared at this length of the longer side at most."""
_TILE = 32
_MAX_SHIFT = 0.3
_FLAT = 0.3
"""Standard deviation in grey levels below which nothing is there to compare."""
_SPECTRUM = 17
_SHIFT_ROUNDS = 4
_SOFTNESS = 1.5
"""Sigma of the blur before pictures are compared, in pixels."""
_NEARLY = 0.95
"""Below this correlation no small turn makes one picture of two."""
_CHUNK = 1024


@dataclass(frozen=True)
class Likeness:
    """How much two pictures are alike."""

    correlation: float
    """Pearson's, of all pixels that both show."""
    detail: float
    """The same without what changes slowly: two surfaces in one uneven light share nothing else."""
    worst: float
    """Mean squared difference of the most different tile, as a share of the picture's variance."""

    @property
    def same(self) -> bool:
        """Whether they are one picture."""
        return self.correlation >= CORRELATION and self.detail >= DETAIL and self.worst <= WORST_TILE


UNLIKE = Likeness(0.0, 0.0, float("inf"))


@dataclass(frozen=True)
class Pair:
    """Two pictures that are one."""

    first: Path
    second: Path
    correlation: float


def near_duplicates(first: Sequence[Look], second: Sequence[Look]) -> list[Pair]:
    """The confirmed pairs of a picture of ``first`` and one of ``second``, by path.

    Pictures of equal files and pictures without contrast are left out.
    """
    first, second = ([look for look in side if _has_contrast(look)] for side in (first, second))
    if not first or not second:
        return []
    # descriptors and correlations of thumbnails are cheap, pictures are read for those that are left
    proposed = [
        (a, b) for a, b in _proposals(first, second) if a.digest != b.digest and _may_be_one(a, b)
    ]
    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        compared = pool.map(lambda pair: compare(read_grey(pair[0]), read_grey(pair[1])), proposed)
        found = [
            Pair(a.path, b.path, likeness.correlation)
            for (a, b), likeness in zip(proposed, compared, strict=True)
            if likeness.same
        ]
    return sorted(found, key=lambda pair: (pair.first, pair.second))


def compare(a: Grey, b: Grey) -> Likeness:
    """How much two grey pictures are alike after alignment.

    The larger is brought to the size of the smaller, then ``b`` is shifted (phase correlation) and,
    where that is not quite enough, turned a little (enhanced correlation coefficient: Evangelidis and
    Psarakis, 2008).
    """
    height, width = a.shape
    if abs(np.log((b.shape[1] / b.shape[0]) / (width / height))) > 0.05:
        return UNLIKE
    width, height = min(width, b.shape[1]), min(height, b.shape[0])
    a, b = _softened(a, width, height), _softened(b, width, height)
    shift = _shift(a, b)
    if shift is None:
        return UNLIKE
    motion = np.array([[1, 0, shift[0]], [0, 1, shift[1]]], np.float32)
    best = _likeness(a, b, motion)
    if best.correlation >= _NEARLY and not best.same:
        criteria = (cv2.TERM_CRITERIA_COUNT + cv2.TERM_CRITERIA_EPS, 40, 1e-4)
        try:
            _, found = cv2.findTransformECC(a, b, motion, cv2.MOTION_EUCLIDEAN, criteria)
        except cv2.error:
            return best  # it does not converge: they are no pictures of one thing
        turned = _likeness(a, b, np.asarray(found, np.float32))
        best = max(best, turned, key=lambda likeness: likeness.correlation)
    return best


def _likeness(a: Grey, b: Grey, motion: Grey) -> Likeness:
    """Of ``a`` and the moved ``b``, where both are."""
    height, width = a.shape
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP

    def moved(picture: Grey) -> Grey:
        return np.asarray(cv2.warpAffine(picture, motion, (width, height), flags=flags), np.float32)

    inside = moved(np.ones_like(b)) > 0.999
    if inside.mean() < 1 - 2 * _MAX_SHIFT:
        return UNLIKE
    other = moved(b)
    correlation, slope = _correlation(a[inside], other[inside])
    if correlation <= 0:
        return UNLIKE
    detail, _ = _correlation(_detail(a)[inside], moved(_detail(b))[inside])
    # what brightness and contrast do not explain
    rest = (a - a[inside].mean()) - slope * (other - other[inside].mean())
    squares = np.where(inside, rest * rest, 0).astype(np.float32)
    tiles = (max(1, round(width / _TILE)), max(1, round(height / _TILE)))
    sums = cv2.resize(squares, tiles, interpolation=cv2.INTER_AREA)
    shares = cv2.resize(inside.astype(np.float32), tiles, interpolation=cv2.INTER_AREA)
    worst = float((sums / np.maximum(shares, 0.5)).max() / a[inside].var())
    return Likeness(correlation, detail, worst)


def _correlation(one: Grey, other: Grey) -> tuple[float, float]:
    """Pearson's, and the factor from ``other`` to ``one``; zeros where either is flat."""
    one, other = one - one.mean(), other - other.mean()
    first, second = float(np.mean(one * one)), float(np.mean(other * other))
    if min(first, second) < _FLAT**2:
        return 0.0, 0.0
    product = float(np.mean(one * other))
    return product / float(np.sqrt(first * second)), product / second


def _detail(picture: Grey) -> Grey:
    """Without what changes slowly, such as light that falls unevenly."""
    return picture - np.asarray(cv2.GaussianBlur(picture, (0, 0), _SLOW), np.float32)


def _softened(picture: Grey, width: int, height: int) -> Grey:
    """Without the last detail, in which copies of different sharpness or compression differ."""
    if picture.shape != (height, width):
        picture = np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA))
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), _SOFTNESS), np.float32)


def _shift(a: Grey, b: Grey) -> tuple[float, float] | None:
    """By how many pixels ``b`` lies to the right of and below ``a``; None when by too many.

    Looked for again within what both show, since the window that fades the edges out draws it to zero.
    """
    height, width = a.shape
    x = y = 0.0
    for _ in range(_SHIFT_ROUNDS):
        left, top = round(x), round(y)
        one = a[max(0, -top) : height - max(0, top), max(0, -left) : width - max(0, left)]
        two = b[max(0, top) : height + min(0, top), max(0, left) : width + min(0, left)]
        window = cv2.createHanningWindow((one.shape[1], one.shape[0]), cv2.CV_32F)
        # copies: OpenCV multiplies the window into the pictures that it is given
        (across, down), _ = cv2.phaseCorrelate(one.copy(), two.copy(), window)
        x, y = left + across, top + down
        if abs(x) > _MAX_SHIFT * width or abs(y) > _MAX_SHIFT * height:
            return None
        if abs(across) < 1 and abs(down) < 1:
            break
    return x, y


def _may_be_one(a: Look, b: Look) -> bool:
    """Whether the thumbnails are so alike that the pictures are worth reading."""
    one, two = a.grey.astype(np.float32), b.grey.astype(np.float32)
    shift = _shift(one, two)
    # a shift that the small picture shows wrongly is often none at all
    for x, y in {shift or (0.0, 0.0), (0.0, 0.0)}:
        likeness = _likeness(one, two, np.array([[1, 0, x], [0, 1, y]], np.float32))
        if likeness.correlation >= _THUMB_CORRELATION and likeness.detail >= _THUMB_DETAIL:
            return True
    return False


def _proposals(first: Sequence[Look], second: Sequence[Look]) -> list[tuple[Look, Look]]:
    """The likeliest partners in ``first`` of each of ``second``."""
    known = np.stack([_spectrum(look.grey) for look in first])
    pairs = []
    for start in range(0, len(second), _CHUNK):
        part = second[start : start + _CHUNK]
        likeness = np.stack([_spectrum(look.grey) for look in part]) @ known.T
        for look, row in zip(part, likeness, strict=True):
            best = np.argsort(-row)[:_NEIGHBOURS]
            pairs += [(first[index], look) for index in best if row[index] >= _PROPOSED]
    return pairs


def _spectrum(grey: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Logarithm of the low frequencies' magnitudes: a shift of the picture does not change them."""
    picture = grey.astype(np.float32)
    picture = (picture - picture.mean()) / max(float(picture.std()), 1e-6)
    window = cv2.createHanningWindow((GREY_SIDE, GREY_SIDE), cv2.CV_32F)
    spectrum = np.abs(np.fft.rfft2(picture * window))[:, :_SPECTRUM]
    low = np.log1p(np.concatenate([spectrum[:_SPECTRUM], spectrum[1 - _SPECTRUM :]])).ravel()
    low -= low.mean()
    return np.asarray(low / max(float(np.linalg.norm(low)), 1e-6), np.float32)


def _has_contrast(look: Look) -> bool:
    return not look.problem and float(look.grey.std()) >= _FLAT


def read_grey(look: Look) -> Grey:
    """The picture of a look, of at most 1,280 pixels a side, as ``float32`` 0..255."""
    content = look.path.read_bytes()
    picture = open_picture(content)
    picture.draft("L", (_SIDE, _SIDE))
    decoded = decode(picture, content)
    pixels = np.asarray(decoded >> 8 if decoded.dtype == np.uint16 else decoded, np.uint8)
    if pixels.ndim == 3:
        pixels = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), np.uint8)
    height, width = pixels.shape
    scale = min(1.0, _SIDE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.float32)
