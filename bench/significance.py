"""Intervals that respect sessions: events of one session are not independent."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Values = NDArray[np.float64]

CHUNK_WEIGHTS = 2**22


def bootstrap_interval(
    values: ArrayLike,
    sessions: ArrayLike,
    *,
    resamples: int = 2000,
    seed: int = 0,
    level: float = 0.95,
) -> tuple[Values, Values]:
    """Percentile interval of the mean over events, by a bootstrap over sessions.

    Each resample draws as many sessions as there are, with replacement, and takes
    sum of values / number of events over them: the ratio estimator of a cluster sample
    (Davison & Hinkley 1997, section 2.4 and 3.8). Sessions of equal size and sums are
    interchangeable, so their weights are drawn together, which changes no distribution.

    `values` has shape (n_events,) or (n_events, n_metrics), `sessions` (n_events,) names each
    event's session. Returns low and high, of shape () or (n_metrics,); all metrics share the same
    resamples. Raises `ValueError` without events, and where a value is no number.
    """
    per_event = np.asarray(values, dtype=np.float64)
    if len(per_event) == 0:
        raise ValueError("no events, so no interval")
    if np.isnan(per_event).any():
        raise ValueError("a value is NaN, so there is no interval")
    matrix = per_event.reshape(len(per_event), -1)
    kinds, n_sessions_of_kind = _kinds_of_session(matrix, np.asarray(sessions))

    n_sessions = int(n_sessions_of_kind.sum())
    probabilities = n_sessions_of_kind / n_sessions
    rng = np.random.default_rng(seed)
    chunk = max(1, CHUNK_WEIGHTS // len(kinds))
    means = np.empty((resamples, matrix.shape[1]))
    for start in range(0, resamples, chunk):
        stop = min(start + chunk, resamples)
        weights = rng.multinomial(n_sessions, probabilities, size=stop - start)
        totals = weights.astype(np.float64) @ kinds
        means[start:stop] = totals[:, 1:] / totals[:, :1]
    tail = (1 - level) / 2
    low, high = np.quantile(means.reshape(resamples, *per_event.shape[1:]), [tail, 1 - tail], 0)
    return np.asarray(low), np.asarray(high)


def _kinds_of_session(
    values: Values, sessions: NDArray[np.generic]
) -> tuple[Values, NDArray[np.int64]]:
    """Distinct rows (number of events, sum of each metric), and how many sessions have each."""
    _, session_of_event, lengths = np.unique(sessions, return_inverse=True, return_counts=True)
    sums = [np.bincount(session_of_event, weights=column) for column in values.T]
    rows = np.column_stack([lengths.astype(np.float64), *sums])
    ordered = rows[np.lexsort(rows.T)]
    is_new = np.ones(len(ordered), dtype=np.bool_)
    is_new[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    first = np.flatnonzero(is_new)
    return ordered[first], np.diff(np.append(first, len(ordered)))
