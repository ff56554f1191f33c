"""The studentised bootstrap against resampled logs, a jackknife and Student's interval."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from bench.policy_value import value_intervals
from bench.policy_value.off_policy_evaluation import Rounds, evaluate
from bench.policy_value.per_decision import SelfNormalisedPerDecision, session_weights
from bench.policy_value.value_estimators import ips, self_normalised_doubly_robust, snips
from bench.policy_value.value_intervals import RatioSum
from tests.bench.policy_value.contextual_logs import contextual_log

Values = NDArray[np.float64]


def assert_alike(found: tuple[Values, Values], expected: tuple[Values, Values]) -> None:
    assert np.concatenate(found) == pytest.approx(np.concatenate(expected))


def repeated(times: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rounds of resampled two-round sessions, and the new session that each belongs to."""
    drawn = np.repeat(np.arange(len(times)), times)
    return (2 * drawn[:, None] + [0, 1]).ravel(), np.repeat(np.arange(len(drawn)), 2)


def test_a_resample_is_the_log_of_the_sessions_drawn() -> None:
    rounds, _, _ = contextual_log(100, seed=12)
    weights = np.exp(rounds.log_policy - rounds.log_propensities)
    times = np.random.default_rng(1).multinomial(50, np.full(50, 1 / 50))
    rows, sessions = repeated(times)
    ones = np.ones((1, 50))
    residuals, guesses = rounds.rewards - 0.3, np.linspace(0, 1, 100)
    arguments = (weights, residuals, guesses, np.ones(100))
    original = RatioSum.of(self_normalised_doubly_robust(*arguments), np.arange(100) // 2)
    drawn = RatioSum.of(
        self_normalised_doubly_robust(*(column[rows] for column in arguments)), sessions
    )
    assert_alike(original.over(times[None, :].astype(float)), drawn.over(ones))
    # By a jackknife over sessions, the error is about the same.
    without = ones.repeat(50, 0) - np.eye(50)
    jackknife = math.sqrt(49 / 50 * ((original.over(without)[0] - original.value) ** 2).sum())
    assert original.over(ones)[1][0] == pytest.approx(jackknife, rel=0.1)


def test_a_resample_of_whole_sessions_is_the_log_of_the_sessions_drawn() -> None:
    rounds, _, _ = contextual_log(100, seed=13)
    log_weights = rounds.log_policy - rounds.log_propensities
    times = np.random.default_rng(2).multinomial(50, np.full(50, 1 / 50))
    # Every third session lacks its second round.
    alive = np.arange(100) % 6 != 5

    def statistic(
        rows: NDArray[np.int64], sessions: NDArray[np.int64]
    ) -> SelfNormalisedPerDecision:
        rows, sessions = rows[alive[rows]], sessions[alive[rows]]
        weights = session_weights(log_weights[rows], sessions, rows % 2)
        return SelfNormalisedPerDecision.of(weights, sessions, rounds.rewards[rows], 0.9)

    original = statistic(np.arange(100), np.arange(100) // 2)
    ones = np.ones((1, 50))
    drawn = statistic(*repeated(times)).over(ones)
    assert_alike(original.over(times[None, :].astype(float)), drawn)
    without = ones.repeat(50, 0) - np.eye(50)
    jackknife = math.sqrt(49 / 50 * ((original.over(without)[0] - original.value) ** 2).sum())
    assert original.over(ones)[1][0] == pytest.approx(jackknife, rel=0.15)


def test_interval_of_a_plain_mean_is_students() -> None:
    rng = np.random.default_rng(14)
    rewards, n = rng.normal(3, 1, 150), np.arange(150)
    found = evaluate(Rounds(np.zeros(150), np.zeros(150), rewards, n, n), resamples=20_000)
    low, high = stats.t.interval(0.95, 149, rewards.mean(), stats.sem(rewards))
    assert (found.estimates["ips"].low, found.estimates["ips"].high) == pytest.approx(
        (low, high), abs=0.02
    )


def test_groups_of_sessions_give_the_same_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    rounds, _, _ = contextual_log(40_000, seed=15)
    alone = evaluate(rounds, resamples=1000).estimates
    monkeypatch.setattr(value_intervals, "MOST_UNITS", 1000)
    for name, grouped in evaluate(rounds, resamples=1000).estimates.items():
        width = alone[name].high - alone[name].low
        assert grouped.value == pytest.approx(alone[name].value)
        assert (grouped.low, grouped.high) == pytest.approx(
            (alone[name].low, alone[name].high), abs=0.15 * width
        )


def test_large_weights_without_a_reward_widen_the_interval() -> None:
    n = np.arange(1000)
    log_weights = np.where(n < 20, math.log(10.0), math.log(0.8))
    log_weights -= math.log(np.exp(log_weights).mean())
    rewards = (n % 40 == 39).astype(np.float64)
    rounds = Rounds(log_weights - 5, np.full(1000, -5.0), rewards, n, n)
    found = evaluate(rounds).estimates
    weights = np.exp(log_weights)
    # As if the rewards fell on any round alike: the variance of 1/n sum w r with r by a coin.
    rate = weights @ rewards / weights.sum()
    error = math.sqrt((weights**2).sum() * rate - 1000 * found["ips"].value ** 2) / 1000
    assert found["ips"].value - found["ips"].low == pytest.approx(1.96 * error, rel=0.01)
    assert found["ips"].high - found["ips"].value >= 1.959 * error
    observed = np.std(weights * rewards) / math.sqrt(1000)
    assert error > 1.3 * observed


def test_nothing_is_unseen_where_weights_are_equal_or_large_ones_earn_most() -> None:
    weights, rewards = np.array([0.5, 0.5, 1.0, 2.0]), np.array([0.0, 1.0, 1.0, 3.0])
    assert ips(np.ones(4), rewards)[0].unseen_variance == 0
    assert ips(weights, rewards)[0].unseen_variance == 0
    # sum w^2 = 5.5, sum w r^2 = 1.5, sum w = 4, sum w^2 r^2 = 1.25, n = 4.
    by_hand = (5.5 * 1.5 / 4 - 1.25) / 16
    turned = np.array([0.0, 1.0, 1.0, 0.0])
    assert ips(weights, turned)[0].unseen_variance == pytest.approx(by_hand)
    # Self-normalised, of distances from the value 1.5 / 4: its square is the same for all rewards.
    shifted = snips(weights, turned + 7, np.ones(4))[0].unseen_variance
    assert shifted == pytest.approx(snips(weights, turned, np.ones(4))[0].unseen_variance)
    assert shifted > 0


def test_the_interval_of_a_skewed_mean_reaches_further_up_than_down() -> None:
    rng = np.random.default_rng(17)
    rewards, n = rng.lognormal(0, 1.2, 300), np.arange(300)
    estimate = evaluate(Rounds(np.zeros(300), np.zeros(300), rewards, n, n)).estimates["ips"]
    assert estimate.high - estimate.value > 1.2 * (estimate.value - estimate.low)


def test_self_normalised_per_decision_by_hand() -> None:
    # Two sessions: weights 2, 0.5 with rewards 1, 4, and weight 3 with reward 5, then the end.
    weights = session_weights(np.log([2, 0.5, 3]), np.array([0, 0, 1]), np.array([0, 1, 0]))
    found = SelfNormalisedPerDecision.of(weights, np.array([0, 0, 1]), np.array([1.0, 4, 5]), 0.9)
    # Step 0: (2 * 1 + 3 * 5) / (2 + 3); step 1: 0.9 * (1 * 4) / (1 + 3), the ended one with its 3.
    assert found.value == pytest.approx(17 / 5 + 0.9 * 4 / 4)
