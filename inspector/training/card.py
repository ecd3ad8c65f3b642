"""What goes on the card of every bundle: digests, versions, licence words, picture statistics."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

from inspector.cameras.footage import PICTURES, decode
from inspector.domain import Image
from inspector.errors import DataError
from inspector.look import look

_MAX_STATISTICS = 1000


def read_picture(path: Path) -> Image:
    """A picture as ``uint8`` BGR. Raises :class:`DataError` when it is none."""
    image = decode(path.read_bytes())
    if image is None:
        raise DataError(f"{path} is no picture that can be read", "Remove it or convert it")
    return image


def pictures_in(folder: Path) -> list[Path]:
    """The pictures directly in ``folder``, by name. Raises :class:`DataError` when there is none."""
    if not folder.is_dir():
        raise DataError(f"{folder} is no folder", "Give the folder that holds the pictures")
    found = sorted(path for path in folder.iterdir() if path.suffix.lower() in PICTURES)
    if not found:
        raise DataError(f"{folder} holds no picture", f"Expected {', '.join(sorted(PICTURES))}")
    return found


def data_digest(files: Iterable[Path], root: Path) -> str:
    """SHA-256 over names (relative to ``root``) and contents of ``files``, in order of name."""
    digest = hashlib.sha256()
    for path in sorted(files):
        name = path.relative_to(root) if path.is_relative_to(root) else path.name
        digest.update(str(name).encode() + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def versions(*packages: str) -> dict[str, str]:
    """The installed versions of ``packages`` and of this one."""
    found = {}
    for name in ("line-inspector", *packages):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def quality_statistics(pictures: list[Path]) -> dict[str, float | str]:
    """Limits of sharpness and brightness, learnt from whole good frames.

    Well below and above what was seen, since a line's light and focus drift before they fail.
    """
    step = max(1, len(pictures) // _MAX_STATISTICS)
    sharp, bright = [], []
    for path in pictures[::step]:
        measures = look(read_picture(path)).measures
        sharp.append(measures["sharpness"])
        bright.append(measures["exposure"])
    return {
        "sharpness_min": round(0.4 * float(np.percentile(sharp, 1)), 4),
        "exposure_low": round(0.5 * float(np.percentile(bright, 1)), 2),
        "exposure_high": round(min(250.0, 1.5 * float(np.percentile(bright, 99))), 2),
    }
