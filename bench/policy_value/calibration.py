"""Calibration: predicted probabilities against observed frequencies."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bench.stats.significance import Values

N_BINS = 10


class CalibrationBin(NamedTuple):
    """Pairs of an event and an item of the catalogue whose predicted probabilities are alike."""

    low: float
    """The lowest and the highest prediction for a logged item in the bin."""
    high: float
    n_pairs: int
    predicted: float
    """Mean predicted probability of its pairs."""
    observed: float
    """Fraction of its pairs whose item was logged, or its expectation."""


def calibration_by_truth(log_estimates: Values, log_truth: Values) -> tuple[CalibrationBin, ...]:
    """Calibration of estimated propensities where the logger's own are known.

    Both are of the logged items, (n_events,), and finite. As logged items are draws from the truth
    p, weights of 1 / p turn means over them into means over the catalogue: a bin has about
    sum of 1 / p pairs, a mean estimate of sum of (estimate / p) / sum of 1 / p and a true mean of
    (number of events) / sum of 1 / p. The bins hold equal numbers of events.
    """
    order = np.argsort(log_estimates, kind="stable")
    found = []
    for rows in np.array_split(order, N_BINS):
        if len(rows):
            estimates, weights = np.exp(log_estimates[rows]), np.exp(-log_truth[rows])
            pairs = weights.sum()
            found.append(
                CalibrationBin(
                    float(estimates.min()),
                    float(estimates.max()),
                    round(pairs),
                    float((estimates * weights).sum() / pairs),
                    float(len(rows) / pairs),
                )
            )
    return tuple(found)
