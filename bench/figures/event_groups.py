"""Groups of test events by popularity of the target, position in session, reward and time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.store.catalogue import Catalogue
from bench.store.events import TestEvents
from datasets.session_log import IntArray

LENGTH_EDGES = (1, 2, 3, 4, 6, 11, 21)
LENGTH_NAMES = ("0", "1", "2", "3", "4-5", "6-10", "11-20", "21+")
MOST_REWARDS = 10
"""Distinct rewards up to which each is a group."""
PARTS = 10


@dataclass(frozen=True, eq=False)
class Grouping:
    """One dimension: each test event is in exactly one of its groups."""

    dimension: str
    names: tuple[str, ...]
    """Names of the groups in the order shown; some may be empty."""
    group_of_event: IntArray
    """Index into `names`, (n_events,)."""


def groupings(events: TestEvents, catalogue: Catalogue) -> list[Grouping]:
    """The dimensions with a column that split `events` into at least two groups."""
    session_of_event = np.unique(events.sessions, return_inverse=True)[1]
    lengths = np.bincount(session_of_event)[session_of_event]
    found = [
        _by_popularity(events, catalogue.support),
        Grouping("position in session", LENGTH_NAMES, _length_group(events.positions)),
        Grouping("session length", LENGTH_NAMES, _length_group(lengths)),
        _by_repeat(events),
        _by_reward(events),
        _by_time(events),
    ]
    return [
        grouping
        for grouping in found
        if grouping is not None and len(np.unique(grouping.group_of_event)) > 1
    ]


def _by_popularity(events: TestEvents, support: IntArray) -> Grouping:
    """Tenths of the training events, from the items of least support to those of most.

    Tenths of items would be nearly empty but for one, as most targets are of few items. All items
    of equal support are in the tenth with the middle of their events, so tenths vary in size. Items
    that only validation has (support 0) and targets outside the catalogue are separate.
    """
    levels, level_of_item, n_items = np.unique(support, return_inverse=True, return_counts=True)
    level_events = levels * n_items
    twice_middle = 2 * np.cumsum(level_events) - level_events
    tenth_of_level = PARTS * twice_middle // max(2 * int(level_events.sum()), 1)
    names = ["not in the catalogue", "support 0"]
    for tenth in range(PARTS):
        inside = levels[(tenth_of_level == tenth) & (levels > 0)]
        reach = f", support {inside[0]} to {inside[-1]}" if len(inside) else ""
        names.append(f"tenth {tenth + 1}{reach}")
    group_of_level = np.where(levels > 0, 2 + tenth_of_level, 1)
    targets = np.asarray(events.targets)
    groups = np.where(targets >= 0, group_of_level[level_of_item[targets]], 0)
    return Grouping("target popularity", tuple(names), groups)


def _by_repeat(events: TestEvents) -> Grouping:
    """Targets outside the catalogue count as new."""
    names = ("new item", "repeat of an earlier item", "repeat of the last item")
    groups = events.repeats.astype(np.int64)
    return Grouping("repeat", names, np.where(events.immediate_repeats, 2, groups))


def _by_reward(events: TestEvents) -> Grouping:
    rewards, groups = np.unique(events.rewards, return_inverse=True)
    if len(rewards) <= MOST_REWARDS:
        return Grouping("reward", tuple(f"{reward:g}" for reward in rewards.tolist()), groups)
    signs = 1 + np.sign(events.rewards).astype(np.int64)
    return Grouping("reward", ("negative", "zero", "positive"), signs)


def _by_time(events: TestEvents) -> Grouping | None:
    """Tenths of the time from the first test event to the last, as logs differ in their units."""
    if events.times is None:
        return None
    since = (events.times - events.times.min()).astype(np.float64)
    span = since.max()
    if not span > 0:
        return None
    names = tuple(
        f"{100 * part // PARTS} to {100 * (part + 1) // PARTS} %" for part in range(PARTS)
    )
    groups = np.minimum((PARTS * since / span).astype(np.int64), PARTS - 1)
    return Grouping("time in the test period", names, groups)


def _length_group(lengths: NDArray[np.int64]) -> IntArray:
    return np.searchsorted(LENGTH_EDGES, lengths, side="right")
