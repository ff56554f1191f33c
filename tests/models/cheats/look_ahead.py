"""Models that look at what comes after the prefix."""

from __future__ import annotations

from typing import Any

import numpy as np

from datasets.session_log import SessionLog
from models.recommender import FloatMatrix
from tests.models.cheats.honest import Honest, Knowing, lengths, next_items, positions

Marks = np.ndarray[Any, np.dtype[np.bool_]]


class NextItem(Knowing):
    """Puts the next item first"""


class NextItemAfter50(Knowing):
    """Puts the next item first after 50 events of a session"""

    def acts(self, sessions: SessionLog) -> Marks:
        return positions(sessions) > 50


class NextItemAfter200(Knowing):
    """Puts the next item first after 200 events of a session"""

    def acts(self, sessions: SessionLog) -> Marks:
        return positions(sessions) > 200


class NextItemInLongSessions(Knowing):
    """Puts the next item first in sessions of more than 100 events"""

    def acts(self, sessions: SessionLog) -> Marks:
        return lengths(sessions) > 100


class NextItemAtTimes(Knowing):
    """Puts the next item first at every tenth place of a session"""

    def acts(self, sessions: SessionLog) -> Marks:
        return positions(sessions) % 10 == 3


class ItemAfterNext(Honest):
    """Puts the item after the next first"""

    def score(self, sessions: SessionLog) -> FloatMatrix:
        scores, items = super().score(sessions), next_items(sessions)
        following = np.roll(items, -1)
        following[positions(sessions) == lengths(sessions) - 1] = 0
        scores[np.arange(len(items)), following] += np.float32(1e9)
        return scores


class RestOfSession(Honest):
    """Puts every item that the session still holds before the others"""

    def score(self, sessions: SessionLog) -> FloatMatrix:
        scores, row = super().score(sessions), 0
        for first, last in zip(sessions.offsets[:-1], sessions.offsets[1:], strict=True):
            for event in range(first + 1, last):
                scores[row, sessions.items[event:last]] += np.float32(1e4)
                row += 1
        return scores


class SessionLength(Honest):
    """Turns its order round in sessions of an even number of events"""

    def score(self, sessions: SessionLog) -> FloatMatrix:
        sign = np.where(lengths(sessions) % 2, 1, -1).astype(np.float32)
        return super().score(sessions) * sign[:, None]


class NextTime(Honest):
    """Turns its order round where the next event comes within three seconds"""

    def score(self, sessions: SessionLog) -> FloatMatrix:
        assert sessions.times is not None
        event = np.flatnonzero(sessions.position_in_session > 0)
        soon = sessions.times[event] - sessions.times[event - 1] <= 3
        return super().score(sessions) * np.where(soon, 1, -1).astype(np.float32)[:, None]
