"""A change is told, a stable line is left alone, and what is told is what has changed."""

from __future__ import annotations

import numpy as np
import pytest
from drifting import CHECK, MEASURES, RECIPE, Numbers, calibrated, calibration, feed, seen
from scipy.signal import lfilter
from scipy.stats import ks_2samp

from inspector.config import Drift
from inspector.domain import Cause, RecipeRef
from inspector.drift import DriftWatch, Reference, correlation_length, ks_distance

STABLE_PARTS = 50_000


def neighbours(seed: int, parts: int, alike: float) -> Numbers:
    """``(parts, 4)`` standard normal numbers of which neighbours correlate by ``alike``."""
    noise = np.random.default_rng(seed).standard_normal((parts + 500, 4))
    smooth = lfilter([np.sqrt(1 - alike**2)], [1, -alike], noise, axis=0)
    return np.asarray(smooth[500:], np.float64)


def good_parts(seed: int, parts: int = 300) -> Numbers:
    return np.random.default_rng((seed, 1)).standard_normal((parts, 4))


# --- statistics ----------------------------------------------------------------------------------


@pytest.mark.parametrize("shift", [0.0, 0.3, 2.0])
def test_the_distance_is_that_of_scipy(shift: float) -> None:
    rng = np.random.default_rng(1)
    first, second = rng.standard_normal(150).round(1), (rng.standard_normal(90) + shift).round(1)
    expected = ks_2samp(first, second).statistic
    assert ks_distance(np.sort(first), np.sort(second)) == pytest.approx(expected)


def test_independent_values_count_fully_and_alike_ones_as_few() -> None:
    for alike, expected in ((0.0, 1.0), (0.5, 3.0), (0.8, 9.0)):
        lengths = [correlation_length(neighbours(seed, 400, alike)[:, 0]) for seed in range(20)]
        assert np.mean(lengths) == pytest.approx(expected, rel=0.35)


def test_a_straight_trend_is_no_correlation() -> None:
    noise = np.random.default_rng(3).standard_normal(200)
    assert correlation_length(noise + np.linspace(0, 10, 200)) < 2


def test_values_without_spread_have_no_correlation() -> None:
    assert correlation_length(np.full(50, 3.0)) == 1
    assert correlation_length(np.zeros(50)) == 1


def test_of_equal_distributions_the_index_is_about_zero_and_grows_with_the_shift() -> None:
    rng = np.random.default_rng(5)
    reference = Reference(rng.standard_normal(500), "calibration")
    index = [
        np.mean([reference.compare(rng.standard_normal(500) + shift).psi for _ in range(20)])
        for shift in (0.0, 0.3, 0.5, 1.0)
    ]
    # of normal distributions it is the square of the shift
    assert index == pytest.approx([0.02, 0.09, 0.25, 1.0], abs=0.03, rel=0.3)


def test_a_check_that_never_saw_anything_and_now_does() -> None:
    reference = Reference([0.0] * 100, "calibration")
    same, more = reference.compare(np.zeros(100)), reference.compare(np.full(100, 0.3))
    assert (same.psi, same.p_value) == (0, 1)
    assert more.psi > 1
    assert more.p_value < 1e-9
    assert reference.compare(np.full(100, -0.3)).psi > 1


def test_a_large_reference_is_thinned_out_evenly() -> None:
    reference = Reference(range(100_000), "calibration")
    assert len(reference.values) == 2000
    assert reference.median == pytest.approx(50_000, rel=0.01)


# --- a stable line -------------------------------------------------------------------------------


@pytest.mark.parametrize(("seed", "alike"), [(1, 0.0), (2, 0.5), (3, 0.9), (4, 0.5)])
def test_a_stable_line_raises_no_alarm(seed: int, alike: float) -> None:
    watch = DriftWatch(Drift(), RECIPE, calibrated(good_parts(seed)))
    levels = feed(watch, neighbours(seed, STABLE_PARTS, alike))
    assert len(watch.readings) == 4
    assert set(levels) == {"good"}


