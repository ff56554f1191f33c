"""From losses of steps to progress and to the end of a fit that has left the numbers."""

from __future__ import annotations

import math

import pytest
import torch

from models.common.training.training_log import TrainingLog
from models.recommender import DivergedError


def test_twenty_looks_an_epoch_with_the_mean_loss_so_far() -> None:
    log = TrainingLog(n_targets=200, n_steps=100)
    found = [p for _ in range(100) for p in log.step(1, torch.tensor(6.0), 2)]
    assert len(found) == 20
    assert all(p.events == 10 and p.total_events == 200 and p.loss == 3.0 for p in found)
    end = log.end_of_epoch(1)
    assert (end.epoch, end.epoch_ended, end.events, end.loss) == (1, True, 0, 3.0)


def test_diagnostics_are_means_over_the_epoch_and_start_anew() -> None:
    log = TrainingLog(
        n_targets=4, n_steps=2, diagnose=lambda columns: {"ratio": 2 * columns["half"]}
    )
    for half in ([1.5], [0.5, 0.0, 0.0]):
        list(log.step(1, torch.tensor(8.0), 2, {"half": torch.tensor(half)}))
    assert log.end_of_epoch(1).diagnostics == {"ratio": 1.0}
    for _ in range(2):
        list(log.step(2, torch.tensor(2.0), 2, {"half": torch.empty(0)}))
    second = log.end_of_epoch(2)
    assert (second.diagnostics, second.loss) == ({"ratio": 0.0}, 1.0)


@pytest.mark.parametrize("loss", [math.nan, math.inf, -math.inf, 1e9])
def test_the_first_step_that_left_the_numbers_is_named(loss: float) -> None:
    log = TrainingLog(n_targets=100, n_steps=100)
    losses = [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, loss, 1.0, loss]
    with pytest.raises(DivergedError, match=r"at step 7 of epoch 3; use a smaller learning_rate"):
        for value in losses:
            list(log.step(3, torch.tensor(value), 1))
        log.end_of_epoch(3)


def test_steps_are_counted_anew_in_each_epoch() -> None:
    log = TrainingLog(n_targets=2, n_steps=2)
    for _ in range(2):
        list(log.step(1, torch.tensor(1.0), 1))
    log.end_of_epoch(1)
    with pytest.raises(DivergedError, match="at step 1 of epoch 2"):
        list(log.step(2, torch.tensor(math.nan), 1))


@pytest.mark.parametrize("unit", [1e-6, 1.0, 30_000.0, 1e12])
def test_the_unit_of_the_loss_does_not_matter(unit: float) -> None:
    log = TrainingLog(n_targets=100, n_steps=100)
    for value in (7.0, 0.0, 9.0, -4.0, 8.0, 3000.0):
        list(log.step(1, torch.tensor(unit * value * 10), 10))
    end = log.end_of_epoch(1)
    assert end.loss == pytest.approx(unit * 3020 / 6)


@pytest.mark.parametrize("unit", [1.0, 30_000.0])
def test_a_loss_beyond_a_million_times_the_first_ones_ends_the_fit(unit: float) -> None:
    log = TrainingLog(n_targets=100, n_steps=100)
    losses = [0.0, 8.0 * unit, 9.0 * unit, 8.9e6 * unit, 9.1e13 * unit]
    with pytest.raises(DivergedError, match="at step 5 of epoch 1"):
        for value in losses:
            list(log.step(1, torch.tensor(value), 1))


def test_a_loss_that_grows_from_next_to_nothing_is_not_refused() -> None:
    """As of windows that hold hardly a reward."""
    log = TrainingLog(n_targets=3, n_steps=3)
    for value in (0.0, 1e-7, 5.0):
        list(log.step(1, torch.tensor(value), 1))
    assert log.end_of_epoch(1).loss == pytest.approx(5 / 3)


def test_the_first_losses_are_those_of_the_fit_and_not_of_the_epoch() -> None:
    """Weights that begin to act after a warm start may raise the loss, and do not start anew."""
    log = TrainingLog(n_targets=20, n_steps=20)
    for _ in range(20):
        list(log.step(1, torch.tensor(8.0), 1))
    log.end_of_epoch(1)
    list(log.step(2, torch.tensor(8e4), 1))
    with pytest.raises(DivergedError, match="at step 2 of epoch 2"):
        list(log.step(2, torch.tensor(8.1e6), 1))


def test_the_loss_is_judged_by_event() -> None:
    log = TrainingLog(n_targets=10_000, n_steps=2)
    list(log.step(1, torch.tensor(1.0), 1))
    list(log.step(1, torch.tensor(5e6), 9_999))
