"""Sessions whose next items are to be predicted, coded by the catalogue of training."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from datasets.session_log import FloatArray, IntArray, ItemCodes, SessionLog, TimeArray


@dataclass(frozen=True, eq=False)
class MissedTargets:
    """Targets of items that training never saw, counted as misses; shapes (n_missed,)."""

    sessions: IntArray
    """Session of each; sessions that are not in the held-out log are numbered after its own."""
    positions: IntArray
    """Events of known items before the target in its session."""
    rewards: FloatArray
    times: TimeArray | None
    propensities: FloatArray | None

    def __len__(self) -> int:
        return len(self.sessions)


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Sessions to be predicted, without the events of items that training never saw."""

    log: SessionLog
    """Each session has at least two events and one target; its catalogue is the split's."""
    is_target: NDArray[np.bool_]
    """Whether an event of `log` is scored (never the first of a session), shape (n_events,)."""
    missed: MissedTargets
    """Empty, unless a split counts unseen items as misses."""

    @property
    def n_targets(self) -> int:
        """Number of events over which metrics average, missed ones included."""
        return int(self.is_target.sum()) + len(self.missed)

    @property
    def n_sessions(self) -> int:
        """Number of sessions with at least one target, missed ones included."""
        absent = self.missed.sessions[self.missed.sessions >= self.log.n_sessions]
        return self.log.n_sessions + len(np.unique(absent))

    @cached_property
    def prefixes(self) -> SessionLog:
        """`log` as models see it: the last event of each session, in no prefix, is replaced by a
        random item without reward, at the time of the event before."""
        log, last = self.log, self.log.offsets[1:] - 1
        drawn = np.random.default_rng(log.n_events).integers(0, log.n_items, log.n_sessions)
        items, rewards, times = log.items.copy(), log.rewards.copy(), log.times
        items[last], rewards[last] = drawn, 0
        if times is not None:
            times = times.copy()
            times[last] = times[last - 1]
        propensities = log.propensities
        if propensities is not None:
            propensities = propensities.copy()
            propensities[last] = 1
        return replace(log, items=items, rewards=rewards, times=times, propensities=propensities)

    def fingerprint(self) -> str:
        """SHA-256 over the sessions and what is scored in them."""
        digest = hashlib.sha256(self.log.fingerprint().encode())
        digest.update(self.is_target.tobytes())
        for field in fields(self.missed):
            column = getattr(self.missed, field.name)
            digest.update(field.name.encode())
            digest.update(b"none" if column is None else np.ascontiguousarray(column).tobytes())
        return digest.hexdigest()


class HeldOutTally(NamedTuple):
    """Where the events of a held-out part went: into targets, or into one of the first three.

    Own events are those that belong to no other part: all, but for leave-one-out the last alone.
    """

    context_events: int = 0
    """Known items that only serve as history: each session's first."""
    unseen_events: int = 0
    """Events of items that training never saw, taken out."""
    too_short_events: int = 0
    """Known items of sessions that are left with fewer than two events."""
    too_short_sessions: int = 0
    unseen_targets: int = 0
    """Those of `unseen_events` that were targets."""
    target_candidates: int = 0
    """Targets before unseen items were taken out."""
    single_event_sessions: int = 0
    """Sessions that had one event from the start."""


def hold_out(
    part: SessionLog,
    *,
    candidates: NDArray[np.bool_],
    own: NDArray[np.bool_],
    codes: ItemCodes,
    item_ids: NDArray[np.str_],
    count_misses: bool,
) -> tuple[HeldOut, HeldOutTally]:
    """Code `part` by the catalogue `item_ids` and take out what training never saw.

    `candidates` marks the events of `part` that are targets before unseen items are taken out,
    `own` those that belong to no other part. `codes` gives each item code of `part` its code in the
    catalogue, or -1. With `count_misses`, candidates of unseen items become `missed`.
    """
    new_items = codes[part.items]
    seen = new_items >= 0
    known = replace(part, items=new_items, item_ids=item_ids).keep_events(seen)
    is_target = candidates[seen] & (known.position_in_session > 0)
    has_target = _any_per_session(known, is_target)
    in_log = has_target[known.session_of_event]
    log = known.keep_events(in_log)

    lengths_left = np.bincount(part.session_of_event[seen], minlength=part.n_sessions)
    too_short = lengths_left < 2
    is_missed = candidates & ~seen
    index_in_log = np.full(part.n_sessions, -1, dtype=np.int64)
    index_in_log[np.flatnonzero(lengths_left > 0)[has_target]] = np.arange(log.n_sessions)
    own_seen = own & seen
    too_short_events = int((own_seen & too_short[part.session_of_event]).sum())
    tally = HeldOutTally(
        context_events=int(own_seen.sum()) - too_short_events - int(is_target.sum()),
        unseen_events=int((own & ~seen).sum()),
        too_short_events=too_short_events,
        too_short_sessions=int(too_short.sum()),
        unseen_targets=int(is_missed.sum()),
        target_candidates=int(candidates.sum()),
        single_event_sessions=int((part.lengths == 1).sum()),
    )
    if not count_misses:
        is_missed = np.zeros_like(is_missed)
    missed = _missed_targets(part, is_missed, seen, index_in_log, log.n_sessions)
    return HeldOut(log, is_target[in_log], missed), tally


def _any_per_session(log: SessionLog, marked: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return np.bincount(log.session_of_event[marked], minlength=log.n_sessions) > 0


def _missed_targets(
    part: SessionLog,
    is_missed: NDArray[np.bool_],
    seen: NDArray[np.bool_],
    index_in_log: IntArray,
    n_sessions_in_log: int,
) -> MissedTargets:
    """The marked events of `part` as columns, their sessions numbered as in the held-out log."""
    part_sessions = part.session_of_event[is_missed]
    sessions = index_in_log[part_sessions]
    absent = sessions < 0
    _, rank_among_absent = np.unique(part_sessions[absent], return_inverse=True)
    sessions[absent] = n_sessions_in_log + rank_among_absent
    seen_before = np.concatenate([[0], np.cumsum(seen)])
    positions = seen_before[:-1][is_missed] - seen_before[part.offsets[part_sessions]]
    return MissedTargets(
        sessions=sessions,
        positions=positions,
        rewards=part.rewards[is_missed],
        times=None if part.times is None else part.times[is_missed],
        propensities=None if part.propensities is None else part.propensities[is_missed],
    )
