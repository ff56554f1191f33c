"""SessionPopularity: the items that the session holds most often, then the popular ones.

S-POP of Hidasi, Karatzoglou, Baltrunas, Tikk: Session-based Recommendations with Recurrent Neural
Networks, ICLR 2016.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from datasets.session_log import IntArray, SessionLog
from models.common.neighbours.popularity_ties import popularity_levels, ranks_in_rows
from models.common.sessions.prefixes import Prefixes, occurrences
from models.common.sessions.ragged import blocks
from models.recommender import FloatMatrix, Progress

EVENTS_PER_BLOCK = 2**20


@dataclass(frozen=True)
class SessionPopularityConfig:
    """Session popularity has no options."""


class SessionPopularity:
    """Orders items by their count in the prefix; equal counts, 0 among them, by popularity."""

    Config = SessionPopularityConfig

    def __init__(self, config: SessionPopularityConfig, *, seed: int, device: str) -> None:
        self._levels: IntArray

    def fit(self, train: SessionLog) -> Iterator[Progress]:
        """Order the items by their support."""
        self._levels = popularity_levels(train.item_counts())
        yield Progress(1, True, train.n_targets, train.n_targets, loss=None)

    def score(self, sessions: SessionLog) -> FloatMatrix:
        """Ranks of count and popularity as numbers, shape (n_prefixes, n_items)."""
        prefixes, counts = Prefixes(sessions), occurrences(sessions)
        scores = np.tile(self._levels.astype(np.float32), (len(prefixes), 1))
        for start, stop in blocks(prefixes.lengths, EVENTS_PER_BLOCK):
            rows, events = prefixes.distinct(start, stop)
            items = sessions.items[events]
            # The count at an item's last event in the prefix is its count in the prefix.
            ranks = ranks_in_rows(rows, counts[events], self._levels[items])
            scores[start + rows, items] = self._levels.max() + ranks
        return scores

    def save(self, folder: Path) -> None:
        """Write the level of each item's support."""
        np.save(folder / "levels.npy", self._levels)

    def load(self, folder: Path) -> None:
        """Read the level of each item's support."""
        self._levels = np.load(folder / "levels.npy", allow_pickle=False)
