"""An anomaly network's outputs become an :class:`~inspector.domain.AnomalyMap`."""

from __future__ import annotations

import cv2
import numpy as np

from inspector.bundle import Card
from inspector.domain import AnomalyMap, Image
from inspector.errors import BundleError, DefectError
from inspector.ports import Network


class PatchAnomalyModel:
    """Scores pictures with a network whose outputs are ``score`` and ``map``, both raw.

    Raises :class:`BundleError` when the card is not one of an anomaly model.
    """

    def __init__(self, network: Network, card: Card) -> None:
        if card.task != "anomaly":
            raise BundleError(
                f"A model for '{card.task}' ({card.architecture}) cannot find anomalies",
                "Name a bundle made by 'inspector train anomaly'",
            )
        self._network = network
        self._host_size = (card.input.width, card.input.height) if card.input.resize == "host" else None

    def score(self, image: Image) -> AnomalyMap:
        """How strange ``image`` (``(height, width, 3)`` ``uint8`` BGR, of any size) is, and where.

        Raises :class:`DefectError` when an output is not finite, or the picture is empty.
        """
        if not image.size:
            raise DefectError(f"An empty picture, {image.shape}, cannot be scored")
        if self._host_size is not None and image.shape[1::-1] != self._host_size:
            resized = cv2.resize(image, self._host_size, interpolation=cv2.INTER_LINEAR)
            image = np.asarray(resized, dtype=np.uint8)
        outputs = self._network(image)
        score, heat = float(outputs["score"].reshape(-1)[0]), outputs["map"][0, 0]
        # a comparison with NaN is false: it would pass every threshold
        if not np.isfinite(score) or not np.isfinite(heat).all():
            raise DefectError("The anomaly model gave a score that is no number")
        return AnomalyMap(score, heat)
