"""Recorded footage: a video file, a picture, or a folder of pictures, frame by frame.

Time is that of the recording, ``index / fps``, so that two runs see the same instants.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from inspector.domain import Frame, Image
from inspector.errors import FootageError
from inspector.golden import golden_file

PICTURES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"})
VIDEOS = frozenset({".mp4", ".avi", ".mkv", ".mov", ".m4v", ".mpg", ".mpeg", ".webm", ".ts"})
DEFAULT_FPS = 25.0


class Video:
    """Implements :class:`inspector.ports.Camera` on a video file."""

    continuous = False
    ends_on_error = True

    def __init__(self, path: Path, source: str | None = None) -> None:
        """Open it. Raises :class:`FootageError` for what is missing or no video."""
        if not path.is_file():
            raise FootageError(f"{path} does not exist", "Check the path of the footage")
        self._path = path
        self._capture = cv2.VideoCapture(str(path))
        if not self._capture.isOpened():
            raise FootageError(
                f"{path} cannot be opened as a video",
                "It may be truncated or of an unknown format: copy it again, or convert it to MP4",
            )
        self.source = source or path.stem
        self.fps = self._capture.get(cv2.CAP_PROP_FPS) or DEFAULT_FPS
        self._promised = int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT))
        self._index = 0

    def read(self) -> Frame | None:
        """The next frame; None at the end.

        Raises :class:`FootageError` when the file ends before the frames that its header promises.
        """
        delivered, image = self._capture.read()
        if not delivered:
            if self._index < self._promised:
                raise FootageError(
                    f"{self._path} is truncated: {self._index} of {self._promised} frames can be read",
                    "What came before is inspected and recorded; copy the file again for the rest",
                )
            return None
        frame = Frame(
            np.asarray(image, dtype=np.uint8),
            self.source,
            self._index,
            self._index / self.fps,
            recorded=True,
        )
        self._index += 1
        return frame

    def close(self) -> None:
        """Let go of the file."""
        self._capture.release()


class Pictures:
    """Implements :class:`inspector.ports.Camera` on pictures in the order of their names."""

    continuous = False
    ends_on_error = False

    def __init__(self, paths: list[Path], source: str) -> None:
        self._paths = paths
        self._next = 0
        self.source = source
        self.fps = DEFAULT_FPS

    def read(self) -> Frame | None:
        """The next picture. Raises :class:`FootageError` for a file that is none; reading goes on."""
        if self._next >= len(self._paths):
            return None
        index, self._next = self._next, self._next + 1
        path = self._paths[index]
        image, golden = read_picture(path), read_golden(path)
        return Frame(image, self.source, index, index / self.fps, recorded=True, golden=golden)

    def close(self) -> None:
        """Nothing is held open."""


def read_picture(path: Path) -> Image:
    """A picture file as ``(height, width, 3)`` ``uint8`` BGR.

    Raises :class:`FootageError` for what is missing or no picture.
    """
    try:
        image = decode(path.read_bytes())
    except OSError as error:
        raise FootageError(f"{path} cannot be read: {error.strerror}", "Check the path") from error
    if image is None:
        raise FootageError(f"{path} is no picture that can be read", "Remove it or export it again")
    return image


def decode(data: bytes) -> Image | None:
    """The content of a picture file as ``(height, width, 3)`` ``uint8`` BGR; None when it is none."""
    if not data:
        return None
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        # larger, says its head, than any picture
        return None
    return None if image is None else np.asarray(image, np.uint8)


def is_cut_short(data: bytes) -> bool:
    """Whether a JPEG lacks its end, whose place OpenCV fills with grey."""
    return data.startswith(b"\xff\xd8") and not data.rstrip(b"\0\r\n").endswith(b"\xff\xd9")


def read_golden(path: Path) -> Image | None:
    """The golden image of a picture's position, None where there is none.

    Raises :class:`FootageError` when it is there and no picture.
    """
    golden = golden_file(path)
    return read_picture(golden) if golden is not None else None


def open_footage(path: Path) -> Video | Pictures:
    """A video, a picture or a folder of pictures as a source of frames."""
    if path.is_dir():
        pictures = sorted(file for file in path.iterdir() if file.suffix.lower() in PICTURES)
        if not pictures:
            raise FootageError(
                f"{path} holds no pictures", f"Expected one of {', '.join(sorted(PICTURES))}"
            )
        return Pictures(pictures, path.name)
    if path.suffix.lower() in PICTURES:
        if not path.is_file():
            raise FootageError(f"{path} does not exist", "Check the path of the footage")
        return Pictures([path], path.stem)
    return Video(path)


def expand_footage(paths: list[Path]) -> Iterator[Path]:
    """Each recording to be opened by itself: a folder of videos stands for its videos."""
    for path in paths:
        videos = (
            sorted(file for file in path.iterdir() if file.suffix.lower() in VIDEOS)
            if path.is_dir()
            else []
        )
        yield from videos or [path]
