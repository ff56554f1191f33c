"""Pairs of models on the very same test events: is a difference real, and how large is it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bench.significance import (
    bootstrap_means,
    holm,
    interval,
    sign_flipped_totals,
    two_sided_p,
)

EventValues = Mapping[str, NDArray[np.float64]]
"""Values of a model's test events by metric, each (n_events,); means over its seeds."""
RESAMPLES = 2000
PERMUTATIONS = 9999
LEVEL = 0.05
POWER = 0.8
NORMAL = NormalDist()


@dataclass(frozen=True)
class Difference:
    """One metric of two models."""

    metric: str
    first: str
    second: str
    value: float
    """Mean over events of the first less the second."""
    low: float
    high: float
    """95 % interval by a bootstrap over sessions."""
    p: float
    """Two-sided, of a paired permutation of sessions."""
    adjusted_p: float
    """By Holm over all that is compared beside it."""
    family: int
    """How many comparisons that are."""
    won: float
    tied: float
    lost: float
    """Shares of events on which the first is better, as good, and worse."""
    n_sessions: int

    @property
    def decided(self) -> bool:
        """Whether the difference is told from none: by the test and by the interval."""
        return self.adjusted_p < LEVEL and not self.low <= 0 <= self.high

    @property
    def detectable(self) -> float:
        """The smallest difference that a test of as many sessions finds with probability POWER.

        (z_{1 - LEVEL / 2} + z_POWER) standard errors (Cohen 1988, section 2.4), one being the
        interval's half width over z_{1 - LEVEL / 2}; before Holm.
        """
        z, z_power = NORMAL.inv_cdf(1 - LEVEL / 2), NORMAL.inv_cdf(POWER)
        return (z + z_power) * (self.high - self.low) / 2 / z

    @property
    def sessions_needed(self) -> int | None:
        """Sessions, about, with which the difference is `detectable`; None if no number would do.

        Standard errors shrink with the root of the number of sessions.
        """
        if self.value == 0:
            return None
        return math.ceil(self.n_sessions * (self.detectable / abs(self.value)) ** 2)


def compare(models: Mapping[str, EventValues], sessions: ArrayLike) -> list[Difference]:
    """The difference of every pair of `models` in every metric, pair by pair in their order.

    Their `adjusted_p` is for these alone; `adjusted` is for more of them. All models have the same
    metrics of the same events, whose sessions are `sessions`, (n_events,). Every pair and metric
    sees the same resamples, so that differences add up. Raises ValueError without events, and where
    a value is no number.
    """
    names, metrics = list(models), list(next(iter(models.values()), {}))
    if len(names) < 2 or not metrics:
        return []
    columns = np.column_stack([models[name][metric] for name in names for metric in metrics])
    shape = (-1, len(names), len(metrics))
    means = bootstrap_means(columns, sessions, resamples=RESAMPLES).reshape(shape)
    flipped = sign_flipped_totals(columns, sessions, permutations=PERMUTATIONS).reshape(shape)
    unique, session_of_event = np.unique(sessions, return_inverse=True)
    n_sessions = len(unique)
    found = []
    for a, b in itertools.combinations(range(len(names)), 2):
        lows, highs = interval(means[:, a] - means[:, b])
        for m, metric in enumerate(metrics):
            by_event = models[names[a]][metric] - models[names[b]][metric]
            found.append(
                Difference(
                    metric=metric,
                    first=names[a],
                    second=names[b],
                    value=float(by_event.mean()),
                    low=float(lows[m]),
                    high=float(highs[m]),
                    p=two_sided_p(
                        flipped[:, a, m] - flipped[:, b, m],
                        np.bincount(session_of_event, weights=by_event),
                    ),
                    adjusted_p=math.nan,
                    family=0,
                    won=float((by_event > 0).mean()),
                    tied=float((by_event == 0).mean()),
                    lost=float((by_event < 0).mean()),
                    n_sessions=n_sessions,
                )
            )
    return adjusted(found)


def adjusted(differences: Sequence[Difference]) -> list[Difference]:
    """The same with `adjusted_p` by Holm over all of them."""
    by_holm = holm([difference.p for difference in differences])
    return [
        replace(difference, adjusted_p=p, family=len(differences))
        for difference, p in zip(differences, by_holm, strict=True)
    ]


def decision(difference: Difference, first_seconds: float, second_seconds: float) -> str:
    """One sentence: which model is better, by how much and at what cost, or what is missing.

    A pure function of the figures: the difference, and the training times of its models.
    """
    better, worse, sign = difference.first, difference.second, 1
    cost, other_cost = first_seconds, second_seconds
    if difference.value < 0:
        better, worse, sign = worse, better, -1
        cost, other_cost = other_cost, cost
    ends = sorted((sign * difference.low, sign * difference.high))
    figures = (
        f"{abs(difference.value):+.4f} {difference.metric} [{ends[0]:.4f}, {ends[1]:.4f}], "
        f"p {difference.adjusted_p:.2g}"
    )
    if difference.decided:
        times = (
            f" at {_two_digits(cost / other_cost)} times the training time"
            if other_cost > 0
            else ""
        )
        return f"{better} over {worse}: {figures}{times}"
    needed = difference.sessions_needed
    if needed is None:
        return f"{better} and {worse} are alike: {figures}"
    more = needed - difference.n_sessions
    noun = "session is" if more == 1 else "sessions are"
    missing = f"; about {more:,} more {noun} needed" if more > 0 else ""
    return f"undecided between {better} and {worse}: {figures}{missing}"


def _two_digits(factor: float) -> str:
    """A factor to two digits, written out: 0.54, 1.2, 270, 99,000."""
    return f"{factor:.2g}" if factor < 10 else f"{float(f'{factor:.1e}'):,.0f}"
