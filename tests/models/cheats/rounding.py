"""Models that hide a look at the next item behind the size of their scores."""

from __future__ import annotations

import numpy as np

from datasets.session_log import SessionLog
from models.recommender import Factors, FloatMatrix
from tests.models.cheats.honest import Honest, Knowing, next_items


class BehindLargeColumn(Knowing):
    """Gives one item 1,000,000 and the next item 50 more"""

    bonus = 50

    def score(self, sessions: SessionLog) -> FloatMatrix:
        scores = super().score(sessions)
        scores[:, 0] = 1e6
        return scores


class BehindLargeConstant(Knowing):
    """Adds 1,000,000 to all scores and 50 to that of the next item"""

    bonus = 50

    def score(self, sessions: SessionLog) -> FloatMatrix:
        return super().score(sessions) + np.float32(1e6)


class OneRoundingStep(Honest):
    """Gives all items 1,000,000 and the next one the smallest number above it"""

    def score(self, sessions: SessionLog) -> FloatMatrix:
        scores = np.full((sessions.n_targets, sessions.n_items), 1e6, dtype=np.float32)
        scores[np.arange(len(scores)), next_items(sessions)] = np.nextafter(
            np.float32(1e6), np.float32(2e6)
        )
        return scores


class BreaksTies(Honest):
    """Among items of equal support puts the next one first, by one rounding step"""

    def score(self, sessions: SessionLog) -> FloatMatrix:
        scores, rows = super().score(sessions) + 1, np.arange(sessions.n_targets)
        own = scores[rows, next_items(sessions)]
        scores[rows, next_items(sessions)] = np.nextafter(own, np.float32(np.inf))
        return scores


class LargeState(Honest):
    """As a product: a state of 1,000,000 beside the next item's own"""

    def score(self, sessions: SessionLog) -> FloatMatrix:
        states, items, bias = self.factors(sessions)
        return states @ items.T + bias

    def factors(self, sessions: SessionLog) -> Factors:
        eye = np.eye(sessions.n_items, dtype=np.float32)
        large = np.full((sessions.n_targets, 1), 1e6, dtype=np.float32)
        ones = np.ones((sessions.n_items, 1), dtype=np.float32)
        states = np.hstack([large, eye[next_items(sessions)]])
        return Factors(states, np.hstack([ones, eye]), np.zeros(sessions.n_items, np.float32))
