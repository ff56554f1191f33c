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
    """Recall@K of each event, which has one relevant item: 1 if rank <= K, else 0, (n_events,)."""
    return (np.asarray(ranks) <= k).astype(np.float64)


def reciprocal_rank_at(ranks: ArrayLike, k: int) -> Values:
    """1 / rank of each event if rank <= K, else 0, (n_events,); the mean over events is MRR@K."""
    ranks = np.asarray(ranks, dtype=np.float64)
    return np.where(ranks <= k, 1 / ranks, 0.0)


def discounted_gain_at(ranks: ArrayLike, k: int) -> Values:
    """1 / log2(1 + rank) of each event if rank <= K, else 0, (n_events,).

    With one relevant item an event the ideal gain is 1, so the mean over events is NDCG@K
    (Jarvelin and Kekalainen, TOIS 20, 2002, with a gain of 1).
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
"""Metrics of the pairwise comparisons: each further one raises all adjusted p-values."""
