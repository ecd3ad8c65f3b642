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
    in half; those after it, by name, wait for it.
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
        """Whether the folder is there."""
        with contextlib.suppress(OSError):  # a network drive that is gone
            return self._config.path.is_dir()
        return False

    def close(self) -> None:
        """End a waiting :meth:`read`."""
        self._closed.set()

    def _next_settled(self) -> Path | None:
        try:
            files, place = self._files(), self._place()
        except OSError as error:
            self._seen = None
            raise CameraError(
                f"folder camera '{self._config.name}': {self._config.path}: {error.strerror}",
                "Create the folder or mount its drive; it is tried again",
            ) from error
        if place != self._lies_at:
            # unmounted, mounted, or moved: what lies there is not new, and belongs to no part
            self._seen, self._lies_at = None, place
        if self._seen is None:
            self._seen = set(files)
        self._seen &= set(files)  # a name that was removed may come again
        fresh = sorted(path for path in files if path not in self._seen)
        before, self._sizes = self._sizes, {path: files[path] for path in fresh}
        for path in fresh:
            if before.get(path) != files[path]:
                return None  # no other may overtake it: the order says which part it belongs to
            if files[path]:
                return path
        return None

    def _place(self) -> tuple[int, int]:
        """Which folder that is, whatever its name."""
        found = self._config.path.stat()
        return found.st_dev, found.st_ino

    def _files(self) -> dict[Path, int]:
        """The pictures that lie there, with their sizes in bytes."""
        files: dict[Path, int] = {}
        for path in self._config.path.iterdir():
            if path.suffix.lower() in PICTURES:
                with contextlib.suppress(FileNotFoundError):  # taken away since the folder was listed
                    files[path] = path.stat().st_size
        return files

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
