"""Stan: items of similar training sessions, weighted by sequence, by age and by place.

Garg, Gupta, Malhotra, Vig, Shroff: Sequence and Time Aware Neighborhood for Session-based
Recommendations: STAN, SIGIR 2019. Three decays on top of cosine session-based kNN.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from models.common.neighbours.log_scores import shares_of_best, sums_of_logs
from models.common.neighbours.neighbour_recommender import NeighbourRecommender
from models.common.neighbours.neighbour_sessions import (
    Float64Array,
    ItemScores,
    NeighbourItems,
    Neighbours,
    largest_of_pairs,
    nearest,
)
from models.common.options.checks import require_not_negative, require_positive
from models.common.options.search_ranges import Choices, LogRange
from models.common.sessions.prefixes import Prefixes

WIDEST = 600.0
"""Largest difference of a prefix's logarithms whose exponentials stand beside each other."""


@dataclass(frozen=True)
class StanConfig:
    """Options of STAN; the decays are chosen on the validation parts of two logs."""

    k: Annotated[int, LogRange(20, 1000)] = 100
    """Neighbours: training sessions whose items are scored."""
    sample_size: Annotated[int, LogRange(500, 10000)] = 5000
    """Most recent training sessions sharing an item among which the neighbours are sought."""
    lambda_position: Annotated[float, Choices((0.0, 1.02, 2.0, 5.0, 10.0, 20.0, 50.0))] = 2.0
    """Decay by an item's distance from the end of the prefix, in events (lambda 1); 0: none."""
    lambda_age: Annotated[float, Choices((0.0, 1.0, 5.0, 20.0, 80.0, 200.0))] = 0.0
    """Decay by a neighbour's age, in days (lambda 2); 0: none, as without times."""
    lambda_distance: Annotated[float, Choices((0.0, 1.0, 2.05, 5.0, 10.0, 20.0, 50.0))] = 20.0
    """Decay by an item's distance from the last shared one, in events (lambda 3); 0: none."""
    units_per_day: float = 86400.0
    """What a day is in the log's times: 86,400 seconds, or milliseconds: 86,400,000."""

    def __post_init__(self) -> None:
        require_positive(self, "k", "sample_size", "units_per_day")
        require_not_negative(self, "lambda_position", "lambda_age", "lambda_distance")


class Stan(NeighbourRecommender):
    """s(i) = sum over the neighbours n that hold item i of w2(n) w3(i, n) cos(w1 p, n).

    w1(j) = exp(-(|p| - pos(j, p)) / lambda 1) for the items j of the prefix p;
    w2(n) = exp(-(t(p) - t(n)) / lambda 2);  w3(i, n) = exp(-|pos(i, n) - pos(i*, n)| / lambda 3),
    where i* is the last item of n that p holds too.
    """

    Config = StanConfig

    def _scores(self, prefixes: Prefixes, start: int, stop: int) -> ItemScores:
        """Scores other than 0 of prefixes `start` to `stop` (exclusive), rows from 0."""
        config, index, n_rows = self.config, self._index, stop - start
        rows, events = prefixes.distinct(start, stop)
        items = prefixes.sessions.items[events]
        positions = prefixes.sessions.position_in_session[events] + 1
        distances = prefixes.lengths[start:stop][rows] - positions
        # An item of weight 0 would be none: the smallest number stands for what underflows.
        weights = np.exp(-_decay(distances, config.lambda_position))
        weights = np.maximum(weights, np.finfo(np.float64).tiny)
        candidates = index.candidates(rows, items, weights, n_rows=n_rows)
        cosines = candidates.similarities / np.sqrt(index.lengths[candidates.sessions])
        similarities = np.log(cosines) - self._age(candidates)
        neighbours = nearest(candidates._replace(similarities=similarities), config.k)

        found = index.items_of(neighbours)
        shared, _ = index.shared(found, rows, items)
        last_shared = largest_of_pairs(found.pairs[shared], found.positions[shared])
        distances = np.abs(found.positions - last_shared[found.pairs])
        logs = neighbours.similarities[found.pairs] - _decay(distances, config.lambda_distance)
        scores = self._log_sums(found, logs, n_rows)
        return scores._replace(values=shares_of_best(scores.rows, scores.values))

    def _log_sums(self, found: NeighbourItems, logs: Float64Array, n_rows: int) -> ItemScores:
        """log of the sum of exp(logs) of each item after each prefix; `logs` is (n_entries,)."""
        counts = np.bincount(found.rows)
        counts = counts[counts > 0]
        largest = np.repeat(largest_of_pairs(found.rows, logs), counts)
        smallest = -np.repeat(largest_of_pairs(found.rows, -logs), counts)
        is_wide = largest - smallest > WIDEST
        if not is_wide.any():
            sums = self._index.sums(found, np.exp(logs - largest), n_rows=n_rows)
            return sums._replace(values=np.log(sums.values))
        # Which way a prefix goes must not depend on those beside it: the two round differently.
        narrow = self._log_sums(_entries(found, ~is_wide), logs[~is_wide], n_rows)
        wide = _entries(found, is_wide)
        cells, sums_of_cells = sums_of_logs(
            wide.rows * self._index.n_items + wide.items, logs[is_wide]
        )
        rows = np.concatenate([narrow.rows, cells // self._index.n_items])
        items = np.concatenate([narrow.items, cells % self._index.n_items])
        by_row = np.argsort(rows, kind="stable")
        values = np.concatenate([narrow.values, sums_of_cells])
        return ItemScores(rows[by_row], items[by_row], values[by_row])

    def _age(self, candidates: Neighbours) -> Float64Array:
        """-log w2 of each candidate, from the prefix's most recent one on, (n_pairs,).

        The time of the prefix itself is a factor that all its neighbours share, so that it moves no
        rank.
        """
        times = self._index.times
        if times is None or len(candidates.rows) == 0:
            return np.zeros(len(candidates.rows))
        counts = np.bincount(candidates.rows)
        firsts = np.cumsum(counts) - counts
        own = times[candidates.sessions]
        newest = np.repeat(own[firsts[counts > 0]], counts[counts > 0])
        return _decay(newest - own, self.config.lambda_age * self.config.units_per_day)


def _entries(found: NeighbourItems, kept: NDArray[np.bool_]) -> NeighbourItems:
    return NeighbourItems(
        found.pairs[kept], found.rows[kept], found.items[kept], found.positions[kept]
    )


def _decay(distances: np.ndarray, length: float) -> Float64Array:
    """-log of exp(-distance / length), shape as `distances`; 0 for a length of 0."""
    logs: Float64Array = distances / length if length else np.zeros(len(distances))
    return logs
