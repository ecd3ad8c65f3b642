"""Faults painted onto a cover's canvas: scratch, dent, stain, foreign body.

Each painter alters one window of the canvas (float32 BGR, `SCALE` times the picture) in place.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from inspector.sim.textures import SCALE, Floats, as_floats, blur, lit, ramp, smooth_noise

Marked: TypeAlias = tuple[npt.NDArray[np.bool_], int, int]
"""What a fault covers: a mask, and the x and y of its first pixel on the canvas."""


class FaultKind(StrEnum):
    """What is wrong with a part; the values are labels of data sets."""

    GOOD = "good"
    MISSING_SCREW = "missing-screw"
    SCRATCH = "scratch"
    DENT = "dent"
    STAIN = "stain"
    FOREIGN = "foreign-body"


def paint(
    kind: FaultKind,
    canvas: Floats,
    surface: npt.NDArray[np.uint8],
    rng: np.random.Generator,
) -> Marked | None:
    """Paint a fault at a random place of `surface` (255 where one may lie).

    Returns None for the kinds that are not painted (good, missing screw).
    """
    painters: dict[FaultKind, Callable[..., Marked]] = {
        FaultKind.SCRATCH: _scratch,
        FaultKind.DENT: _dent,
        FaultKind.STAIN: _stain,
        FaultKind.FOREIGN: _foreign,
    }
    painter = painters.get(kind)
    return painter(canvas, surface, rng) if painter else None


def _spot(surface: npt.NDArray[np.uint8], rng: np.random.Generator) -> tuple[int, int]:
    """A random pixel of the surface, x and y."""
    height, width = surface.shape
    while True:
        x, y = int(rng.integers(width)), int(rng.integers(height))
        if surface[y, x]:
            return x, y


def _curve(
    rng: np.random.Generator,
    length: float,
    angle: float,
    bend: float,
    wobble: float,
) -> Floats:
    """A smooth line through the origin's neighbourhood, (n, 2) canvas px, centred."""
    n = 48
    t = np.linspace(-0.5, 0.5, n)
    wave = np.cumsum(np.convolve(rng.standard_normal(n), np.ones(9) / 9, mode="same")) / n
    heading = angle + bend * t + wobble * wave
    points = np.cumsum(np.stack([np.cos(heading), np.sin(heading)], axis=1), axis=0) * (length / n)
    return as_floats((points - points.mean(axis=0)).astype(np.float32))


def _lies_on(
    points: Floats, surface: npt.NDArray[np.uint8], rng: np.random.Generator, share: float
) -> Floats:
    """Move a line to a random place where at least `share` of it lies on the surface."""
    height, width = surface.shape
    best, best_share = points, -1.0
    for _ in range(60):
        moved = points + np.array(_spot(surface, rng), dtype=np.float32)
        xy = np.rint(moved).astype(np.intp)
        # The plate's edge and its chamfer, canvas px.
        inside = ((xy >= 30) & (xy < [width - 30, height - 30])).all(axis=1)
        on = surface[xy[:, 1].clip(0, height - 1), xy[:, 0].clip(0, width - 1)] > 0
        got = float((inside & on).mean())
        if got > best_share and inside.all():
            best, best_share = moved, got
        if best_share >= share:
            break
    return best


