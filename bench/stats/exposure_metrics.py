"""Beyond-accuracy metrics: from how often each item enters a top K."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from datasets.session_log import IntArray

TARGET_POPULARITY = "Popularity of targets"
TOP_RANKS = 100
"""Number of the log's most popular items that the fraction beyond excludes."""
BEYOND_TOP = f"Beyond top {TOP_RANKS}"


def exposure_figures(
    exposure: Mapping[int, IntArray], support: IntArray, targets: ArrayLike
) -> dict[str, float]:
    """All figures of one trial by name, "Coverage@20" and so on, for each K of `exposure`.

    `exposure` holds for a K how often each item entered the top K, (n_items,); `support` the
    training events of each item, (n_items,); `targets` the item codes to be predicted, -1 for one
    outside the catalogue, whose popularity is reported for comparison. A K without recommendations
    has no figures, a catalogue of at most `TOP_RANKS` items no fraction beyond them.
    """
    percentiles = popularity_percentiles(support)
    found: dict[str, float] = {}
    for k, times in sorted(exposure.items()):
        if times.any():
            found |= {
                f"Coverage@{k}": catalogue_coverage(times),
                f"Gini@{k}": gini_coefficient(times),
                f"Popularity@{k}": float(np.average(percentiles, weights=times)),
                f"Novelty@{k}": novelty(times, support),
            }
            if len(support) > TOP_RANKS:
                found[f"{BEYOND_TOP}@{k}"] = fraction_beyond_top(times, support)
    known = np.asarray(targets)[np.asarray(targets) >= 0]
    if found and len(known):
        found[TARGET_POPULARITY] = float(percentiles[known].mean())
    return found


def catalogue_coverage(exposure: IntArray) -> float:
    """Fraction of items in any top K; `exposure` is (n_items,) (Ge et al., RecSys 2010)."""
    return float((exposure > 0).mean())


def gini_coefficient(exposure: IntArray) -> float:
    """Inequality of the recommendations over the whole catalogue.

    With x_1 <= ... <= x_n the exposures of all n items, those never recommended included:
    sum over i of (2 i - n - 1) x_i / (n * sum of x). 0 if all items are recommended alike,
    1 - 1/n if one item alone is. Gini 1912; of recommendations by Fleder and Hosanagar, Management
    Science 55, 2009.
    """
    ascending = np.sort(np.asarray(exposure, dtype=np.float64))
    total, n_items = ascending.sum(), len(ascending)
    places = 2 * np.arange(1, n_items + 1) - n_items - 1
    return float(places @ ascending / (n_items * total))


def popularity_percentiles(support: ArrayLike) -> NDArray[np.float64]:
    """Fraction of the catalogue that each item is more popular than, in (0, 1), (n_items,).

    (items of less support + half of those of equal support, itself included) / n. The mean over
    the catalogue, as recommended at random, is 1/2. The mean over recommended slots is the average
    recommendation popularity (Yin et al., VLDB 2012; Abdollahpouri et al., FLAIRS 2019) with
    percentiles for counts, which a single very popular item would dominate.
    """
    _, level_of_item, sizes = np.unique(support, return_inverse=True, return_counts=True)
    return ((np.cumsum(sizes) - sizes / 2) / len(level_of_item))[level_of_item]


def novelty(exposure: IntArray, support: IntArray) -> float:
    """Mean self-information of the recommended slots, in bits.

    -log2(support of the item / support of all items), mean over slots (Zhou et al., PNAS 107, 2010;
    Vargas and Castells, RecSys 2011). An item without a training event, infinitely new, counts as
    if it had one, so that the mean is a lower bound.
    """
    bits = np.log2(max(float(support.sum()), 1.0)) - np.log2(np.maximum(support, 1))
    return float(np.average(bits, weights=exposure))


def fraction_beyond_top(exposure: IntArray, support: IntArray) -> float:
    """Fraction of the recommended slots whose item is not among the `TOP_RANKS` of most support.

    As in figure 4 of Chen et al. 2019. Of items that tie, those of lower codes rank higher.
    """
    top = np.argsort(-support, kind="stable")[:TOP_RANKS]
    return float(1 - exposure[top].sum() / exposure.sum())
