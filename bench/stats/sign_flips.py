"""A paired permutation test by session, and the interval that is its inverse."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from bench.stats.significance import CHUNK_WEIGHTS, ROUNDING, Values, matrix, session_sums

LEVEL = 0.05


def sign_flipped_totals(
    values: ArrayLike, sessions: ArrayLike, *, permutations: int, seed: int = 0
) -> Values:
    """Sums over all events with a random sign for each session, (permutations, n_metrics).

    Under the null hypothesis two models are exchangeable within a session, so the signs of their
    differences are flipped by session (a paired permutation test; Good 2005, section 3.7). All
    metrics share the signs, so that totals of differences are differences of totals. `values` has
    shape (n_events, n_metrics), `sessions` (n_events,). Raises ValueError without events, and if a
    value is NaN.
    """
    per_event = matrix(values)
    sums = session_sums(per_event, sessions)[:, 1:]
    rng = np.random.default_rng(seed)
    chunk = max(1, CHUNK_WEIGHTS // len(sums))
    totals = np.empty((permutations, per_event.shape[1]))
    for start in range(0, permutations, chunk):
        stop = min(start + chunk, permutations)
        signs = 2.0 * rng.integers(0, 2, size=(stop - start, len(sums)), dtype=np.int8) - 1
        totals[start:stop] = signs @ sums
    return totals


def two_sided_p(flipped: ArrayLike, by_session: ArrayLike) -> float:
    """Fraction of sign-flipped totals, (permutations,), at least as far from 0 as the observed one.

    The observed signs count as one of the permutations. Below the resolution of the permutations
    p is bounded by 2 exp(-t^2 / (2 sum d^2)), t being the total of the sessions' sums d,
    (n_sessions,) (Hoeffding 1963, theorem 2), as Holm would else reject none of many comparisons.
    """
    sums = np.asarray(by_session, dtype=np.float64)
    total, squares = float(sums.sum()), float((sums**2).sum())
    at_least = np.abs(np.asarray(flipped)) >= abs(total) * (1 - ROUNDING)
    p = float((1 + np.count_nonzero(at_least)) / (1 + len(at_least)))
    bound = 2 * math.exp(-(total**2) / (2 * squares)) if squares > 0 else 1.0
    return min(p, bound) if bound < 1 / (1 + len(at_least)) else p


@dataclass(frozen=True, eq=False)
class SignFlips:
    """The paired permutation test of a mean difference, which can be inverted.

    The mean delta is in the interval of a level if the test of the differences less delta has a p
    (`two_sided_p`) of at least that level, so that interval and p never contradict each other.
    With D and N the sums of differences and of events, and D' and N' those with the signs of a
    permutation, the permutation counts against delta where |D' - delta N'| >= |D - delta N|, which
    is between (D - D') / (N - N') and (D + D') / (N + N').
    """

    p: float
    """Two-sided, of no difference."""
    by_session: Values
    """Sums of the differences, (n_sessions,)."""
    events: Values
    """Of each session, (n_sessions,)."""
    permutations: int
    lows: Values
    """Smallest lower ends of the permutations, ascending, as many as an interval of LEVEL needs."""
    highs: Values
    """Largest upper ends of the permutations, descending."""

    @classmethod
    def of(
        cls, flipped: Values, flipped_events: Values, by_session: Values, events: Values
    ) -> SignFlips:
        """From sign-flipped totals of differences and of events, (permutations,) each."""
        total, n = by_session.sum(), events.sum()
        away, toward = total - flipped, total + flipped
        # As `two_sided_p` has it, totals that differ by rounding are equal.
        away = np.where(np.abs(away) <= ROUNDING * abs(total), 0, away)
        toward = np.where(np.abs(toward) <= ROUNDING * abs(total), 0, toward)
        with np.errstate(divide="ignore", invalid="ignore"):
            one, other = away / (n - flipped_events), toward / (n + flipped_events)
        # With all signs equal the total is the observed one for every delta.
        same = np.abs(flipped_events) >= n
        lows = np.where(same, -np.inf, np.minimum(one, other))
        highs = np.where(same, np.inf, np.maximum(one, other))
        most = max(1, _count(LEVEL, len(flipped)))
        return cls(
            p=two_sided_p(flipped, by_session),
            by_session=by_session,
            events=events,
            permutations=len(flipped),
            lows=np.sort(lows)[:most],
            highs=np.sort(highs)[::-1][:most],
        )

    @property
    def value(self) -> float:
        """Mean difference over events."""
        return float(self.by_session.sum() / self.events.sum())

    @property
    def standard_error(self) -> float:
        """Of the mean over events, linearised (Davison & Hinkley 1997, section 2.7)."""
        residuals = self.by_session - self.value * self.events
        return float(np.sqrt((residuals**2).sum()) / self.events.sum())

    def interval(self, level: float = LEVEL) -> tuple[float, float]:
        """Low and high end of the mean differences that a test of `level`, LEVEL at most, keeps.

        An end is infinite where no difference would be rejected, as with five sessions.
        """
        low, high = self._by_bound(min(level, 1 / (1 + self.permutations)))
        place = _count(level, self.permutations) - 1
        if place < 0:
            return low, high
        return max(low, float(self.lows[place])), min(high, float(self.highs[place]))

    def _by_bound(self, level: float) -> tuple[float, float]:
        """The same by Hoeffding's bound alone: (D - delta N)^2 <= log_ratio sum (d - delta n)^2."""
        log_ratio = 2 * math.log(2 / level)
        # Centred on the value, so that large squares do not cancel.
        residuals = self.by_session - self.value * self.events
        n = float(self.events.sum())
        square = n**2 - log_ratio * float((self.events**2).sum())
        half = log_ratio * float((residuals * self.events).sum())
        constant = -log_ratio * float((residuals**2).sum())
        if square <= 0:
            return -math.inf, math.inf
        root = math.sqrt(max(half**2 - square * constant, 0))
        return self.value + (-half - root) / square, self.value + (-half + root) / square


