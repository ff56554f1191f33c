"""Intervals and tests that respect sessions: events of one session are not independent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

Values = NDArray[np.float64]

CHUNK_WEIGHTS = 2**22
ROUNDING = 1e-9
"""Share of a total by which equal sums may differ, added up in another order."""


def bootstrap_interval(
    values: ArrayLike,
    sessions: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    resamples: int = 2000,
    seed: int = 0,
    level: float = 0.95,
) -> tuple[Values, Values]:
    """Percentile interval of the mean over events, by a bootstrap over sessions.

    `values` has shape (n_events,) or (n_events, n_metrics), `sessions` (n_events,) names each
    event's session; with positive `weights`, (n_events,), the mean is a weighted one. Returns low
    and high, of shape () or (n_metrics,); all metrics share the same resamples. Raises `ValueError`
    without events, and where a value is no number or a weight is not positive.
    """
    means = bootstrap_means(values, sessions, weights=weights, resamples=resamples, seed=seed)
    return interval(means, level)


def interval(means: ArrayLike, level: float = 0.95) -> tuple[Values, Values]:
    """Low and high end of the middle `level` of resampled means, (resamples, ...) -> (...) each."""
    tail = (1 - level) / 2
    low, high = np.quantile(np.asarray(means), [tail, 1 - tail], 0)
    return np.asarray(low), np.asarray(high)


def bootstrap_means(
    values: ArrayLike,
    sessions: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    resamples: int = 2000,
    seed: int = 0,
) -> Values:
    """Mean over the events of resampled sessions, (resamples,) or (resamples, n_metrics).

    Each resample draws as many sessions as there are, with replacement, and takes
    sum of values / number of events over them, or sum of weight * value / sum of weights: the ratio
    estimator of a cluster sample (Davison & Hinkley 1997, section 2.4 and 3.8).

    `values` has shape (n_events,) or (n_events, n_metrics), `sessions` and `weights` (n_events,).
    All metrics share the same resamples, which the sessions and the seed alone decide. Raises
    `ValueError` without events, and where a value is no number or a weight is not positive.
    """
    per_event = _matrix(values)
    weight = np.ones(len(per_event)) if weights is None else np.asarray(weights, dtype=np.float64)
    if not (weight > 0).all():
        raise ValueError("a weight is not positive, so there is no interval")
    sums = _session_sums(per_event, np.asarray(sessions), weight)
    means = []
    for times in resampled_sessions(len(sums), resamples, seed):
        totals = times @ sums
        means.append(totals[:, 1:] / totals[:, :1])
    return np.concatenate(means).reshape(resamples, *np.shape(values)[1:])


def resampled_sessions(n_sessions: int, resamples: int, seed: int) -> Iterator[Values]:
    """How often each session is drawn in each resample, in blocks of shape (block, n_sessions).

    Each resample draws as many sessions as there are, with replacement; the number of sessions and
    the seed alone decide.
    """
    rng = np.random.default_rng(seed)
    block = max(1, CHUNK_WEIGHTS // n_sessions)
    for start in range(0, resamples, block):
        drawn = np.empty((min(block, resamples - start), n_sessions))
        for times in drawn:
            times[:] = np.bincount(rng.integers(n_sessions, size=n_sessions), minlength=n_sessions)
        yield drawn


def sign_flipped_totals(
    values: ArrayLike, sessions: ArrayLike, *, permutations: int, seed: int = 0
) -> Values:
    """Sums over all events with a fair sign for each session, (permutations, n_metrics).

    If two models are alike, which of them a session's values belong to is a toss of a coin: the
    differences' signs are flipped session by session (a paired permutation test; Good 2005,
    section 3.7). Signs are the same for all metrics, so that of columns a and b the sum of a - b is
    the sum of a less that of b. `values` has shape (n_events, n_metrics), `sessions` (n_events,).
    Raises `ValueError` without events, and where a value is no number.
    """
    per_event = _matrix(values)
    sums = _session_sums(per_event, np.asarray(sessions), np.ones(len(per_event)))[:, 1:]
    rng = np.random.default_rng(seed)
    chunk = max(1, CHUNK_WEIGHTS // len(sums))
    totals = np.empty((permutations, per_event.shape[1]))
    for start in range(0, permutations, chunk):
        stop = min(start + chunk, permutations)
        signs = 2.0 * rng.integers(0, 2, size=(stop - start, len(sums)), dtype=np.int8) - 1
        totals[start:stop] = signs @ sums
    return totals


def two_sided_p(flipped: ArrayLike, total: float) -> float:
    """Share of sign-flipped totals, (permutations,), at least as far from 0 as `total`.

    The signs as they were seen are one of the permutations, and counted.
    """
    at_least = np.abs(np.asarray(flipped)) >= abs(total) * (1 - ROUNDING)
    return float((1 + np.count_nonzero(at_least)) / (1 + len(at_least)))


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values that may be compared with one level together (Holm, Scand. J. Statist. 1979)."""
    order = np.argsort(p_values, kind="stable")
    scaled = np.asarray(p_values)[order] * np.arange(len(order), 0, -1)
    adjusted = np.empty(len(order))
    adjusted[order] = np.minimum(np.maximum.accumulate(scaled), 1)
    return [float(p) for p in adjusted]


def _matrix(values: ArrayLike) -> Values:
    """(n_events, n_metrics), checked."""
    per_event = np.asarray(values, dtype=np.float64)
    if len(per_event) == 0:
        raise ValueError("no events, so no interval")
    if np.isnan(per_event).any():
        raise ValueError("a value is NaN, so there is no interval")
    return per_event.reshape(len(per_event), -1)


def _session_sums(values: Values, sessions: NDArray[np.generic], weights: Values) -> Values:
    """Sum of the weights and of each weighted metric, a row a session."""
    session_of_event = np.unique(sessions, return_inverse=True)[1]
    sums = [np.bincount(session_of_event, weights=column * weights) for column in values.T]
    return np.column_stack([np.bincount(session_of_event, weights=weights), *sums])
