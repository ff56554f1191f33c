"""Training sessions as neighbours of prefixes: a sparse index, and the nearest of the most recent.

The sampling by recency is that of Jannach, Ludewig: When Recurrent Neural Networks Meet the
Neighborhood for Session-Based Recommendation, RecSys 2017.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse  # type: ignore[import-untyped]

from datasets.session_log import IntArray, ItemCodes, SessionLog
from models.common.sessions.prefixes import Prefixes, next_of_item
from models.common.sessions.ragged import places, ranges, stable_order

Float64Array = NDArray[np.float64]

DENSE_CELLS_PER_ENTRY = 8
"""Up to so many zeros are passed over faster than an entry finds its place in a sparse row."""


class Neighbours(NamedTuple):
    """Pairs of a prefix and a training session that share an item, prefix by prefix."""

    rows: IntArray
    """Prefix of each pair, ascending, (n_pairs,)."""
    sessions: IntArray
    """Session of each pair, from 0, the most recent, (n_pairs,)."""
    similarities: Float64Array
    """(n_pairs,)."""


class NeighbourItems(NamedTuple):
    """The distinct items of neighbours."""

    pairs: IntArray
    """Neighbour that holds each item, an index into `Neighbours`, (n_entries,)."""
    rows: IntArray
    """Prefix of that neighbour, (n_entries,)."""
    items: ItemCodes
    """(n_entries,)."""
    positions: ItemCodes
    """Place of the item's last event in the neighbour, from 1, (n_entries,)."""


class ItemScores(NamedTuple):
    """Scores other than 0, each item once a prefix."""

    rows: IntArray
    """Prefix of each score, ascending, (n_scores,)."""
    items: IntArray
    """(n_scores,)."""
    values: Float64Array
    """(n_scores,)."""


