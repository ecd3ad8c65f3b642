"""The p-chart: which shares are more than chance. Pure.

Source: Shewhart, "Economic Control of Quality of Manufactured Product", 1931; Montgomery,
"Introduction to Statistical Quality Control", chapter 7. The limits lie three standard deviations of
the binomial distribution around the share of all, for each group by its own number of parts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

_SIGMAS = 3.0


@dataclass(frozen=True, slots=True)
class Share:
    """One group of the chart."""

    count: int
    of: int
    share: float | None
    """None without a part."""
    low: float
    high: float

    @property
    def is_out(self) -> bool:
        """Beyond a limit."""
        return self.share is not None and not self.low <= self.share <= self.high


@dataclass(frozen=True, slots=True)
class ControlChart:
    """Groups in their order and the share of all."""

    centre: float
    groups: tuple[Share, ...]


def p_chart(counts: Sequence[tuple[int, int]]) -> ControlChart:
    """Of ``count, of`` by group."""
    parts = sum(of for _, of in counts)
    centre = sum(count for count, _ in counts) / parts if parts else 0.0
    return ControlChart(centre, tuple(_group(count, of, centre) for count, of in counts))


def _group(count: int, of: int, centre: float) -> Share:
    if not of:
        return Share(count, of, None, 0.0, 1.0)
    spread = _SIGMAS * math.sqrt(centre * (1 - centre) / of)
    return Share(count, of, count / of, max(0.0, centre - spread), min(1.0, centre + spread))
