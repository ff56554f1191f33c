"""What an independent library says of figures by session."""

from __future__ import annotations

import numpy as np
import scipy.stats
from numpy.typing import NDArray


def scipy_interval(
    values: NDArray[np.float64], sessions: NDArray[np.int64], resamples: int
) -> tuple[float, float]:
    """95 % percentile bootstrap over sessions of the mean over events, by scipy."""
    sums, lengths = np.bincount(sessions, weights=values), np.bincount(sessions)
    found = scipy.stats.bootstrap(
        (sums, lengths),
        lambda total, count, axis: total.sum(axis) / count.sum(axis),
        paired=True,
        n_resamples=resamples,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    return float(found.low), float(found.high)
