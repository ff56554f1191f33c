"""Models whose answer depends on the other sessions of a call, or on the order of things."""

from __future__ import annotations

import numpy as np

from datasets.session_log import SessionLog
from models.recommender import FloatMatrix
from tests.models.cheats.honest import Honest


class CountsTheCall(Honest):
    """Adds how often each item occurs in all sessions of the call"""

    def score(self, sessions: SessionLog) -> FloatMatrix:
        return super().score(sessions) + sessions.item_counts().astype(np.float32)


class CarriesStateOver(Honest):
    """Its state runs on from one session to the next"""

    def score(self, sessions: SessionLog) -> FloatMatrix:
        ends = np.flatnonzero(sessions.position_in_session > 0) - 1
        shift = np.cumsum(sessions.items)[ends] % sessions.n_items
        codes = np.arange(sessions.n_items)
        return ((codes + shift[:, None]) % sessions.n_items).astype(np.float32)


class NormalisesOverCall(Honest):
    """Ranks the last item by its mean over all prefixes of the call"""

    def score(self, sessions: SessionLog) -> FloatMatrix:
        scores = super().score(sessions)
        ends = np.flatnonzero(sessions.position_in_session > 0) - 1
        np.add.at(scores, (np.arange(len(scores)), sessions.items[ends]), np.float32(5))
        return scores - scores.mean(axis=0) * np.float32(2)


class ByOrderOfCall(Honest):
    """Turns its order round in every other row of the call"""

    def score(self, sessions: SessionLog) -> FloatMatrix:
        sign = np.where(np.arange(sessions.n_targets) % 2, 1, -1).astype(np.float32)
        return super().score(sessions) * sign[:, None]


class ByCatalogueOrder(Honest):
    """Ranks by the order of the catalogue"""

    def score(self, sessions: SessionLog) -> FloatMatrix:
        row = -np.arange(sessions.n_items, dtype=np.float32)
        return np.tile(row, (sessions.n_targets, 1))


class Constant(Honest):
    """Scores every item alike, so that a lenient rule for ties would put the target first"""

    def score(self, sessions: SessionLog) -> FloatMatrix:
        return np.zeros((sessions.n_targets, sessions.n_items), dtype=np.float32)
