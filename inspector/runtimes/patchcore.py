"""An anomaly network's outputs become an :class:`~inspector.domain.AnomalyMap`."""

from __future__ import annotations

import cv2
import numpy as np

from inspector.bundle import Card
from inspector.domain import AnomalyMap, Image
from inspector.errors import BundleError, DefectError
from inspector.ports import Network
from inspector.runtimes.views import Heat, shown, stitched, views


class PatchAnomalyModel:
    """Scores pictures with a network whose outputs are ``score`` and ``map``, both raw.

    The score of a picture that is seen in tiles is that of its strangest tile.

    Raises :class:`BundleError` when the card is not one of an anomaly model.
    """

    def __init__(self, network: Network, card: Card) -> None:
        if card.task != "anomaly":
            raise BundleError(
                f"A model for '{card.task}' ({card.architecture}) cannot find anomalies",
                "Name a bundle made by 'inspector train anomaly'",
            )
        self._network = network
        self._input = card.input
        self._host_size = (card.input.width, card.input.height) if card.input.resize == "host" else None

    def score(self, image: Image) -> AnomalyMap:
        """How strange ``image`` (``(height, width, 3)`` ``uint8`` BGR, of any size) is, and where.

        Raises :class:`DefectError` when an output is not finite, or the picture is empty.
        """
        if not image.size:
            raise DefectError(f"An empty picture, {image.shape}, cannot be scored")
        height, width = image.shape[:2]
        boxes = views(width, height, self._input)
        seen = [self._look(shown(image, box, self._input)) for box in boxes]
        heat = stitched([heat for _, heat in seen], boxes, width, height, self._input)
        return AnomalyMap(max(score for score, _ in seen), heat)

    def _look(self, view: Image) -> tuple[float, Heat]:
        if self._host_size is not None and view.shape[1::-1] != self._host_size:
            resized = cv2.resize(view, self._host_size, interpolation=cv2.INTER_LINEAR)
            view = np.asarray(resized, dtype=np.uint8)
        outputs = self._network(view)
        score, heat = float(outputs["score"].reshape(-1)[0]), outputs["map"][0, 0]
        # a comparison with NaN is false: it would pass every threshold
        if not np.isfinite(score) or not np.isfinite(heat).all():
            raise DefectError("The anomaly model gave a score that is no number")
        return score, heat