def _window(points: Floats, margin: int, shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    """x0, y0, x1, y1 around points, within the canvas."""
    low = np.floor(points.min(axis=0)).astype(int) - margin
    high = np.ceil(points.max(axis=0)).astype(int) + margin
    return max(low[0], 0), max(low[1], 0), min(high[0], shape[1]), min(high[1], shape[0])


def _stroke(
    points: Floats, widths: npt.NDArray[np.floating], origin: tuple[int, int], size: tuple[int, int]
) -> Floats:
    """An antialiased line of varying width (canvas px) in a window, 0..1."""
    mask = np.zeros((size[1], size[0]), dtype=np.uint8)
    fixed = np.rint((points - np.array(origin, dtype=np.float32)) * 16).astype(np.int32)
    for a, b, w in zip(fixed[:-1], fixed[1:], widths[:-1], strict=True):
        ends = [(int(a[0]), int(a[1])), (int(b[0]), int(b[1]))]
        cv2.line(mask, ends[0], ends[1], 255, max(1, round(float(w))), cv2.LINE_AA, 4)
    return mask.astype(np.float32) / np.float32(255)


def _scratch(canvas: Floats, surface: npt.NDArray[np.uint8], rng: np.random.Generator) -> Marked:
    length = SCALE * rng.uniform(62, 130)
    steep = rng.uniform(0.22, np.pi - 0.22)  # a scratch along the brushing would be invisible
    line = _curve(rng, length, steep, rng.uniform(-0.7, 0.7), rng.uniform(0.1, 0.5))
    line = _lies_on(line, surface, rng, 0.85)
    t = np.linspace(0, 1, len(line))
    width = SCALE * rng.uniform(1.6, 2.7)
    widths = width * np.clip(np.minimum(t, 1 - t) * 7, 0.35, 1) * rng.uniform(0.75, 1.2, len(t))
    x0, y0, x1, y1 = _window(line, 16, canvas.shape)
    core = _stroke(line, widths, (x0, y0), (x1 - x0, y1 - y0))
    depth = blur(core, 0.9)
    relief = lit(-rng.uniform(1.8, 2.6) * width * 0.5 * depth)
    torn = 1 + 0.22 * smooth_noise(core.shape, rng, 2.5)
    bright = rng.random() < 0.65
    gain = rng.uniform(0.5, 0.75) if bright else -rng.uniform(0.4, 0.55)
    edge = np.clip(blur(core, 2.2) - 0.75 * depth, 0, 1)
    patch = canvas[y0:y1, x0:x1]
    factor = (1 + gain * depth * torn) * (1 + 0.9 * (relief - 1)) * (1 - 0.7 * edge)
    patch *= np.clip(factor, 0.25, 2.0)[..., None]
    return core > 0.2, x0, y0


def _blob(rng: np.random.Generator, half: float, aspect: float, rough: float) -> tuple[Floats, int]:
    """An irregular blob's radius (1 on its outline), and the half side of its window."""
    side = int(half * 1.75)
    axis = np.arange(-side, side + 1, dtype=np.float32)
    x, y = axis[None, :], axis[:, None]
    turn = rng.uniform(0, np.pi)
    u = (x * np.cos(turn) + y * np.sin(turn)) / half
    v = (y * np.cos(turn) - x * np.sin(turn)) / (half * aspect)
    shape = (2 * side + 1, 2 * side + 1)
    warp = smooth_noise(shape, rng, half * 0.30) + 0.35 * smooth_noise(shape, rng, half * 0.09)
    # Bounded, so that the outline stays in the window and in one piece.
    radius = np.hypot(u, v) * np.exp(rough * np.clip(warp, -2, 2))
    return radius.astype(np.float32), side


def _fit(
    canvas: Floats, surface: npt.NDArray[np.uint8], rng: np.random.Generator, side: int, half: float
) -> tuple[slice, slice, slice, slice, int, int]:
    """Place a window of `2 * side + 1` px so that its middle lies well on the surface.

    Returns slices of the canvas, slices of the window, and its first x and y on the canvas.
    """
    reach = int(half * 0.9)
    height, width = surface.shape
    best, best_share = (width // 4, height // 2), -1.0
    for _ in range(60):
        x, y = _spot(surface, rng)
        box = surface[max(y - reach, 0) : y + reach + 1 : 4, max(x - reach, 0) : x + reach + 1 : 4]
        share = float(np.count_nonzero(box)) / box.size
        if share > best_share:
            best, best_share = (x, y), share
        if share >= 0.88:
            break
    x, y = best
    x0, y0 = max(x - side, 0), max(y - side, 0)
    x1, y1 = min(x + side + 1, width), min(y + side + 1, height)
    rows, cols = slice(y0, y1), slice(x0, x1)
    inner_rows = slice(y0 - y + side, y1 - y + side)
    inner_cols = slice(x0 - x + side, x1 - x + side)
    return rows, cols, inner_rows, inner_cols, x0, y0


def _dent(canvas: Floats, surface: npt.NDArray[np.uint8], rng: np.random.Generator) -> Marked:
    half = SCALE * rng.uniform(14, 23)
    radius, side = _blob(rng, half, rng.uniform(0.6, 1.0), 0.07)
    bowl = ramp(radius, 1.0, rng.uniform(0.15, 0.45))
    rim = np.exp(-(((radius - 1.05) / 0.16) ** 2))
    depth = rng.uniform(0.26, 0.4) * half
    relief = lit(blur((depth * (0.12 * rim - bowl)).astype(np.float32), 1.5))
    rows, cols, inner_rows, inner_cols, x0, y0 = _fit(canvas, surface, rng, side, half)
    factor = relief * (1 - 0.12 * bowl)
    # Where a dented face turns to the lamp it mirrors it.
    factor += 0.35 * np.clip(relief - 1.12, 0, 1)
    canvas[rows, cols] *= factor[inner_rows, inner_cols, None]
    return (radius < 1.08)[inner_rows, inner_cols], x0, y0


def _stain(canvas: Floats, surface: npt.NDArray[np.uint8], rng: np.random.Generator) -> Marked:
    half = SCALE * rng.uniform(18, 30)
    radius, side = _blob(rng, half, rng.uniform(0.65, 1.0), 0.17)
    body = ramp(radius, 1.0, 0.86)
    uneven = smooth_noise(radius.shape, rng, half * 0.2)
    if rng.random() < 0.55:
        # Oil: a brown film, thicker at its rim, as a dried drop leaves it.
        film = body * (0.6 + 0.2 * uneven) + 0.4 * np.exp(-(((radius - 0.93) / 0.07) ** 2))
        clean, used = np.array([0.90, 0.52, 0.28]), np.array([0.92, 0.80, 0.70])
        absorb = clean + rng.random() * (used - clean)
        absorb *= rng.uniform(0.75, 1.15)
        film = np.clip(film, 0, 1.4).astype(np.float32)
        factor = np.exp(-film[..., None] * absorb.astype(np.float32))
    else:
        # Heat: temper colours from the middle outwards, grey-blue, purple-brown, straw.
        stops = np.array([0.0, 0.3, 0.55, 0.8, 1.0, 1.1], dtype=np.float32)
        blue = np.interp(radius, stops, [0.56, 0.70, 0.50, 0.52, 0.80, 1.0])
        green = np.interp(radius, stops, [0.46, 0.54, 0.44, 0.66, 0.92, 1.0])
        red = np.interp(radius, stops, [0.43, 0.46, 0.58, 0.80, 0.97, 1.0])
        full = np.stack([blue, green, red], axis=2)
        factor = 1 + (full - 1) * rng.uniform(0.7, 1.0) * (1 + 0.10 * uneven)[..., None]
    factor = as_floats(cv2.GaussianBlur(factor.astype(np.float32), (0, 0), 1.6))
    rows, cols, inner_rows, inner_cols, x0, y0 = _fit(canvas, surface, rng, side, half)
    canvas[rows, cols] *= factor[inner_rows, inner_cols]
    return (radius < 1.06)[inner_rows, inner_cols], x0, y0


def _foreign(canvas: Floats, surface: npt.NDArray[np.uint8], rng: np.random.Generator) -> Marked:
    fibre = rng.random() < 0.5
    angle = rng.uniform(0, 2 * np.pi)
    if fibre:
        line = _curve(rng, SCALE * rng.uniform(55, 105), angle, rng.uniform(-3, 3), 12.0)
        width = SCALE * rng.uniform(1.3, 2.1)
        widths = np.full(len(line), width)
        colours = ((120, 60, 35), (40, 40, 150), (45, 48, 52), (60, 95, 60), (205, 215, 220))
        colour = np.array(colours[int(rng.integers(len(colours)))], dtype=np.float32)
    else:
        line = _curve(rng, SCALE * rng.uniform(58, 85), angle, rng.uniform(1.8, 4.0), 2.0)
        width = SCALE * rng.uniform(3.2, 5.0)
        t = np.linspace(0, 1, len(line))
        widths = width * np.clip(np.minimum(t * 5, (1 - t) * 3), 0.3, 1)
        colour = np.array([(150, 160, 165), (95, 130, 165)][int(rng.integers(2))], np.float32)
    line = _lies_on(line, surface, rng, 0.92)
    x0, y0, x1, y1 = _window(line, 24, canvas.shape)
    core = _stroke(line, widths, (x0, y0), (x1 - x0, y1 - y0))
    lift = SCALE * (1.2 if fibre else 2.4)
    shift = np.array([[1, 0, 0.8 * lift], [0, 1, lift]], dtype=np.float64)
    shadow = as_floats(cv2.warpAffine(core, shift, (x1 - x0, y1 - y0)))
    patch = canvas[y0:y1, x0:x1]
    patch *= (1 - (0.5 if fibre else 0.6) * blur(shadow, 0.9 * lift))[..., None]
    body = lit(0.55 * width * blur(core, max(1.0, width * 0.28)))
    if not fibre:
        body = body * (1 + 0.28 * smooth_noise(core.shape, rng, 3.0))
        body += 0.9 * np.clip(body - 1.05, 0, 1)
    soft = blur(core, 0.8)[..., None]
    patch += soft * (np.clip(body, 0.2, 2.2)[..., None] * colour - patch)
    return (core > 0.2) | (shadow > 0.6), x0, y0
