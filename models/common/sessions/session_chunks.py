"""Sessions cut into chunks of bounded length, and chunks of similar length put side by side."""

from __future__ import annotations

import numpy as np

from datasets.session_log import IntArray, SessionLog
from models.common.sessions.ragged import places
from models.common.sessions.session_batches import BoolArray


def session_chunks(
    log: SessionLog, longest: int, rng: np.random.Generator
) -> tuple[IntArray, IntArray]:
    """Cut sessions into runs of at most `longest` inputs, so that every target comes once.

    A session of more targets is cut on a grid that starts before it by a random number of events,
    so that the cuts move from epoch to epoch.

    Returns:
        first input event of each chunk and its number of inputs, both (n_chunks,). The target of an
        input is the event after it, so a chunk covers one event more.
    """
    sessions = np.flatnonzero(log.lengths >= 2)
    n_inputs = log.lengths[sessions] - 1
    before = np.where(n_inputs > longest, rng.integers(longest, size=len(sessions)), 0)
    n_chunks = -(-(n_inputs + before) // longest)
    of_chunk = np.repeat(np.arange(len(sessions)), n_chunks)
    cuts = places(n_chunks) * longest - before[of_chunk]
    firsts = np.maximum(cuts, 0)
    lengths = np.minimum(cuts + longest, n_inputs[of_chunk]) - firsts
    return log.offsets[:-1][sessions][of_chunk] + firsts, lengths


def similar_lengths(
    lengths: IntArray, limit: int, rng: np.random.Generator | None = None
) -> list[IntArray]:
    """Indices in groups of similar length, each of at most `limit` with its padding, or one index.

    The longest come first; `rng` draws the order of equal lengths.
    """
    chance = np.zeros(len(lengths)) if rng is None else rng.random(len(lengths))
    order = np.lexsort((chance, -lengths))
    groups, start = [], 0
    while start < len(order):
        stop = start + max(1, limit // int(lengths[order[start]]))
        groups.append(order[start:stop])
        start = stop
    return groups


def events_of_chunks(firsts: IntArray, lengths: IntArray) -> tuple[IntArray, BoolArray]:
    """Events of each run, (W, T), and where they are its own; the last one fills up the rest."""
    steps = np.arange(lengths.max())
    held = steps < lengths[:, None]
    return firsts[:, None] + np.minimum(steps, lengths[:, None] - 1), held
