"""A folder of pictures of any kind becomes a consistent one: 8 bit, upright, one format.

- Grey stays grey, everything else becomes RGB; colour profiles and metadata go, the orientation that
  EXIF gives is applied. CMYK is converted, what is transparent is laid on white.
- 16-bit samples are scaled by one factor for the whole folder, so that pictures stay comparable: the
  fewest of 8, 10, 12, 14 or 16 bits that hold the largest sample of all of them become 0..255.
- Of an animation, or a file of several pages, the first frame is taken and the manifest says so.
- Empty, broken and huge files (from 200 megapixels, told before they are decoded) are left out, with a
  sentence in the manifest; the others are written all the same.
- ``a.png`` and ``a.tif`` of one folder become ``a_png.jpg`` and ``a_tif.jpg``.

``manifest.jsonl`` has one line a source, in the order of their names. The output folder appears when it
is complete; a run that is stopped leaves nothing.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from inspector.bundle import writing_bundle
from inspector.cameras.footage import PICTURES
from inspector.datasets.pictures import bits_per_sample, decode, frames, open_picture, orientation
from inspector.errors import DataError, InputError

MANIFEST = "manifest.jsonl"
SOURCES = PICTURES | {".gif", ".jfif", ".jpe"}
"""Suffixes of the files that are taken; others, such as notes, are passed over."""
_DEPTHS = (8, 10, 12, 14, 16)
_LARGE_PIXELS = 40_000_000
"""Pictures from this size are decoded one at a time, whatever the number of cores: memory."""


@dataclass(frozen=True)
class PrepareSettings:
    """What the pictures become."""

    max_side: int | None = None
    """Longer side at most, in pixels; smaller pictures are not enlarged."""
    png: bool = False
    """PNG, which loses nothing, in place of JPEG."""
    quality: int = 92
    """Of JPEG, 1..100."""

    @property
    def suffix(self) -> str:
        return ".png" if self.png else ".jpg"


@dataclass(frozen=True)
class ManifestEntry:
    """What became of one source; a line of the manifest."""

    source: str
    """Path relative to the source folder."""
    output: str | None = None
    """Path relative to the output folder; None: left out."""
    source_sha256: str | None = None
    output_sha256: str | None = None
    original_size: tuple[int, int] | None = None
    """Width and height of the upright picture, in pixels."""
    size: tuple[int, int] | None = None
    done: tuple[str, ...] = ()
    """What was done, in words."""
    skipped: str | None = None
    """Why it was left out."""


def prepare_folder(source: Path, out: Path, settings: PrepareSettings) -> tuple[ManifestEntry, ...]:
    """Convert every picture below ``source`` into ``out`` and return the manifest.

    An existing ``out`` is replaced when it is empty or an earlier run made it. Raises
    :class:`DataError` when there is no picture, :class:`InputError` when ``out`` is something else or
    one folder lies in the other.
    """
    if not source.is_dir():
        raise DataError(f"{source} is no folder", "Give the folder that holds the pictures")
    here, there = source.resolve(), out.resolve()
    if here.is_relative_to(there) or there.is_relative_to(here):
        raise InputError(f"{out} and {source} lie in each other", "Give a folder elsewhere as OUT")
    if out.exists() and not _replaceable(out):
        raise InputError(f"{out} holds something else", "Give a new or empty folder as OUT")
    found = sorted(p for p in source.rglob("*") if p.suffix.lower() in SOURCES and p.is_file())
    if not found:
        raise DataError(f"{source} holds no picture", f"Expected {', '.join(sorted(SOURCES))}")
    outputs = _output_names([path.relative_to(source) for path in found], settings.suffix)
    large = threading.Lock()
    with writing_bundle(out) as folder, ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        maxima = [value for value in pool.map(_deep_maximum, found) if value is not None]
        depth = next(bits for bits in _DEPTHS if max(maxima, default=0) < 2**bits)
        jobs = [
            pool.submit(_one, path, path.relative_to(source), folder, output, settings, depth, large)
            for path, output in zip(found, outputs, strict=True)
        ]
        try:
            entries = tuple(job.result() for job in jobs)
        except BaseException:
            # stopped, or the disk is full: what still waits would be written for nothing
            pool.shutdown(cancel_futures=True)
            raise
        lines = [json.dumps(asdict(entry), ensure_ascii=False) + "\n" for entry in entries]
        (folder / MANIFEST).write_text("".join(lines), encoding="utf-8")
    return entries


def _replaceable(out: Path) -> bool:
    return out.is_dir() and ((out / MANIFEST).is_file() or not any(out.iterdir()))


def _output_names(sources: Sequence[Path], suffix: str) -> list[Path]:
    """A name of its own for each, also where the file system takes ``A`` and ``a`` for one."""

    def key(path: Path) -> str:
        return path.as_posix().casefold()

    wanted = [path.with_suffix(suffix) for path in sources]
    counts = Counter(map(key, wanted))
    taken = {name for name, count in counts.items() if count == 1}
    names = []
    for path, name in zip(sources, wanted, strict=True):
        if counts[key(name)] > 1:
            stem = f"{path.stem}_{path.suffix[1:].lower()}"
            name = path.with_name(stem + suffix)
            number = 2
            while key(name) in taken:
                name = path.with_name(f"{stem}_{number}{suffix}")
                number += 1
            taken.add(key(name))
        names.append(name)
    return names


def _deep_maximum(path: Path) -> int | None:
    """The largest sample of a 16-bit picture; None for any other, and for what cannot be read."""
    try:
        content = path.read_bytes()
        picture = open_picture(content)
        if bits_per_sample(picture, content) != 16:
            return None
        return int(decode(picture, content).max())
    except (OSError, DataError):
        # told in its manifest entry
        return None


def _one(
    path: Path,
    name: Path,
    folder: Path,
    output: Path,
    settings: PrepareSettings,
    depth: int,
    large: threading.Lock,
) -> ManifestEntry:
    try:
        content = path.read_bytes()
    except OSError as error:
        # one file; the others are prepared all the same
        return ManifestEntry(name.as_posix(), skipped=f"it cannot be read: {error.strerror}")
    digest = hashlib.sha256(content).hexdigest()
    try:
        picture = open_picture(content)
        if picture.width * picture.height >= _LARGE_PIXELS:
            with large:
                encoded, original, size, done = _convert(content, settings, depth)
        else:
            encoded, original, size, done = _convert(content, settings, depth)
    except DataError as error:
        # told in the manifest, and at the end
        sentence = str(error) if error.remedy else error.message
        return ManifestEntry(name.as_posix(), source_sha256=digest, skipped=sentence)
    target = folder / output
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(encoded)
    return ManifestEntry(
        name.as_posix(),
        output.as_posix(),
        digest,
        hashlib.sha256(encoded).hexdigest(),
        original,
        size,
        tuple(done),
    )


def _convert(
    content: bytes, settings: PrepareSettings, depth: int
) -> tuple[bytes, tuple[int, int], tuple[int, int], list[str]]:
    """The encoded picture, its size before and after, and what was done."""
    picture = open_picture(content)
    done = []
    count = frames(picture)
    if count > 1:
        done.append(f"first of {count} frames")
    mode = picture.mode
    if mode not in ("RGB", "L") and not mode.startswith("I;16"):
        done.append(f"{mode} to {'grey' if mode == '1' else 'RGB'}")
    turned = picture.format == "TIFF" and orientation(picture) != 1  # Pillow forgets it in decoding
    pixels = decode(picture, content)
    if turned or orientation(picture) != 1:
        done.append("turned upright")
    if pixels.dtype == np.uint16:
        done.append(f"16 to 8 bit, {depth} bits in use")
        pixels = np.rint(pixels * (255 / (2**depth - 1))).astype(np.uint8)
    height, width = pixels.shape[:2]
    original = (width, height)
    longer = max(original)
    if settings.max_side is not None and longer > settings.max_side:
        scale = settings.max_side / longer
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        pixels = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
        done.append(f"resized to {size[0]} x {size[1]}")
    done.append("PNG" if settings.png else f"JPEG, quality {settings.quality}")
    return _encoded(np.asarray(pixels, np.uint8), settings), original, _size(pixels), done


def _size(pixels: NDArray[np.uint8] | NDArray[np.uint16]) -> tuple[int, int]:
    return int(pixels.shape[1]), int(pixels.shape[0])


def _encoded(pixels: NDArray[np.uint8], settings: PrepareSettings) -> bytes:
    if pixels.ndim == 3:
        pixels = np.ascontiguousarray(pixels[:, :, ::-1])
    options = [] if settings.png else [cv2.IMWRITE_JPEG_QUALITY, settings.quality]
    try:
        written, data = cv2.imencode(settings.suffix, pixels, options)
    except cv2.error as error:
        # more pixels to a side than the format holds
        raise DataError(
            f"it cannot be encoded: {error.err}", "Give --max-side or --format png"
        ) from error
    if not written:
        raise DataError("it cannot be encoded", "Give --max-side, or --format png")
    return data.tobytes()
