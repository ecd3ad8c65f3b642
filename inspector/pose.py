"""How a part lies in a picture, against a reference photo of it: a similarity, found in two ways.

By its components (:func:`pose_of_components`) or by its texture (:class:`TextureMatcher`). Points are
pixels; in here they are complex numbers, ``x + 1j * y``, so that a similarity is one product and one
sum.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from inspector.domain import Box, Image

Points = npt.NDArray[np.complex128]

_MAX_PAIRS = 60
"""Pairs of places that poses are guessed from: the widest ones, which tell the direction best."""
_MAX_COMPONENTS = 60
_CENTRE_PRIOR = 0.5
"""What lying a picture's diagonal off its middle costs, in components. A picture that is continued by
its own mirror image shows the part's components again; the part is the one in the middle."""
_HIDDEN = 0.5
"""What a place costs that must be seen, and where nothing lies, in components."""

FEATURES = 3000
RATIO = 0.8
"""Lowe's ratio test: the best match must be so much nearer than the second."""
REACH_PX = 6.0
"""How far a feature may lie off the fitted pose."""
MIN_FEATURES = 12


@dataclass(frozen=True, slots=True)
class Pose:
    """``picture = turn * reference + shift``; the picture's y axis points down."""

    turn: complex = 1 + 0j
    shift: complex = 0j

    @classmethod
    def of(cls, matrix: npt.NDArray[np.float64]) -> Pose:
        """From a ``(2, 3)`` similarity of OpenCV's."""
        turn, shift = complex(matrix[0, 0], matrix[1, 0]), complex(matrix[0, 2], matrix[1, 2])
        return cls(turn, shift)

    @property
    def scale(self) -> float:
        return abs(self.turn)

    @property
    def turned_deg(self) -> float:
        """Clockwise, as seen in the picture."""
        return math.degrees(math.atan2(self.turn.imag, self.turn.real))

    @property
    def matrix(self) -> npt.NDArray[np.float64]:
        """``(2, 3)``, as OpenCV's affine functions take it."""
        a, b = self.turn, self.shift
        return np.array([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]])

    def point(self, x: float, y: float) -> tuple[float, float]:
        """A point of the reference in the picture."""
        there = self.turn * complex(x, y) + self.shift
        return there.real, there.imag

    def back(self, x: float, y: float) -> tuple[float, float]:
        """A point of the picture on the reference."""
        here = (complex(x, y) - self.shift) / self.turn
        return here.real, here.imag

    def box(self, box: Box) -> Box:
        """A box of the reference in the picture: moved and scaled, not turned.

        A component that fills it to all sides, as round ones do, fills the result too.
        """
        x, y = self.point(*box.centre)
        half_w, half_h = box.width * self.scale / 2, box.height * self.scale / 2
        return Box(x - half_w, y - half_h, x + half_w, y + half_h)


def pose_of_components(
    places: Sequence[tuple[float, float]],
    fits: npt.NDArray[np.bool_],
    seen: Sequence[tuple[float, float]],
    size: tuple[int, int],
    *,
    reach: Sequence[float],
    tolerance_px: float,
    turn_deg: float,
    scale: tuple[float, float],
) -> Pose | None:
    """The similarity that lays most ``places`` of the reference on components ``seen`` in a picture.

    ``fits[i, j]``: whether component ``j`` may lie on place ``i``. ``size``: the picture's width and
    height. ``reach``: half of each place's side, on the reference. Every pair of places is laid on
    every pair of components that the limits of ``turn_deg`` and ``scale`` allow, exhaustively where
    RANSAC would draw by chance, and judged by the truncated squared distance (MSAC, Torr and Zisserman
    2000); a place that is wholly in the picture and has nothing on it speaks against a pose.

    None when no two components lie as two places do, or when as many places speak against the best pose
    as for it, unless four speak for it.
    """
    here = np.array([complex(*point) for point in places])
    there = np.array([complex(*point) for point in seen[:_MAX_COMPONENTS]])
    if len(here) < 2 or len(there) < 2:
        return None
    fits = fits[:, : len(there)]
    turns, shifts = _guesses(here, there, fits, turn_deg, scale)
    if not len(turns):
        return None
    width, height = size
    laid = turns[:, None] * here[None] + shifts[:, None]
    off = np.abs(laid[:, :, None] - there[None, None, :]) / np.abs(turns)[:, None, None]
    off = np.where(fits[None], off, np.inf).min(2)
    gain = np.clip(1 - (off / tolerance_px) ** 2, 0, 1)
    side = np.array(reach)[None] * np.abs(turns)[:, None]
    visible = (laid.real > side) & (laid.real < width - side)
    visible &= (laid.imag > side) & (laid.imag < height - side)
    bare = visible & (off > tolerance_px)
    cost = _HIDDEN * bare
    middle = complex(width / 2, height / 2)
    astray = np.abs(laid.mean(1) - middle) / math.hypot(width, height)
    best = int(np.argmax((gain - cost).sum(1) - _CENTRE_PRIOR * astray))
    covered, against = int((off[best] <= tolerance_px).sum()), int(bare[best].sum())
    if covered < 2 or (covered < 4 and covered <= against):
        return None
    return _refined(Pose(complex(turns[best]), complex(shifts[best])), here, there, fits, tolerance_px)


