"""Draws over a clean picture what was found in it. Pure: arrays in, arrays out.

The archive keeps pictures as the camera saw them; boxes and heat map are added for the eye alone, on an
enlarged copy, so that lines and letters stay crisp.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from dashboard import texts
from dashboard.reasons import readable
from inspector.domain import Image
from inspector.records.views import FindingView, PixelBox

LONG_SIDE_PX = 1280
"""Size at which pictures are drawn and sent to the browser."""
FAIL = (255, 92, 56)
BAND = (255, 201, 40)
PART = (110, 190, 255)
_DARK = (10, 14, 18)
_LIGHT = (255, 255, 255)
_LINE_PX = 4
_DASH_PX = 18
_FONT_PX = 26
_HEAT_FROM = 0.4
"""Share of the threshold from which the heat map begins to show."""
_HEAT_FULL = 1.6
"""Share of the threshold at which its colour ends."""
_HEAT_OPACITY = 0.65


@dataclass(frozen=True, slots=True, eq=False)
class Heat:
    """A heat map and where it lies."""

    values: npt.NDArray[np.float32]
    """``(rows, columns)``, 1.0 at the threshold."""
    box: PixelBox


@dataclass(frozen=True, slots=True)
class Outline:
    """The edge of a finding's pixels."""

    points: tuple[float, ...]
    """``x1, y1, x2, y2, …`` in pixels of the picture, three points or more."""
    fails: bool


def draw(
    image: Image,
    findings: Sequence[FindingView] = (),
    part: PixelBox | None = None,
    heat: Heat | None = None,
    long_side_px: int = LONG_SIDE_PX,
    outlines: Sequence[Outline] = (),
    view: PixelBox | None = None,
) -> Image:
    """A BGR picture with the longer side of ``long_side_px``, and everything given drawn over it.

    Boxes are in pixels of ``image``. A missing component has a dashed box at its expected place.
    ``view`` is the part of the picture that is shown; what lies outside of it is cut off.
    """
    if view is not None:
        x, y, x2, y2 = _within(view, image)
        image = np.ascontiguousarray(image[y:y2, x:x2])
        findings = [_moved(finding, -x, -y) for finding in findings]
        part = None if part is None else _shifted(part, -x, -y)
        heat = None if heat is None else Heat(heat.values, _shifted(heat.box, -x, -y))
        outlines = [
            Outline(tuple(p - (y if i % 2 else x) for i, p in enumerate(one.points)), one.fails)
            for one in outlines
        ]
    height, width = image.shape[:2]
    scale = long_side_px / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    way = cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA
    large = np.asarray(cv2.resize(image, size, interpolation=way), np.uint8)
    if heat is not None:
        large = blend_heat(large, heat.values, _scaled(heat.box, scale))
    if part is None and not findings and not outlines:
        return large
    canvas = Pillow.fromarray(np.ascontiguousarray(large[:, :, ::-1]))
    pen = ImageDraw.Draw(canvas)
    if part is not None:
        pen.rectangle(_scaled(part, scale), outline=PART, width=2)
    for outline in outlines:
        _draw_outline(pen, outline, scale)
    for finding in findings:
        if finding.kind != "quality":
            _draw_finding(pen, finding, scale)
    return np.ascontiguousarray(np.asarray(canvas, np.uint8)[:, :, ::-1])


def blend_heat(image: Image, heat: npt.NDArray[np.float32], box: PixelBox) -> Image:
    """The picture with the heat map laid over ``box``; what is cold stays as it was."""
    height, width = image.shape[:2]
    x1, y1, x2, y2 = (round(value) for value in box)
    left, top, right, bottom = max(x1, 0), max(y1, 0), min(x2, width), min(y2, height)
    if left >= right or top >= bottom:
        return image
    full = cv2.resize(heat, (x2 - x1, y2 - y1), interpolation=cv2.INTER_LINEAR)
    part = full[top - y1 : bottom - y1, left - x1 : right - x1]
    level = np.clip((part - _HEAT_FROM) / (_HEAT_FULL - _HEAT_FROM), 0, 1)
    colour = cv2.applyColorMap((55 + 200 * level).astype(np.uint8), cv2.COLORMAP_INFERNO).astype(
        np.float32
    )
    opacity = (np.sqrt(level) * _HEAT_OPACITY)[:, :, None]
    result = image.copy()
    below = result[top:bottom, left:right].astype(np.float32)
    result[top:bottom, left:right] = (below + (colour - below) * opacity).astype(np.uint8)
    return result


