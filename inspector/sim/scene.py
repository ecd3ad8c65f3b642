"""Pictures of the simulated line: aluminium pump covers on a conveyor, from above, and their truth.

The belt runs to the right: a part at `centre_x = c + belt_px` rests on it while `belt_px` grows.
A part's looks depend on the random generator's state alone: the same state at another `centre_x`
shows the same part elsewhere, and with another `fault` the same part with that fault.
"""

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from inspector.sim import textures as tx
from inspector.sim.faults import FaultKind, Marked, paint
from inspector.sim.textures import SCALE, Floats, as_floats

__all__ = ["FaultKind", "PartTruth", "SceneRenderer", "degrade", "draw_plan"]

Image: TypeAlias = npt.NDArray[np.uint8]
Xyxy: TypeAlias = tuple[float, float, float, float]

_ALUMINIUM = 172.0
_MARK = 0.46
"""What a laser mark leaves of the metal's brightness."""


@dataclass(frozen=True, slots=True)
class PartTruth:
    """What a picture shows; boxes are xyxy px, clipped to the image."""

    fault: FaultKind
    housing: Xyxy
    """Bounds of the cover as it lies; empty (x0 == x1) where it is outside the image."""
    screws: tuple[Xyxy, ...]
    """Heads that are present and at least half inside the image."""
    defect: Xyxy | None
    """Bounds of the fault or empty hole; None if the part is good or these lie outside."""


@dataclass(frozen=True, slots=True)
class _Look:
    """The draws that every part needs, made before those of its fault."""

    shift: tuple[float, float]
    angle: float
    exposure: float
    tone: float
    tint: Floats
    glare: tuple[float, float]
    brush: tuple[int, int, bool]
    sector: float
    turns: npt.NDArray[np.int64]
    head_tones: npt.NDArray[np.float64]
    code: npt.NDArray[np.int64]
    serial: int
    noise: tuple[int, int]


