"""Scores known by their logarithms: their sums, and their order within float32.

Decays by age and by distance span more than float32, and float64, can hold.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from datasets.session_log import IntArray
from models.common.sessions.ragged import stable_order

Float64Array = NDArray[np.float64]

SAME = 1e-10
"""Logarithms that differ by less are equal: rounding alone makes as much of a difference."""


def sums_of_logs(cells: IntArray, logs: Float64Array) -> tuple[IntArray, Float64Array]:
    """log of the sum of exp(logs) of each cell, whatever their size.

    Args:
        cells: cell of each summand, (n,).
        logs: its logarithm, (n,).

    Returns:
        the distinct cells, ascending, and the logarithm of each one's sum, both (n_cells,).
    """
    order = np.argsort(cells, kind="stable")
    cells, logs = cells[order], logs[order]
    starts = _starts(cells)
    if len(starts) == 0:
        return cells, logs
    largest = np.maximum.reduceat(logs, starts)
    sizes = np.diff(np.append(starts, len(cells)))
    sums = np.add.reduceat(np.exp(logs - np.repeat(largest, sizes)), starts)
    return cells[starts], largest + np.log(sums)


def shares_of_best(rows: IntArray, logs: Float64Array) -> Float64Array:
    """exp(logs) as a share of the largest of its row, above 0, in the order of the logarithms.

    All are numbers of float32. A share is moved up by as many of its steps as keep it apart from
    those below it, the smallest ones from the least normal number on; equal logarithms stay equal.

    Args:
        rows: row of each logarithm, ascending, (n,).
        logs: (n,).

    Returns:
        the share of each, (n,).
    """
    if len(rows) == 0:
        return logs
    starts = _starts(rows)
    sizes = np.diff(np.append(starts, len(rows)))
    relative = logs - np.repeat(np.maximum.reduceat(logs, starts), sizes)
    order = np.argsort(relative)
    order = order[stable_order(rows[order])]
    ascending = relative[order]
    is_new = np.ones(len(rows), dtype=np.bool_)
    is_new[1:] = ascending[1:] - ascending[:-1] > SAME
    is_new[starts] = True
    firsts = np.flatnonzero(is_new)
    shares = np.maximum(np.exp(ascending[firsts]).astype(np.float32), np.finfo(np.float32).tiny)
    # As integers, the bits of positive floats count float32's numbers in their order: to be
    # distinct is to be at least the one before plus 1.
    row = rows[firsts]
    place = np.arange(len(firsts))
    floor = row << 33
    bits = shares.view(np.int32) - place + floor
    bits = np.maximum.accumulate(bits) + place - floor
    found = np.empty(len(rows))
    found[order] = np.repeat(
        bits.astype(np.int32).view(np.float32), np.diff(np.append(firsts, len(rows)))
    )
    return found


def _starts(ascending: IntArray) -> IntArray:
    """Where each run of equal numbers begins."""
    changes = np.ones(len(ascending), dtype=np.bool_)
    changes[1:] = ascending[1:] != ascending[:-1]
    return np.flatnonzero(changes)
