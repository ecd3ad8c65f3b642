"""Surfaces of the simulated line, computed once: belt, rails, light, cover, screws, sensor noise.

Heights become shades through their slopes, so that every bevel, hole and head obeys one lamp
(above, to the left). Arrays are float32; a shade of 1.0 is a flat, evenly lit surface. Plate maps
are drawn at `SCALE` times the picture's resolution in a canvas centred on the plate.
"""

from dataclasses import dataclass
from typing import TypeAlias, cast

import cv2
import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float32]

SCALE = 2
"""Canvas pixels per picture pixel."""
PLATE_HALF = (150.0, 118.0)
"""Half width and half height of the cover, px of the picture."""
CORNER_RADIUS = 36.0
BOSS_RADIUS = 68.0
BORE_RADIUS = 27.0
SCREW_OFFSET = (117.0, 85.0)
"""Distance of each screw from the plate's centre, px."""
SCREW_RADIUS = 13.5
SINK_RADIUS = 18.0
THREAD_RADIUS = 8.5
DOWEL_OFFSET = 98.0
BELT_PERIOD = 2048
"""The belt's pattern repeats after so many px."""
RAIL_PX = 38
"""Height of the rails along the upper and lower edge of the picture, px."""
CANVAS = (int(2 * SCALE * (PLATE_HALF[0] + 8)), int(2 * SCALE * (PLATE_HALF[1] + 8)))
"""Width and height of the canvas, px of the canvas."""
_LAMP = np.array([-0.42, -0.52, 0.74], dtype=np.float32)


def as_floats(image: object) -> Floats:
    """Give cv2's result its real type."""
    return cast(Floats, image)


def blur(image: Floats, sigma_x: float, sigma_y: float | None = None, wrap: bool = False) -> Floats:
    """Gaussian blur; `wrap` keeps a texture periodic in x."""
    sigma_y = sigma_x if sigma_y is None else sigma_y
    pad = min(image.shape[1] - 1, int(4 * sigma_x) + 1) if wrap else 0
    padded = np.concatenate([image[:, -pad:], image, image[:, :pad]], axis=1) if pad else image
    result = as_floats(cv2.GaussianBlur(padded, (0, 0), sigma_x, sigmaY=max(sigma_y, 0.01)))
    return result[:, pad : pad + image.shape[1]]


