"""A folder into which another program drops pictures."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from pathlib import Path

from inspector.cameras.footage import PICTURES, is_cut_short, read_golden, read_picture
from inspector.cameraspecs import FolderCamera
from inspector.domain import Frame
from inspector.errors import CameraError, FootageError, PictureError


class WatchedFolder:
    """Implements :class:`inspector.ports.Camera`: each picture that appears is a frame.

    What lies in the folder at the start, or when it is back after it was gone, is not new. A file
    counts when its size has not changed between two looks, so that one still being written is not read
    in half; those after it, by name, wait for it. One that stays empty until the next is there counts
    as an exposure of which there is no picture.
    """

    continuous = False

    def __init__(self, config: FolderCamera, clock: Callable[[], float] = time.monotonic) -> None:
        self._config = config
        self._clock = clock
        self._closed = threading.Event()
        self._sizes: dict[Path, int] = {}
        self._seen: set[Path] | None = None
        self._lies_at: tuple[int, int] | None = None
        self._index = 0

    def read(self) -> Frame | None:
        """Wait for the next new picture; None after :meth:`close`.

        Raises :class:`CameraError` when the folder is gone, :class:`PictureError` for a new file that
        is no picture, or not the whole of one; the next call waits for the file after it.
        """
        while not self._closed.wait(self._config.poll_s):
            path = self._next_settled()
            if path is not None:
                return self._frame(path)
        return None

    def reached(self) -> bool:
        """Whether the folder can be looked into; what lies there then is not new."""
        try:
            self._look()
        except CameraError:
            # the next read says why
            return False
        return True

    def close(self) -> None:
        """End a waiting :meth:`read`."""
        self._closed.set()

    def _next_settled(self) -> Path | None:
        before, self._sizes = self._sizes, self._look()
        empty: Path | None = None
        for path, size in self._sizes.items():
            if before.get(path) != size:
                return None  # no other may overtake it: the order says which part it belongs to
            if size:
                return empty or path
            empty = empty or path
        return None

    def _look(self) -> dict[Path, int]:
        """The new pictures by name, with their sizes in bytes; the first look finds none.

        Raises :class:`CameraError` when the folder is gone.
        """
        try:
            lying, place = self._lying(), self._place()
            if place != self._lies_at:
                # unmounted, mounted, or moved: what lies there is not new, and belongs to no part
                self._seen, self._lies_at = None, place
            if self._seen is None:
                self._seen = lying
            self._seen = self._seen & lying  # a name that was removed may come again
            return _sizes(sorted(lying - self._seen))
        except OSError as error:
            self._seen = None
            raise CameraError(
                f"folder camera '{self._config.name}': {self._config.path}: {error.strerror}",
                "Create the folder or mount its drive; it is tried again",
            ) from error

    def _lying(self) -> set[Path]:
        return {path for path in self._config.path.iterdir() if path.suffix.lower() in PICTURES}

    def _place(self) -> tuple[int, int]:
        """Which folder that is, whatever its name."""
        found = self._config.path.stat()
        return found.st_dev, found.st_ino

    def _frame(self, path: Path) -> Frame:
        if self._seen is not None:
            self._seen.add(path)
        # one that cannot be read was an exposure too: the numbers of those after it must not shift
        index, self._index = self._index, self._index + 1
        try:
            image, golden = read_picture(path), read_golden(path)
            if is_cut_short(path.read_bytes()):
                raise FootageError(f"{path} is cut short", "Drop it under another name, then rename it")
        except FootageError as error:
            # another program's fault: the part it belonged to gets no frame and goes to review
            raise PictureError(error.message, error.remedy) from error
        except OSError as error:
            # removed in this very moment
            raise PictureError(
                f"{path} cannot be read: {error.strerror}", "Let it lie longer"
            ) from error
        return Frame(image, self._config.name, index, self._clock(), golden=golden)


def _sizes(paths: list[Path]) -> dict[Path, int]:
    sizes: dict[Path, int] = {}
    for path in paths:
        with contextlib.suppress(FileNotFoundError):  # taken away since the folder was listed
            sizes[path] = path.stat().st_size
    return sizes
