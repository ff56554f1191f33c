"""Passes over a tile of scores: counts, and the first K items.

Compiled by numba if it is installed, else in torch, which also serves a GPU. Tiles of a row come in
the order of the items.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.common.training.compiled import compiled

CHUNK = 64
"""Scores that are compared at once with the K-th best so far; most chunks have none above it."""
MAX_COMPILED_FIRST = 256
"""Length of lists up to which insertion, of quadratic time, is used; longer ones use torch."""


class RowCounts:
    """Counts of a block of rows over the tiles so far; all tensors on one device."""

    def __init__(self, own: Tensor, n_first: int) -> None:
        """`own` is the score of each row's target, (n_rows,); `n_first` the length of the lists."""
        n_rows, device = len(own), own.device
        self.own = own
        self.at_least = torch.zeros(n_rows, dtype=torch.int32, device=device)
        """Items that score at least as high as the target, itself included, (n_rows,)."""
        self.equal = torch.zeros_like(self.at_least)
        """Items that score as high as the target, itself included, (n_rows,)."""
        self.nan = torch.zeros_like(self.at_least)
        """NaN scores, (n_rows,)."""
        self.first_scores = torch.empty(n_rows, n_first, dtype=own.dtype, device=device)
        """The highest scores so far in falling order, (n_rows, n_first)."""
        self.first_items = torch.zeros(n_rows, n_first, dtype=torch.int32, device=device)
        """Their items; of equal scores the lower code comes first."""


class CompiledPasses(NamedTuple):
    """Both passes, with the arguments of `_count_rows` and `_keep_first_of_rows`."""

    count_rows: Callable[..., None]
    keep_first_of_rows: Callable[..., None]


def add_tile(counts: RowCounts, scores: Tensor, n_columns: int, first_item: int) -> None:
    """Add a tile of scores to `counts`; after a NaN score the first items are undefined.

    `scores` are contiguous, (rows, columns), of which the rows of `counts` and `n_columns` are
    used. `first_item` is the item of the first column; earlier tiles held those below it.
    """
    _count(counts, scores, n_columns)
    if counts.first_items.shape[1]:
        _keep_first(counts, scores, n_columns, first_item)


def _count(counts: RowCounts, scores: Tensor, n_columns: int) -> None:
    rows = scores[: len(counts.own)]
    compiled = compiled_passes() if _is_compiled_type(rows) else None
    if compiled is not None:
        arrays = (rows, counts.own, counts.at_least, counts.equal, counts.nan)
        compiled.count_rows(n_columns, *(array.numpy() for array in arrays))
        return
    rows, own = rows[:, :n_columns], counts.own[:, None]
    counts.at_least += (rows >= own).sum(1, dtype=torch.int32)
    counts.equal += (rows == own).sum(1, dtype=torch.int32)
    counts.nan += rows.isnan().sum(1, dtype=torch.int32)


def _keep_first(counts: RowCounts, scores: Tensor, n_columns: int, first_item: int) -> None:
    rows = scores[: len(counts.own)]
    n_first = counts.first_items.shape[1]
    compiled = None
    if n_first <= MAX_COMPILED_FIRST and _is_compiled_type(rows):
        compiled = compiled_passes()
    if compiled is not None:
        arrays = (rows, counts.first_scores, counts.first_items)
        compiled.keep_first_of_rows(n_columns, first_item, *(array.numpy() for array in arrays))
        return
    if counts.nan.any():
        return
    before, after = min(n_first, first_item), min(n_first, first_item + n_columns)
    candidates = torch.cat([counts.first_scores[:, :before], rows[:, :n_columns]], 1)
    lowest = candidates.topk(after, dim=1).values[:, -1:]
    above, ties = candidates > lowest, candidates == lowest
    kept = above | (ties & (ties.cumsum(1) <= after - above.sum(1, keepdim=True)))
    columns = kept.nonzero()[:, 1].view(-1, after)
    in_order = candidates.gather(1, columns).sort(dim=1, descending=True, stable=True)
    columns = columns.gather(1, in_order.indices)
    items = torch.arange(first_item - before, first_item + n_columns, device=rows.device)
    items = items.int().repeat(len(rows), 1)
    items[:, :before] = counts.first_items[:, :before]
    counts.first_scores[:, :after] = in_order.values
    counts.first_items[:, :after] = items.gather(1, columns)


def _is_compiled_type(scores: Tensor) -> bool:
    return scores.device.type == "cpu" and scores.dtype == torch.float32


@cache
def compiled_passes() -> CompiledPasses | None:
    """The compiled passes; None without numba."""
    scores, row, integers = "float32[:, ::1]", "float32[::1]", "int32[::1]"
    count_rows = compiled(
        _count_rows, f"void(int64, {scores}, {row}, {integers}, {integers}, {integers})"
    )
    keep_first_of_rows = compiled(
        _keep_first_of_rows, f"void(int64, int64, {scores}, {scores}, int32[:, ::1])"
    )
    if count_rows is None or keep_first_of_rows is None:
        return None
    return CompiledPasses(count_rows, keep_first_of_rows)


def _count_rows(
    n_columns: int,
    scores: NDArray[np.float32],
    own: NDArray[np.float32],
    at_least: NDArray[np.int32],
    equal: NDArray[np.int32],
    nan: NDArray[np.int32],
) -> None:
    for i in range(own.shape[0]):
        row = scores[i, :n_columns]
        # Sums are cast back at each step, since numba widens them and halves what fits a register.
        n_at_least = n_equal = n_nan = np.int32(0)
        for j in range(row.shape[0]):
            n_at_least = np.int32(n_at_least + (row[j] >= own[i]))
            n_equal = np.int32(n_equal + (row[j] == own[i]))
            n_nan = np.int32(n_nan + (row[j] != row[j]))
        at_least[i] += n_at_least
        equal[i] += n_equal
        nan[i] += n_nan


def _keep_first_of_rows(
    n_columns: int,
    first_item: int,
    scores: NDArray[np.float32],
    first_scores: NDArray[np.float32],
    first_items: NDArray[np.int32],
) -> None:
    n_first = first_scores.shape[1]
    for i in range(first_scores.shape[0]):
        row = scores[i]
        for start in range(0, n_columns, CHUNK):
            # A slice counts from 0, by which the compiler knows that no index is negative.
            chunk = row[start : min(start + CHUNK, n_columns)]
            item = first_item + start
            if item >= n_first and chunk.shape[0] == CHUNK:
                lowest = first_scores[i, n_first - 1]
                n_above = np.int32(0)
                for j in range(CHUNK):
                    n_above = np.int32(n_above + (chunk[j] > lowest))
                if n_above == 0:
                    continue
            for j in range(chunk.shape[0]):
                score = chunk[j]
                if item + j < n_first or score > first_scores[i, n_first - 1]:
                    place = min(item + j, n_first - 1)
                    while place > 0 and first_scores[i, place - 1] < score:
                        first_scores[i, place] = first_scores[i, place - 1]
                        first_items[i, place] = first_items[i, place - 1]
                        place -= 1
                    first_scores[i, place] = score
                    first_items[i, place] = item + j
