"""That a station is halted, kept over a restart of its process: a file that is there or not."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from inspector.errors import StorageError
from inspector.records.disk import flush

NAME = "halted"


@dataclass(frozen=True, slots=True)
class HaltFile:
    """Implements :class:`inspector.ports.HaltMark` in the station's folder."""

    folder: Path

    @property
    def is_set(self) -> bool:
        """Whether the file is there."""
        return (self.folder / NAME).exists()

    def set(self, on: bool) -> None:
        """Write the file, or remove it. Raises :class:`StorageError` when the disk does not take it."""
        path = self.folder / NAME
        try:
            if on:
                path.touch()
                flush(self.folder)
            else:
                path.unlink(missing_ok=True)
        except OSError as error:
            raise StorageError(
                f"{path} cannot be {'written' if on else 'removed'}: {error.strerror}",
                "Free space, or make the folder writable, and give the command once more",
            ) from error
