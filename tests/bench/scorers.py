"""Models of a few lines that give known scores, and their ranks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from bench.ranking.rank_targets import rank_targets
from bench.store.ranks import Ranks
from datasets.session_log import SessionLog
from datasets.splitting.held_out import HeldOut
from models.recommender import Factors, Recommender


class PrefixScorer:
    """Scores by a function of a prefix's items; stands for a model without factors."""

    def __init__(self, score_prefix: Callable[[list[int]], NDArray[Any]]) -> None:
        self._score_prefix = score_prefix
        self.largest_call = 0

    def score(self, sessions: SessionLog) -> NDArray[Any]:
        self.largest_call = max(self.largest_call, sessions.n_targets)
        return np.stack(
            [
                self._score_prefix(sessions.items[start : start + length].tolist())
                for start, n in zip(sessions.offsets[:-1], sessions.lengths, strict=True)
                for length in range(1, n)
            ]
        )


class LastItemFactors:
    """State of a prefix: the vector of its last item."""

    device = "cpu"

    def __init__(self, vectors: NDArray[np.float32], bias: NDArray[np.float32]) -> None:
        self._vectors, self._bias = vectors, bias
        self.largest_call = 0

    def factors(self, sessions: SessionLog) -> Factors:
        self.largest_call = max(self.largest_call, sessions.n_targets)
        last = np.flatnonzero(sessions.position_in_session[1:] > 0)
        return Factors(self._vectors[sessions.items[last]], self._vectors, self._bias)

    def score(self, sessions: SessionLog) -> NDArray[np.float32]:
        states, items, bias = self.factors(sessions)
        return states @ items.T + bias


def rank(model: object, held_out: HeldOut, **options: Any) -> Ranks:
    return rank_targets(cast(Recommender, model), held_out, model_name="mine", **options)