@pytest.mark.parametrize("run", [1, 50])
def test_two_variants_that_alternate_raise_no_alarm(run: int) -> None:
    variant = (np.arange(STABLE_PARTS) // run % 2)[:, None] * 3.0
    known = good_parts(run) + (np.arange(300) % 2)[:, None] * 3.0
    watch = DriftWatch(Drift(), RECIPE, calibrated(known))
    levels = feed(watch, neighbours(run, STABLE_PARTS, 0.3) + variant)
    assert len(watch.readings) == 4
    assert set(levels) == {"good"}


def test_a_reference_learnt_at_the_line_raises_no_alarm_either() -> None:
    watch = DriftWatch(Drift(), RECIPE)
    levels = feed(watch, neighbours(5, STABLE_PARTS, 0.5))
    assert {one.reference for one in watch.readings} == {"the first 200 parts"}
    assert watch.learnt == ("brightness", "sharpness", "position across", f"the score of '{CHECK}'")
    assert set(levels) == {"good"}


# --- a line that drifts --------------------------------------------------------------------------


@pytest.mark.parametrize(("column", "alike"), [(0, 0.5), (1, 0.0), (2, 0.0), (3, 0.5)])
def test_each_measure_is_followed(column: int, alike: float) -> None:
    """It moves by three of its standard deviations over 5,000 parts; the others stay."""
    table = neighbours(column, 5000, alike)
    table[:, column] += np.linspace(0, 3, 5000)
    watch = DriftWatch(Drift(), RECIPE, calibrated(good_parts(column)))
    levels = feed(watch, table)
    assert levels[:10] == ["good"] * 10
    # before it has moved by one and a half; and two windows without a common part agree on 'act'
    assert levels.index("watch") < 125
    assert levels.index("watch") + 10 <= levels.index("act")
    assert levels[-1] == "act"
    moved = [one.measure for one in watch.readings if one.health != "good"]
    assert moved == [[*MEASURES, f"score:{CHECK}"][column]]


def test_what_is_told() -> None:
    watch = DriftWatch(Drift(), RECIPE, calibration({"exposure": [100.0, 101, 99, 100] * 20}))
    for level in ("watch", "act"):
        for _ in range(200):
            watch.note(seen({"exposure": 88.0}))
        assert watch.look()
        assert watch.health.level == level
    assert watch.health.text == "brightness has fallen by 12 % against calibration; look at the lamp"


def test_causes_come_before_their_effects() -> None:
    steady = [1.0, 1.1, 0.9, 1.0] * 20
    known = calibration({"sharpness": steady, "x": steady, "exposure": steady}, scores=steady)
    watch = DriftWatch(Drift(), RECIPE, known)
    for _ in range(200):
        watch.note(seen({"sharpness": 0.5, "x": 1.02, "exposure": 0.8}, 4.0))
    watch.look()
    text = watch.health.text
    assert text.startswith("brightness has fallen by 20 % against calibration (also sharpness, ")
    assert text.endswith(f"the score of '{CHECK}'); look at the lamp")


def test_a_position_is_told_in_shares_of_the_picture() -> None:
    watch = DriftWatch(Drift(), RECIPE, calibration({"x": [0.5, 0.51, 0.49, 0.5] * 20}))
    for _ in range(200):
        watch.note(seen({"x": 0.55}))
    watch.look()
    assert watch.health.text.startswith("position across has risen by 5 % of the width against")


def test_a_spread_without_a_shift_is_told() -> None:
    rng = np.random.default_rng(2)
    watch = DriftWatch(Drift(), RECIPE, calibration({"exposure": list(100 + rng.standard_normal(200))}))
    for value in 100 + 6 * rng.standard_normal(200):
        watch.note(seen({"exposure": value}))
    watch.look()
    assert watch.health.text.startswith("the spread of brightness has changed against calibration; ")


# --- which parts count ---------------------------------------------------------------------------


def drifted(cause: Cause = Cause.NONE, **changes: object) -> DriftWatch:
    watch = DriftWatch(
        Drift(), RECIPE, calibration({"exposure": [1.0, 1.1, 0.9, 1.0] * 20}, [1.0, 1.1, 0.9] * 20)
    )
    for _ in range(2):
        for _ in range(200):
            watch.note(seen({"exposure": 0.5}, 3.0, cause=cause, **changes))  # type: ignore[arg-type]
        watch.look()
    return watch


def test_pictures_that_are_not_trusted_do_not_blind_the_watch() -> None:
    watch = drifted(Cause.EXPOSURE)
    assert watch.health.level == "act"
    assert {one.measure for one in watch.readings} == {"exposure", f"score:{CHECK}"}


def test_faulty_parts_are_no_drift_of_scores_but_their_pictures_count() -> None:
    watch = drifted(Cause.ANOMALY)
    assert [one.measure for one in watch.readings] == ["exposure"]


@pytest.mark.parametrize(
    "changes",
    [
        {"challenge": "faulty"},
        {"result_state": 3},
        {"recipe": RecipeRef("soap", 4, "5" * 64, "1" * 64)},
    ],
)
def test_challenge_parts_aborted_ones_and_those_of_another_recipe_do_not_count(
    changes: dict[str, object],
) -> None:
    assert drifted(**changes).readings == ()  # type: ignore[arg-type]


def test_when_most_parts_fail_that_is_told() -> None:
    watch = DriftWatch(Drift(window=40), RECIPE)
    for cause, parts, level in (
        (Cause.NONE, 40, "good"),
        (Cause.ANOMALY, 30, "good"),
        (Cause.ANOMALY, 1, "watch"),
    ):
        for _ in range(parts):
            watch.note(seen({}, 1.0, cause=cause))
        watch.look()
        assert watch.health.level == level
    assert watch.health.text.startswith("most of the last 40 parts failed")
    for _ in range(40):
        watch.note(seen({}, 1.0))
    watch.look()
    assert watch.health.level == "good"


def test_nothing_is_learnt_from_parts_that_fail_or_whose_picture_is_not_trusted() -> None:
    watch = DriftWatch(Drift(learn_parts=30), RECIPE)
    for cause in (Cause.ANOMALY, Cause.EXPOSURE, Cause.UNCERTAIN):
        assert watch.learnt == ()
        for _ in range(30):
            watch.note(seen({"exposure": 1.0}, cause=cause))
        watch.look()
    assert watch.learnt == ("brightness",)


def test_what_is_no_number_is_left_out() -> None:
    watch = DriftWatch(Drift(), RECIPE, calibration({"exposure": [1.0, 1.1, 0.9, 1.0] * 20}))
    for number in range(400):
        watch.note(seen({"exposure": float("nan") if number % 2 else 1.0}))
    watch.look()
    assert [(one.n, one.median) for one in watch.readings] == [(200, 1.0)]


def test_of_several_scores_of_one_check_the_highest_counts() -> None:
    watch = DriftWatch(Drift(window=30, learn_parts=30), RECIPE)
    for number in range(60):
        part = seen({}, 1.0)
        low = part.scores[0]
        high = type(low)(CHECK, 2.0, 9.0, 9.0)
        object.__setattr__(part, "scores", (low, high) if number % 2 else (high, low))
        watch.note(part)
    watch.look()
    assert [one.median for one in watch.readings] == [2.0]


# --- references ----------------------------------------------------------------------------------


def test_what_the_calibration_does_not_know_is_learnt() -> None:
    known = calibration({"exposure": [1.0, 1.1, 0.9, 1.0] * 20, "sharpness": [1.0] * 3})
    watch = DriftWatch(Drift(window=30, learn_parts=30), RECIPE, known)
    for _ in range(60):
        watch.note(seen({"exposure": 1.0, "sharpness": 5.0}))
    watch.look()
    sources = {one.measure: one.reference for one in watch.readings}
    assert sources == {"exposure": "calibration", "sharpness": "the first 30 parts"}


def test_scores_of_other_models_are_no_reference() -> None:
    known = calibration({}, [1.0] * 50).model_copy(update={"model_hash": "9" * 64})
    watch = DriftWatch(Drift(window=30, learn_parts=30), RECIPE, known)
    for _ in range(60):
        watch.note(seen({}, 7.0))
    watch.look()
    assert [one.reference for one in watch.readings] == ["the first 30 parts"]


def test_a_recipe_change_begins_anew_with_its_own_reference() -> None:
    watch = drifted()
    following = RecipeRef("soap", 4, "5" * 64, "1" * 64)
    watch.begin(following, calibration({"exposure": [0.5, 0.51, 0.49, 0.5] * 20}))
    assert (watch.health.level, watch.readings) == ("good", ())
    for _ in range(200):
        watch.note(seen({"exposure": 0.5}, recipe=following))
    watch.look()
    assert [(one.health, one.reference_median) for one in watch.readings] == [("good", 0.5)]


def test_after_a_restart_the_same_reference_counts() -> None:
    watch = drifted()
    watch.restart()
    assert (watch.health.level, watch.readings) == ("good", ())
    for _ in range(200):
        watch.note(seen({"exposure": 0.5}, 3.0))
    watch.look()
    assert watch.health.level == "watch"


def test_an_alarm_ends_after_a_whole_window_without_one() -> None:
    watch = drifted()
    levels = []
    for _ in range(25):
        for value in [1.0, 1.1, 0.9, 1.0] * 5:
            watch.note(seen({"exposure": value}, value))
        watch.look()
        levels.append(watch.health.level)
    # no part of what gave the alarm is left
    assert levels[:9] == ["act"] * 9
    assert levels[-1] == "good"
    assert levels == sorted(levels, key=["act", "watch", "good"].index)
