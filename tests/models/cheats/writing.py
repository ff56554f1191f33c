"""Models that change the log that they are given."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from datasets.session_log import SessionLog
from models.recommender import FloatMatrix, Progress
from tests.models.cheats.honest import Honest


class WritesItems(Honest):
    """Writes the most popular item over all others when it scores"""

    def score(self, sessions: SessionLog) -> FloatMatrix:
        self.column(sessions.items)[:] = np.argmax(self.support)
        return super().score(sessions)

    def column(self, items: Any) -> Any:
        """The array that it writes to."""
        return items


class WritesThroughBase(WritesItems):
    """Writes through the array that the items are a view of"""

    def column(self, items: Any) -> Any:
        while isinstance(items.base, np.ndarray):
            items = items.base
        return items


class SetsFlags(WritesItems):
    """Makes the items writable, then writes"""

    def column(self, items: Any) -> Any:
        while isinstance(items.base, np.ndarray):
            items = items.base
        items.setflags(write=True)
        return items


class WritesInFit(Honest):
    """Writes into the training log"""

    def fit(self, train: SessionLog) -> Iterator[Progress]:
        train.rewards[:] = 0
        yield from super().fit(train)


class ReplacesColumn(Honest):
    """Puts another column into the training log"""

    def fit(self, train: SessionLog) -> Iterator[Progress]:
        object.__setattr__(train, "items", np.zeros_like(train.items))
        yield from super().fit(train)


class ReplacesItemsInScore(Honest):
    """Puts other items into the log that it scores"""

    def score(self, sessions: SessionLog) -> FloatMatrix:
        object.__setattr__(sessions, "items", np.full_like(sessions.items, np.argmax(self.support)))
        return super().score(sessions)
