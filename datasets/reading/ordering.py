"""The order of events inside sessions, and of sessions: from columns in file order to a log."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from datasets.reading.id_order import is_sorted_by_id
from datasets.session_log import (
    FloatArray,
    IntArray,
    SessionLog,
    StringArray,
    TimeArray,
)

SHUFFLE_SEED = 42
"""Seed of the order drawn for events of equal time."""

Order = Literal["time", "position", "file"]
EqualTimes = Literal["shuffle", "detect"]


@dataclass(frozen=True)
class CodedIds:
    """A column of ids as codes that count them in the order of their first appearance."""

    codes: NDArray[np.int32]
    """Code of each row's id, shape (n_rows,)."""
    ids: StringArray
    """The id of each code as the source wrote it, shape (n_ids,)."""


@dataclass(frozen=True)
class EventColumns:
    """The columns of a source in file order, one row for each event, checked and parsed."""

    sessions: CodedIds
    items: CodedIds
    rewards: FloatArray
    times: TimeArray | None = None
    positions: TimeArray | None = None
    propensities: FloatArray | None = None


@dataclass(frozen=True)
class OrderedLog:
    """A log and how it was ordered."""

    log: SessionLog
    order: Order
    equal_time_share: float | None
    note: str


def order_events(columns: EventColumns, equal_times: EqualTimes) -> OrderedLog:
    """Cut the columns into sessions and put events and sessions in order.

    Inside a session events go by time, then by position, then by their place in the file; without
    times by position; without both as in the file. Sessions go by the time of their first event,
    else by their first appearance in the file, which also breaks ties.

    File order that is the order of item ids is no order of events, and a model would learn the
    ids: events that neither time nor position orders are then shuffled by a fixed seed.
    `equal_times` says whether that is known of events of equal time ("shuffle") or is to be
    detected.
    """
    times, positions = columns.times, columns.positions
    keys = [key for key in (positions, times, columns.sessions.codes) if key is not None]
    rows = np.lexsort(keys)
    offsets = _session_offsets(columns.sessions)
    inside = np.ones(len(rows), dtype=np.bool_)
    inside[offsets[:-1]] = False
    of_events = [key for key in (positions, times) if key is not None]
    tied = inside.copy() if of_events else np.zeros_like(inside)
    for key in of_events:
        tied &= _repeats(key[rows])
    reason = ""
    if is_sorted_by_id(columns.items.codes[rows], columns.items.ids, tied, inside):
        reason = "file order is the order of item ids"
    elif equal_times == "shuffle" and positions is None and tied.any():
        reason = "file order is not the order of events"
    if reason:
        # PCG64's raw stream, unlike Generator's methods, is fixed across numpy versions.
        drawn = np.random.PCG64(SHUFFLE_SEED).random_raw(len(rows))
        rows = np.lexsort([drawn, *keys])
    share = None
    if times is not None:
        share = float((inside & _repeats(times[rows])).sum()) / max(int(inside.sum()), 1)
        offsets, rows = _by_start(times, offsets, rows)
    log = SessionLog(
        items=columns.items.codes[rows],
        rewards=columns.rewards[rows],
        offsets=offsets,
        item_ids=columns.items.ids,
        session_ids=columns.sessions.ids[columns.sessions.codes[rows[offsets[:-1]]]],
        times=None if times is None else _take(times, rows),
        propensities=None if columns.propensities is None else columns.propensities[rows],
    )
    order: Order = "time" if times is not None else "position" if positions is not None else "file"
    return OrderedLog(log, order, share, _order_note(order, share, positions is not None, reason))


def _take(times: TimeArray, rows: IntArray) -> TimeArray:
    taken: TimeArray = times[rows]
    return taken


def _session_offsets(sessions: CodedIds) -> IntArray:
    lengths = np.bincount(sessions.codes, minlength=len(sessions.ids))
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


def _repeats(key: TimeArray) -> NDArray[np.bool_]:
    """Whether an event has the same key as the one before it, shape (n_events,)."""
    repeats = np.zeros(len(key), dtype=np.bool_)
    repeats[1:] = key[1:] == key[:-1]
    return repeats


def _by_start(times: TimeArray, offsets: IntArray, rows: IntArray) -> tuple[IntArray, IntArray]:
    """Put whole sessions in the order of their first event's time."""
    by_start = np.argsort(times[rows[offsets[:-1]]], kind="stable")
    lengths = np.diff(offsets)[by_start]
    new_offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    moved = np.arange(len(rows)) + np.repeat(offsets[:-1][by_start] - new_offsets[:-1], lengths)
    return new_offsets, rows[moved]


def _order_note(order: Order, share: float | None, has_positions: bool, reason: str) -> str:
    if order == "file":
        return "no time or position column: events stand in file order"
    drawn = f"an order drawn with seed {SHUFFLE_SEED}, because {reason}"
    if has_positions:
        columns, ties = ("by time, then by position", "time and position")
        if order == "position":
            columns, ties = "by position", "position"
        note = f"order inside a session: {columns}"
        return f"{note}; neighbours of equal {ties} stand in {drawn}" if reason else note
    note = "order inside a session: by time"
    if not share:
        return note
    percent = f"{100 * share:.1f}" if share >= 0.0005 else "under 0.1"
    place = drawn if reason else "file order"
    return f"{note}; {percent} % of neighbours share a time and stand in {place}"
