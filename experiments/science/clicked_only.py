"""A next-item model as it is used in practice: trained on what was clicked, asked by the clicks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from datasets.session_log import IntArray, SessionLog
from models.common.sessions.session_batches import BoolArray
from models.gru4rec import Gru4Rec
from models.recommender import Factors, Progress


class ClickedOnly(Gru4Rec):
    """GRU4Rec that leaves every event without reward out of training and prefixes.

    The first event of a session stays in, so that every prefix holds one.
    """

    def fit(self, train: SessionLog) -> Iterator[Progress]:
        """Train on the clicked events alone."""
        return super().fit(train.keep_events(_clicked(train)))

    def factors(self, sessions: SessionLog) -> Factors:
        """States after the clicked events of each prefix, item matrix and item bias."""
        clicked = _clicked(sessions)
        clicks, row_of_event = _with_an_end(sessions.keep_events(clicked)), np.cumsum(clicked) - 1
        followed = np.ones(sessions.n_events, dtype=np.bool_)
        followed[sessions.offsets[1:] - 1] = False
        states, items, bias = super().factors(clicks)
        return Factors(states[row_of_event[followed]], items, bias)


def _clicked(log: SessionLog) -> BoolArray:
    clicked: BoolArray = (np.asarray(log.rewards) > 0) | (log.position_in_session == 0)
    return clicked


def _with_an_end(log: SessionLog) -> SessionLog:
    """The log with the last event of each session twice, so that all others are prefixes' ends."""
    events: IntArray = np.repeat(
        np.arange(log.n_events), 1 + np.isin(np.arange(log.n_events), log.offsets[1:] - 1)
    )
    return replace(
        log,
        items=log.items[events],
        rewards=log.rewards[events],
        offsets=log.offsets + np.arange(log.n_sessions + 1),
        times=None,
        propensities=None,
    )
