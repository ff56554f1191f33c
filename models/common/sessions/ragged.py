"""Rows of unequal length that lie one after another in one array."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from datasets.session_log import IntArray


def ranges(starts: IntArray, lengths: IntArray) -> IntArray:
    """starts[r], starts[r] + 1, ... for each row r, shape (lengths.sum(),)."""
    return places(lengths) + np.repeat(starts, lengths)


def places(lengths: IntArray) -> IntArray:
    """0, 1, ..., lengths[r] - 1 for each row r, shape (lengths.sum(),)."""
    before = np.cumsum(lengths) - lengths
    return np.arange(int(lengths.sum())) - np.repeat(before, lengths)


def blocks(costs: IntArray, limit: int) -> Iterator[tuple[int, int]]:
    """Consecutive rows, first and last (exclusive), that cost at most `limit`, or one row."""
    before = np.concatenate([[0], np.cumsum(costs)])
    start = 0
    while start < len(costs):
        stop = int(np.searchsorted(before, before[start] + limit, side="right")) - 1
        stop = max(stop, start + 1)
        yield start, stop
        start = stop


def stable_order(numbers: IntArray) -> IntArray:
    """What sorts numbers of at least 0, equal ones in the order in which they stand; (n,)."""
    # numpy sorts 16 bits by radix, in a fraction of the time.
    small = numbers.max(initial=0) < 2**16
    return np.argsort(numbers.astype(np.uint16) if small else numbers, kind="stable")
