"""What a trial stores of a ranking: ranks and ties of the targets, and exposure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from datasets.session_log import IntArray, ItemCodes
from datasets.splitting.held_out import HeldOut

MISSED_RANK = np.iinfo(np.uint32).max


@dataclass(frozen=True, eq=False)
class Ranks:
    """Ranks in the order of `bench.store.events.events_from`: scored targets, then missed ones."""

    ranks: NDArray[np.uint32]
    """1 + other items that score at least as high, (n_events,); MISSED_RANK if missed."""
    ties: NDArray[np.uint32]
    """Other items that score equal, shape (n_events,)."""
    exposure: dict[int, IntArray] = field(default_factory=dict)
    """For each K, how often each item is among the first K, (n_items,). Of items that tie, those of
    lower codes come first."""
    first_items: ItemCodes = field(default_factory=lambda: np.empty((0, 0), dtype=np.int32))
    """The first items of each event, (n_events, n_first); -1 if missed."""


def unranked(held_out: HeldOut, ks: Sequence[int], n_first: int = 0) -> Ranks:
    """Every target missed, nothing exposed for each of `ks`, and no first items listed."""
    n_first = min(n_first, held_out.log.n_items)
    return Ranks(
        np.full(held_out.n_targets, MISSED_RANK, dtype=np.uint32),
        np.zeros(held_out.n_targets, dtype=np.uint32),
        {k: np.zeros(held_out.log.n_items, dtype=np.int64) for k in ks},
        np.full((held_out.n_targets, n_first), -1, dtype=np.int32),
    )
