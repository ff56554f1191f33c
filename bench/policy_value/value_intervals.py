"""Intervals of value estimates by a studentised bootstrap over sessions."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations_with_replacement
from statistics import NormalDist
from typing import TypeAlias

import numpy as np

from bench.policy_value.per_decision import SelfNormalisedPerDecision
from bench.policy_value.value_estimators import Ratios
from bench.stats.significance import CONFIDENCE, ROUNDING, Values, resampled_sessions
from datasets.session_log import IntArray

MOST_UNITS = 20_000
"""More sessions than these are resampled in random groups, which costs the same for any log."""


@dataclass(frozen=True, eq=False)
class RatioSum:
    """A sum of ratios of sums over rounds, from each session's sums."""

    value: float
    """Over all sessions."""
    unseen_variance: float
    """Variance that the empirical one misses (`value_estimators.Ratio`)."""
    columns: Values
    """Each ratio's numerator less value times denominator, then the denominators, by session."""
    products: Values
    """Products of each pair of columns, by session."""

    @classmethod
    def of(cls, ratios: Ratios, sessions: IntArray) -> RatioSum:
        """From columns of rounds that lie in `sessions`, coded from 0, (n_rounds,)."""
        values = [ratio.value for ratio in ratios]
        denominators = [np.bincount(sessions, weights=ratio.denominator) for ratio in ratios]
        # Less value times denominator, so that squares of large sums do not cancel.
        numerators = [
            np.bincount(sessions, weights=ratio.numerator) - value * denominator
            for ratio, value, denominator in zip(ratios, values, denominators, strict=True)
        ]
        columns = np.column_stack([*numerators, *denominators])
        pairs = combinations_with_replacement(range(columns.shape[1]), 2)
        products = np.column_stack([columns[:, i] * columns[:, j] for i, j in pairs])
        unseen = sum(ratio.unseen_variance for ratio in ratios)
        return cls(sum(values), unseen, columns, products)

    def over(self, times: Values) -> tuple[Values, Values]:
        """Estimate and its standard error over sessions taken `times` (resamples, n_sessions).

        The error is that of the linearised estimate (Davison & Hinkley 1997, section 2.7). Both
        have shape (resamples,).
        """
        sums = times @ self.columns
        n_ratios = sums.shape[1] // 2
        numerators, denominators = sums[:, :n_ratios], sums[:, n_ratios:]
        ratios = numerators / denominators
        gradient = np.concatenate([1 / denominators, -ratios / denominators], axis=1)
        squares = np.zeros(len(times))
        pairs = combinations_with_replacement(range(sums.shape[1]), 2)
        for (i, j), products in zip(pairs, (times @ self.products).T, strict=True):
            squares += (1 if i == j else 2) * gradient[:, i] * gradient[:, j] * products
        return self.value + ratios.sum(1), np.sqrt(np.maximum(squares, 0))


SessionStatistic: TypeAlias = RatioSum | SelfNormalisedPerDecision
"""An estimate from sums over sessions, so that it can be taken over resampled ones."""


def resampling_units(sessions: IntArray, n_sessions: int) -> IntArray:
    """What is drawn as one: each round's session, or a random group of sessions, (n_rounds,).

    Groups formed without regard to their content are independent draws as sessions are.
    """
    if n_sessions <= MOST_UNITS:
        return sessions
    group = np.random.default_rng(0).permutation(n_sessions) % MOST_UNITS
    return group[sessions]


def studentised_intervals(
    statistics: Mapping[str, SessionStatistic], n_units: int, resamples: int
) -> dict[str, tuple[float, float]]:
    """Low and high end of each statistic's interval; all share the same resamples.

    In each resample the estimate's distance from that of the log is divided by the resample's own
    standard error; the quantiles of these, times the log's standard error, are subtracted from the
    estimate (bootstrap-t; Efron & Tibshirani 1993, section 12.5). An end is infinite if too many
    resamples have no spread. With unseen variance, the ends lie at least as far out as those of a
    normal interval whose error includes it.
    """
    errors = {
        name: float(each.over(np.ones((1, n_units)))[1][0]) for name, each in statistics.items()
    }
    distances: dict[str, list[Values]] = {name: [] for name in statistics}
    for times in resampled_sessions(n_units, resamples, seed=0):
        for name, statistic in statistics.items():
            estimates, own_errors = statistic.over(times)
            with np.errstate(divide="ignore", invalid="ignore"):
                distances[name].append((estimates - statistic.value) / own_errors)
    tail = (1 - CONFIDENCE) / 2
    found = {}
    for name, statistic in statistics.items():
        value, error = statistic.value, errors[name]
        if error <= ROUNDING * abs(value):
            found[name] = value, value
            continue
        # Between two resamples, a quantile next to an infinite one would be no number.
        away = np.nan_to_num(
            np.concatenate(distances[name]), nan=0.0, posinf=np.inf, neginf=-np.inf
        )
        low = np.quantile(away, tail, method="lower")
        high = np.quantile(away, 1 - tail, method="higher")
        ends = (float(value - high * error), float(value - low * error))
        if statistic.unseen_variance > 0:
            reach = NormalDist().inv_cdf(1 - tail) * math.hypot(
                error, math.sqrt(statistic.unseen_variance)
            )
            ends = min(ends[0], value - reach), max(ends[1], value + reach)
        found[name] = ends
    return found