def smooth_noise(
    shape: tuple[int, int],
    rng: np.random.Generator,
    sigma_x: float,
    sigma_y: float | None = None,
    wrap: bool = False,
) -> Floats:
    """Gaussian noise of unit variance with a given grain (sigma in px).

    A coarse grain is drawn on a coarser lattice and enlarged: a fraction of the cost.
    """
    sigma_y = sigma_x if sigma_y is None else sigma_y
    kx, ky = (2 ** max(0, int(np.log2(max(sigma, 1) / 3))) for sigma in (sigma_x, sigma_y))
    lattice = (-(-shape[0] // ky), -(-shape[1] // kx))
    noise = rng.standard_normal(lattice, dtype=np.float32)
    noise = blur(noise, sigma_x / kx, sigma_y / ky, wrap)
    if kx > 1 or ky > 1:
        pad = 2 if wrap else 0
        if pad:
            noise = np.concatenate([noise[:, -pad:], noise, noise[:, :pad]], axis=1)
        noise = as_floats(cv2.resize(noise, (noise.shape[1] * kx, noise.shape[0] * ky)))
        noise = noise[: shape[0], pad * kx : pad * kx + shape[1]]
    return as_floats((noise - noise.mean()) / (noise.std() + np.float32(1e-6)))


def ramp(value: Floats, low: float, high: float) -> Floats:
    """Smoothstep from 0 at `low` to 1 at `high` (which may be the smaller)."""
    t = np.clip((value - np.float32(low)) / np.float32(high - low), 0, 1)
    return as_floats(t * t * (3 - 2 * t))


def lit(height: Floats) -> Floats:
    """Diffuse shade of a height map (heights in the map's own px), 1.0 where it is flat."""
    slope_y, slope_x = np.gradient(height)
    dot = _LAMP[2] - slope_x * _LAMP[0] - slope_y * _LAMP[1]
    shade = dot / np.sqrt(slope_x**2 + slope_y**2 + 1) / _LAMP[2]
    return as_floats(np.clip(shade, 0.12, 2.2).astype(np.float32))


def _grid(width: int, height: int, scale: float = 1.0) -> tuple[Floats, Floats]:
    """Coordinates from the centre in px of the picture, one broadcast row and column each."""
    x = (np.arange(width, dtype=np.float32) - (width - 1) / 2) / scale
    y = (np.arange(height, dtype=np.float32) - (height - 1) / 2) / scale
    grid = np.meshgrid(x, y)
    return grid[0].astype(np.float32), grid[1].astype(np.float32)


def _plate_distance(x: Floats, y: Floats) -> Floats:
    """Signed distance to the cover's outline, px, negative inside."""
    qx = np.abs(x) - (PLATE_HALF[0] - CORNER_RADIUS)
    qy = np.abs(y) - (PLATE_HALF[1] - CORNER_RADIUS)
    outside = np.hypot(np.maximum(qx, 0), np.maximum(qy, 0))
    inside = np.minimum(np.maximum(qx, qy), 0)
    return (outside + inside - CORNER_RADIUS).astype(np.float32)


def screw_centres() -> tuple[tuple[float, float], ...]:
    """Screws from the plate's centre, px: upper left, upper right, lower left, lower right."""
    dx, dy = SCREW_OFFSET
    return ((-dx, -dy), (dx, -dy), (-dx, dy), (dx, dy))


@dataclass(frozen=True, slots=True)
class Line:
    """What does not belong to a part."""

    belt: Floats
    """(height, BELT_PERIOD + width, 3) BGR, periodic in x."""
    rail: Floats
    """(RAIL_PX, width, 3) BGR, the upper one; the lower is its mirror image."""
    light: Floats
    """(height, width, 3) gain of lamp and lens."""


def make_line(size: tuple[int, int], rng: np.random.Generator) -> Line:
    """Belt with weave, wear, dust and a splice; rails; light falloff and vignetting."""
    width, height = size
    shape = (height, BELT_PERIOD)
    x = np.arange(BELT_PERIOD, dtype=np.float32)[None, :]
    y = np.arange(height, dtype=np.float32)[:, None]
    wobble = smooth_noise(shape, rng, 30, 30, wrap=True)
    weave = np.sin(2 * np.pi * x / 5.12 + 0.5 * wobble) * np.sin(2 * np.pi * y / 5.3 + 0.5 * wobble)
    worn = ramp(smooth_noise(shape, rng, 60, 22, wrap=True), -1.2, 1.6)
    grey = 50 + 6.5 * weave * (1.1 - 0.75 * worn)
    grey += 3.2 * smooth_noise(shape, rng, 0.8, 0.8, wrap=True)
    grey += 5.0 * smooth_noise(shape, rng, 90, 35, wrap=True)
    grey += 2.2 * smooth_noise((height, 1), rng, 0.01, 3)  # tracks of the rollers
    grey += 7 * np.exp(-(((y - height / 2) / (0.24 * height)) ** 2))
    scuff = ramp(smooth_noise(shape, rng, 26, 0.8, wrap=True), 2.1, 4.0)
    patches = ramp(smooth_noise(shape, rng, 80, 40, wrap=True), 0.0, 2.0)
    dust = 40 * scuff + 24 * patches * ramp(smooth_noise(shape, rng, 1.6, 1.3, wrap=True), 0, 3)
    specks = np.zeros(shape, dtype=np.float32)
    count = 420
    specks[rng.integers(0, height, count), rng.integers(0, BELT_PERIOD, count)] = rng.uniform(
        -0.5, 1.0, count
    )
    dust += 420 * blur(specks, 1.1, 0.9, wrap=True)
    grease = ramp(smooth_noise(shape, rng, 24, 14, wrap=True), 1.2, 3.0)
    grey = grey * (1 - 0.3 * grease)
    seam = x - 700 - 0.35 * y
    grey += 16 * np.exp(-((seam / 2.2) ** 2)) - 15 * np.exp(-(((seam - 4) / 2.0) ** 2))
    grey += 3 * (ramp(seam, 0, 5) - ramp(seam, 90, 95))  # the overlap of the splice
    grey = blur(grey.astype(np.float32), 0.8, 0.55, wrap=True)
    tint = np.array([1.04, 1.0, 0.97], dtype=np.float32)
    dusty = np.array([0.86, 0.96, 1.0], dtype=np.float32)
    belt = np.maximum(grey, 6)[..., None] * tint + dust[..., None] * dusty
    belt = np.concatenate([belt, belt[:, : width + 1]], axis=1).astype(np.float32)
    return Line(as_floats(belt), _rail(width, rng), _light(size))


def _rail(width: int, rng: np.random.Generator) -> Floats:
    y = np.arange(RAIL_PX, dtype=np.float32)[:, None]
    grey = 104 + 9 * smooth_noise((RAIL_PX, width), rng, 70, 0.7)
    grey += 3 * smooth_noise((RAIL_PX, width), rng, 0.8)
    slot = ramp(y, 9, 11) - ramp(y, 20, 22)
    grey = grey * (1 - 0.78 * slot) + 40 * np.exp(-(((y - 22.5) / 1.0) ** 2))
    grey += 34 * np.exp(-(((y - RAIL_PX + 4) / 1.3) ** 2)) - 46 * ramp(y, RAIL_PX - 3, RAIL_PX)
    tint = np.array([1.03, 1.0, 0.97], dtype=np.float32)
    return as_floats((grey[..., None] * tint).astype(np.float32))


def _light(size: tuple[int, int]) -> Floats:
    width, height = size
    x, y = _grid(width, height, min(width, height) / 2)
    lamp = 1.06 - 0.10 * ((x + 0.35) ** 2 + 1.2 * (y + 0.3) ** 2) / 1.8
    lens = 1 / (1 + 0.055 * (x**2 + y**2)) ** 2
    rows = np.arange(height, dtype=np.float32)[:, None]
    edge = np.minimum(rows, height - 1 - rows) - RAIL_PX
    shade = 1 - 0.55 * np.exp(-np.maximum(edge, 0) / 9) * (edge > -0.5)
    gain = (lamp * lens * shade).astype(np.float32)
    return np.repeat(gain[..., None], 3, axis=2)


@dataclass(frozen=True, slots=True)
class Plate:
    """Maps of the bare cover on the canvas, float32 (height, width) unless said otherwise."""

    shade: Floats
    """Relief, holes and cast shadows; screws are not in it."""
    alpha: Floats
    """1 on the cover, with a soft edge."""
    shadow: Floats
    """Share of the light the cover takes from the belt, at picture scale with `shadow_margin`."""
    shadow_margin: int
    brush: Floats
    """Brushing of unit variance, larger than the canvas: each part is cut from another place."""
    boss: Floats
    """1 on the turned face of the boss."""
    rings: Floats
    """Turning marks, unit variance, around the boss."""
    cos2: Floats
    sin2: Floats
    """Cosine and sine of twice the polar angle: a turned face shines in two opposite sectors."""
    surface: npt.NDArray[np.uint8]
    """255 where a fault may lie: on the metal, clear of edge, holes and screws."""


def make_plate(rng: np.random.Generator) -> Plate:
    """The cover's maps, from its drawing."""
    width, height = CANVAS
    x, y = _grid(width, height, SCALE)
    edge = _plate_distance(x, y)
    radius = np.hypot(x, y)
    angle = np.arctan2(y, x)
    step = 9.0 * ramp(radius, BOSS_RADIUS + 5, BOSS_RADIUS)
    step += 2.2 * (ramp(radius, BORE_RADIUS + 9, BORE_RADIUS + 7.5)) * -1
    z = step + 7.0 * np.clip(-edge / 5.0, 0, 1)
    z -= 1.4 * np.exp(-(((edge + 13) / 1.3) ** 2))  # a shallow groove follows the outline
    dark = np.ones_like(z)
    clear = (edge < -17) & (radius > BORE_RADIUS + 13)
    clear &= np.abs(radius - BOSS_RADIUS - 2) > 7
    for cx, cy in screw_centres():
        away = np.hypot(x - cx, y - cy)
        # The groove ends before a screw.
        z += 1.4 * np.exp(-(((edge + 13) / 1.3) ** 2)) * ramp(away, 30, 26)
        z -= 8.0 * ramp(away, SINK_RADIUS, SINK_RADIUS - 8)
        dark *= 1 - 0.35 * ramp(away, SINK_RADIUS, SINK_RADIUS - 4)
        dark *= 1 - 0.86 * ramp(away, THREAD_RADIUS + 0.8, THREAD_RADIUS - 0.8)
        clear &= away > SINK_RADIUS + 5
    for side in (-1, 1):
        away = np.hypot(x - side * DOWEL_OFFSET, y)
        z -= 3.0 * ramp(away, 7.2, 5.2)
        dark *= 1 - 0.80 * ramp(away, 5.6, 4.6)
        clear &= away > 10
    shade = lit(blur((z * SCALE).astype(np.float32), 1.3))
    cavity = blur(z.astype(np.float32), 11) - z
    shade *= np.clip(1 - 0.045 * np.maximum(cavity, 0), 0.6, 1)
    boss_mask = ramp(radius, BOSS_RADIUS + 2, BOSS_RADIUS)
    cast = blur(ramp(np.hypot(x - 7, y - 9), BOSS_RADIUS + 3, BOSS_RADIUS), 7)
    shade *= 1 - 0.38 * cast * (1 - boss_mask)
    shade *= dark
    shade = _with_bore(shade, x, y, radius)
    for cx, cy in screw_centres():
        away = np.hypot(x - cx, y - cy)
        pitch = np.sin(2 * np.pi * (away + 0.35 * np.arctan2(y - cy, x - cx)) / 2.2)
        wall = ramp(away, 3.0, 5.5) * ramp(away, THREAD_RADIUS + 0.4, THREAD_RADIUS - 0.6)
        facing = np.clip(0.5 + 0.5 * ((x - cx) + (y - cy)) / (away + 0.5), 0, 1)
        shade += 0.24 * wall * (0.55 + 0.45 * pitch) * facing
    count = int(np.hypot(width, height)) + 4
    profile = smooth_noise((1, count), rng, 0.9)[0] + 0.7 * smooth_noise((1, count), rng, 5)[0]
    margin = 44
    return Plate(
        shade=blur(shade.astype(np.float32), 0.8),
        alpha=ramp(edge, 0.6, -0.6),
        shadow=_shadow(margin),
        shadow_margin=margin,
        brush=_brush(height + 240, width + 400, rng),
        boss=ramp(radius, BOSS_RADIUS + 1.5, BOSS_RADIUS - 0.5) * ramp(radius, 28, 30),
        rings=np.interp(radius * SCALE, np.arange(count), profile).astype(np.float32),
        cos2=np.cos(2 * angle).astype(np.float32),
        sin2=np.sin(2 * angle).astype(np.float32),
        surface=(clear * 255).astype(np.uint8),
    )


def _with_bore(shade: Floats, x: Floats, y: Floats, radius: Floats) -> Floats:
    """Cut the bore: a rubber lip seal around a dark hole whose far wall catches light."""
    inside = ramp(radius, BORE_RADIUS + 0.8, BORE_RADIUS - 0.8)
    facing = (x * 0.63 + y * 0.77) / (radius + 0.5)
    lip = np.exp(-(((radius - 23.0) / 1.9) ** 2)) * (0.55 - 0.45 * facing)
    inner = np.exp(-(((radius - 18.5) / 1.5) ** 2)) * (0.30 + 0.30 * facing)
    hole = ramp(radius, 17.6, 16.4)
    depth = 0.045 + 0.16 * ramp(facing * radius, 3, 17)
    seal = (0.13 + 0.16 * lip + 0.15 * inner) * (1 - hole) + hole * depth
    return as_floats((shade * (1 - inside) + seal * inside).astype(np.float32))


def _shadow(margin: int) -> Floats:
    """Soft cast shadow (down and right of the cover) and the contact line around it."""
    x, y = _grid(int(2 * (PLATE_HALF[0] + margin)), int(2 * (PLATE_HALF[1] + margin)))
    cast = blur(ramp(_plate_distance(x - 7, y - 9), 1, -1), 7.5)
    contact = blur(ramp(_plate_distance(x - 1, y - 1), 2, -1), 3.0)
    return (1 - (1 - 0.66 * cast) * (1 - 0.55 * contact)).astype(np.float32)


def _brush(height: int, width: int, rng: np.random.Generator) -> Floats:
    shape = (height, width)
    fine = smooth_noise(shape, rng, 38, 0.9)
    middle = smooth_noise(shape, rng, 110, 1.7)
    coarse = smooth_noise(shape, rng, 260, 5)
    grain = smooth_noise(shape, rng, 2.0, 0.8)
    brush = 0.62 * fine + 0.52 * middle + 0.35 * coarse + 0.28 * grain
    return as_floats(brush.astype(np.float32))


@dataclass(frozen=True, slots=True)
class Screws:
    """Screw heads in turned positions: (n, side, side) shades and one (side, side) alpha."""

    shades: Floats
    alpha: Floats


def make_screws(rng: np.random.Generator, turns: int = 16) -> Screws:
    """Socket-head screws; a hexagon repeats after 60°, so `turns` cover a sixth of a circle."""
    side = int(2 * SCALE * (SINK_RADIUS + 3))
    x, y = _grid(side, side, SCALE)
    radius = np.hypot(x, y)
    face = np.interp(radius * SCALE, np.arange(side), smooth_noise((1, side), rng, 0.8)[0])
    shades = []
    for turn in range(turns):
        theta = np.arctan2(y, x) + turn * np.pi / 3 / turns
        sector = np.mod(theta, np.pi / 3) - np.pi / 6
        hexagon = radius * np.cos(sector)  # distance to the nearest flat
        z = 4.0 * ramp(radius, SCREW_RADIUS, SCREW_RADIUS - 4) - 0.010 * radius**2
        z = z - 5.0 * ramp(hexagon.astype(np.float32), 6.6, 5.4)
        shade = lit(blur((z * SCALE).astype(np.float32), 0.9))
        shine = np.exp(-(((x + 3.5) ** 2 + (y + 4.5) ** 2) / 42))
        shade = shade * (0.84 + 0.05 * face) + 0.22 * shine
        pit = ramp(hexagon.astype(np.float32), 6.2, 5.2)
        floor = 0.10 + 0.22 * ramp((x + y).astype(np.float32), 0, 8)
        shades.append(shade * (1 - pit) + floor * pit)
    stack = np.stack([blur(s.astype(np.float32), 0.8) for s in shades])
    return Screws(stack, ramp(radius, SCREW_RADIUS + 0.6, SCREW_RADIUS - 0.6))


def make_noise(size: tuple[int, int], rng: np.random.Generator) -> Floats:
    """Sensor noise, unit variance, (height + 256, width + 256, 3), blurred as by demosaicing."""
    noise = rng.standard_normal((size[1] + 256, size[0] + 256, 3), dtype=np.float32)
    noise = as_floats(cv2.GaussianBlur(noise, (0, 0), 0.55))
    luma = noise.mean(axis=2, keepdims=True)
    noise = 0.6 * noise + 0.75 * luma
    return as_floats((noise / noise.std()).astype(np.float32))
