"""A classification network's output becomes a probability for each label."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from inspector.bundle import Card
from inspector.domain import Image
from inspector.errors import BundleError, DefectError
from inspector.ports import Network
from inspector.runtimes.fitting import Fitter


class WholeImageClassifier:
    """Asks a network whose output ``scores`` is ``(1, classes)`` probabilities, softmax applied.

    Safe to call from threads. Raises :class:`BundleError` when the card is not one of a classifier.
    """

    def __init__(self, network: Network, card: Card) -> None:
        if card.task != "classify" or card.head != "classify":
            raise BundleError(
                f"A model for '{card.task}' ({card.architecture}) cannot classify pictures",
                "Name a bundle that was trained on a folder a class",
            )
        self._network = network
        self._labels = card.labels
        self._fitter = Fitter(card.input) if card.input.resize == "host" else None

    def classify(self, image: Image) -> Mapping[str, float]:
        """The probability of each label for ``image`` (``(height, width, 3)`` ``uint8`` BGR).

        Raises :class:`DefectError` when the output is not a probability a label, or the picture is
        empty.
        """
        if not image.size:
            raise DefectError(f"An empty picture, {image.shape}, cannot be classified")
        fitted = image if self._fitter is None else self._fitter.fit(image).image
        outputs = self._network(fitted)
        if "scores" not in outputs:
            raise DefectError(f"The classifier gives {', '.join(outputs)}, not scores")
        scores = outputs["scores"].reshape(-1)
        if len(scores) != len(self._labels):
            raise DefectError(
                f"The classifier gave {len(scores)} scores for {len(self._labels)} labels"
            )
        # a comparison with NaN is false: it would pass every threshold
        if not np.isfinite(scores).all():
            raise DefectError("The classifier gave a number that is none")
        if not np.isclose(scores.sum(), 1.0, atol=_SUM_TOLERANCE) or (scores < -_SUM_TOLERANCE).any():
            raise DefectError("The classifier's scores are no probabilities")
        return dict(zip(self._labels, scores.tolist(), strict=True))


_SUM_TOLERANCE = 0.02
"""INT8 rounds; logits are far from it."""
