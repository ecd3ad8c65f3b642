"""What pydantic refuses, in a clause for a message."""

from __future__ import annotations

from pydantic import ValidationError


def first_offence(error: ValidationError, whole: str = "json") -> str:
    """The first offence as ``place: what is wrong``; ``whole`` names the document itself."""
    first = error.errors()[0]
    place = ".".join(str(key) for key in first["loc"])
    return f"{place or whole}: {first['msg']}"
