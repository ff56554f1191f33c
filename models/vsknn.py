"""VSkNN: items of the most similar training sessions, recent items of the session weighing most.

Vector multiplication session-based kNN (V-SkNN). Ludewig, Jannach: Evaluation of Session-based
Recommendation Algorithms, UMUAI 28, 2018 (arXiv 1803.09587). The weighting functions are those of
its authors' code, session-rec.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np

from datasets.session_log import IntArray
from models.common.neighbours.neighbour_recommender import NeighbourRecommender
from models.common.neighbours.neighbour_sessions import (
    Float64Array,
    ItemScores,
    largest_of_pairs,
    nearest,
)
from models.common.options.checks import require_not_negative, require_positive
from models.common.options.search_ranges import Choices, LogRange, Range
from models.common.sessions.prefixes import Prefixes


@dataclass(frozen=True)
class VSkNNConfig:
    """Options of V-SkNN; the defaults are session-rec's."""

    k: Annotated[int, LogRange(20, 1000)] = 100
    """Neighbours: training sessions whose items are scored."""
    sample_size: Annotated[int, LogRange(500, 10000)] = 1000
    """Most recent training sessions sharing an item among which the neighbours are sought."""
    similarity: Annotated[Literal["dot", "cosine"], Choices()] = "dot"
    """Of the weighted prefix and a session's set of items; dot is the paper's."""
    weighting: Annotated[Literal["div", "linear", "log", "quadratic", "same"], Choices()] = "div"
    """Decay of an item's weight in the prefix with its distance from the prefix's end."""
    weighting_score: Annotated[Literal["div", "linear", "log", "quadratic", "same"], Choices()] = (
        "div"
    )
    """Decay of a neighbour's weight with the distance of the last shared item from the end."""
    idf_weighting: Annotated[float, Range(0.0, 10.0)] = 0.0
    """Strength of the inverse document frequency in an item's score; 0: none."""

    def __post_init__(self) -> None:
        require_positive(self, "k", "sample_size")
        require_not_negative(self, "idf_weighting")


class VSkNN(NeighbourRecommender):
    """s(i) = sum of sim(p, n) d(p, n) (1 + w idf(i)) over the neighbours n that hold item i."""

    Config = VSkNNConfig

    def _scores(self, prefixes: Prefixes, start: int, stop: int) -> ItemScores:
        """Scores other than 0 of prefixes `start` to `stop` (exclusive), rows from 0."""
        config, index, n_rows = self.config, self._index, stop - start
        rows, events = prefixes.distinct(start, stop)
        items = prefixes.sessions.items[events]
        positions = prefixes.sessions.position_in_session[events] + 1
        lengths = prefixes.lengths[start:stop]
        weights = position_weights(config.weighting, positions, lengths[rows])
        candidates = index.candidates(rows, items, weights, n_rows=n_rows)
        if config.similarity == "cosine":
            norms = np.sqrt(np.bincount(rows, weights**2, minlength=n_rows))
            candidates = candidates._replace(
                similarities=candidates.similarities
                / (norms[candidates.rows] * np.sqrt(index.lengths[candidates.sessions]))
            )
        neighbours = nearest(candidates, config.k)

        found = index.items_of(neighbours)
        shared, entries = index.shared(found, rows, items)
        last_shared = largest_of_pairs(found.pairs[shared], positions[entries])
        steps = lengths[neighbours.rows] - last_shared + 1
        values = neighbours.similarities * step_weights(config.weighting_score, steps)
        scores = index.sums(found, values[found.pairs], n_rows=n_rows)
        if config.idf_weighting > 0:
            scores = scores._replace(values=scores.values * self._item_weights()[scores.items])
        return scores

    def _item_weights(self) -> Float64Array:
        """1 + w idf(i), with idf(i) = log(sessions / sessions that hold i), (n_items,)."""
        counts = np.maximum(self._index.session_counts, 1)
        weights: Float64Array = 1 + self.config.idf_weighting * np.log(
            len(self._index.lengths) / counts
        )
        return weights


def position_weights(weighting: str, positions: IntArray, lengths: IntArray) -> Float64Array:
    """Weight of an item at a position, from 1, of a prefix of a length; all (n_entries,)."""
    if weighting in ("div", "quadratic"):
        return (positions / lengths) ** (2 if weighting == "quadratic" else 1)
    return _weights_by_distance(weighting, lengths - positions)


def step_weights(weighting: str, steps: IntArray) -> Float64Array:
    """Weight of a neighbour whose last shared item is the prefix's last but `steps - 1`; (n,)."""
    if weighting in ("div", "quadratic"):
        return np.float64(1) / steps ** (2 if weighting == "quadratic" else 1)
    return _weights_by_distance(weighting, steps)


def _weights_by_distance(weighting: str, distances: IntArray) -> Float64Array:
    if weighting == "same":
        return np.ones(len(distances))
    weights: Float64Array
    if weighting == "log":
        weights = 1 / np.log10(distances + 1.7)
    else:
        weights = np.maximum(1 - 0.1 * distances, 0)
    return weights
