"""Which ranks two answers to one prefix may differ by."""

from __future__ import annotations

import numpy as np
import pytest

from datasets.session_log import SessionLog
from models.checks.rank_agreement import AnswerError, answer
from models.conformance import synthetic_log
from models.recommender import FloatMatrix


class Fixed:
    """Gives every prefix the same scores."""

    def __init__(self, scores: list[float]) -> None:
        self._scores = np.array(scores, dtype=np.float32)

    def score(self, sessions: SessionLog) -> FloatMatrix:
        return np.tile(self._scores, (sessions.n_targets, 1))


def test_masked_items_leave_room_for_rounding() -> None:
    log = synthetic_log(seed=1, n_sessions=5, n_items=6)
    near = float(np.nextafter(np.float32(2.0), np.float32(3.0)))
    found = answer(Fixed([2.0, near, 1.0, -np.inf, -np.inf, -np.inf]), log, np.array([0]))
    low, high = found.rank_bounds(np.array([0]))
    assert (low.tolist(), high.tolist()) == ([1], [2]), "two scores a step apart may change places"
    low, high = found.rank_bounds(np.array([2]))
    assert (low.tolist(), high.tolist()) == ([3], [3])


def test_a_score_that_is_no_number_is_named() -> None:
    log = synthetic_log(seed=1, n_sessions=5, n_items=3)
    with pytest.raises(AnswerError, match="a score is NaN"):
        answer(Fixed([1.0, np.nan, 0.0]), log, np.array([0]))