class SceneRenderer:
    """Renders parts and empty belt; textures are made once, from `seed`.

    `size` is width and height in px; the geometry is meant for 640x480 and does not scale.
    """

    def __init__(self, seed: int, size: tuple[int, int] = (640, 480)) -> None:
        rng = np.random.default_rng(seed)
        self._size = size
        self._line = tx.make_line(size, rng)
        self._plate = tx.make_plate(rng)
        self._screws = tx.make_screws(rng)
        self._noise = tx.make_noise(size, rng)

    def render(
        self,
        fault: FaultKind,
        rng: np.random.Generator,
        belt_px: float = 0.0,
        centre_x: float | None = None,
        lamp: float = 1.0,
    ) -> tuple[Image, PartTruth]:
        """Picture of one part, (height, width, 3) uint8 BGR, and its truth.

        belt_px: how far the belt has run, px. centre_x: the part's exact centre, px, which may lie
        outside the image; by default the middle, give or take 12 px. lamp: how much of its light the
        lamp still gives.
        """
        look = self._draw_look(rng)
        width, height = self._size
        x = width / 2 + look.shift[0] if centre_x is None else centre_x
        place = _placement(look.angle, x, height / 2 + look.shift[1])
        missing = int(rng.integers(4)) if fault is FaultKind.MISSING_SCREW else None
        canvas = self._draw_part(look, missing)
        mark = paint(fault, canvas, self._plate.surface, rng)
        frame = self._belt(belt_px)
        self._lay_down(frame, canvas, place)
        image = self._expose(frame, look.exposure * lamp, look.noise, belt_px)
        return image, self._truth(fault, place, missing, mark)

    def empty_belt(self, rng: np.random.Generator, belt_px: float = 0.0) -> Image:
        """Picture without a part, (height, width, 3) uint8 BGR."""
        exposure = 1 + rng.uniform(-0.06, 0.06)
        noise = (int(rng.integers(256)), int(rng.integers(256)))
        return self._expose(self._belt(belt_px), exposure, noise, belt_px)

    def _draw_look(self, rng: np.random.Generator) -> _Look:
        return _Look(
            shift=(rng.uniform(-12, 12), rng.uniform(-12, 12)),
            angle=math.radians(rng.uniform(-4, 4)),
            exposure=1 + rng.uniform(-0.06, 0.06),
            tone=1 + rng.uniform(-0.05, 0.05),
            tint=np.array([1.025, 1.0, 0.975], np.float32)
            + rng.uniform(-0.008, 0.008, 3).astype(np.float32),
            glare=(rng.uniform(-60, 40), rng.uniform(75, 115)),
            brush=(int(rng.integers(240)), int(rng.integers(400)), bool(rng.random() < 0.5)),
            sector=rng.uniform(-0.5, 0.5) - 1.9,
            turns=rng.integers(len(self._screws.shades), size=4),
            head_tones=rng.uniform(0.9, 1.08, 4),
            code=rng.integers(0, 2, (12, 12)),
            serial=int(rng.integers(1000, 10000)),
            noise=(int(rng.integers(256)), int(rng.integers(256))),
        )

    def _draw_part(self, look: _Look, missing: int | None) -> Floats:
        """The part on its canvas, float32 BGR."""
        plate = self._plate
        width, height = tx.CANVAS
        top, left, mirrored = look.brush
        brush = plate.brush[top : top + height, left : left + width]
        brush = brush[:, ::-1] if mirrored else brush
        across = (np.arange(width, dtype=np.float32) - width / 2) / SCALE
        # Brushed metal spreads the lamp's image across the brushing: a broad upright band.
        band = np.exp(-(((across - look.glare[0]) / look.glare[1]) ** 2)).astype(np.float32)
        grey = brush * (0.045 + 0.035 * band)[None, :]
        grey += (0.80 + 0.30 * band)[None, :]
        reach = int((tx.BOSS_RADIUS + 3) * SCALE)
        rows = slice(height // 2 - reach, height // 2 + reach)
        cols = slice(width // 2 - reach, width // 2 + reach)
        turned = plate.cos2[rows, cols] * np.float32(math.cos(look.sector))
        turned += plate.sin2[rows, cols] * np.float32(math.sin(look.sector))
        turned = np.maximum(turned, 0) ** 2
        face = 0.80 + 0.34 * turned + (0.05 + 0.05 * turned) * plate.rings[rows, cols]
        boss = plate.boss[rows, cols]
        grey[rows, cols] += boss * (face - grey[rows, cols])
        self._engrave(grey, look)
        grey *= plate.shade
        half = self._screws.alpha.shape[0] // 2
        for i, (cx, cy) in enumerate(tx.screw_centres()):
            if i == missing:
                continue
            x, y = round(width / 2 + SCALE * cx), round(height / 2 + SCALE * cy)
            hole = grey[y - half : y + half, x - half : x + half]
            head = self._screws.shades[look.turns[i]] * np.float32(look.head_tones[i])
            hole += self._screws.alpha * (head - hole)
        grey *= np.float32(_ALUMINIUM * look.tone)
        tint = look.tint
        return as_floats(cv2.merge([grey * tint[0], grey * tint[1], grey * tint[2]]))

    def _engrave(self, grey: Floats, look: _Look) -> None:
        """Laser-mark the type, the serial number and a matrix code."""
        width, height = tx.CANVAS
        label = np.zeros((40, 330), dtype=np.uint8)
        font = cv2.FONT_HERSHEY_SIMPLEX
        cv2.putText(label, "PC-4021", (4, 27), font, 0.95, 255, 3, cv2.LINE_AA)
        cv2.putText(label, f"SN {look.serial}", (176, 27), font, 0.8, 255, 2, cv2.LINE_AA)
        modules = look.code.astype(np.uint8) * 255
        modules[:, 0] = modules[-1, :] = 255  # the finder pattern of a Data Matrix
        modules[0, 1:] = np.where(np.arange(11) % 2, 255, 0)
        code = cv2.resize(modules, (48, 48), interpolation=cv2.INTER_NEAREST)
        spots = ((label, width // 2 - 160, height // 2 + SCALE * 77), (code, 54, height // 2 - 110))
        for stamp, x, y in spots:
            soft = cv2.GaussianBlur(stamp, (0, 0), 0.9).astype(np.float32)
            target = grey[y : y + stamp.shape[0], x : x + stamp.shape[1]]
            target *= 1 - soft * np.float32((1 - _MARK) / 255)

    def _belt(self, belt_px: float) -> Floats:
        start = -belt_px % tx.BELT_PERIOD
        first = int(start)
        part = np.float32(start - first)
        width = self._size[0]
        belt = self._line.belt
        frame = belt[:, first : first + width] * (1 - part)
        if part:
            frame += belt[:, first + 1 : first + 1 + width] * part
        frame[: tx.RAIL_PX] = self._line.rail
        frame[-tx.RAIL_PX :] = self._line.rail[::-1]
        return as_floats(frame)

    def _lay_down(self, frame: Floats, canvas: Floats, place: npt.NDArray[np.float64]) -> None:
        """Shade the belt around the part, then blend the part in."""
        width, height = self._size
        x, y = place @ (tx.CANVAS[0] / 2, tx.CANVAS[1] / 2, 1)
        reach_x = tx.PLATE_HALF[0] + self._plate.shadow_margin + 14
        reach_y = tx.PLATE_HALF[1] + self._plate.shadow_margin + 16
        x0, x1 = max(0, int(x - reach_x)), min(width, int(x + reach_x))
        y0, y1 = max(0, int(y - reach_y)), min(height, int(y + reach_y))
        if x0 >= x1 or y0 >= y1:
            return
        size = (x1 - x0, y1 - y0)
        local = place - np.array([[0, 0, x0], [0, 0, y0]])
        offset = self._plate.shadow_margin - 8
        to_canvas = np.array([[SCALE, 0, -SCALE * offset], [0, SCALE, -SCALE * offset], [0, 0, 1]])
        shadow = as_floats(cv2.warpAffine(self._plate.shadow, local @ to_canvas, size))
        alpha = as_floats(cv2.warpAffine(self._plate.alpha, local, size))
        # A third of the time of warping floats; the sensor noise hides the rounding.
        pixels = cv2.warpAffine(cv2.convertScaleAbs(canvas), local, size)
        target = frame[y0:y1, x0:x1]
        target *= _bgr(1 - shadow)
        part = pixels.astype(np.float32)
        part -= target
        part *= _bgr(alpha)
        target += part

    def _expose(
        self,
        frame: Floats,
        exposure: float,
        noise: tuple[int, int],
        belt_px: float,
    ) -> Image:
        """Light, lens and sensor."""
        frame *= self._line.light
        smear = np.array([0.08, 0.24, 0.36, 0.24, 0.08], dtype=np.float32)  # the belt moves
        focus = np.array([0.05, 0.20, 0.50, 0.20, 0.05], dtype=np.float32)
        frame = as_floats(cv2.sepFilter2D(frame, -1, smear, focus * np.float32(exposure)))
        width, height = self._size
        # The offset follows the belt: two frames of one part do not share their noise.
        x = (noise[0] + int(belt_px * 37)) % 256
        y = (noise[1] + int(belt_px * 101)) % 256
        grain = frame * np.float32(0.045)
        grain += np.float32(1.2)
        np.sqrt(grain, out=grain)
        grain *= self._noise[y : y + height, x : x + width]
        frame += grain
        return cv2.convertScaleAbs(frame).astype(np.uint8, copy=False)

    def _truth(
        self,
        fault: FaultKind,
        place: npt.NDArray[np.float64],
        missing: int | None,
        mark: Marked | None,
    ) -> PartTruth:
        cos, sin = abs(place[0, 0]) * SCALE, abs(place[1, 0]) * SCALE
        straight = (tx.PLATE_HALF[0] - tx.CORNER_RADIUS, tx.PLATE_HALF[1] - tx.CORNER_RADIUS)
        half_x = straight[0] * cos + straight[1] * sin + tx.CORNER_RADIUS
        half_y = straight[0] * sin + straight[1] * cos + tx.CORNER_RADIUS
        middle = np.array([tx.CANVAS[0] / 2, tx.CANVAS[1] / 2])
        x, y = place @ (*middle, 1)
        screws: list[Xyxy] = []
        defect: Xyxy | None = None
        for i, offset in enumerate(tx.screw_centres()):
            sx, sy = place @ (*(middle + np.multiply(offset, SCALE)), 1)
            r = tx.SINK_RADIUS if i == missing else tx.SCREW_RADIUS + 0.5
            box = self._clip((sx - r, sy - r, sx + r, sy + r))
            if i == missing:
                defect = box
            elif _area(box) >= 0.5 * (2 * r) ** 2:
                screws.append(box)
        if mark is not None:
            mask, left, top = mark
            hull = cv2.convexHull(cv2.findNonZero(mask.astype(np.uint8))).reshape(-1, 2)
            points = (hull + np.array([left, top])) @ place[:, :2].T + place[:, 2]
            low, high = points.min(axis=0) - 1, points.max(axis=0) + 1
            defect = self._clip((low[0], low[1], high[0], high[1]))
        if defect is not None and _area(defect) == 0:
            defect = None
        housing = self._clip((x - half_x, y - half_y, x + half_x, y + half_y))
        return PartTruth(fault, housing, tuple(screws), defect)

    def _clip(self, box: Xyxy) -> Xyxy:
        width, height = self._size
        x0, x1 = (float(min(max(v, 0), width)) for v in (box[0], box[2]))
        y0, y1 = (float(min(max(v, 0), height)) for v in (box[1], box[3]))
        return x0, y0, x1, y1


def _bgr(plane: Floats) -> Floats:
    """The plane in three channels: numpy is slow at broadcasting along a last axis of three."""
    return as_floats(cv2.merge([plane, plane, plane]))


def _area(box: Xyxy) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def _placement(angle: float, x: float, y: float) -> npt.NDArray[np.float64]:
    """Affine (2, 3) from canvas to picture: the canvas centre comes to x, y."""
    cos, sin = math.cos(angle) / SCALE, math.sin(angle) / SCALE
    cx, cy = tx.CANVAS[0] / 2, tx.CANVAS[1] / 2
    return np.array([[cos, -sin, x - cos * cx + sin * cy], [sin, cos, y - sin * cx - cos * cy]])


def degrade(
    image: Image, kind: Literal["blur", "dark", "overexposed"], rng: np.random.Generator
) -> Image:
    """What a camera delivers when focus, lamp or exposure is wrong; same shape and dtype.

    Raises ValueError for another kind.
    """
    pixels = image.astype(np.float32)
    if kind == "blur":
        pixels = as_floats(cv2.GaussianBlur(pixels, (0, 0), rng.uniform(3.0, 5.0)))
        pixels += rng.standard_normal(pixels.shape, dtype=np.float32) * np.float32(1.5)
    elif kind == "dark":
        pixels *= np.float32(rng.uniform(0.10, 0.22))
        pixels += rng.standard_normal(pixels.shape, dtype=np.float32) * np.float32(2.0)
    elif kind == "overexposed":
        pixels *= np.float32(rng.uniform(2.2, 3.0))
        glow = as_floats(cv2.GaussianBlur(np.maximum(pixels - 235, 0), (0, 0), 9))
        pixels += 0.5 * glow
    else:
        raise ValueError(f"unknown kind of degradation: {kind!r}")
    return np.clip(np.rint(pixels), 0, 255).astype(np.uint8)


def draw_plan(parts: int, seed: int, faulty_share: float = 1 / 3) -> list[FaultKind]:
    """A shuffled order of `parts` parts, of which `round(parts * faulty_share)` are faulty.

    Every kind of fault comes equally often, give or take one. Equal arguments give equal plans.
    """
    rng = np.random.default_rng(seed)
    faulty = round(parts * faulty_share)
    kinds = [kind for kind in FaultKind if kind is not FaultKind.GOOD]
    order = [kinds[i] for i in rng.permutation(len(kinds))]
    plan = [order[i % len(order)] for i in range(faulty)] + [FaultKind.GOOD] * (parts - faulty)
    return [plan[i] for i in rng.permutation(parts)]