def encode(image: Image) -> bytes:
    """JPEG of a BGR picture."""
    done, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 88])
    if not done:
        raise ValueError("the picture cannot be encoded")
    return data.tobytes()


def decode(data: bytes) -> Image | None:
    """BGR picture of an image file's bytes; None when they are none."""
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    return None if image is None else np.asarray(image, np.uint8)


def tag(finding: FindingView) -> str:
    """The few words that are written at a finding's box."""
    template = texts.TAG.get(finding.kind, "{label}")
    return template.format(label=readable(finding.label))


def _draw_finding(pen: ImageDraw.ImageDraw, finding: FindingView, scale: float) -> None:
    colour = FAIL if finding.score >= finding.threshold else BAND
    box = _scaled(finding.box, scale)
    expected = None if finding.expected_box is None else _scaled(finding.expected_box, scale)
    if finding.kind == "missing":
        place = expected or box
        _dashed(pen, place, colour)
        _label(pen, place, tag(finding), colour)
        return
    if expected is not None:
        _dashed(pen, expected, colour)
        _label(pen, expected, texts.TAG_EXPECTED, colour)
    x1, y1, x2, y2 = box
    pen.rectangle((x1 - 2, y1 - 2, x2 + 2, y2 + 2), outline=_DARK, width=_LINE_PX + 4)
    pen.rectangle(box, outline=colour, width=_LINE_PX)
    _label(pen, box, tag(finding), colour)


def _draw_outline(pen: ImageDraw.ImageDraw, outline: Outline, scale: float) -> None:
    scaled = [value * scale for value in outline.points]
    points = list(zip(scaled[::2], scaled[1::2], strict=True))
    closed = [*points, points[0]]
    pen.line(closed, fill=_DARK, width=_LINE_PX, joint="curve")
    pen.line(closed, fill=FAIL if outline.fails else BAND, width=_LINE_PX // 2, joint="curve")


def _dashed(pen: ImageDraw.ImageDraw, box: PixelBox, colour: tuple[int, int, int]) -> None:
    x1, y1, x2, y2 = box
    for edge, wide in ((_DARK, _LINE_PX + 4), (colour, _LINE_PX)):
        for start in np.arange(x1, x2, 2.0 * _DASH_PX):
            end = min(float(start) + _DASH_PX, x2)
            for y in (y1, y2):
                pen.line((float(start), y, end, y), fill=edge, width=wide)
        for start in np.arange(y1, y2, 2.0 * _DASH_PX):
            end = min(float(start) + _DASH_PX, y2)
            for x in (x1, x2):
                pen.line((x, float(start), x, end), fill=edge, width=wide)


def _label(pen: ImageDraw.ImageDraw, box: PixelBox, text: str, colour: tuple[int, int, int]) -> None:
    font = ImageFont.load_default(size=_FONT_PX)
    left, top, right, bottom = pen.textbbox((0, 0), text, font=font)
    width, height = right - left + 14, bottom - top + 12
    canvas_width, canvas_height = pen.im.size
    x = min(max(box[0] - 2, 0), max(canvas_width - width, 0))
    above, below = box[1] - height - 2, box[3] + 2
    y = above if above >= 0 else min(below, canvas_height - height)
    pen.rectangle((x, y, x + width, y + height), fill=colour)
    pen.text((x + 7 - left, y + 6 - top), text, font=font, fill=_text_on(colour))


def _text_on(colour: tuple[int, int, int]) -> tuple[int, int, int]:
    red, green, blue = colour
    return _DARK if 0.3 * red + 0.59 * green + 0.11 * blue > 120 else _LIGHT


def _within(view: PixelBox, image: Image) -> tuple[int, int, int, int]:
    """Whole pixels inside the picture, one at least."""
    height, width = image.shape[:2]
    x1, y1 = min(max(int(view[0]), 0), width - 1), min(max(int(view[1]), 0), height - 1)
    return x1, y1, max(x1 + 1, min(round(view[2]), width)), max(y1 + 1, min(round(view[3]), height))


def _moved(finding: FindingView, dx: float, dy: float) -> FindingView:
    expected = finding.expected_box
    return replace(
        finding,
        box=_shifted(finding.box, dx, dy),
        expected_box=None if expected is None else _shifted(expected, dx, dy),
    )


def _shifted(box: PixelBox, dx: float, dy: float) -> PixelBox:
    return box[0] + dx, box[1] + dy, box[2] + dx, box[3] + dy


def _scaled(box: PixelBox, scale: float) -> PixelBox:
    x1, y1, x2, y2 = (value * scale for value in box)
    return min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)
