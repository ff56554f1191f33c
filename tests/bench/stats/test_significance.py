"""The session bootstrap against scipy, a planted mean, and its degenerate cases."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from bench.stats import significance
from bench.stats.significance import (
    bootstrap_interval,
    bootstrap_means,
    interval,
    resampled_sessions,
)
from tests.bench.stats.session_oracles import scipy_interval


def correlated_log(
    rng: np.random.Generator, n_sessions: int
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Hits whose chance, 0.3 on average whatever the length, is shared within a session."""
    lengths = rng.integers(1, 8, n_sessions)
    chances = rng.beta(0.9, 2.1, n_sessions)
    sessions = np.repeat(np.arange(n_sessions), lengths)
    return (rng.random(len(sessions)) < chances[sessions]).astype(np.float64), sessions


def test_interval_covers_a_planted_mean_as_often_as_it_says() -> None:
    rng = np.random.default_rng(8)
    repeats, covered = 400, 0
    for _ in range(repeats):
        values, sessions = correlated_log(rng, 150)
        low, high = bootstrap_interval(values, sessions, resamples=400)
        covered += bool(low <= 0.3 <= high)
    standard_error = (0.95 * 0.05 / repeats) ** 0.5
    assert abs(covered / repeats - 0.95) < 4 * standard_error


def test_wider_than_a_bootstrap_over_events_when_sessions_are_correlated() -> None:
    values, sessions = correlated_log(np.random.default_rng(1), 400)
    low, high = bootstrap_interval(values, sessions)
    low_events, high_events = bootstrap_interval(values, np.arange(len(values)))
    assert high - low > 1.2 * (high_events - low_events)


def test_percentiles_agree_with_scipy() -> None:
    values, sessions = correlated_log(np.random.default_rng(2), 80)
    low, high = interval(bootstrap_means(values, sessions, resamples=20_000))
    oracle = scipy_interval(values, sessions, resamples=20_000)
    assert (float(low), float(high)) == pytest.approx(oracle, abs=0.003)


def test_by_hand_from_each_resample() -> None:
    values, sessions = correlated_log(np.random.default_rng(2), 30)
    sums, lengths = np.bincount(sessions, weights=values), np.bincount(sessions)

    def logit_and_error(times: NDArray[np.float64]) -> tuple[float, float]:
        mean = times @ sums / (times @ lengths)
        error = np.sqrt(times @ (sums - mean * lengths) ** 2) / (times @ lengths)
        return float(np.log(mean / (1 - mean))), float(error / (mean * (1 - mean)))

    centre, error = logit_and_error(np.ones(30))
    drawn = [logit_and_error(times) for block in resampled_sessions(30, 399, 0) for times in block]
    away = sorted(abs(logit - centre) / own for logit, own in drawn)
    ends = centre + np.array([-1, 1]) * away[379] * error
    found = bootstrap_interval(values, sessions, resamples=399)
    assert found == pytest.approx(tuple(1 / (1 + np.exp(-ends))))


def test_a_weighted_mean_is_that_of_repeated_events() -> None:
    values, sessions = correlated_log(np.random.default_rng(9), 60)
    weights = np.random.default_rng(10).integers(1, 4, len(values))
    repeated = np.repeat(np.arange(len(values)), weights)
    low, high = bootstrap_interval(values[repeated], sessions[repeated])
    weighted_low, weighted_high = bootstrap_interval(values, sessions, weights=weights)
    assert [float(weighted_low), float(weighted_high)] == pytest.approx([float(low), float(high)])
    assert float(bootstrap_interval(values, sessions)[0]) != pytest.approx(float(low))


@pytest.mark.parametrize("weight", [0.0, -1.0, float("nan")])
def test_weights_that_are_not_positive_are_refused(weight: float) -> None:
    with pytest.raises(ValueError, match="weight is not positive"):
        bootstrap_interval([1.0, 0.0], [0, 1], weights=[1.0, weight])


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1.0], (0, 1)),
        ([1.0, 0.0], (0, 1)),
        ([0.0] * 60 + [1.0], (0, 1)),
        ([0.0] * 61, (0, 0)),
        ([1.0] * 61, (1, 1)),
        ([0.3] * 9, (0.3, 0.3)),
    ],
)
def test_sessions_that_do_not_tell(values: list[float], expected: tuple[float, float]) -> None:
    """The whole range where the spread is unknown, no width where there is none."""
    low, high = bootstrap_interval(values, np.arange(len(values)))
    assert (float(low), float(high)) == pytest.approx(expected)


