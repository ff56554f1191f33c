"""Intervals by a bootstrap over sessions: events of one session are not independent."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

Values = NDArray[np.float64]

CONFIDENCE = 0.95
CHUNK_WEIGHTS = 2**22
MOST_UNITS = 10_000
"""More sessions than these are resampled in random groups."""
ROUNDING = 1e-9
"""Relative error by which equal sums may differ when added up in another order."""
SPREADLESS = 1e-6
"""Standard errors below this fraction of their terms are zeros up to rounding."""


def bootstrap_interval(
    values: ArrayLike,
    sessions: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    resamples: int = 2000,
    seed: int = 0,
) -> tuple[Values, Values]:
    """Interval of the mean over events of values in [0, 1], by a bootstrap over sessions.

    Symmetric and studentised, on the scale of log(mean / (1 - mean)): in each resample the distance
    from the log's mean is divided by the resample's own linearised standard error; the CONFIDENCE
    quantile of their absolute values, times the log's error, is the half-width (Hall 1988; Davison
    & Hinkley 1997, sections 2.7 and 5.2). It is [0, 1] for a single session or if too many
    resamples have no spread, as when very few sessions have a hit, and the mean itself if all
    sessions are alike.

    `values` has shape (n_events,) or (n_events, n_metrics), `sessions` (n_events,); with positive
    `weights`, (n_events,), the mean is weighted. Returns low and high, of shape () or (n_metrics,);
    all metrics share the same resamples. Raises ValueError without events, if a value is outside
    [0, 1] or a weight is not positive.
    """
    per_event = matrix(values)
    if not ((per_event >= 0) & (per_event <= 1)).all():
        raise ValueError("a value is outside [0, 1], so there is no interval")
    sums = session_sums(per_event, sessions, weights)
    weight, means = sums[:, :1], sums[:, 1:].sum(0) / sums[:, 0].sum()
    # Sums of equal values differ from 0 or 1 by rounding.
    means = np.clip(means, 0, 1)
    low, high = np.zeros_like(means), np.ones_like(means)
    if len(sums) > 1:
        residuals = sums[:, 1:] - means * weight
        errors = np.sqrt((residuals**2).sum(0)) / weight.sum()
        spread = errors > ROUNDING * np.maximum(means, 1 - means)
        low, high = means.copy(), means.copy()
        units = _grouped(np.column_stack([weight, residuals[:, spread]]), seed)
        distances = _studentised_logits(units, means[spread], resamples, seed)
        scale = means[spread] * (1 - means[spread])
        place = min(math.ceil(CONFIDENCE * (resamples + 1)), resamples) - 1
        reach = np.sort(distances, 0)[place] * errors[spread] / scale
        centre = np.log(means[spread]) - np.log1p(-means[spread])
        with np.errstate(over="ignore"):
            low[spread] = 1 / (1 + np.exp(reach - centre))
            high[spread] = 1 / (1 + np.exp(-reach - centre))
    shape = np.shape(values)[1:]
    return low.reshape(shape), high.reshape(shape)


def _studentised_logits(units: Values, means: Values, resamples: int, seed: int) -> Values:
    """Absolute distances of the resamples in standard errors, (resamples, n_metrics).

    `units` has each unit's weight and, for each metric, its sum less mean times weight. Resamples
    without spread have an infinite distance.
    """
    weight, residuals = units[:, :1], units[:, 1:]
    columns = np.concatenate(
        [residuals, residuals**2, residuals * weight, weight, weight**2], axis=1
    )
    n = residuals.shape[1]
    centre = np.log(means) - np.log1p(-means)
    found = []
    for times in resampled_sessions(len(units), resamples, seed):
        totals = times @ columns
        total_weight = totals[:, -2:-1]
        shifts = totals[:, :n] / total_weight
        squares = (
            totals[:, n : 2 * n]
            - 2 * shifts * totals[:, 2 * n : 3 * n]
            + shifts**2 * totals[:, -1:]
        )
        errors = np.sqrt(np.maximum(squares, 0)) / total_weight
        moved = np.clip(means + shifts, 0, 1)
        spread = errors * total_weight > SPREADLESS * np.sqrt(totals[:, n : 2 * n])
        spread &= (moved > 0) & (moved < 1)
        with np.errstate(divide="ignore", invalid="ignore"):
            logits = np.log(moved) - np.log1p(-moved)
            distances = np.abs(logits - centre) * moved * (1 - moved) / errors
        found.append(np.where(spread, distances, np.inf))
    return np.concatenate(found)


def interval(means: ArrayLike) -> tuple[Values, Values]:
    """Percentile interval of resampled means, (resamples, ...) -> (...) for low and high."""
    tail = (1 - CONFIDENCE) / 2
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

    The ratio estimator of a cluster sample (Davison & Hinkley 1997, section 2.4 and 3.8):
    sum of values / number of events, or sum of weight * value / sum of weights. Arguments and
    errors are those of `bootstrap_interval`, but values may be any numbers.
    """
    sums = session_sums(matrix(values), sessions, weights)
    means = []
    for times in resampled_sessions(len(sums), resamples, seed):
        totals = times @ sums
        means.append(totals[:, 1:] / totals[:, :1])
    return np.concatenate(means).reshape(resamples, *np.shape(values)[1:])


def resampled_sessions(n_sessions: int, resamples: int, seed: int) -> Iterator[Values]:
    """How often each session is drawn, with replacement, in blocks of (resamples, n_sessions)."""
    rng = np.random.default_rng(seed)
    block = max(1, CHUNK_WEIGHTS // n_sessions)
    for start in range(0, resamples, block):
        drawn = np.empty((min(block, resamples - start), n_sessions))
        for times in drawn:
            times[:] = np.bincount(rng.integers(n_sessions, size=n_sessions), minlength=n_sessions)
        yield drawn


def matrix(values: ArrayLike) -> Values:
    """(n_events, n_metrics), checked."""
    per_event = np.asarray(values, dtype=np.float64)
    if len(per_event) == 0:
        raise ValueError("no events, so no interval")
    if np.isnan(per_event).any():
        raise ValueError("a value is NaN, so there is no interval")
    return per_event.reshape(len(per_event), -1)


def _grouped(sums: Values, seed: int) -> Values:
    """Sums of sessions, or of at most MOST_UNITS random groups of them.

    Groups formed without regard to their content are independent draws as sessions are.
    """
    if len(sums) <= MOST_UNITS:
        return sums
    group = np.random.default_rng(seed).permutation(len(sums)) % MOST_UNITS
    return np.column_stack([np.bincount(group, weights=column) for column in sums.T])


def session_sums(values: Values, sessions: ArrayLike, weights: ArrayLike | None = None) -> Values:
    """Sum of the weights, 1 by default, and of each weighted metric, a row a session."""
    weight = np.ones(len(values)) if weights is None else np.asarray(weights, dtype=np.float64)
    if not (weight > 0).all():
        raise ValueError("a weight is not positive, so there is no interval")
    session_of_event = np.unique(sessions, return_inverse=True)[1]
    sums = [np.bincount(session_of_event, weights=column * weight) for column in values.T]
    return np.column_stack([np.bincount(session_of_event, weights=weight), *sums])
