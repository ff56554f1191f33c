"""Models whose scores are none."""

from __future__ import annotations

from typing import Any

import numpy as np

from datasets.session_log import SessionLog
from models.recommender import FloatMatrix
from tests.models.cheats.honest import Honest, next_items


class NotANumber(Honest):
    """Scores every item NaN"""

    def score(self, sessions: SessionLog) -> FloatMatrix:
        return super().score(sessions) * np.float32(np.nan)


class OthersNotANumber(Honest):
    """Scores every item NaN but the next"""

    def score(self, sessions: SessionLog) -> FloatMatrix:
        scores = super().score(sessions) * np.float32(np.nan)
        scores[np.arange(len(scores)), next_items(sessions)] = 1
        return scores


class Infinite(Honest):
    """Scores every item infinity"""

    def score(self, sessions: SessionLog) -> FloatMatrix:
        return np.full_like(super().score(sessions), np.inf)


class MinusInfinite(Honest):
    """Scores every item minus infinity"""

    def score(self, sessions: SessionLog) -> FloatMatrix:
        return np.full_like(super().score(sessions), -np.inf)


class OneRowTooMany(Honest):
    """Answers for the whole session too"""

    def score(self, sessions: SessionLog) -> FloatMatrix:
        return np.tile(self.support, (sessions.n_events, 1))


class WholeNumbers(Honest):
    """Returns whole numbers"""

    def score(self, sessions: SessionLog) -> Any:
        return super().score(sessions).astype(np.int64)


class Raises(Honest):
    """Raises an error when it scores"""

    def score(self, sessions: SessionLog) -> FloatMatrix:
        raise RuntimeError("cannot score")


class Prints(Honest):
    """Prints to the terminal"""

    def score(self, sessions: SessionLog) -> FloatMatrix:
        print("| Prints | 1.0000 |")
        return super().score(sessions)
