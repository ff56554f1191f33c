"""A figure with its interval, and its spread over seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95 % interval over sessions, and its spread over seeds."""

    value: float
    low: float
    high: float
    spread: float | None = None
    """Standard deviation over seeds; None for a single seed."""


@dataclass(frozen=True)
class SeedMean:
    """Mean of a figure over seeds, for figures without an interval over sessions."""

    value: float
    spread: float | None


def spread_over_seeds(of_seeds: NDArray[np.float64]) -> float | None:
    """Standard deviation of a figure over seeds, (n_seeds,); None for a single one."""
    return float(of_seeds.std(ddof=1)) if len(of_seeds) > 1 else None


def seed_mean(of_seeds: Sequence[float]) -> SeedMean:
    """Mean and spread of a figure over seeds."""
    return SeedMean(float(np.mean(of_seeds)), spread_over_seeds(np.array(of_seeds)))


def mean_over_seeds(of_seeds: Sequence[Estimate]) -> Estimate:
    """Mean of value, low and high over seeds, which is at least as wide as the mean's interval."""
    rows = np.array([(each.value, each.low, each.high) for each in of_seeds])
    value, low, high = rows.mean(axis=0).tolist()
    return Estimate(value, low, high, spread_over_seeds(rows[:, 0]))
