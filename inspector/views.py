"""Which pictures of a part each check looks at, and what these say of the part together.

Any finding in any of the pictures counts, and a check's score is that of its worst picture. A check
whose camera gave no picture says so: the part goes to review.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from inspector.checkspecs import ReferenceSpec, check_name
from inspector.config import StationConfig
from inspector.domain import (
    Box,
    Cause,
    CheckResult,
    Detection,
    Finding,
    FindingKind,
    Frame,
    Part,
    Score,
)
from inspector.errors import InputError
from inspector.ports import Detector
from inspector.recipe import CrossingTrigger, Recipe


class Seen(Mapping[str, tuple[Detection, ...]]):
    """What the detectors see in one picture; each runs when it is asked for the first time."""

    def __init__(self, detectors: Mapping[str, Detector], frame: Frame) -> None:
        self._detectors, self._frame = detectors, frame
        self._found: dict[str, tuple[Detection, ...]] = {}

    def __getitem__(self, name: str) -> tuple[Detection, ...]:
        if name not in self._found:
            self._found[name] = self._detectors[name].detect(self._frame.image)
        return self._found[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._detectors)

    def __len__(self) -> int:
        return len(self._detectors)


@dataclass(frozen=True, slots=True)
class Views:
    """What a recipe's checks look at."""

    cameras: Mapping[str, str]
    """By name of a check that names its camera."""
    everywhere: frozenset[str]
    """Names of checks that look at the pictures of all cameras."""
    known: frozenset[str]
    """Names of cameras; a part without a picture of any of them is from a recording or data set."""

    @classmethod
    def of(cls, recipe: Recipe, cameras: Collection[str] = ()) -> Views:
        """``cameras`` are the names of the station's."""
        checks = recipe.text.checks
        named = {check_name(spec): spec.camera for spec in checks if spec.camera is not None}
        every = (spec for spec in checks if isinstance(spec, ReferenceSpec) and spec.camera is None)
        return cls(named, frozenset(map(check_name, every)), frozenset({*cameras, *named.values()}))

    def pictures(self, check: str, part: Part) -> tuple[int, ...]:
        """Which of the part's pictures that check looks at; empty when its camera gave none."""
        sources = [frame.source for frame in part.frames]
        camera = self.cameras.get(check) if self.known.intersection(sources) else None
        if camera is None and check in self.everywhere:
            return tuple(range(len(sources)))
        wanted = camera or sources[0]
        return tuple(number for number, source in enumerate(sources) if source == wanted)


def view(part: Part, number: int, seen: Mapping[str, tuple[Detection, ...]]) -> Part:
    """The part as one of its pictures shows it; ``seen`` is what the detectors see there."""
    if number == 0:
        return replace(part, frames=part.frames[:1])
    # where the part is has been tracked in the first picture alone
    return Part(part.trigger, (part.frames[number],), None, seen)


def together(results: Sequence[tuple[int, CheckResult]]) -> CheckResult:
    """One check's results, by number of the picture, as its result for the part."""
    if [number for number, _ in results] == [0]:
        return results[0][1]
    scores = [score for _, result in results for score in result.scores]
    hot = [(number, result) for number, result in results if result.heat is not None]
    number, hottest = max(hot, key=lambda pair: _weight(pair[1].scores[0]), default=(0, CheckResult()))
    return CheckResult(
        tuple(replace(found, picture=n) for n, result in results for found in result.findings),
        (max(scores, key=_weight),) if scores else (),
        hottest.heat,
        hottest.heat_box,
        # what is drawn beside the findings is drawn over the first picture
        tuple(found for n, result in results if n == 0 for found in result.detections),
        number,
    )


def unseen(check: str, part: Part) -> CheckResult:
    """The camera that a check looks through gave no picture of this part."""
    whole = Box(0, 0, *part.frames[0].size)
    word = Cause.MISSED_ACQUISITION.word
    return CheckResult((Finding(check, FindingKind.QUALITY, word, 1.0, 1.0, whole),))


def prove_cameras(recipe: Recipe, station: StationConfig) -> None:
    """Raise :class:`InputError` where the recipe asks for what the station's cameras cannot give."""
    names = [camera.name for camera in station.cameras]
    for spec in recipe.text.checks:
        if names and spec.camera is not None and spec.camera not in names:
            raise InputError(
                f"recipe {recipe.recipe_id}: check '{check_name(spec)}' looks through camera "
                f"'{spec.camera}', which station '{station.name}' does not have",
                f"Its cameras: {', '.join(names)}",
            )
    if station.acquisition.mode == "stream":
        return
    if recipe.text.captures > 1:
        raise InputError(
            f"recipe {recipe.recipe_id}: 'captures' needs cameras that run freely; a photo-eye fires "
            f"those of station '{station.name}' once a part",
            "Set the acquisition's mode to 'stream', or leave 'captures' out",
        )
    if isinstance(recipe.text.trigger, CrossingTrigger) and len(names) > 1:
        raise InputError(
            f"station '{station.name}': the picture triggers, so further cameras must run freely",
            "Set the acquisition's mode to 'stream'",
        )


def _weight(score: Score) -> float:
    return score.score / max(score.threshold, 1e-9)
