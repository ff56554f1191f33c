"""Simulated worlds, loggers and logs: what a log says is what the world and the logger did."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import spearmanr  # type: ignore[import-untyped]

from datasets.errors import InputError
from datasets.session_log import IntArray, SessionLog
from datasets.simulation.loggers import LOGGERS, make_logger
from datasets.simulation.sessions import draw_log, observed_classes
from datasets.simulation.worlds import WORLDS, World, make_world
from datasets.splitting.splits import SplitOptions, make_split
from tests.datasets.simulation.world_law import transition
from tests.datasets.splitting.split_logs import accounted_events

SESSIONS = 20_000


def world_of(name: str) -> World:
    return make_world(name, n_items=12, n_interests=3, seed=4)


def shown(log: SessionLog) -> IntArray:
    """Events that a logger chose: all but the entries."""
    return np.flatnonzero(log.position_in_session > 0)


@pytest.mark.parametrize("name", WORLDS)
def test_columns_fit_each_other(name: str) -> None:
    world = world_of(name)
    log = draw_log(world, make_logger("popularity", world), 500, seed=1)
    assert log.n_sessions == 500
    assert 2 <= log.lengths.min() <= log.lengths.max() <= world.horizon + 1
    assert log.items.dtype == np.int32
    assert log.rewards.dtype == log.propensities.dtype == np.float32
    assert log.offsets.dtype == log.times.dtype == np.int64
    assert log.item_ids.tolist() == [f"{code}" for code in range(12)]
    assert (log.rewards[log.offsets[:-1]] == 1).all()
    assert set(np.unique(log.rewards[shown(log)])) <= {0, 1, *world.values.astype(np.float32)}
    assert (np.diff(log.times)[log.position_in_session[1:] > 0] > 0).all()
    assert (np.diff(log.times[log.offsets[:-1]]) > 0).all()


@pytest.mark.parametrize("logger_name", LOGGERS)
def test_items_come_as_often_as_their_propensity_says(logger_name: str) -> None:
    world = world_of("drift")
    logger = make_logger(logger_name, world)
    assert logger.table.sum(axis=1) == pytest.approx(1)
    assert (logger.table > 0).all()
    log = draw_log(world, logger, SESSIONS, seed=1)
    events = shown(log)
    classes = observed_classes(world, log)[events - 1]
    assert (log.propensities[events] == logger.table[classes, log.items[events]].astype("f4")).all()
    counts = np.zeros_like(logger.table)
    np.add.at(counts, (classes, log.items[events]), 1)
    shares = counts / counts.sum(axis=1, keepdims=True)
    # The cascade's choices stay for a day, so its shares vary more than independent draws would.
    assert np.abs(shares - logger.table).max() < (0.03 if logger_name == "cascade" else 0.01)


def test_a_weight_of_one_over_the_propensity_averages_to_the_number_of_items() -> None:
    world = world_of("boredom")
    log = draw_log(world, make_logger("softmax-warm", world), SESSIONS, seed=3)
    assert (1 / log.propensities[shown(log)]).mean() == pytest.approx(12, rel=0.05)


def test_clicks_follow_the_interest_the_item_and_the_row_of_the_page() -> None:
    world = world_of("positions")
    rng = np.random.default_rng(1)
    interests = rng.integers(3, size=200_000)
    items = rng.integers(12, size=200_000)
    for step, looked_at in enumerate([1.0, 0.8, 0.65, 0.5, 0.4, 1.0]):
        liked = world.likes(interests, items, step, rng)
        rates = np.zeros((2, 3, 12))
        np.add.at(rates[0], (interests, items), liked)
        np.add.at(rates[1], (interests, items), 1)
        expected = looked_at * world.click_probability
        assert rates[0] / rates[1] == pytest.approx(expected, abs=0.03)


@pytest.mark.parametrize("name", ["drift", "boredom", "static"])
@pytest.mark.parametrize("clicked", [True, False])
def test_moves_follow_the_transition(name: str, clicked: bool) -> None:
    world = world_of(name)
    n = 100_000
    rng = np.random.default_rng(2)
    for item in (0, 5):
        law = transition(world, item, clicked)
        for before in range(3):
            after, continues = world.move(
                np.full(n, before), np.full(n, item), np.full(n, clicked), rng
            )
            shares = np.bincount(after[continues], minlength=3) / n
            assert shares == pytest.approx(law[before], abs=0.01)


def test_a_click_has_a_delayed_return_in_drift_and_boredom() -> None:
    world = world_of("boredom")
    log = draw_log(world, make_logger("uniform", world), SESSIONS, seed=1)
    clicked = log.rewards > 0
    left = log.offsets[1:][log.session_of_event] - 1 - np.arange(log.n_events)
    events = shown(log)[clicked[shown(log)]]
    of_item = [left[events[log.items[events] == item]].mean() for item in range(12)]
    assert np.corrcoef(of_item, world.stay)[0, 1] > 0.9


def test_the_entry_tells_something_of_the_interest() -> None:
    world = world_of("static")
    interests, entries = world.begin(SESSIONS, np.random.default_rng(1))
    met = (world.interests[entries] == interests).mean()
    assert 0.8 < met < 0.95


def test_the_observed_class_is_that_of_the_last_click() -> None:
    world = replace(world_of("static"), interests=np.arange(12) % 3)
    log = SessionLog(
        items=np.array([0, 1, 2, 4, 5], dtype=np.int32),
        rewards=np.array([1, 0, 1, 0, 0], dtype=np.float32),
        offsets=np.array([0, 3, 5]),
        item_ids=np.arange(12).astype(str),
        session_ids=np.array(["a", "b"]),
    )
    assert observed_classes(world, log).tolist() == [0, 0, 2, 1, 1]


def test_nothing_tells_items_apart_where_all_pay_one() -> None:
    world = world_of("constant")
    log = draw_log(world, make_logger("softmax-cold", world), 200, seed=1)
    assert (log.rewards == 1).all()
    assert (log.lengths == world.horizon + 1).all()


def test_a_seed_gives_one_log() -> None:
    world = world_of("drift")
    logger = make_logger("cascade", world)
    prints = [draw_log(world, logger, 100, seed=seed).fingerprint() for seed in (1, 1, 2)]
    assert prints[0] == prints[1] != prints[2]


def test_a_split_takes_it_and_keeps_propensities() -> None:
    world = world_of("boredom")
    log = draw_log(world, make_logger("popularity", world), 1000, seed=1)
    split = make_split(log, SplitOptions("temporal"), source="simulated")
    assert accounted_events(split.counts) == log.n_events
    assert split.test.log.propensities is not None


def test_refuses_what_is_no_world_or_logger() -> None:
    with pytest.raises(InputError, match="did you mean 'boredom'"):
        make_world("bordom")
    with pytest.raises(ValueError, match="2 items cannot meet 3 interests"):
        make_world("drift", n_items=2, n_interests=3)
    with pytest.raises(InputError, match="did you mean 'cascade'"):
        make_logger("cascde", world_of("drift"))
    with pytest.raises(ValueError, match="at least 1"):
        draw_log(world_of("drift"), make_logger("uniform", world_of("drift")), 0, seed=1)


def test_popularity_follows_worth_as_far_as_it_is_correlated() -> None:
    def agreement(correlation: float, seed: int) -> float:
        world = make_world("prices", n_items=200, correlation=correlation, seed=seed)
        worth = (world.click_probability * world.values).mean(axis=0)
        return float(spearmanr(worth, world.popularity).statistic)

    found = [np.mean([agreement(c, seed) for seed in range(1, 9)]) for c in (0, 0.3, 0.6, 0.9, 1)]
    assert found == pytest.approx([0, 0.29, 0.58, 0.89, 1], abs=0.06)


def test_correlation_changes_nothing_but_what_is_well_known() -> None:
    plain = make_world("drift", seed=2)
    same, correlated = (make_world("drift", correlation=c, seed=2) for c in (0.0, 0.6))
    assert np.array_equal(same.popularity, plain.popularity)
    assert np.array_equal(correlated.click_probability, plain.click_probability)
    assert np.sort(correlated.popularity) == pytest.approx(np.sort(plain.popularity))
    assert not np.array_equal(correlated.popularity, plain.popularity)
    assert correlated.entry.sum(axis=1) == pytest.approx(1)


def test_refuses_a_correlation_that_cannot_be() -> None:
    with pytest.raises(ValueError, match=r"from 0 to 1, not 1\.5"):
        make_world("drift", correlation=1.5)
    with pytest.raises(InputError, match="all items of the world 'constant' are worth the same"):
        make_world("constant", correlation=0.5)
