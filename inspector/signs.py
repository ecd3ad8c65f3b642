"""What the threads of a line tell of themselves."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Signs:
    """Taken at each tick of the conversation."""

    lost_cameras: tuple[str, ...] = ()
    cameras_up: bool = True
    astray: str = ""
    """Pictures and triggers no longer fit, in words: see :mod:`inspector.acquisition`."""
    stuck: bool = False
    """A part has been under inspection for much longer than any deadline."""
