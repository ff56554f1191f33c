"""Small held-out parts for tests of ranking and of stored events."""

from __future__ import annotations

import numpy as np

from datasets.session_log import SessionLog
from datasets.splitting.held_out import HeldOut, MissedTargets


def log_of(sessions: list[list[int]], n_items: int) -> SessionLog:
    items = np.array([item for session in sessions for item in session], dtype=np.int32)
    return SessionLog(
        items=items,
        rewards=np.arange(len(items), dtype=np.float32),
        offsets=np.concatenate([[0], np.cumsum([len(s) for s in sessions])]).astype(np.int64),
        item_ids=np.array([f"i{item}" for item in range(n_items)]),
        session_ids=np.array([str(session) for session in range(len(sessions))]),
    )


def held_out_of(
    sessions: list[list[int]], n_items: int, *, missed: list[tuple[int, int]] | None = None
) -> HeldOut:
    log = log_of(sessions, n_items)
    pairs = np.array(missed or [], dtype=np.int64).reshape(-1, 2)
    rewards = np.zeros(len(pairs), dtype=np.float32)
    columns = MissedTargets(pairs[:, 0], pairs[:, 1], rewards, None, None)
    return HeldOut(log, log.position_in_session > 0, columns)
