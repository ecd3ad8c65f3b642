"""What the quality gate learns from good parts, and how often it would refuse others like them.

Limits that were learnt from a picture never refuse it. So every picture is also shown to a gate that
has learnt from other parts only: what that one refuses counts as REVIEW in the promise.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from inspector.calibration import Calibration
from inspector.checks.normals import Learnt, LooksLearner
from inspector.checks.quality import PartPlace, QualityGate
from inspector.domain import Part
from inspector.recipe import Recipe
from inspector.station import Station
from inspector.stills import part_of, read_still, still

FOLDS = 5


@dataclass(frozen=True)
class Trust:
    """When pictures of this recipe's parts can be trusted."""

    recipe: Recipe
    """The same, with what is normal of its pictures."""
    learnt: Learnt
    doubted: frozenset[Path]
    """Good pictures that a gate which does not know their part refuses."""


def learn_trust(
    recipe: Recipe,
    station: Station,
    pictures: Sequence[Path],
    gate_of: Callable[[Recipe], QualityGate],
    review_rate: float,
) -> Trust:
    """Learn from good pictures: ``station`` finds the parts in them, ``gate_of`` builds a gate.

    ``review_rate``: how many undisturbed pictures the gate may refuse. Raises
    :class:`~inspector.errors.DataError` for a picture that cannot be read.
    """
    place = PartPlace.of(recipe)
    names = [part_of(path) for path in pictures]
    folds = {name: number % FOLDS for number, name in enumerate(dict.fromkeys(names))}
    learners = [LooksLearner(by_box=place is not None) for _ in range(FOLDS + 1)]
    for index, (path, name) in enumerate(zip(pictures, names, strict=True)):
        part = _seen(recipe, station, place, path, index)
        box = None if place is None else place.box(part)
        for number, learner in enumerate(learners):
            if number != folds[name]:
                learner.see(part.frames[0].image, name, box)
    learnt = [learner.learn(review_rate) for learner in learners]
    gates = [gate_of(_with(recipe, one)) for one in learnt[:FOLDS]]
    doubted = frozenset(
        path
        for index, (path, name) in enumerate(zip(pictures, names, strict=True))
        if gates[folds[name]].inspect(_seen(recipe, station, place, path, index)).findings
    )
    return Trust(_with(recipe, learnt[-1]), learnt[-1], doubted)


def _seen(recipe: Recipe, station: Station, place: PartPlace | None, path: Path, index: int) -> Part:
    """The picture as a part, with what tells where in it the part is."""
    # read again for each look: so many pictures would not fit into a line computer's memory
    part = still(path, read_still(path), index, recipe.recipe_id)
    if place is None or not place.label:
        return part
    return replace(part, detections={place.model: station.detect(part.frames[0], place.model)})


def _with(recipe: Recipe, learnt: Learnt) -> Recipe:
    return replace(
        recipe,
        calibration=Calibration(
            parts=1,
            pictures=1,
            source="",
            digest="",
            model_hash=recipe.model_hash,
            looks=learnt.looks,
            examples=learnt.examples,
            command="",
        ),
    )
