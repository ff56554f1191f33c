"""Metrics of single test events, computed from their ranks."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from bench.stats.significance import Values

TIE_RULES = ("conservative", "standard", "median")


def apply_ties(ranks: ArrayLike, ties: ArrayLike, rule: str) -> Values:
    """Ranks under another tie rule, shape (n_events,).

    `ranks` are conservative: 1 + the other items that score higher or equal; `ties` counts those
    that score equal. conservative: ranks; standard: ranks - ties; median: ranks - ties / 2.
    Raises `ValueError` for any other rule.
    """
    conservative = np.asarray(ranks, dtype=np.float64)
    if rule == "conservative":
        return conservative
    if rule == "standard":
        return conservative - np.asarray(ties, dtype=np.float64)
    if rule == "median":
        return conservative - np.asarray(ties, dtype=np.float64) / 2
    raise ValueError(f"tie rule {rule} is unknown; choose {', '.join(TIE_RULES)}")


def recall_at(ranks: ArrayLike, k: int) -> Values:
    """Recall@K of each event, which has one relevant item: 1 if rank <= K, else 0.

    The mean over events is the fraction of events whose item is among the first K. Shape
    (n_events,).
    """
    return (np.asarray(ranks) <= k).astype(np.float64)


def reciprocal_rank_at(ranks: ArrayLike, k: int) -> Values:
    """Reciprocal rank of each event: 1 / rank if rank <= K, else 0; the mean over events is MRR@K.

    Shape (n_events,).
    """
    ranks = np.asarray(ranks, dtype=np.float64)
    return np.where(ranks <= k, 1 / ranks, 0.0)


def discounted_gain_at(ranks: ArrayLike, k: int) -> Values:
    """Gain of each event discounted by its rank: 1 / log2(1 + rank) if rank <= K, else 0.

    With one relevant item an event the ideal gain is 1, so the mean over events is NDCG@K
    (Jarvelin and Kekalainen, TOIS 20, 2002, with a gain of 1). Shape (n_events,).
    """
    ranks = np.asarray(ranks, dtype=np.float64)
    return np.where(ranks <= k, 1 / np.log2(1 + ranks), 0.0)


RECALL = "Recall"
METRICS: dict[str, Callable[[ArrayLike, int], Values]] = {
    RECALL: recall_at,
    "MRR": reciprocal_rank_at,
    "NDCG": discounted_gain_at,
}
"""Metric of an event by the part of its name before the @."""
COMPARED = (RECALL, "MRR")
"""Metrics of the pairwise comparisons. Each further one raises all adjusted p-values, and NDCG
is nearly redundant with MRR."""
