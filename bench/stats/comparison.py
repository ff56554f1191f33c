"""Differences of pairs of models on the same test events, and their significance."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bench.stats.sign_flips import LEVEL, SignFlips, holm, holm_levels, sign_flipped_totals

ValuesByMetric = Mapping[str, NDArray[np.float64]]
"""Values of a model's test events by metric, each (n_events,); means over its seeds."""
PERMUTATIONS = 9999
POWER = 0.8
NORMAL = NormalDist()


@dataclass(frozen=True)
class Difference:
    """One metric of two models."""

    metric: str
    first: str
    second: str
    value: float
    """Mean over events of the first model minus the second."""
    low: float
    high: float
    """Ends of the interval that the corrected test does not reject, without 0 if `decided`."""
    level: float
    """Significance level of this test after Holm's correction; the interval has 1 - `level`."""
    p: float
    """Two-sided, from a paired permutation test by session."""
    adjusted_p: float
    """Holm-adjusted over all comparisons of the family."""
    family: int
    """Number of comparisons that are corrected for together."""
    n_sessions: int
    test: SignFlips = field(repr=False, compare=False)

    @property
    def decided(self) -> bool:
        """Whether the difference is significant after correction for the whole family."""
        return self.adjusted_p < LEVEL

    @property
    def detectable(self) -> float:
        """The smallest difference that a test with this many sessions detects with power POWER.

        (z_{1 - LEVEL / 2} + z_POWER) standard errors (Cohen 1988, section 2.4); without Holm's
        correction.
        """
        z, z_power = NORMAL.inv_cdf(1 - LEVEL / 2), NORMAL.inv_cdf(POWER)
        return (z + z_power) * self.test.standard_error

    @property
    def sessions_needed(self) -> int | None:
        """Approximate number of sessions to detect the difference; None if no number is enough."""
        if self.value == 0:
            return None
        return math.ceil(self.n_sessions * (self.detectable / abs(self.value)) ** 2)


def compare(models: Mapping[str, ValuesByMetric], sessions: ArrayLike) -> list[Difference]:
    """The difference of every pair of `models` in every metric, pair by pair in their order.

    `adjusted_p` and intervals correct for these only; `adjusted` corrects for a larger family. All
    models have the same metrics, with values in [0, 1], of the same events in `sessions`,
    (n_events,). Raises ValueError without events, and if a value is NaN.
    """
    names, metrics = list(models), list(next(iter(models.values()), {}))
    if len(names) < 2 or not metrics:
        return []
    columns = [models[name][metric] for name in names for metric in metrics]
    unique, session_of_event = np.unique(sessions, return_inverse=True)
    ones = np.ones(len(session_of_event))
    flipped = sign_flipped_totals(
        np.column_stack([*columns, ones]), sessions, permutations=PERMUTATIONS
    )
    flipped_events = flipped[:, -1]
    flipped = flipped[:, :-1].reshape(-1, len(names), len(metrics))
    events = np.bincount(session_of_event).astype(np.float64)
    found = []
    for a, b in itertools.combinations(range(len(names)), 2):
        for m, metric in enumerate(metrics):
            by_event = models[names[a]][metric] - models[names[b]][metric]
            test = SignFlips.of(
                flipped[:, a, m] - flipped[:, b, m],
                flipped_events,
                np.bincount(session_of_event, weights=by_event).astype(np.float64),
                events,
            )
            found.append(
                Difference(
                    metric=metric,
                    first=names[a],
                    second=names[b],
                    value=float(by_event.mean()),
                    low=math.nan,
                    high=math.nan,
                    level=math.nan,
                    p=test.p,
                    adjusted_p=math.nan,
                    family=0,
                    n_sessions=len(unique),
                    test=test,
                )
            )
    return adjusted(found)


def adjusted(differences: Sequence[Difference]) -> list[Difference]:
    """The same differences with `adjusted_p` and intervals by Holm over all of them."""
    p_values = [difference.p for difference in differences]
    found = []
    for difference, p, level in zip(
        differences, holm(p_values), holm_levels(p_values), strict=True
    ):
        low, high = difference.test.interval(level)
        found.append(
            replace(
                difference,
                adjusted_p=p,
                family=len(differences),
                level=level,
                low=max(low, -1.0),
                high=min(high, 1.0),
            )
        )
    return found


def decision(difference: Difference, first_seconds: float, second_seconds: float) -> str:
    """One sentence: which model is better, by how much and at what cost, or what is missing."""
    better, worse, sign = difference.first, difference.second, 1
    cost, other_cost = first_seconds, second_seconds
    if difference.value < 0:
        better, worse, sign = worse, better, -1
        cost, other_cost = other_cost, cost
    low, high = sorted((sign * difference.low, sign * difference.high))
    figures = (
        f"{abs(difference.value):+.4f} {difference.metric} [{_end(low)}, {_end(high)}], "
        f"p {p_text(difference.adjusted_p)}"
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


def p_text(p: float) -> str:
    """p to two significant digits, or more to show on which side of LEVEL it is."""
    digits = 2
    while (float(f"{p:.{digits}g}") < LEVEL) != (p < LEVEL):
        digits += 1
    return f"{p:.{digits}g}"


def _end(end: float) -> str:
    """An interval's end to four decimals, or to one significant digit if they are all 0."""
    text = f"{end:.4f}"
    return f"{end:.1g}" if end != 0 and float(text) == 0 else text


def _two_digits(factor: float) -> str:
    """A factor to two digits, written out: 0.54, 1.2, 270, 99,000."""
    return f"{factor:.2g}" if factor < 10 else f"{float(f'{factor:.1e}'):,.0f}"
