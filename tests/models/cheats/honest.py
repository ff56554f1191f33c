"""The model that all of the zoo pretend to be, and what they share."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from datasets.session_log import SessionLog
from models.recommender import FloatMatrix, Progress


@dataclass(frozen=True)
class NoOptions:
    pass


class Honest:
    """Ranks by support in training, and does nothing else"""

    Config: Any = NoOptions

    def __init__(self, config: Any, *, seed: int, device: str) -> None:
        self.support = np.zeros(0, dtype=np.float32)
        self.calls = 0

    def fit(self, train: SessionLog) -> Iterator[Progress]:
        self.support = train.item_counts().astype(np.float32)
        yield Progress(1, True, train.n_targets, train.n_targets, loss=None)

    def score(self, sessions: SessionLog) -> FloatMatrix:
        self.calls += 1
        return np.tile(self.support, (sessions.n_targets, 1))

    def save(self, folder: Path) -> None:
        np.save(folder / "support.npy", self.support)

    def load(self, folder: Path) -> None:
        self.support = np.load(folder / "support.npy")


class Knowing(Honest):
    """Adds to the score of the item that comes next, where `acts` says so."""

    bonus = 1e9

    def score(self, sessions: SessionLog) -> FloatMatrix:
        scores = super().score(sessions)
        rows = np.flatnonzero(self.acts(sessions))
        scores[rows, next_items(sessions)[rows]] += np.float32(self.bonus)
        return scores

    def acts(self, sessions: SessionLog) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Whether it cheats on each prefix, (n_prefixes,)."""
        return np.ones(sessions.n_targets, dtype=np.bool_)


def next_items(sessions: SessionLog) -> np.ndarray[Any, np.dtype[np.int32]]:
    """The event after each prefix, (n_prefixes,)."""
    return sessions.items[sessions.position_in_session > 0]


def positions(sessions: SessionLog) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Events of each prefix, (n_prefixes,)."""
    places = sessions.position_in_session
    return places[places > 0]


def lengths(sessions: SessionLog) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Events of each prefix's session, (n_prefixes,)."""
    followed = sessions.position_in_session > 0
    return sessions.lengths[sessions.session_of_event[followed]]