class SessionIndex:
    """The sessions of a training log as sets of items, in both directions.

    Sessions are numbered by recency from 0: by the time of their last event, where times are equal
    or the log has none by their place in the log, the later one first.
    """

    def __init__(
        self,
        offsets: IntArray,
        items: ItemCodes,
        positions: ItemCodes,
        times: Float64Array | None,
        *,
        n_items: int,
        sample_size: int,
    ) -> None:
        self.offsets = offsets
        """Where the items of each session begin and end, (n_sessions + 1,)."""
        self.items = items
        """Items of the sessions, each once a session, (n_entries,)."""
        self.positions = positions
        """Place of the item's last event in its session, from 1, (n_entries,)."""
        self.times = times
        """Time of each session's last event, (n_sessions,); None: the log has no times."""
        self.n_items = n_items
        self.lengths: IntArray = np.diff(offsets)
        """Distinct items of each session, (n_sessions,)."""
        self.session_counts: IntArray = np.bincount(items, minlength=n_items)
        """Sessions that hold each item, (n_items,)."""
        self._sample_size = sample_size
        # Whatever is among the most recent sessions of a prefix is also among those of each of its
        # items, so that older ones need not be kept: the sample and its similarities stay exact.
        self._by_item = _first_columns(
            sparse.csr_array(
                (np.ones(len(items)), items, offsets), shape=(len(self.lengths), n_items)
            ).T.tocsr(),
            sample_size,
        )
        self._sought: IntArray = np.diff(self._by_item.indptr)
        """Sessions looked at for each item, (n_items,)."""

    @classmethod
    def from_log(cls, train: SessionLog, *, sample_size: int) -> SessionIndex:
        """Index the sessions of `train`."""
        last_events = train.offsets[1:] - 1
        times = None if train.times is None else train.times[last_events]
        places_in_log = np.arange(train.n_sessions)
        by_age = places_in_log if times is None else np.lexsort((places_in_log, times))
        by_recency = by_age[::-1]
        is_last = next_of_item(train) == train.n_events
        kept = np.flatnonzero(is_last)
        lengths = np.bincount(train.session_of_event[kept], minlength=train.n_sessions)
        starts = np.cumsum(lengths) - lengths
        kept = kept[ranges(starts[by_recency], lengths[by_recency])]
        return cls(
            np.concatenate([[0], np.cumsum(lengths[by_recency])]),
            train.items[kept],
            (train.position_in_session[kept] + 1).astype(np.int32),
            None if times is None else times[by_recency].astype(np.float64),
            n_items=train.n_items,
            sample_size=sample_size,
        )

    def costs(self, prefixes: Prefixes, k: int) -> IntArray:
        """About how many numbers each prefix needs in the longest arrays, (n_prefixes,)."""
        sought = self._sought[prefixes.sessions.items]
        before = np.concatenate([[0], np.cumsum(sought, dtype=np.int64)])
        scored = int(k * self.lengths.mean())
        costs: IntArray = before[prefixes.ends + 1] - before[prefixes.starts] + scored
        return costs

    def candidates(
        self, rows: IntArray, items: ItemCodes, weights: Float64Array, *, n_rows: int
    ) -> Neighbours:
        """The `sample_size` most recent sessions that share an item with each prefix.

        A prefix is given by its entries: the items `items` of prefix `rows`, each once, with
        weights of at least 0; an item of weight 0 is none. The similarity is the sum of the shared
        items' weights; pairs stand by prefix, and the most recent session first.
        """
        weighty = weights > 0
        rows, items, weights = rows[weighty], items[weighty], weights[weighty]
        offsets = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=n_rows))])
        prefixes = sparse.csr_array((weights, items, offsets), shape=(n_rows, self.n_items))
        products = prefixes @ self._by_item
        products.sort_indices()
        sample = _first_columns(products, self._sample_size)
        return Neighbours(
            np.repeat(np.arange(n_rows), np.diff(sample.indptr)),
            sample.indices.astype(np.int64),
            sample.data,
        )

    def items_of(self, neighbours: Neighbours) -> NeighbourItems:
        """All items of all neighbours, one neighbour after another."""
        lengths = self.lengths[neighbours.sessions]
        pairs = np.repeat(np.arange(len(lengths)), lengths)
        entries = ranges(self.offsets[neighbours.sessions], lengths)
        return NeighbourItems(
            pairs, neighbours.rows[pairs], self.items[entries], self.positions[entries]
        )

    def shared(
        self, found: NeighbourItems, rows: IntArray, items: ItemCodes
    ) -> tuple[IntArray, IntArray]:
        """Which items of neighbours their prefix holds too.

        Prefixes are given by their entries as in `candidates`. Returns indices into `found`,
        ascending, and the prefix's entry of the same item for each, both (n_shared,).
        """
        # Columns for the items of these prefixes alone keep the table small enough for the cache.
        distinct = np.unique(items)
        columns = np.zeros(self.n_items, dtype=np.int32)
        columns[distinct] = np.arange(1, len(distinct) + 1)
        entries = np.zeros((int(rows.max(initial=-1)) + 1, len(distinct) + 1), dtype=np.int32)
        entries[rows, columns[items]] = np.arange(1, len(items) + 1)
        found_columns = columns[found.items]
        likely = np.flatnonzero(found_columns)
        entry = entries[found.rows[likely], found_columns[likely]]
        is_shared = entry > 0
        return likely[is_shared], (entry[is_shared] - 1).astype(np.int64)

    def sums(self, found: NeighbourItems, values: Float64Array, *, n_rows: int) -> ItemScores:
        """The sum of each item's values (n_entries,) after each of `n_rows` prefixes."""
        n_cells, n_entries = n_rows * self.n_items, len(values)
        if n_cells < DENSE_CELLS_PER_ENTRY * n_entries:
            # Both ways add the same numbers in the same order.
            cells = found.rows * self.n_items + found.items
            dense = np.bincount(cells, values, minlength=n_cells).astype(np.float64, copy=False)
            cells = np.flatnonzero(dense)
            return ItemScores(cells // self.n_items, cells % self.n_items, dense[cells])
        entries = np.arange(n_entries + 1)
        by_entry = sparse.csr_array((values, found.items, entries), (n_entries, self.n_items))
        before = np.searchsorted(found.rows, np.arange(n_rows + 1))
        by_row = sparse.csr_array((np.ones(n_entries), entries[:-1], before), (n_rows, n_entries))
        sums = by_row @ by_entry
        rows = np.repeat(np.arange(n_rows), np.diff(sums.indptr))
        return ItemScores(rows, sums.indices.astype(np.int64), sums.data)

    def save(self, file: Path) -> None:
        """Write the index as arrays."""
        np.savez(
            file,
            offsets=self.offsets,
            items=self.items,
            positions=self.positions,
            # An array that may be missing is empty in the file.
            times=np.empty(0) if self.times is None else self.times,
            n_items=self.n_items,
        )

    @classmethod
    def from_file(cls, file: Path, *, sample_size: int) -> SessionIndex:
        """Read what `save` wrote."""
        with np.load(file, allow_pickle=False) as arrays:
            return cls(
                arrays["offsets"],
                arrays["items"],
                arrays["positions"],
                arrays["times"] if len(arrays["times"]) else None,
                n_items=int(arrays["n_items"]),
                sample_size=sample_size,
            )


def nearest(candidates: Neighbours, k: int) -> Neighbours:
    """The `k` most similar candidates of each prefix; of equally similar ones the most recent."""
    # The sorts are stable, and candidates stand by recency.
    order = np.argsort(-candidates.similarities, kind="stable")
    order = order[stable_order(candidates.rows[order])]
    counts = np.bincount(candidates.rows)
    kept = order[places(counts) < k]
    return Neighbours(
        candidates.rows[kept], candidates.sessions[kept], candidates.similarities[kept]
    )


def largest_of_pairs(pairs: IntArray, values: NDArray[Any]) -> NDArray[Any]:
    """The largest of the values of each pair; pairs ascend, and each has a value; (n_pairs,)."""
    if len(pairs) == 0:
        return np.empty(0, dtype=values.dtype)
    starts = np.flatnonzero(np.concatenate([[True], pairs[1:] != pairs[:-1]]))
    largest: NDArray[Any] = np.maximum.reduceat(values, starts)
    return largest


def _first_columns(matrix: Any, n: int) -> Any:
    """The first `n` entries of each row of a sparse matrix in CSR form."""
    lengths = np.diff(matrix.indptr)
    kept = places(lengths) < n
    offsets = np.concatenate([[0], np.cumsum(np.minimum(lengths, n))])
    return sparse.csr_array((matrix.data[kept], matrix.indices[kept], offsets), shape=matrix.shape)
