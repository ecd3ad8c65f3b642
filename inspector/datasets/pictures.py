"""Picture files as other programs leave them, opened with their size known before they are decoded.

Pillow reads them: it tells the size, the pages, the orientation and the colour model from the header,
and takes a truncated file for what it is, where OpenCV fills up with grey.
"""

from __future__ import annotations

import io
import struct
from contextlib import suppress

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from inspector.errors import DataError

HUGE_PIXELS = 200_000_000
"""A picture of so many pixels is not decoded: as floats it would fill the memory of a line computer."""
# our own limit stands in for Pillow's, which only warns at half of it
Image.MAX_IMAGE_PIXELS = None
# as Pillow has it: Ultralytics replaces it by one that installs packages for what is no picture
_open = Image.open

_ORIENTATION = 0x0112
_TURNED = (5, 6, 7, 8)
"""Orientations whose width is the upright picture's height."""
_BITS_PER_SAMPLE = 258


def open_picture(data: bytes) -> Image.Image:
    """The header of a picture file; nothing is decoded yet.

    Raises :class:`DataError` for an empty file, for what is no picture, and for one of
    :data:`HUGE_PIXELS` or more.
    """
    if not data:
        raise DataError("the file is empty", "Copy it again")
    try:
        picture = _open(io.BytesIO(data))
    except UnidentifiedImageError:
        raise DataError("it is no picture that can be read", "Export it again") from None
    except (OSError, ValueError, SyntaxError, struct.error) as error:
        # Pillow's readers raise any of these for a file that is broken
        raise DataError(
            f"it is no picture that can be read ({_said(error)})", "Export it again"
        ) from error
    if picture.width * picture.height >= HUGE_PIXELS:
        raise DataError(
            f"{picture.width} x {picture.height} pixels are too many: the limit is "
            f"{HUGE_PIXELS // 1_000_000} megapixels",
            "Cut it into tiles",
        )
    return picture


def decode(picture: Image.Image, data: bytes) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """All pixels of the first frame, upright: ``(height, width)`` grey or ``(height, width, 3)`` RGB.

    ``uint16`` where the file has 16 bits a sample, else ``uint8``. What is transparent is laid on
    white. Raises :class:`DataError` when the file is truncated or broken, or its samples are of another
    kind.
    """
    if bits_per_sample(picture, data) == 16:
        return _decode_deep(picture, data)
    if picture.mode in ("I", "F"):
        raise DataError("its samples have 32 bits", "Export it with 8 or 16 bits a sample")
    return np.asarray(_loaded(picture), dtype=np.uint8)


def small(picture: Image.Image, data: bytes, side: int) -> tuple[NDArray[np.uint8], tuple[int, int]]:
    """The picture as ``(height, width, 3)`` ``uint8`` RGB of at least ``side``, and its whole size.

    The size ``(width, height)`` is that of the upright picture. A JPEG is decoded at a fraction of its
    size, which still reads the whole file. Raises as :func:`decode`.
    """
    whole = picture.size
    if picture.format == "JPEG":
        picture.draft("RGB", (side, side))
    decoded = decode(picture, data)
    pixels = np.asarray(decoded >> 8 if decoded.dtype == np.uint16 else decoded, np.uint8)
    size = (pixels.shape[1], pixels.shape[0])
    if picture.format == "JPEG":
        size = (whole[1], whole[0]) if orientation(picture) in _TURNED else whole
    if pixels.ndim == 2:
        pixels = np.repeat(pixels[:, :, None], 3, axis=2)
    return pixels, size


def bits_per_sample(picture: Image.Image, data: bytes) -> int:
    """8 or 16 (1 counts as 8), from the header: Pillow itself shows 16-bit colour as 8-bit."""
    if picture.format == "PNG":
        return 16 if data[24:25] == b"\x10" else 8
    if picture.format == "TIFF":
        bits = getattr(picture, "tag_v2", {}).get(_BITS_PER_SAMPLE, (8,))
        return 16 if 16 in (bits if isinstance(bits, tuple) else (bits,)) else 8
    return 16 if picture.mode.startswith("I;16") else 8


def frames(picture: Image.Image) -> int:
    """How many frames or pages the file holds."""
    with suppress(OSError, ValueError, SyntaxError, EOFError, struct.error):
        # a file broken further back is found out by decoding
        return int(getattr(picture, "n_frames", 1))
    return 1


def orientation(picture: Image.Image) -> int:
    """EXIF's number of it, 1 for upright; ask after decoding, which tells a broken file better."""
    return int(picture.getexif().get(_ORIENTATION, 1))


def _loaded(picture: Image.Image) -> Image.Image:
    """Upright, in grey or RGB."""
    try:
        if getattr(picture, "n_frames", 1) > 1:
            picture.seek(0)
        upright = ImageOps.exif_transpose(picture)
        if upright.mode in ("L", "RGB"):
            return upright
        if upright.mode == "1":
            return upright.convert("L")
        if upright.has_transparency_data:
            upright = upright.convert("RGBA")
            ground = Image.new("RGBA", upright.size, "white")
            return Image.alpha_composite(ground, upright).convert("RGB")
        return upright.convert("RGB")
    except (OSError, ValueError, SyntaxError, EOFError, IndexError, TypeError, struct.error) as error:
        # Pillow's readers raise any of these for a file that is broken
        raise DataError(
            f"it cannot be read to its end ({_said(error)})", "Copy or export it again"
        ) from error


def _decode_deep(picture: Image.Image, data: bytes) -> NDArray[np.uint16]:
    """16 bits a sample, which OpenCV keeps also in colour."""
    read = None
    with suppress(cv2.error):
        # told below in the same sentence as a result of None
        read = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if read is None or read.dtype != np.uint16:
        raise DataError("its 16-bit samples cannot be read", "Export it again, as PNG")
    pixels = np.asarray(read, np.uint16)
    if pixels.ndim == 3 and pixels.shape[2] == 4:
        share = pixels[:, :, 3:].astype(np.float64) / 65535
        pixels = np.rint(pixels[:, :, :3] * share + 65535 * (1 - share)).astype(np.uint16)
    if pixels.ndim == 3:
        pixels = pixels[:, :, ::-1] if pixels.shape[2] == 3 else pixels[:, :, 0]
    if picture.format != "TIFF":  # which OpenCV turns by itself
        pixels = _upright(pixels, orientation(picture))
    return np.ascontiguousarray(pixels, np.uint16)


def _upright(pixels: NDArray[np.uint16], turned: int) -> NDArray[np.uint16]:
    """As EXIF's orientation says."""
    if turned in _TURNED:
        pixels = np.swapaxes(pixels, 0, 1)
    if turned in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if turned in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels


def _said(error: Exception) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__
