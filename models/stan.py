"""Stan: items of similar training sessions, weighted by sequence, by age and by place.

Garg, Gupta, Malhotra, Vig, Shroff: Sequence and Time Aware Neighborhood for Session-based
Recommendations: STAN, SIGIR 2019. Three decays on top of cosine session-based kNN.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from models.common.neighbour_recommender import NeighbourRecommender
from models.common.neighbour_sessions import (
    Float64Array,
    ItemScores,
    Neighbours,
    largest_of_pairs,
    nearest,
)
from models.common.option_ranges import require_not_negative, require_positive
from models.common.prefixes import Prefixes
from models.common.search_ranges import LogRange


@dataclass(frozen=True)
class StanConfig:
    """Options of STAN; the defaults are session-rec's."""

    k: Annotated[int, LogRange(20, 1000)] = 100
    """Neighbours: training sessions whose items are scored."""
    sample_size: Annotated[int, LogRange(500, 10000)] = 5000
    """Most recent training sessions sharing an item among which the neighbours are sought."""
    lambda_position: Annotated[float, LogRange(0.1, 10.0)] = 1.02
    """Decay by an item's distance from the end of the prefix, in events (lambda 1); 0: none."""
    lambda_age: Annotated[float, LogRange(0.5, 200.0)] = 5.0
    """Decay by a neighbour's age, in days (lambda 2); 0: none, as without times."""
    lambda_distance: Annotated[float, LogRange(0.1, 10.0)] = 2.05
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
        weights = _decay(prefixes.lengths[start:stop][rows] - positions, config.lambda_position)
        candidates = index.candidates(rows, items, weights, n_rows=n_rows)
        norms = np.sqrt(np.bincount(rows, weights**2, minlength=n_rows))
        similarities = (
            candidates.similarities
            * self._recency(candidates)
            / (norms[candidates.rows] * np.sqrt(index.lengths[candidates.sessions]))
        )
        neighbours = nearest(candidates._replace(similarities=similarities), config.k)

        found = index.items_of(neighbours)
        shared, _ = index.shared(found, rows, items)
        last_shared = largest_of_pairs(found.pairs[shared], found.positions[shared])
        distances = np.abs(found.positions - last_shared[found.pairs])
        values = neighbours.similarities[found.pairs] * _decay(distances, config.lambda_distance)
        return index.sums(found, values, n_rows=n_rows)

    def _recency(self, candidates: Neighbours) -> Float64Array:
        """w2 of each candidate, as a share of that of the prefix's most recent one, (n_pairs,).

        The time of the prefix itself is a factor that all its neighbours share, so that it moves no
        rank. Without it the weights of a prefix do not all vanish, however old its neighbours are.
        """
        times = self._index.times
        if times is None or len(candidates.rows) == 0:
            return np.ones(len(candidates.rows))
        counts = np.bincount(candidates.rows)
        firsts = np.cumsum(counts) - counts
        own = times[candidates.sessions]
        newest = np.repeat(own[firsts[counts > 0]], counts[counts > 0])
        return _decay(newest - own, self.config.lambda_age * self.config.units_per_day)


def _decay(distances: np.ndarray, length: float) -> Float64Array:
    """exp(-distance / length), shape as `distances`; 1 for a length of 0."""
    decays: Float64Array = np.exp(-distances / length) if length else np.ones(len(distances))
    return decays
