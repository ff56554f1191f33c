"""Markov: the items that most often came right after the last one, then the popular ones.

First order, the counts as they are: Ludewig, Jannach: Evaluation of Session-based Recommendation
Algorithms, UMUAI 28, 2018, where it is the simple Markov chain.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from datasets.session_log import IntArray, ItemCodes, SessionLog
from models.common.neighbours.popularity_ties import popularity_levels, ranks_in_rows
from models.common.sessions.prefixes import Prefixes
from models.common.sessions.ragged import ranges
from models.recommender import FloatMatrix, Progress


@dataclass(frozen=True)
class MarkovConfig:
    """Markov has no options."""


class Markov:
    """Orders items by how often they followed the last one; equal counts by popularity."""

    Config = MarkovConfig

    def __init__(self, config: MarkovConfig, *, seed: int, device: str) -> None:
        self._offsets: IntArray
        """Where the followers of each item begin and end, (n_items + 1,)."""
        self._followers: ItemCodes
        self._scores: NDArray[np.float32]
        """Score of each follower after its item, (n_pairs,)."""
        self._levels: NDArray[np.float32]
        """Score of an item that never followed: its level of popularity, (n_items,)."""

    def fit(self, train: SessionLog) -> Iterator[Progress]:
        """Count the pairs of neighbours in training."""
        inside = train.position_in_session[1:] > 0
        codes = train.items.astype(np.int64)
        pairs, counts = np.unique(
            (codes[:-1] * train.n_items + codes[1:])[inside], return_counts=True
        )
        items, followers = np.divmod(pairs, train.n_items)
        levels = popularity_levels(train.item_counts())
        ranks = ranks_in_rows(items, counts, levels[followers])
        self._offsets = np.searchsorted(items, np.arange(train.n_items + 1))
        self._followers = followers.astype(np.int32)
        self._scores = (levels.max() + ranks).astype(np.float32)
        self._levels = levels.astype(np.float32)
        yield Progress(1, True, train.n_targets, train.n_targets, loss=None)

    def score(self, sessions: SessionLog) -> FloatMatrix:
        """Ranks of count and popularity as numbers, shape (n_prefixes, n_items)."""
        last_items = sessions.items[Prefixes(sessions).ends]
        starts = self._offsets[last_items]
        lengths = self._offsets[last_items + 1] - starts
        pairs = ranges(starts, lengths)
        scores = np.tile(self._levels, (len(last_items), 1))
        rows = np.repeat(np.arange(len(last_items)), lengths)
        scores[rows, self._followers[pairs]] = self._scores[pairs]
        return scores

    def save(self, folder: Path) -> None:
        """Write the followers of each item with their scores."""
        np.savez(
            folder / "followers.npz",
            offsets=self._offsets,
            followers=self._followers,
            scores=self._scores,
            levels=self._levels,
        )

    def load(self, folder: Path) -> None:
        """Read what `save` wrote."""
        with np.load(folder / "followers.npz", allow_pickle=False) as arrays:
            self._offsets = arrays["offsets"]
            self._followers = arrays["followers"]
            self._scores = arrays["scores"]
            self._levels = arrays["levels"]
