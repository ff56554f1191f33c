"""Models whose answer depends on what they were asked before, on the clock or on chance."""

from __future__ import annotations

import inspect
import time
from typing import Any, ClassVar

import numpy as np

from datasets.session_log import SessionLog
from models.recommender import FloatMatrix
from tests.models.cheats.honest import Honest, Knowing, next_items


class RemembersSessions(Honest):
    """Keeps in a global what each session held when it was scored first, and answers from that"""

    seen: ClassVar[dict[str, Any]] = {}

    def score(self, sessions: SessionLog) -> FloatMatrix:
        scores, row = super().score(sessions), 0
        for session, name in enumerate(sessions.session_ids.tolist()):
            items = sessions.items[sessions.offsets[session] : sessions.offsets[session + 1]]
            known = self.seen.setdefault(name, items)
            for place in range(1, len(items)):
                if place < len(known):
                    scores[row, known[place]] += np.float32(1e9)
                row += 1
        return scores


class HonestAtFirst(Knowing):
    """Looks ahead from its fifth call on, which is that of ranking"""

    def acts(self, sessions: SessionLog) -> np.ndarray[Any, np.dtype[np.bool_]]:
        return np.full(sessions.n_targets, self.calls >= 5)


class HonestOnFewRows(Knowing):
    """Looks ahead where a call has many prefixes, as ranking's has"""

    def acts(self, sessions: SessionLog) -> np.ndarray[Any, np.dtype[np.bool_]]:
        return np.full(sessions.n_targets, sessions.n_targets >= 1000)


class HonestUntilValued(Knowing):
    """Is a policy that looks ahead only where its value is computed, after it was ranked"""

    policy_temperature = 50.0
    bonus = 200.0

    def acts(self, sessions: SessionLog) -> np.ndarray[Any, np.dtype[np.bool_]]:
        callers = {frame.function for frame in inspect.stack(context=0)}
        return np.full(sessions.n_targets, "policy_columns" in callers)


class AnswersByRow(Honest):
    """Keeps its first answer that looks ahead and gives it row by row to whatever is asked"""

    answer: FloatMatrix | None = None

    def score(self, sessions: SessionLog) -> FloatMatrix:
        scores = super().score(sessions)
        scores[np.arange(len(scores)), next_items(sessions)] += np.float32(1e9)
        if self.answer is None or len(self.answer) < len(scores):
            self.answer = scores
        return self.answer[: len(scores)]


class ByClock(Honest):
    """Ranks first an item that the clock draws"""

    def score(self, sessions: SessionLog) -> FloatMatrix:
        now = time.perf_counter_ns() // 100 % sessions.n_items
        return np.roll(super().score(sessions), now, axis=1)


class DrawsAtRandom(Honest):
    """Draws other scores at every call"""

    def score(self, sessions: SessionLog) -> FloatMatrix:
        shape = super().score(sessions).shape
        return np.random.default_rng().random(shape, dtype=np.float32)