def test_ends_of_rare_hits_are_shares() -> None:
    low, high = bootstrap_interval([0.0] * 36 + [1.0] * 4, np.arange(40))
    assert 0 < low < 0.1 < high < 1


def test_random_groups_of_sessions_give_the_same_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    values, sessions = correlated_log(np.random.default_rng(7), 20_000)
    monkeypatch.setattr(significance, "MOST_UNITS", 20_000)
    low, high = bootstrap_interval(values, sessions, resamples=500)
    monkeypatch.setattr(significance, "MOST_UNITS", 1_000)
    grouped = bootstrap_interval(values, sessions, resamples=500)
    assert grouped == pytest.approx((float(low), float(high)), abs=0.15 * float(high - low))


def test_every_metric_has_the_interval_it_has_alone_up_to_the_draw() -> None:
    first, sessions = correlated_log(np.random.default_rng(4), 300)
    both = np.column_stack([first, 1 - first])
    low, high = bootstrap_interval(both, sessions)
    assert low.shape == high.shape == (2,)
    assert low[1] == pytest.approx(1 - high[0])
    assert high[1] == pytest.approx(1 - low[0])
    alone_low, alone_high = bootstrap_interval(first, sessions)
    assert [low[0], high[0]] == pytest.approx([float(alone_low), float(alone_high)])


def test_order_of_events_does_not_matter() -> None:
    values, sessions = correlated_log(np.random.default_rng(5), 100)
    shuffled = np.random.default_rng(6).permutation(len(values))
    expected = bootstrap_interval(values, sessions, seed=3)
    assert bootstrap_interval(values[shuffled], 10**12 + sessions[shuffled], seed=3) == expected
    assert bootstrap_interval(values, sessions, seed=4) != expected


def test_same_interval_when_memory_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    values, sessions = correlated_log(np.random.default_rng(5), 100)
    expected = bootstrap_interval(values, sessions)
    monkeypatch.setattr(significance, "CHUNK_WEIGHTS", 100)
    assert bootstrap_interval(values, sessions) == expected


def test_higher_confidence_is_wider(monkeypatch: pytest.MonkeyPatch) -> None:
    values, sessions = correlated_log(np.random.default_rng(5), 100)
    low_95, high_95 = bootstrap_interval(values, sessions)
    monkeypatch.setattr(significance, "CONFIDENCE", 0.5)
    low_50, high_50 = bootstrap_interval(values, sessions)
    assert low_95 < low_50 < values.mean() < high_50 < high_95


def test_no_events_and_no_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="no events"):
        bootstrap_interval([], [])
    with pytest.raises(ValueError, match="NaN"):
        bootstrap_interval([0.5, float("nan")], [0, 1])
    with pytest.raises(ValueError, match="outside"):
        bootstrap_interval([0.5, 1.5], [0, 1])


@pytest.mark.parametrize("n_sessions", [5, 20, 61, 1000])
def test_hardly_a_hit_says_that_anything_may_be_so(n_sessions: int) -> None:
    rng = np.random.default_rng(n_sessions)
    lengths = rng.integers(1, 300, n_sessions)
    sessions = np.repeat(np.arange(n_sessions), lengths)
    for event in rng.integers(0, len(sessions), 8):
        hits = np.zeros(len(sessions))
        hits[event] = 1
        low, high = bootstrap_interval(hits, sessions, resamples=500)
        assert 0 <= low < hits.mean() < high <= 1


def test_weights_leave_no_interval_without_numbers() -> None:
    rng = np.random.default_rng(3)
    for n_sessions in range(2, 9):
        for _ in range(20):
            hits = (rng.random(n_sessions) < 0.7).astype(float)
            low, high = bootstrap_interval(
                hits, np.arange(n_sessions), weights=rng.uniform(0.1, 1, n_sessions), resamples=200
            )
            assert 0 <= low <= high <= 1
