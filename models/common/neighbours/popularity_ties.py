"""Scores that order items by a count and, where counts are equal, by popularity, without loss.

A count and a popularity do not fit into the 24 bits of a float32 side by side. Their dense ranks
do, as there are no more of them than items: up to 2^23 items no order and no tie is lost.
"""

from __future__ import annotations

import numpy as np

from datasets.session_log import IntArray


def popularity_levels(support: IntArray) -> IntArray:
    """Dense rank of each item's support, from 0; equal support is one level, shape (n_items,)."""
    return np.unique(support, return_inverse=True)[1]


def ranks_in_rows(rows: IntArray, counts: IntArray, levels: IntArray) -> IntArray:
    """Dense rank, from 1, of (count, level) among the entries of the same row; all (n_entries,)."""
    order = np.lexsort((levels, counts, rows))
    rows, counts, levels = rows[order], counts[order], levels[order]
    begins = np.concatenate([[True], rows[1:] != rows[:-1]])
    rises = begins.copy()
    rises[1:] |= (counts[1:] != counts[:-1]) | (levels[1:] != levels[:-1])
    total = np.cumsum(rises)
    before_row = (total - 1)[begins]
    ranks = np.empty(len(rows), dtype=np.int64)
    ranks[order] = total - before_row[np.cumsum(begins) - 1]
    return ranks
