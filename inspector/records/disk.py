"""What must survive a power cut, not only a killed process."""

from __future__ import annotations

import os
from pathlib import Path


def flush(path: Path) -> None:
    """Wait until the disk has a file's contents, or a folder's names. Raises ``OSError``."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def flush_tree(folder: Path) -> None:
    """The same for everything in a folder, and the folder itself."""
    for path in sorted(folder.rglob("*")):
        flush(path)
    flush(folder)
