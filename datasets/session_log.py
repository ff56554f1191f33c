"""The one shape in which every log travels: columns of events, cut into sessions."""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datasets.read_only import read_only

IntArray = NDArray[np.int64]
ItemCodes = NDArray[np.int32]
FloatArray = NDArray[np.float32]
StringArray = NDArray[np.str_]
TimeArray = NDArray[np.int64] | NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class SessionLog:
    """Events of all sessions, one after another, as columns.

    Session `s` holds events `offsets[s]:offsets[s + 1]`, in the order in which they happened.
    Item codes run from 0 to `n_items - 1`; `item_ids[code]` is the id as the source wrote it.
    All arrays refuse writes, also through views and bases and in a process that unpickles the log.
    """

    items: ItemCodes
    """Item code of each event, int32, shape (n_events,)."""
    rewards: FloatArray
    """Reward of each event, float32, shape (n_events,)."""
    offsets: IntArray
    """Where sessions start and end, int64, shape (n_sessions + 1,)."""
    item_ids: StringArray
    """Catalogue: the id of each item code, shape (n_items,)."""
    session_ids: StringArray
    """The id of each session as the source wrote it, shape (n_sessions,)."""
    times: TimeArray | None = None
    """Time of each event in the source's own unit, int64 or float64, shape (n_events,)."""
    propensities: FloatArray | None = None
    """Logged probability of each event's item under the logging policy, shape (n_events,)."""

    def __post_init__(self) -> None:
        for field in fields(self):
            column = getattr(self, field.name)
            if column is not None:
                object.__setattr__(self, field.name, read_only(column))

    def __getstate__(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def __setstate__(self, columns: dict[str, Any]) -> None:
        self.__dict__.update(columns)
        self.__post_init__()

    @property
    def n_events(self) -> int:
        """Number of events."""
        return len(self.items)

    @property
    def n_sessions(self) -> int:
        """Number of sessions."""
        return len(self.offsets) - 1

    @property
    def n_items(self) -> int:
        """Size of the catalogue."""
        return len(self.item_ids)

    @property
    def n_targets(self) -> int:
        """Number of next-item targets: every event of a session but its first."""
        return int(np.maximum(self.lengths - 1, 0).sum())

    @property
    def zero_reward_is_seen(self) -> bool:
        """Whether users knew of the events that have no reward.

        A log with propensities is of what a recommender showed, noticed or not; one without is of
        what users did, as when they watched a film and rated it low.
        """
        return self.propensities is None

    @cached_property
    def lengths(self) -> IntArray:
        """Events of each session, shape (n_sessions,)."""
        return read_only(np.diff(self.offsets))

    @cached_property
    def session_of_event(self) -> IntArray:
        """Index of the session of each event, shape (n_events,)."""
        return read_only(np.repeat(np.arange(self.n_sessions), self.lengths))

    @cached_property
    def position_in_session(self) -> IntArray:
        """Place of each event in its session, from 0, shape (n_events,)."""
        places = np.arange(self.n_events) - self.offsets[:-1][self.session_of_event]
        return read_only(places)

    def item_counts(self) -> IntArray:
        """Support: how many events each item has, shape (n_items,)."""
        return np.bincount(self.items, minlength=self.n_items)

    def target_counts(self) -> IntArray:
        """How often each item is a target: its events but the first of a session, (n_items,)."""
        return np.bincount(self.items[self.position_in_session > 0], minlength=self.n_items)

    def sessions(self, start: int, stop: int) -> SessionLog:
        """Sessions `start` to `stop` (exclusive) as a log of their own, without copying."""
        first, last = int(self.offsets[start]), int(self.offsets[stop])
        return replace(
            self,
            items=self.items[first:last],
            rewards=self.rewards[first:last],
            offsets=self.offsets[start : stop + 1] - first,
            session_ids=self.session_ids[start:stop],
            times=None if self.times is None else self.times[first:last],
            propensities=None if self.propensities is None else self.propensities[first:last],
        )

    def keep_events(self, keep: NDArray[np.bool_]) -> SessionLog:
        """The log with only the events marked in `keep`; sessions left empty disappear."""
        lengths = np.bincount(self.session_of_event[keep], minlength=self.n_sessions)
        alive = lengths > 0
        return replace(
            self,
            items=self.items[keep],
            rewards=self.rewards[keep],
            offsets=np.concatenate([[0], np.cumsum(lengths[alive])]).astype(np.int64),
            session_ids=self.session_ids[alive],
            times=None if self.times is None else self.times[keep],
            propensities=None if self.propensities is None else self.propensities[keep],
        )

    def fingerprint(self) -> str:
        """SHA-256 over every column: equal fingerprints mean equal events in equal order."""
        digest = hashlib.sha256()
        for field in fields(self):
            column = getattr(self, field.name)
            if column is None:
                digest.update(f"{field.name}:none;".encode())
                continue
            if column.dtype.kind == "U":
                data = "\n".join(column.tolist()).encode()
            else:
                data = np.ascontiguousarray(column).tobytes()
            digest.update(f"{field.name}:{column.dtype.kind}{len(column)};".encode())
            digest.update(data)
        return digest.hexdigest()

    def checksum(self) -> int:
        """CRC-32 over every column: cheaper than `fingerprint`, for a log that may have changed."""
        found = 0
        for field in fields(self):
            column = getattr(self, field.name)
            if column is not None:
                found = zlib.crc32(np.ascontiguousarray(column).view(np.uint8).data, found)
        return found
