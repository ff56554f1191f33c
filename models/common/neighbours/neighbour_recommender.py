"""What nearest-neighbour recommenders share: an index of training sessions, scored in blocks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from datasets.session_log import SessionLog
from models.common.neighbours.neighbour_sessions import ItemScores, SessionIndex
from models.common.sessions.prefixes import Prefixes
from models.common.sessions.ragged import blocks
from models.recommender import FloatMatrix, Progress

COST_PER_BLOCK = 2**16
"""About how many numbers a block of prefixes may need in the longest of its arrays: few enough for
the processor's cache, many enough that a block's fixed cost does not count."""


class NeighbourRecommender(ABC):
    """Keeps the training sessions; a model adds `Config`, with k and sample_size, and `_scores`."""

    def __init__(self, config: Any, *, seed: int, device: str) -> None:
        self.config = config
        self._index: SessionIndex

    def fit(self, train: SessionLog) -> Iterator[Progress]:
        """Index the training sessions; rewards are not looked at."""
        self._index = SessionIndex.from_log(train, sample_size=self.config.sample_size)
        yield Progress(1, True, train.n_targets, train.n_targets, loss=None)

    def score(self, sessions: SessionLog) -> FloatMatrix:
        """Score of every item after every prefix, shape (n_prefixes, n_items)."""
        prefixes = Prefixes(sessions)
        scores = np.zeros((len(prefixes), sessions.n_items), dtype=np.float32)
        costs = self._index.costs(prefixes, self.config.k)
        for start, stop in blocks(costs, COST_PER_BLOCK):
            found = self._scores(prefixes, start, stop)
            scores[start + found.rows, found.items] = found.values
        return scores

    @abstractmethod
    def _scores(self, prefixes: Prefixes, start: int, stop: int) -> ItemScores:
        """Scores other than 0 of prefixes `start` to `stop` (exclusive), rows from 0."""

    def save(self, folder: Path) -> None:
        """Write the indexed sessions."""
        self._index.save(folder / "sessions.npz")

    def load(self, folder: Path) -> None:
        """Read the indexed sessions."""
        self._index = SessionIndex.from_file(
            folder / "sessions.npz", sample_size=self.config.sample_size
        )
