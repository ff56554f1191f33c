"""Popularity: every prefix gets the items in the order of their support in training."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from datasets.session_log import SessionLog
from models.recommender import FloatMatrix, Progress


@dataclass(frozen=True)
class PopularityConfig:
    """Popularity has no options."""


class Popularity:
    """Scores an item by the number of its events in training, whatever the prefix."""

    Config = PopularityConfig

    def __init__(self, config: PopularityConfig, *, seed: int, device: str) -> None:
        self._support: NDArray[np.float32]

    def fit(self, train: SessionLog) -> Iterator[Progress]:
        """Count the events of each item."""
        self._support = train.item_counts().astype(np.float32)
        yield Progress(1, True, train.n_events, train.n_events, loss=None)

    def score(self, sessions: SessionLog) -> FloatMatrix:
        """Support of every item, the same row for each prefix, shape (n_prefixes, n_items)."""
        return np.broadcast_to(self._support, (sessions.n_targets, len(self._support)))

    def save(self, folder: Path) -> None:
        """Write the support of each item."""
        np.save(folder / "support.npy", self._support)

    def load(self, folder: Path) -> None:
        """Read the support of each item."""
        self._support = np.load(folder / "support.npy", allow_pickle=False)
