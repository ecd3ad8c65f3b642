"""The network that names differences from a golden image, ready to be asked."""

from __future__ import annotations

import numpy as np

from inspector.bundle import Card
from inspector.domain import Image, Opinion
from inspector.errors import BundleError, DefectError
from inspector.ports import Network


class DifferenceJudge:
    """Implements :class:`inspector.ports.Judge`. Safe to call from several threads.

    Raises :class:`BundleError` when the card is not one of a judge.
    """

    def __init__(self, network: Network, card: Card) -> None:
        if card.task != "reference":
            raise BundleError(
                f"A model for '{card.task}' ({card.architecture}) cannot judge differences",
                "Name a bundle made by 'inspector train detector --method reference'",
            )
        self._network = network
        self._labels = card.labels
        self.side = card.input.width

    def warm_up(self, image: Image) -> Opinion:
        """Run once, on whatever lies in the corner of ``image``."""
        return self.judge(np.ascontiguousarray(image[: self.side, : self.side]))

    def judge(self, crop: Image) -> Opinion:
        """What ``crop`` (``(side, side, 3)`` ``uint8``: picture, golden image, differences) shows.

        Raises :class:`DefectError` when an output is not finite.
        """
        outputs = self._network(crop)
        shares, sides = outputs["scores"].reshape(-1), outputs["sides"].reshape(-1)
        if not (np.isfinite(shares).all() and np.isfinite(sides).all()):
            raise DefectError("The judge of differences gave a number that is none")
        left, top, right, bottom = sides.tolist()
        return Opinion(
            dict(zip(self._labels, shares.tolist(), strict=False)), (left, top, right, bottom)
        )
