"""Whether a log supports an estimate of a policy's value: diagnostics of importance weights."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from bench.stats.significance import Values
from datasets.session_log import IntArray

MIN_SAMPLE = 100
"""Effective rounds, or sessions of per-decision weights, below which no value is given."""

MIN_SESSIONS = 30
"""Effective sessions below which a bootstrap over sessions is unreliable: intervals by cluster are
too narrow below some 30 clusters (Cameron, Gelbach & Miller, Rev. Econ. Statist. 2008)."""

MEAN_WEIGHT_ERRORS = 4.0
"""Standard errors by which the mean weight may deviate from its expectation."""

MEAN_WEIGHT_SLACK = 0.01
"""Relative deviation of the mean weight that is always accepted: so little probability outside the
log moves a value by at most a hundredth of the largest reward, and 32 bits are no more precise."""


@dataclass(frozen=True)
class Overlap:
    """Diagnostics of the importance weights of logged actions."""

    rounds: int
    sessions: int
    effective_sample_size: float
    """(sum w)^2 / sum w^2 (Kong 1992)."""
    effective_sessions: float
    """The same over the sessions' summed weights."""
    mean_weight: float
    """About 1 for one item a round; for a set of K, about its expected number of items."""
    mean_weight_error: float
    """Standard error of the mean weight, by session."""
    largest_weight: float
    clipped_share: float
    """Fraction of logged actions whose weight is above the cap."""
    outside_share: float
    """Fraction of logged actions that the policy never takes; their weight is 0."""


def log_set_probability(log_policy: Values, set_size: int) -> Values:
    """log alpha_K, alpha_K = 1 - (1 - pi)^K: an action is in a set of K draws from pi, (n,).

    Chen et al. 2019, eq. 7. For K = 1 it is log pi itself.
    """
    if set_size == 1:
        return log_policy
    with np.errstate(divide="ignore"):
        log_alpha: Values = np.log(-np.expm1(set_size * np.log1p(-np.exp(log_policy))))
    return log_alpha


def measure_overlap(log_weights: Values, sessions: IntArray, cap: float) -> Overlap:
    """Figures of the log weights (n,) of rounds in `sessions`, coded from 0, (n,).

    Weights beyond the largest float count as infinite in the mean, but not in the effective sizes.
    """
    with np.errstate(over="ignore"):
        weights = np.exp(log_weights)
    # Effective sizes do not depend on the scale, so scaled weights, which cannot overflow, serve.
    largest = float(log_weights.max())
    scaled = np.exp(log_weights - largest) if largest > -math.inf else np.zeros(len(log_weights))
    lengths = np.bincount(sessions)
    n_rounds = len(log_weights)
    mean = float(weights.mean())
    by_session = np.bincount(sessions, weights=scaled).astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        residuals = np.bincount(sessions, weights=weights) - mean * lengths
        mean_error = float(np.sqrt((residuals**2).sum())) / n_rounds
    return Overlap(
        rounds=n_rounds,
        sessions=len(lengths),
        effective_sample_size=_effective_size(scaled),
        effective_sessions=_effective_size(by_session),
        mean_weight=mean,
        mean_weight_error=mean_error,
        largest_weight=float(weights.max()),
        clipped_share=float((weights > cap).mean()),
        outside_share=float((log_weights == -math.inf).mean()),
    )


def refusal(overlap: Overlap, expected_mean: float | None, unit: str = "rounds") -> str | None:
    """Why no value can be given, in one sentence; None if one can.

    `expected_mean` is what the mean weight is in expectation if the logger takes every action that
    the policy takes and its probabilities are right: 1 for one item a round. None: not known.
    """
    if overlap.largest_weight == 0:
        return "no logged action is one that the policy would take, so the log says nothing of it"
    if overlap.effective_sample_size < MIN_SAMPLE:
        return (
            f"the weights are worth {overlap.effective_sample_size:.1f} of {overlap.rounds:,} "
            f"{unit}, below {MIN_SAMPLE}: the policy does what the log seldom shows"
        )
    if overlap.effective_sessions < MIN_SESSIONS:
        return (
            f"the weights are worth {overlap.effective_sessions:.1f} of {overlap.sessions:,} "
            f"sessions, below {MIN_SESSIONS}: too few for an interval by session"
        )
    if not math.isfinite(overlap.mean_weight):
        return "the mean weight is beyond the largest number: the propensities are far too small"
    if expected_mean is None:
        return None
    off = abs(overlap.mean_weight - expected_mean)
    slack = MEAN_WEIGHT_SLACK * expected_mean
    if off > max(MEAN_WEIGHT_ERRORS * overlap.mean_weight_error, slack):
        return (
            f"the mean weight is {overlap.mean_weight:.3f} +- {overlap.mean_weight_error:.3f}, not "
            f"{expected_mean:.3g}: the policy takes actions that the log never shows, or the "
            "propensities are wrong"
        )
    return None


def _effective_size(weights: Values) -> float:
    squares = float((weights**2).sum())
    return float(weights.sum()) ** 2 / squares if squares else 0.0
