"""The prefixes of a log's sessions, each as the set of its items."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from datasets.session_log import IntArray, SessionLog
from models.common.sessions.ragged import places, ranges


class Prefixes:
    """Every prefix that has a next item, in the order in which `score` answers."""

    def __init__(self, sessions: SessionLog) -> None:
        self.sessions = sessions
        self.ends: IntArray = np.flatnonzero(sessions.position_in_session > 0) - 1
        """Event that is each prefix's last, shape (n_prefixes,)."""
        self.starts: IntArray = sessions.offsets[sessions.session_of_event[self.ends]]
        """Event that is each prefix's first, shape (n_prefixes,)."""
        self.lengths: IntArray = self.ends - self.starts + 1
        """Events of each prefix, shape (n_prefixes,)."""

    def __len__(self) -> int:
        return len(self.ends)

    @cached_property
    def _next_of_item(self) -> IntArray:
        return next_of_item(self.sessions)

    def distinct(self, start: int, stop: int) -> tuple[IntArray, IntArray]:
        """The items of prefixes `start` to `stop` (exclusive), each by its last event there.

        Returns the prefix of each, counted from `start`, and the event, both (n_distinct,); those
        of a prefix stand together, in the order of their events.
        """
        lengths = self.lengths[start:stop]
        rows = np.repeat(np.arange(stop - start), lengths)
        events = ranges(self.starts[start:stop], lengths)
        last = self._next_of_item[events] > self.ends[start:stop][rows]
        return rows[last], events[last]


def next_of_item(log: SessionLog) -> IntArray:
    """The next event of the same item in the same session, n_events where none, (n_events,)."""
    order, repeats = _by_item(log)
    following = np.full(log.n_events, log.n_events)
    following[order[:-1][repeats]] = order[1:][repeats]
    return following


def occurrences(log: SessionLog) -> IntArray:
    """How often the session has held the item up to and including each event, (n_events,)."""
    order, repeats = _by_item(log)
    starts = np.flatnonzero(np.concatenate([[True], ~repeats]))
    counts = np.empty(log.n_events, dtype=np.int64)
    counts[order] = 1 + places(np.diff(np.append(starts, log.n_events)))
    return counts


def _by_item(log: SessionLog) -> tuple[IntArray, IntArray]:
    """Events in the order of session, item and place; and which of them repeat the one before."""
    order = np.lexsort((log.items, log.session_of_event))
    items, sessions = log.items[order], log.session_of_event[order]
    return order, (items[1:] == items[:-1]) & (sessions[1:] == sessions[:-1])
