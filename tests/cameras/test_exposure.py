"""Fresh pictures and stale ones, by what a stream tells of its times and by its pace."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from inspector.cameras.exposure import LATE_S, PACE_MIN, SETTLED, ExposureClock

OFFSET = 1000.0
"""Between a camera's clock and ours."""


def run(clock: ExposureClock, *pictures: tuple[float, float]) -> list[float | None]:
    """``pictures``: when each was exposed and how long it was on its way, seconds."""
    return [clock.exposed(OFFSET + at + way, at) for at, way in pictures]


def steady(
    first: float, count: int, way: float = 0.02, every: float = 0.1
) -> list[tuple[float, float]]:
    return [(first + every * number, way) for number in range(count)]


def settled() -> ExposureClock:
    clock = ExposureClock()
    assert run(clock, *steady(1.0, 20))[-1] == pytest.approx(OFFSET + 2.9 + 0.02)
    return clock


def test_what_the_opening_kept_back_is_passed_over() -> None:
    clock = ExposureClock()
    # opened at 3 s: the pictures since 1 s come at once
    kept_back = [(at, 3.02 + 0.001 * number - at) for number, (at, _) in enumerate(steady(1.0, 20))]
    assert run(clock, *kept_back) == [None] * 20
    after = run(clock, *steady(3.1, 6))
    assert after[:SETTLED] == [None] * SETTLED
    assert after[SETTLED:] == pytest.approx([OFFSET + at + 0.02 for at in (3.4, 3.5, 3.6)])


def test_a_picture_that_was_held_up_is_known_by_its_exposure() -> None:
    assert run(settled(), (3.0, 0.3), (3.1, 0.2), (3.2, 0.02)) == pytest.approx(
        [OFFSET + 3.02, OFFSET + 3.12, OFFSET + 3.22]
    )


def test_a_picture_that_was_held_up_for_long_is_passed_over() -> None:
    assert run(settled(), (3.0, LATE_S + 0.1)) == [None]
    assert run(settled(), (3.0, LATE_S - 0.1)) != [None]


def test_a_clock_that_is_set_back_is_learnt_anew() -> None:
    clock = settled()
    again = [clock.exposed(2000 + at, at) for at, _ in steady(0.0, 6)]
    assert again[:SETTLED] == [None] * SETTLED
    assert again[SETTLED:] == pytest.approx([2000.3, 2000.4, 2000.5])


def test_a_clock_that_drifts_is_followed() -> None:
    clock = settled()
    times = [clock.exposed(OFFSET + 3.02 + 0.1 * n * 1.0001, 3 + 0.1 * n) for n in range(5000)]
    arrived = OFFSET + 3.02 + 0.1 * 4999 * 1.0001
    assert times[-1] == pytest.approx(arrived, abs=0.011)


def test_a_camera_whose_clock_has_drifted_over_a_night_is_timed_by_its_next_picture() -> None:
    """By 20 ppm, which is 0.86 s."""
    night_s = 43_200
    for ppm in (20e-6, -20e-6):
        clock = ExposureClock(triggered=True)
        run(clock, *steady(1.0, 20))
        arrived = [OFFSET + 0.02 + at * (1 + ppm) for at in (night_s + 3.0, night_s + 3.5)]
        times = [
            clock.exposed(at, night_s + told) for at, told in zip(arrived, (3.0, 3.5), strict=True)
        ]
        assert times == pytest.approx(arrived, abs=0.01)


def test_of_a_camera_that_is_fired_every_picture_counts() -> None:
    clock = ExposureClock(triggered=True)
    times = run(clock, (1.0, 0.03), (1.05, 0.02), (9.0, 0.02), (9.1, 2.0))
    assert times == pytest.approx([OFFSET + 1.03, OFFSET + 1.07, OFFSET + 9.02, OFFSET + 9.12])
    assert [clock.exposed(at, None) for at in (5.0, 5.001, 9.0)] == [5.0, 5.001, 9.0]


@pytest.mark.parametrize("tells", [True, False])
def test_the_way_that_every_picture_goes_is_known_from_the_configuration(tells: bool) -> None:
    clock = ExposureClock(latency_s=0.15)
    times = [clock.exposed(OFFSET + at, at if tells else None) for at, _ in steady(1.0, 8)]
    assert times[-1] == pytest.approx(OFFSET + 1.7 - 0.15)


def in_step(*arrived: float) -> list[bool]:
    """Which pictures after a steady second are taken of a stream that tells no times."""
    clock = ExposureClock()
    assert all(clock.exposed(0.1 * number, None) for number in range(1, 12))
    return [clock.exposed(1.1 + at, None) is not None for at in arrived]


@pytest.mark.parametrize(
    ("arrived", "taken"),
    [
        ([0.1, 0.2, 0.3], [True, True, True]),
        ([0.1, 0.26, 0.32], [True, True, True]),
        # a stall, and then what it held back in a rush
        ([1.0, 1.01, 1.02, 1.03, 1.1, 1.2], [False, False, False, False, True, True]),
        ([5.0, 5.01, 5.02, 5.03, 5.1, 5.2], [False, False, False, False, True, True]),
    ],
)
def test_of_a_stream_without_times_the_pace_tells_what_is_stale(
    arrived: Sequence[float], taken: Sequence[bool]
) -> None:
    assert in_step(*arrived) == taken


def test_a_rush_that_lasts_is_stale_to_its_end() -> None:
    rush = [1.0 + 0.004 * number for number in range(250)]
    assert not any(in_step(*rush))


@pytest.mark.parametrize("every", [0.01, 0.4])
def test_another_pace_is_learnt(every: float) -> None:
    taken = in_step(*(every * number for number in range(1, int(6 / every))))
    assert not any(taken[: PACE_MIN // 4])
    assert all(taken[-PACE_MIN:])
