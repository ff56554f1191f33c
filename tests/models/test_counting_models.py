"""Models that count: their order is that of the counts, without loss, and ties are kept."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.common.neighbours.popularity_ties import popularity_levels, ranks_in_rows
from models.conformance import check_recommender
from models.markov import Markov, MarkovConfig
from models.session_popularity import SessionPopularity, SessionPopularityConfig
from tests.models.logs import make_log, random_log, trained

TRAIN = random_log(60, n_items=20, longest=9, seed=5)
TEST = random_log(15, n_items=20, longest=12, seed=6)


def assert_same_order(scores: np.ndarray, keys: list[tuple[int, int]]) -> None:
    """Scores compare as the keys do, equal ones included."""
    keyed = np.array(keys)
    bigger = (keyed[:, None, 0] > keyed[None, :, 0]) | (
        (keyed[:, None, 0] == keyed[None, :, 0]) & (keyed[:, None, 1] > keyed[None, :, 1])
    )
    np.testing.assert_array_equal(scores[:, None] > scores[None, :], bigger)


def prefixes() -> list[list[int]]:
    sessions = np.split(TEST.items, TEST.offsets[1:-1])
    return [items[:end].tolist() for items in sessions for end in range(1, len(items))]


def test_session_popularity_orders_by_count_in_the_prefix_then_by_support() -> None:
    model, _ = trained(SessionPopularity, SessionPopularityConfig(), TRAIN)
    support = TRAIN.item_counts().tolist()
    for prefix, scores in zip(prefixes(), model.score(TEST), strict=True):
        counts = Counter(prefix)
        assert_same_order(scores, [(counts[item], support[item]) for item in range(20)])


def test_markov_orders_by_count_after_the_last_item_then_by_support() -> None:
    model, _ = trained(Markov, MarkovConfig(), TRAIN)
    support = TRAIN.item_counts().tolist()
    follows: Counter[tuple[int, int]] = Counter()
    for session in np.split(TRAIN.items, TRAIN.offsets[1:-1]):
        follows.update(zip(session[:-1].tolist(), session[1:].tolist(), strict=True))
    for prefix, scores in zip(prefixes(), model.score(TEST), strict=True):
        keys = [(follows[prefix[-1], item], support[item]) for item in range(20)]
        assert_same_order(scores, keys)


def test_a_pair_across_two_sessions_is_none() -> None:
    model, _ = trained(Markov, MarkovConfig(), make_log(["ab", "cb", "cd"]))
    after_b = model.score(make_log(["ba"], catalogue="abcd"))[0]
    # Nothing followed b, so popularity alone speaks: b and c twice, a and d once.
    assert_same_order(after_b, [(0, 1), (0, 2), (0, 2), (0, 1)])


@given(
    st.lists(
        st.tuples(st.integers(0, 4), st.integers(0, 3), st.integers(0, 2)), min_size=1, max_size=40
    )
)
def test_ranks_in_rows_are_dense_and_ordered(entries: list[tuple[int, int, int]]) -> None:
    rows, counts, levels = np.array(entries).T
    ranks = ranks_in_rows(rows, counts, levels)
    for row in set(rows.tolist()):
        keys = [(int(counts[i]), int(levels[i])) for i in np.flatnonzero(rows == row)]
        place = {key: number for number, key in enumerate(sorted(set(keys)), start=1)}
        assert ranks[rows == row].tolist() == [place[key] for key in keys]


def test_levels_lose_neither_order_nor_tie_where_a_float_would() -> None:
    support = np.array([16_777_217, 16_777_216, 5, 5, 0])
    assert popularity_levels(support).tolist() == [3, 2, 1, 1, 0]


@pytest.mark.parametrize("model_class", [Markov, SessionPopularity])
def test_they_keep_the_protocol(model_class: Any) -> None:
    check_recommender(model_class)


@pytest.mark.parametrize("model_class", [Markov, SessionPopularity])
def test_a_loaded_model_scores_alike(model_class: Any, tmp_path: Path) -> None:
    model, _ = trained(model_class, model_class.Config(), TRAIN)
    model.save(tmp_path)
    other = model_class(model_class.Config(), seed=1, device="cpu")
    other.load(tmp_path)
    np.testing.assert_array_equal(other.score(TEST), model.score(TEST))
