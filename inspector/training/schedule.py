"""A training's schedule that ends when its time does: epochs, learning rate, early stop. Pure.

Ultralytics' own time budget forgets, when a training is resumed, the epochs that were done before, and
cuts the last one short. Here the number of epochs is estimated anew after each, so that the last one
ends nearest to the end of the budget, and the learning rate falls linearly with every step to almost
nothing there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

FINAL_RATE = 0.01
"""Learning rate at the end, as a share of that at the beginning."""
RECENT = 3
"""Epochs by which the next ones are estimated."""
OVERRUN = 1.15
"""A training that takes more than its budget by so much is stopped within an epoch."""
LEAST_PATIENCE = 15


def rate(progress: float) -> float:
    """The learning rate at ``progress`` (0..1) of a training, as a share of the first."""
    return FINAL_RATE + (1 - FINAL_RATE) * (1 - min(max(progress, 0.0), 1.0))


def epochs_in_all(done: int, durations_s: Sequence[float], left_s: float) -> int:
    """How many epochs a training will have had, ``done`` of them so far, with ``left_s`` to go.

    ``durations_s``: those of the epochs so far, latest last. One that would end late by less than half
    of itself is still begun.
    """
    recent = list(durations_s)[-RECENT:]
    mean = sum(recent) / len(recent)
    return done + max(0, math.floor(left_s / mean + 0.5))


def patience(epochs: int) -> int:
    """Epochs without a gain after which a training ends: the last third brings much of the gain."""
    return max(LEAST_PATIENCE, math.ceil(0.4 * epochs))
