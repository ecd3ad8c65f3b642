"""A slowly decaying lamp is noticed before good parts are rejected because of it.

Once with rendered pictures, of which each 25th of 5,000 parts is looked at and 30 are judged by the
shipped models; once with all 5,000 parts, whose numbers are drawn. What links these numbers to the
light was measured on 60 rendered good parts, judged by the shipped recipe at each level of light;
``test_the_link_of_light_and_score_is_that_of_rendered_parts`` measures some of it again.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from drifting import CHECK, RECIPE, calibration, feed, seen
from scipy.stats import norm
from support import a_station

from inspector.config import Drift
from inspector.domain import Frame, Image, Part, Trigger, Verdict
from inspector.drift import DriftWatch
from inspector.look import look
from inspector.sim.lamp import Lamp
from inspector.sim.scene import FaultKind, SceneRenderer
from inspector.station import Judged, Station

PUMP_COVER = Path(__file__).resolve().parents[2] / "configs" / "recipes" / "pump-cover"
PARTS, LEFT = 5000, 0.6
LAMP = Lamp(loss=(1 - LEFT) / PARTS, least=LEFT)
WORLD = 7
"""The line that the shipped models learnt on."""
FALSE_REJECT_RATE = 0.01

LIGHT = (0.60, 0.65, 0.70, 0.74, 0.78, 0.82, 0.86, 0.90, 0.94, 0.97, 1.0)
SCORE_MEAN = (40.83, 38.94, 36.55, 34.73, 33.36, 32.53, 31.84, 31.53, 31.41, 31.42, 31.52)
SCORE_SPREAD = (1.12, 1.75, 1.96, 1.59, 1.25, 1.09, 1.26, 1.14, 1.25, 1.31, 1.37)
BRIGHTNESS = (70.4, 2.9)
"""Mean and standard deviation at full light; both are proportional to it."""
SHARPNESS = (303.6, 24.1)
"""The same; proportional to the square of the light."""


@pytest.fixture(scope="module")
def renderer() -> SceneRenderer:
    return SceneRenderer(WORLD)


@pytest.fixture(scope="module")
def station() -> Station:
    return a_station(PUMP_COVER)


def good_part(renderer: SceneRenderer, number: int, light: float) -> Image:
    rng = np.random.default_rng((99, number))
    image, _ = renderer.render(FaultKind.GOOD, rng, belt_px=487.0 * number, lamp=light)
    return image


def judged(station: Station, image: Image) -> Judged:
    return station.inspect(Part(Trigger(1, 1, "p", 0.0, 1.0), (Frame(image, "top", 1, 0.0),)))


def test_a_lamp_decays_from_where_it_is_told_to_where_it_stays() -> None:
    lamp = Lamp(loss=0.01, steady_parts=10, least=0.8)
    assert [lamp.light(part) for part in (0, 10, 20, 30, 1000)] == pytest.approx([1, 1, 0.9, 0.8, 0.8])
    assert Lamp().light(10_000) == 1


def test_less_light_is_the_same_part_darker(renderer: SceneRenderer) -> None:
    full, half = good_part(renderer, 1, 1.0), good_part(renderer, 1, 0.5)
    assert half.mean() == pytest.approx(full.mean() / 2, rel=0.01)
    assert np.corrcoef(full.ravel(), half.ravel())[0, 1] > 0.99


def test_the_link_of_light_and_score_is_that_of_rendered_parts(
    renderer: SceneRenderer, station: Station
) -> None:
    for light in (1.0, 0.82, 0.70):
        parts = [judged(station, good_part(renderer, number, light)) for number in range(10)]
        score = np.mean([part.scores[-1].score for part in parts])
        brightness = np.mean([part.measures["exposure"] for part in parts])
        assert parts[0].scores[-1].check == CHECK
        assert score == pytest.approx(np.interp(light, LIGHT, SCORE_MEAN), abs=1.0)
        assert brightness == pytest.approx(BRIGHTNESS[0] * light, rel=0.03)


def test_rendered_parts_are_still_told_apart_when_the_lamp_is_noticed(
    renderer: SceneRenderer, station: Station
) -> None:
    every = 25
    known = [look(good_part(renderer, 10_000 + number, 1.0)).measures for number in range(60)]
    looks = {name: [one[name] for one in known] for name in known[0]}
    watch = DriftWatch(Drift(window=40), RECIPE, calibration(looks))
    part = 0
    while watch.health.level == "good" and part < PARTS:
        picture = good_part(renderer, part, LAMP.light(part))
        watch.note(seen(dict(look(picture).measures)))
        watch.look()
        part += every
    light = LAMP.light(part)
    assert light > 0.82, "good parts fail from about 0.8 down"
    assert watch.health.text.startswith("brightness has fallen by ")
    verdicts = [
        judged(station, good_part(renderer, 20_000 + number, light)).judgement.verdict
        for number in range(30)
    ]
    assert Verdict.FAIL not in verdicts
    assert verdicts.count(Verdict.PASS) >= 28


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_five_thousand_parts(seed: int) -> None:
    """The threshold is the one that keeps the promise at full light."""
    rng = np.random.default_rng(seed)
    threshold = norm.isf(FALSE_REJECT_RATE, SCORE_MEAN[-1], SCORE_SPREAD[-1])
    light = np.array([LAMP.light(part) for part in range(PARTS)])
    mean, spread = np.interp(light, LIGHT, SCORE_MEAN), np.interp(light, LIGHT, SCORE_SPREAD)
    broken = int(np.argmax(norm.sf(threshold, mean, spread) > FALSE_REJECT_RATE * 1.0001))
    known = drawn(rng, np.ones(300))
    watch = DriftWatch(
        Drift(),
        RECIPE,
        calibration(
            {"exposure": list(known[:, 0]), "sharpness": list(known[:, 1])}, list(known[:, -1])
        ),
    )
    levels = feed(watch, drawn(rng, light))
    noticed, urgent = 20 * (levels.index("watch") + 1), 20 * (levels.index("act") + 1)
    assert noticed < urgent < broken
    assert LAMP.light(noticed) > 0.9


def drawn(rng: np.random.Generator, light: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """``(parts, 4)`` brightness, sharpness, place and score of good parts in that light."""
    count = len(light)
    brightness = rng.normal(*BRIGHTNESS, count) * light
    sharpness = rng.normal(*SHARPNESS, count) * light**2
    score = rng.normal(np.interp(light, LIGHT, SCORE_MEAN), np.interp(light, LIGHT, SCORE_SPREAD))
    return np.column_stack((brightness, sharpness, rng.normal(0.5, 0.01, count), score))
