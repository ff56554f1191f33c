"""Small logs for tests of splits, and what their parts hold."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from datasets.session_log import SessionLog
from datasets.splitting.held_out import HeldOut
from datasets.splitting.splits import Split, SplitOptions

Row = tuple[str, str, int]


def log_of(rows: Iterable[Row], *, timed: bool = True) -> SessionLog:
    """Rows (session, item, time); sessions in order of appearance, item codes in that of ids."""
    sessions: dict[str, list[tuple[int, str]]] = {}
    for session, item, time in rows:
        sessions.setdefault(session, []).append((time, item))
    events = [event for session in sessions.values() for event in sorted(session, key=_time)]
    item_ids, items = np.unique([item for _, item in events], return_inverse=True)
    lengths = [len(session) for session in sessions.values()]
    return SessionLog(
        items=items.astype(np.int32),
        rewards=np.ones(len(events), dtype=np.float32),
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        item_ids=item_ids,
        session_ids=np.array(list(sessions)),
        times=np.array([time for time, _ in events], dtype=np.int64) if timed else None,
    )


def _time(event: tuple[int, str]) -> int:
    return event[0]


def case_log(path: Path) -> SessionLog:
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return log_of(
        [(r["session_id"], r["item_id"], int(r.get("time") or 0)) for r in rows],
        timed="time" in rows[0],
    )


def sessions_of(log: SessionLog) -> dict[str, str]:
    ids = log.item_ids[log.items]
    return {
        str(session): "".join(ids[log.offsets[s] : log.offsets[s + 1]])
        for s, session in enumerate(log.session_ids)
    }


def targets_of(held_out: HeldOut) -> list[tuple[str, str, str]]:
    """(session, prefix, target) of each scored event."""
    log, ids = held_out.log, held_out.log.item_ids[held_out.log.items]
    return [
        (
            str(log.session_ids[log.session_of_event[event]]),
            "".join(ids[log.offsets[log.session_of_event[event]] : event]),
            str(ids[event]),
        )
        for event in np.flatnonzero(held_out.is_target)
    ]


def temporal(test_share: float = 0.4, valid_share: float = 0.0) -> SplitOptions:
    return SplitOptions("temporal", test_share=test_share, valid_share=valid_share)


STRADDLING = [
    *[("1", "a", 900), ("1", "b", 950)],
    *[("2", "b", 960), ("2", "c", 990), ("2", "a", 1040)],
    *[("3", "a", 1001), ("3", "b", 1050)],
    *[("4", "c", 1100), ("4", "a", 1150)],
    *[("5", "c", 100), ("5", "b", 200)],
]


def valid_fingerprint(split: Split) -> str:
    assert split.valid is not None
    return split.valid.fingerprint()


def accounted_events(counts: dict[str, int]) -> int:
    """Sum of the disjoint groups that a split sorts the events of its source into."""
    groups = (
        "train_events",
        "filtered_events",
        "valid_events",
        "valid_context_events",
        "test_events",
        "test_context_events",
        "unseen_events_dropped",
        "straddling_events_dropped",
        "too_short_events_dropped",
    )
    return sum(counts[group] for group in groups) - counts["missed_events"]
