"""A missing component and a foreign thing in its place are told apart by the background."""

from __future__ import annotations

import numpy as np
import pytest
from fakes import part

from inspector.checks.assembly import AssemblyCheck
from inspector.checks.background import occupied
from inspector.domain import Box, Detection, FindingKind, Image, Verdict
from inspector.expectation import Expectation
from inspector.judge import judge

BODY = Box(150, 200, 250, 360)
CAP = Expectation(label="cap", per="bottle", region="top", clear_px=(-15, -190, 15, -165))
SPOT = Box(185, 170, 215, 195)


def scene(thing: tuple[int, int, int] | None = None, noise: float = 3.0, slope: float = 0.0) -> Image:
    """A wall, a bottle without its cap, and perhaps a thing where the cap should be."""
    rng = np.random.default_rng(0)
    image = np.full((400, 400, 3), (120, 170, 60), np.float64)
    image += np.linspace(0, slope, 400)[:, None, None]
    image[200:360, 150:250] = (160, 140, 20)
    if thing is not None:
        image[165:200, 180:220] = thing
    return np.clip(image + rng.normal(0, noise, image.shape), 0, 255).astype(np.uint8)


def inspect(image: Image, *more: Detection) -> list[FindingKind]:
    check = AssemblyCheck("caps", "detector", (CAP,), 0.5, 0.5)
    seen = part(Detection("bottle", 0.9, BODY), *more, box=BODY, image=image)
    return [finding.kind for finding in check.inspect(seen).findings]


@pytest.mark.parametrize("slope", [0.0, 40.0])
@pytest.mark.parametrize("noise", [1.0, 6.0])
def test_bare_background_means_missing(noise: float, slope: float) -> None:
    assert occupied(scene(None, noise, slope), SPOT) < 0.1
    assert inspect(scene(None, noise, slope)) == [FindingKind.MISSING]


@pytest.mark.parametrize("thing", [(30, 30, 200), (240, 240, 240), (20, 20, 20), (120, 120, 120)])
def test_another_thing_in_the_place_means_wrong(thing: tuple[int, int, int]) -> None:
    image = scene(thing)
    assert inspect(image) == [FindingKind.WRONG]
    check = AssemblyCheck("caps", "detector", (CAP,), 0.5, 0.5)
    found = check.inspect(part(Detection("bottle", 0.9, BODY), box=BODY, image=image)).findings
    assert judge(found).verdict is Verdict.FAIL
    assert judge(found).cause.word == "Wrong"
    assert found[0].expected_box is not None
    assert found[0].box.rounded() == SPOT.rounded()


def test_a_component_that_is_there_is_not_compared_with_the_background() -> None:
    cap = Detection("cap", 0.9, Box(180, 165, 220, 200))
    assert inspect(scene((30, 30, 200)), cap) == []


def test_a_thing_in_the_colour_of_the_wall_cannot_be_told() -> None:
    """The method's limit, stated."""
    assert inspect(scene((122, 172, 62))) == [FindingKind.MISSING]


@pytest.mark.parametrize(
    "spot", [Box(185, -40, 215, -10), Box(500, 100, 540, 130), Box(185, 0, 215, 8)]
)
def test_what_lies_outside_the_picture_is_not_occupied(spot: Box) -> None:
    assert occupied(scene((30, 30, 200)), spot) == 0.0


def test_an_untracked_part_at_the_border_is_partial_only_if_the_component_is_not_seen() -> None:
    body = Box(0, 200, 80, 360)
    check = AssemblyCheck("caps", "detector", (CAP,), 0.5, 0.5)
    bare = part(Detection("bottle", 0.9, body), image=scene())
    assert judge(check.inspect(bare).findings).cause.word == "PartialPart"
    capped = part(
        Detection("bottle", 0.9, body), Detection("cap", 0.9, Box(20, 190, 60, 230)), image=scene()
    )
    assert check.inspect(capped).findings == ()
