"""Scores of any model in blocks of bounded memory, as factors or of all items."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datasets.session_log import IntArray, SessionLog
from datasets.splitting.held_out import HeldOut
from models.recommender import Factors, Recommender, is_factored

PREFIXES_PER_BLOCK = 2**16
"""Prefixes of a block of states of a factored model."""
SCORES_PER_BLOCK = 2**22
"""Scores of a block, of at least one session, of a model without factors."""


class ScoreError(ValueError):
    """A model's scores cannot be ranked; the text names the model and what is wrong."""


@dataclass(frozen=True, eq=False)
class TargetBlock:
    """Consecutive sessions whose prefixes a model scores in one call, and their targets."""

    sessions: SessionLog
    """With all targets."""
    prefixes: SessionLog
    """The same without the last target of each session: what a model is given."""
    rows: IntArray
    """Index among all prefixes of each one with a target, (n,)."""
    targets: IntArray
    """Code of the item that comes next, (n,)."""


def target_blocks(
    model: Recommender, held_out: HeldOut, block_scores: int = SCORES_PER_BLOCK
) -> Iterator[TargetBlock]:
    """All sessions of `held_out` in their order.

    A block has at most `PREFIXES_PER_BLOCK` states of a factored model, or about `block_scores`
    scores of any other; at least one session.
    """
    log = held_out.log
    factored = is_factored(model)
    n_prefixes = PREFIXES_PER_BLOCK if factored else block_scores // max(log.n_items, 1)
    for start, stop in session_blocks(log, n_prefixes):
        sessions = log.sessions(start, stop)
        is_target = held_out.is_target[log.offsets[start] : log.offsets[stop]]
        yield TargetBlock(
            sessions,
            held_out.prefixes.sessions(start, stop),
            np.flatnonzero(is_target[sessions.position_in_session > 0]),
            sessions.items[is_target].astype(np.int64),
        )


def session_blocks(log: SessionLog, n_prefixes: int) -> Iterator[tuple[int, int]]:
    """Start and stop of consecutive sessions, of at most `n_prefixes` or one session each."""
    prefixes_before = np.concatenate([[0], np.cumsum(log.lengths - 1)])
    start = 0
    while start < log.n_sessions:
        limit = prefixes_before[start] + n_prefixes
        stop = int(np.searchsorted(prefixes_before, limit, side="right")) - 1
        stop = max(stop, start + 1)
        yield start, stop
        start = stop


def equal_sessions_per_block(model: Recommender, n_prefixes: int, n_items: int) -> int:
    """Sessions of `n_prefixes` prefixes each in a block for `last_scores`."""
    held = n_items if is_factored(model) else n_items * n_prefixes
    return max(1, min(PREFIXES_PER_BLOCK // n_prefixes, SCORES_PER_BLOCK // held))


def scores_of(model: Any, sessions: SessionLog) -> Factors | NDArray[Any]:
    """Factors in 32 bits where the model has them, else its scores, (n_prefixes, n_items)."""
    if is_factored(model):
        return Factors(*(np.asarray(part, dtype=np.float32) for part in model.factors(sessions)))
    return np.asarray(model.score(sessions))


def last_scores(model: Recommender, sessions: SessionLog) -> NDArray[Any]:
    """Scores after the last prefix of each session, (n_sessions, n_items)."""
    last = np.cumsum(sessions.lengths - 1) - 1
    scores = scores_of(model, sessions)
    if isinstance(scores, Factors):
        return np.asarray(scores.states[last] @ scores.items.T + scores.bias)
    return scores[last]


def scoring_device(model: Recommender) -> str:
    """Device for a model's products and counts: its GPU if factored, else the CPU."""
    device = str(getattr(model, "device", "cpu"))
    return device if device.startswith("cuda") and is_factored(model) else "cpu"
