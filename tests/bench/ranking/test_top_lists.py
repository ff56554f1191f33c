"""The lists of first items that a trial may keep."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from bench.ranking.rank_targets import rank_targets
from bench.ranking.top_lists import top_lists_file, write_top_lists
from datasets.session_log import SessionLog
from datasets.splitting.held_out import HeldOut, MissedTargets
from models.recommender import FloatMatrix


class LikesHighCodes:
    """Scores an item by its code, and the last item of the prefix above all."""

    def score(self, sessions: SessionLog) -> FloatMatrix:
        last = np.delete(sessions.items, sessions.offsets[1:] - 1)
        scores = np.tile(np.arange(sessions.n_items, dtype=np.float32), (len(last), 1))
        scores[np.arange(len(last)), last] = 100
        return scores


def held_out() -> HeldOut:
    log = SessionLog(
        items=np.array([0, 1, 2, 3, 1], dtype=np.int32),
        rewards=np.ones(5, dtype=np.float32),
        offsets=np.array([0, 3, 5]),
        item_ids=np.array(["a", "b", "c", "d"]),
        session_ids=np.array(["one", "two"]),
    )
    missed = MissedTargets(np.array([1]), np.array([2]), np.ones(1, dtype=np.float32), None, None)
    return HeldOut(log, np.array([False, True, True, False, True]), missed)


def test_lists_hold_the_first_items_under_their_own_ids(tmp_path: Path) -> None:
    ranks = rank_targets(LikesHighCodes(), held_out(), ks=[1], n_first=3, model_name="m")
    assert ranks.first_items.tolist() == [[0, 3, 2], [1, 3, 2], [3, 2, 1], [-1, -1, -1]]
    write_top_lists(tmp_path, ranks, held_out())
    table = pq.read_table(top_lists_file(tmp_path, 3))
    assert table.to_pydict() == {
        "session": ["one", "one", "two"],
        "position": [1, 2, 1],
        "target": ["b", "c", "b"],
        "rank": [4, 3, 3],
        "items": [["a", "d", "c"], ["b", "d", "c"], ["d", "c", "b"]],
    }


def test_a_list_is_never_longer_than_the_catalogue() -> None:
    ranks = rank_targets(LikesHighCodes(), held_out(), n_first=20, model_name="m")
    assert ranks.first_items.shape == (4, 4)
    assert ranks.first_items[0].tolist() == [0, 3, 2, 1]


def test_without_the_wish_nothing_is_kept() -> None:
    assert rank_targets(LikesHighCodes(), held_out(), model_name="m").first_items.shape == (4, 0)
