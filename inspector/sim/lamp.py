"""A lamp that grows weaker, part by part."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Lamp:
    """Loses the same share of its first light with each part, down to a least."""

    loss: float = 0.0
    """Share of the first light that a part costs."""
    steady_parts: int = 0
    """Parts before it begins."""
    least: float = 0.8
    """What it keeps. The simulated line's good parts fail from about 0.78 down."""

    def light(self, part: int) -> float:
        """How much of its light is left at a part, from 0."""
        return max(self.least, 1.0 - self.loss * max(0, part - self.steady_parts))
