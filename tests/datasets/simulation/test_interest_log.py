"""Simulated logs: their size, their sessions, and what the order of events tells."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from datasets.session_log import IntArray, SessionLog
from datasets.simulation.interest_log import (
    EVENTS_PER_CHUNK,
    Shape,
    SimulationOptions,
    simulated_log,
)
from datasets.splitting.splits import SplitOptions, make_split
from tests.datasets.splitting.split_logs import accounted_events

CLICKS = SimulationOptions(shape="clicks")
N_ITEMS = 1000


@pytest.fixture(scope="module", params=["users", "clicks"])
def shape(request: pytest.FixtureRequest) -> Shape:
    return request.param


@pytest.fixture(scope="module")
def log(shape: Shape) -> SessionLog:
    """Longer than a chunk, so that all that holds of a log holds across chunks."""
    options = SimulationOptions(shape=shape)
    return simulated_log(EVENTS_PER_CHUNK + 50_000, N_ITEMS, seed=1, options=options)


def test_columns_fit_each_other(log: SessionLog) -> None:
    assert log.n_events == len(log.rewards) == EVENTS_PER_CHUNK + 50_000
    assert (log.offsets[0], log.offsets[-1]) == (0, log.n_events)
    assert log.lengths.min() >= 2
    assert len(log.session_ids) == log.n_sessions == len(set(log.session_ids.tolist()))
    assert log.n_items == N_ITEMS == len(set(log.item_ids.tolist()))
    assert log.items.min() >= 0
    assert log.items.max() < N_ITEMS
    assert log.times is not None
    assert [column.dtype for column in (log.items, log.rewards, log.offsets, log.times)] == [
        np.int32, np.float32, np.int64, np.int64,
    ]  # fmt: skip
    assert {log.item_ids.dtype.kind, log.session_ids.dtype.kind} == {"U"}


def test_times_rise_in_sessions_and_from_start_to_start(log: SessionLog) -> None:
    assert log.times is not None
    steps = np.diff(log.times)
    assert (steps[log.position_in_session[1:] > 0] >= 1).all()
    assert (np.diff(log.times[log.offsets[:-1]]) >= 1).all()


def test_half_of_the_rewards_are_positive(log: SessionLog) -> None:
    assert set(np.unique(log.rewards).tolist()) == {0.0, 1.0}
    assert 0.3 < log.rewards.mean() < 0.7
    # The first and the last events of sessions are no better liked than others.
    assert log.rewards[log.offsets[:-1]].mean() == pytest.approx(log.rewards.mean(), abs=0.05)


def test_some_items_are_liked_far_better_than_others(log: SessionLog) -> None:
    counts = log.item_counts()
    liked = np.bincount(log.items, weights=log.rewards, minlength=N_ITEMS) / np.maximum(counts, 1)
    frequent = liked[counts > 200]
    # The standard deviation of a uniform share from 0.1 to 1 is 0.26; of chance alone, under 0.04.
    assert 0.2 < frequent.std() < 0.3


@pytest.mark.parametrize(("n_events", "n_items"), [(2, 30), (3, 30), (21, 500), (12_345, 31)])
@pytest.mark.parametrize("shape", ["users", "clicks"])
def test_exact_number_of_events(n_events: int, n_items: int, shape: Shape) -> None:
    for seed in range(10):
        drawn = simulated_log(n_events, n_items, seed=seed, options=SimulationOptions(shape=shape))
        assert (drawn.n_events, drawn.n_items, drawn.offsets[-1]) == (n_events, n_items, n_events)
        assert drawn.lengths.min() >= 2


def test_a_seed_gives_one_log() -> None:
    log = simulated_log(5000, 100, seed=1)
    assert log.fingerprint() == simulated_log(5000, 100, seed=1).fingerprint()
    others = [
        simulated_log(5000, 100, seed=2),
        simulated_log(5000, 101, seed=1),
        simulated_log(5001, 100, seed=1),
        simulated_log(5000, 100, seed=1, options=CLICKS),
    ]
    assert len({log.fingerprint(), *(other.fingerprint() for other in others)}) == 5


def test_lengths_of_users_are_those_of_movielens_20m() -> None:
    # 20,000,263 ratings of 138,493 users: 20 at least, mean 144.4, median 68, at most 9,254.
    lengths = simulated_log(2_000_000, 100, seed=1).lengths[:-1]
    assert 20 <= lengths.min() < 25
    assert lengths.mean() == pytest.approx(144, rel=0.05)
    assert np.median(lengths) == pytest.approx(68, rel=0.05)
    assert 3000 < lengths.max() <= 9254


def test_lengths_of_clicks() -> None:
    lengths = simulated_log(200_000, 100, seed=1, options=CLICKS).lengths[:-1]
    assert lengths.min() == 2
    assert lengths.mean() == pytest.approx(5, rel=0.02)
    # Geometric: a quarter of what is left ends at every length.
    shares = np.bincount(lengths)[2:6] / len(lengths)
    assert shares == pytest.approx(0.25 * 0.75 ** np.arange(4), rel=0.05)


@pytest.mark.parametrize("exponent", [0.0, 1.0, 1.5])
def test_popularity_falls_with_the_rank(exponent: float) -> None:
    options = SimulationOptions(popularity_exponent=exponent)
    counts = simulated_log(500_000, N_ITEMS, seed=1, options=options).item_counts()
    weights = np.array([(rank + 30) ** -exponent for rank in range(1, N_ITEMS + 1)])
    shares = np.sort(counts)[::-1].cumsum() / counts.sum()
    expected = weights.cumsum() / weights.sum()
    for top in (20, 100, 500):
        assert shares[top - 1] == pytest.approx(expected[top - 1], rel=0.1, abs=0.01)


def test_codes_do_not_tell_popularity() -> None:
    counts = simulated_log(500_000, N_ITEMS, seed=1).item_counts()
    ranks = np.empty(N_ITEMS)
    ranks[np.argsort(-counts)] = np.arange(N_ITEMS)
    assert abs(np.corrcoef(ranks, np.arange(N_ITEMS))[0, 1]) < 0.15


def recall_of_markov_and_popularity(log: SessionLog, k: int = 20) -> tuple[float, float]:
    """Share of held-out targets among the first k followers of the item before, and of all."""
    first_held_out = int(log.n_sessions * 0.8)
    train = log.sessions(0, first_held_out)
    before, after = pairs(log.sessions(first_held_out, log.n_sessions))
    popularity = train.item_counts()
    counts = np.zeros((log.n_items, log.n_items))
    np.add.at(counts, pairs(train), 1)
    best_next = np.argsort(-(counts + popularity / popularity.sum()), axis=1)[:, :k]
    markov = (best_next[before] == after[:, None]).any(axis=1).mean()
    return float(markov), float(np.isin(after, np.argsort(-popularity)[:k]).mean())


def pairs(log: SessionLog) -> tuple[IntArray, IntArray]:
    """Items of all neighbours in a session."""
    second = np.flatnonzero(log.position_in_session)
    return log.items[second - 1], log.items[second]


def shuffled(log: SessionLog) -> SessionLog:
    """The same sessions with their events in random order."""
    order = np.lexsort((np.random.default_rng(1).random(log.n_events), log.session_of_event))
    return replace(log, items=log.items[order])


def test_order_carries_signal() -> None:
    log = simulated_log(200_000, 300, seed=1)
    markov, popularity = recall_of_markov_and_popularity(log)
    in_any_order, _ = recall_of_markov_and_popularity(shuffled(log))
    assert markov > 2 * popularity
    assert in_any_order - popularity < (markov - popularity) / 4


def test_order_of_clicks_carries_signal() -> None:
    log = simulated_log(200_000, 300, seed=1, options=CLICKS)
    markov, popularity = recall_of_markov_and_popularity(log)
    in_any_order, _ = recall_of_markov_and_popularity(shuffled(log))
    assert markov > 2 * popularity
    assert in_any_order < 0.95 * markov


def test_without_interests_the_last_item_tells_nothing() -> None:
    log = simulated_log(200_000, 300, seed=1, options=SimulationOptions(interests=1))
    markov, popularity = recall_of_markov_and_popularity(log)
    assert markov <= popularity


@pytest.mark.parametrize("split", ["temporal", "session-holdout", "leave-one-out"])
def test_a_split_takes_it(log: SessionLog, split: str) -> None:
    parts = make_split(log, SplitOptions(split), source="simulated")
    assert min(parts.counts[f"{part}_events"] for part in ("train", "valid", "test")) > 1000
    assert accounted_events(parts.counts) == log.n_events


def test_a_million_items() -> None:
    log = simulated_log(10_000, 1_000_000, seed=1)
    assert log.n_items == 1_000_000 == int(log.item_ids[-1]) + 1
    assert log.items.max() > 900_000


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"n_events": 1}, "n_events"),
        ({"n_items": 29}, "n_items.*30 interests"),
        ({"seed": -1}, "seed"),
    ],
)
def test_refuses_arguments_out_of_range(arguments: dict[str, int], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        simulated_log(**{"n_events": 100, "n_items": 100, "seed": 1} | arguments)


@pytest.mark.parametrize(
    "option",
    [
        {"shape": "baskets"},
        {"popularity_exponent": -0.1},
        {"popularity_exponent": float("nan")},
        {"interests": 0},
        {"keep": 1.1},
        {"keep": -0.1},
        {"stray": float("nan")},
    ],
)
def test_refuses_options_out_of_range(option: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(option))):
        SimulationOptions(**option)