def paired_test(
    differences: ArrayLike, sessions: ArrayLike, *, permutations: int, seed: int = 0
) -> SignFlips:
    """The test of one metric's differences by event, (n_events,), in `sessions`, (n_events,)."""
    by_event = np.asarray(differences, dtype=np.float64)
    session_of_event = np.unique(sessions, return_inverse=True)[1]
    flipped = sign_flipped_totals(
        np.column_stack([by_event, np.ones(len(by_event))]),
        sessions,
        permutations=permutations,
        seed=seed,
    )
    return SignFlips.of(
        flipped[:, 0],
        flipped[:, 1],
        np.bincount(session_of_event, weights=by_event).astype(np.float64),
        np.bincount(session_of_event).astype(np.float64),
    )


def _count(level: float, permutations: int) -> int:
    """How many permutations must be as far from 0 for a p of at least `level`."""
    # The observed one counts too; a level such as 0.05 / 3 is not exact.
    return math.ceil(level * (1 + permutations) * (1 - ROUNDING)) - 1


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values that may be compared with one level together (Holm, Scand. J. Statist. 1979)."""
    order = np.argsort(p_values, kind="stable")
    scaled = np.asarray(p_values)[order] * np.arange(len(order), 0, -1)
    adjusted = np.empty(len(order))
    adjusted[order] = np.minimum(np.maximum.accumulate(scaled), 1)
    # Rounded, so that 3 times 0.05 / 3 is not below 0.05.
    return [float(f"{p:.12g}") for p in adjusted]


def holm_levels(p_values: Sequence[float]) -> list[float]:
    """The level at which Holm tests each hypothesis of a family at LEVEL.

    The i-th smallest p of m is tested at LEVEL / (m - i + 1), until one is not below it; all that
    follow are tested at the level of that one. A p is below its level exactly if that of `holm` is
    below LEVEL.
    """
    n = len(p_values)
    rejected = sum(p < LEVEL for p in holm(p_values))
    levels = np.empty(n)
    steps = np.minimum(np.arange(n), rejected)
    levels[np.argsort(p_values, kind="stable")] = LEVEL / (n - steps + (steps == n))
    return [float(each) for each in levels]
