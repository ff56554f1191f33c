"""Scores in blocks: what a model is asked, and what of its answer is kept."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest

from bench.ranking.score_blocks import last_scores, scoring_device, target_blocks
from models.recommender import Recommender
from tests.bench.held_out_logs import held_out_of, log_of
from tests.bench.scorers import LastItemFactors, PrefixScorer

SESSIONS = [[0, 1, 2], [3, 4], [2, 2, 1, 0, 3]]
VECTORS = np.arange(10, dtype=np.float32).reshape(5, 2)


def by_last_item(prefix: list[int]) -> Any:
    return VECTORS[prefix[-1]] @ VECTORS.T


@pytest.mark.parametrize(
    "model", [LastItemFactors(VECTORS, np.zeros(5, dtype=np.float32)), PrefixScorer(by_last_item)]
)
def test_last_scores_follow_the_last_prefix_of_each_session(model: object) -> None:
    found = last_scores(cast(Recommender, model), log_of(SESSIONS, 5))
    np.testing.assert_array_equal(found, [by_last_item([session[-2]]) for session in SESSIONS])


def test_blocks_hold_every_target_once_and_hide_the_last() -> None:
    model = cast(Recommender, PrefixScorer(by_last_item))
    blocks = list(target_blocks(model, held_out_of(SESSIONS, 5), block_scores=15))
    assert [block.sessions.n_sessions for block in blocks] == [2, 1]
    assert [target for block in blocks for target in block.targets] == [1, 2, 4, 2, 1, 0, 3]
    assert [len(block.rows) for block in blocks] == [block.prefixes.n_targets for block in blocks]
    for block in blocks:
        assert not block.prefixes.rewards[block.prefixes.offsets[1:] - 1].any()


@pytest.mark.parametrize(
    ("device", "factored", "expected"),
    [("cuda:1", True, "cuda:1"), ("cuda:1", False, "cpu"), ("cpu", True, "cpu")],
)
def test_only_factors_are_multiplied_on_a_gpu(device: str, factored: bool, expected: str) -> None:
    model: Any = PrefixScorer(by_last_item)
    if factored:
        model = LastItemFactors(VECTORS, np.zeros(5, dtype=np.float32))
    model.device = device
    assert scoring_device(model) == expected
