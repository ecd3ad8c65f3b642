"""Golden images: pictures of a part without a fault, at the position from which it is inspected."""

from __future__ import annotations

from pathlib import Path


def golden_file(picture: Path) -> Path | None:
    """The golden image of a picture's position, None where there is none.

    It lies where the picture lies, the last folder ``images`` replaced by ``templates``, suffix
    ``.png``.
    """
    parts = list(picture.parts)
    for index in range(len(parts) - 2, -1, -1):
        if parts[index] == "images":
            parts[index] = "templates"
            golden = Path(*parts).with_suffix(".png")
            return golden if golden.is_file() else None
    return None
