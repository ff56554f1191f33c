"""Ranks from counts are those that the models' own scores give."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.ranking.floor_ranks import logger_ranks, markov_ranks, popularity_ranks
from bench.ranking.rank_targets import rank_targets
from bench.store.ranks import Ranks
from datasets.session_log import SessionLog
from datasets.simulation.loggers import make_logger
from datasets.simulation.sessions import draw_log, observed_classes
from datasets.simulation.worlds import make_world
from datasets.splitting.held_out import HeldOut
from datasets.splitting.splits import SplitOptions, make_split
from models.markov import Markov, MarkovConfig
from models.popularity import Popularity, PopularityConfig
from tests.bench.held_out_logs import held_out_of, log_of

N_ITEMS = 7
ITEMS = st.integers(0, N_ITEMS - 1)
TRAINING = st.lists(st.lists(ITEMS, min_size=1, max_size=7), min_size=1, max_size=8)
TEST = st.lists(st.lists(ITEMS, min_size=2, max_size=6), min_size=1, max_size=6)


def by_scores(model: Any, train: SessionLog, test: HeldOut) -> Ranks:
    for _ in model.fit(train):
        pass
    return rank_targets(model, test, model_name="floor")


@pytest.mark.parametrize(
    ("ranks", "model"),
    [
        (popularity_ranks, Popularity(PopularityConfig(), seed=0, device="cpu")),
        (markov_ranks, Markov(MarkovConfig(), seed=0, device="cpu")),
    ],
)
@settings(max_examples=40)
@given(training=TRAINING, sessions=TEST, n_missed=st.integers(0, 2))
def test_ranks_are_those_of_the_model(
    ranks: Callable[[SessionLog, HeldOut], Ranks],
    model: Any,
    training: list[list[int]],
    sessions: list[list[int]],
    n_missed: int,
) -> None:
    train = log_of(training, N_ITEMS)
    test = held_out_of(sessions, N_ITEMS, missed=[(0, 1)] * n_missed)
    test.is_target[1] = len(sessions[0]) == 2
    found, expected = ranks(train, test), by_scores(model, train, test)
    assert found.ranks.tolist() == expected.ranks.tolist()
    assert found.ties.tolist() == expected.ties.tolist()


@pytest.mark.parametrize("name", ["softmax-cold", "uniform"])
def test_no_floor_finds_more_of_a_simulated_log_than_its_logger(name: str) -> None:
    world = make_world("drift", n_items=60, n_interests=4, seed=3)
    logger = make_logger(name, world, seed=3)
    drawn = draw_log(world, logger, 400, seed=3)
    split = make_split(drawn, SplitOptions("temporal"), source="simulated")
    test = split.test
    found = logger_ranks(world, logger, test)
    codes = test.log.item_ids.astype(np.int64)
    classes = observed_classes(world.catalogue(test.log.item_ids), test.log)
    rows = logger.table[classes][:, codes]
    for event, rank in zip(np.flatnonzero(test.is_target), found.ranks, strict=True):
        row, target = rows[event - 1], test.log.items[event]
        before = (row > row[target]) | ((row == row[target]) & (np.arange(60) < target))
        assert rank == 1 + before.sum()
    assert not found.ties.any()
    others = [rank(split.train, test).ranks for rank in (popularity_ranks, markov_ranks)]
    chance = 3 * np.sqrt(0.25 / len(found.ranks))
    for ranks in others:
        assert (found.ranks <= 10).mean() > (ranks <= 10).mean() - chance
