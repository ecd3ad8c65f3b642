"""A schedule that ends with its budget."""

from __future__ import annotations

import pytest

from inspector.training.schedule import epochs_in_all, patience, rate


def test_the_rate_falls_evenly_to_almost_nothing() -> None:
    assert rate(0) == pytest.approx(1)
    assert rate(0.5) == pytest.approx(0.505)
    assert rate(1) == rate(2) == pytest.approx(0.01)


def test_the_last_epoch_ends_nearest_to_the_end_of_the_budget() -> None:
    assert epochs_in_all(3, [10, 10, 10], 70) == 10
    assert epochs_in_all(3, [10, 10, 10], 74) == 10
    assert epochs_in_all(3, [10, 10, 10], 76) == 11
    assert epochs_in_all(3, [10, 10, 10], 4) == 3
    assert epochs_in_all(3, [10, 10, 10], -5) == 3


def test_a_machine_that_becomes_slow_is_believed() -> None:
    assert epochs_in_all(5, [10, 10, 20, 20, 20], 100) == 10


@pytest.mark.parametrize("speeds", [[10.0] * 400, [10.0] * 10 + [25.0] * 400, [30.0] + [6.0] * 400])
def test_a_simulated_training_ends_in_time_with_its_rate_gone(speeds: list[float]) -> None:
    budget, spent, done, epochs = 1000.0, 0.0, 0, 50
    last = 1.0
    while done < epochs:
        last = rate((done + 1) / epochs)
        spent += speeds[done]
        done += 1
        epochs = epochs_in_all(done, speeds[:done], budget - spent)
    assert spent == pytest.approx(budget, abs=26)
    assert last < 0.08


def test_patience_is_long_enough_for_the_last_third() -> None:
    assert patience(10) == 15
    assert patience(100) == 40