def _guesses(
    here: Points,
    there: Points,
    fits: npt.NDArray[np.bool_],
    turn_deg: float,
    scale: tuple[float, float],
) -> tuple[Points, Points]:
    """Turns and shifts of all poses that lay two places on two components within the limits."""
    first, second = np.triu_indices(len(here), 1)
    widest = np.argsort(-np.abs(here[second] - here[first]), kind="stable")[:_MAX_PAIRS]
    j, k = np.nonzero(~np.eye(len(there), dtype=bool))
    turns, shifts = [np.empty(0, np.complex128)], [np.empty(0, np.complex128)]
    for a, b in zip(first[widest], second[widest], strict=True):
        if here[a] == here[b]:
            continue
        turn = (there[k] - there[j]) / (here[b] - here[a])
        size, angle = np.abs(turn), np.degrees(np.abs(np.angle(turn)))
        good = (size >= scale[0]) & (size <= scale[1]) & (angle <= turn_deg) & fits[a, j] & fits[b, k]
        turns.append(turn[good])
        shifts.append(there[j[good]] - turn[good] * here[a])
    return np.concatenate(turns), np.concatenate(shifts)


def _refined(
    pose: Pose, here: Points, there: Points, fits: npt.NDArray[np.bool_], tolerance_px: float
) -> Pose:
    """The pose that fits all components within its reach best, by least squares."""
    off = np.abs((pose.turn * here + pose.shift)[:, None] - there[None]) / pose.scale
    off = np.where(fits, off, np.inf)
    nearest = off.argmin(1)
    inlier = off.min(1) <= tolerance_px
    p, q = here[inlier], there[nearest[inlier]]
    spread = p - p.mean()
    turn = complex((spread.conj() * (q - q.mean())).sum() / (np.abs(spread) ** 2).sum())
    return Pose(turn, complex(q.mean() - turn * p.mean()))


class TextureMatcher:
    """Finds a part by its texture: SIFT features (Lowe 2004) and a similarity fitted by RANSAC.

    Safe to call from threads.
    """

    def __init__(self, reference: Image) -> None:
        """``reference``: a photo of the part, ``(height, width, 3)`` ``uint8`` BGR."""
        self._points, self._features = _features(reference)

    def pose(self, image: Image) -> Pose | None:
        """The similarity from the reference to ``image``; None when it does not show the same part."""
        points, features = _features(image)
        if min(len(points), len(self._points)) < MIN_FEATURES:
            return None
        matches = cv2.BFMatcher(cv2.NORM_L2).knnMatch(self._features, features, k=2)
        good = [
            (self._points[best.queryIdx], points[best.trainIdx])
            for best, second in matches
            if best.distance < RATIO * second.distance
        ]
        if len(good) < MIN_FEATURES:
            return None
        here, there = (np.array(side, np.float32) for side in zip(*good, strict=True))
        cv2.setRNGSeed(0)
        matrix, inliers = cv2.estimateAffinePartial2D(here, there, ransacReprojThreshold=REACH_PX)
        if matrix is None or int(inliers.sum()) < MIN_FEATURES:
            return None
        return Pose.of(np.asarray(matrix, np.float64))


def _features(image: Image) -> tuple[list[tuple[float, float]], npt.NDArray[np.float32]]:
    # wood and cast metal have little contrast, and the light differs from photo to photo
    even = cv2.createCLAHE(3.0, (8, 8)).apply(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY))
    sift = cv2.SIFT.create(FEATURES, contrastThreshold=0.01)
    keypoints, features = sift.detectAndCompute(even, None)
    if features is None:
        return [], np.empty((0, 128), np.float32)
    points = [(float(k.pt[0]), float(k.pt[1])) for k in keypoints]
    return points, np.asarray(features, np.float32)
