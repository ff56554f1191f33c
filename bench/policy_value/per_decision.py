"""Importance weights of sessions: cumulative products along their decisions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array  # type: ignore[import-untyped]

from bench.policy_value.value_estimators import per_decision
from bench.stats.significance import Values
from datasets.session_log import IntArray


@dataclass(frozen=True, eq=False)
class SessionWeights:
    """Products of weights along each session; rounds are sorted by session and position."""

    order: IntArray
    """Index of each sorted round in the columns, (n_rounds,)."""
    sessions: IntArray
    """Session of each sorted round, coded from 0, (n_rounds,)."""
    steps: IntArray
    """Position of each sorted round in its session, from 0, (n_rounds,)."""
    log_products: Values
    """log rho_{0:t}, up to and including each sorted round, (n_rounds,)."""
    last: IntArray
    """Last sorted round of each session, (n_sessions,)."""

    @property
    def n_sessions(self) -> int:
        """Number of sessions."""
        return len(self.last)

    @property
    def is_first(self) -> Values:
        """1 at the first round of a session, else 0, (n_rounds,)."""
        return np.where(self.steps == 0, 1.0, 0.0)

    @property
    def final_log_weights(self) -> Values:
        """log of the product over each session, (n_sessions,)."""
        return self.log_products[self.last]


def session_weights(
    log_weights: Values, sessions: IntArray, positions: NDArray[np.generic]
) -> SessionWeights:
    """Products along sessions coded from 0, all (n_rounds,); ValueError for equal positions."""
    order = np.lexsort((positions, sessions))
    sorted_sessions, sorted_positions = sessions[order], positions[order]
    same = sorted_sessions[1:] == sorted_sessions[:-1]
    if (same & (sorted_positions[1:] == sorted_positions[:-1])).any():
        raise ValueError("two rounds of a session have the same position")
    first = np.flatnonzero(np.concatenate([[True], ~same]))
    steps = np.arange(len(order)) - first[sorted_sessions]
    logs = log_weights[order]
    # Weights of 0 are counted separately, as a cumulative sum cannot subtract minus infinity.
    is_zero = logs == -np.inf
    sums = np.cumsum(np.where(is_zero, 0.0, logs))
    zeros = np.cumsum(is_zero)
    before = np.concatenate([[0.0], sums])[first][sorted_sessions]
    zeros_before = np.concatenate([[0], zeros])[first][sorted_sessions]
    return SessionWeights(
        order=order,
        sessions=sorted_sessions,
        steps=steps,
        log_products=np.where(zeros > zeros_before, -np.inf, sums - before),
        last=np.concatenate([first[1:], [len(order)]]) - 1,
    )


@dataclass(frozen=True, eq=False)
class SelfNormalisedPerDecision:
    """sum_t gamma^t (sum_i rho_{i,0:t} r_it) / (sum_i rho_{i,0:t}) (Precup et al. 2000).

    A session that has ended counts in later denominators with its last weight: under the policy it
    has no further reward either. Omitting it would overestimate the value.
    """

    rewards: csr_array
    """gamma^t rho_{0:t} r_t, (n_units, n_steps): of a session, or a group of sessions."""
    last: Values
    """Last weight, (n_units,)."""
    to_last: csr_array
    """Last weight minus rho_{0:t} while a session lasts, (n_units, n_steps)."""
    unseen_variance: float
    """That of the unnormalised estimate (`value_estimators.Ratio`)."""

    @classmethod
    def of(
        cls, weights: SessionWeights, units: IntArray, rewards: Values, discount: float
    ) -> SelfNormalisedPerDecision:
        """`units` and `rewards`, (n_rounds,), are in the order of `weights`."""
        products = np.exp(weights.log_products)
        last = products[weights.last]
        discounted = np.power(discount, weights.steps) * products
        cells = (units, weights.steps)
        shape = (int(units.max()) + 1, int(weights.steps.max()) + 1)
        return cls(
            rewards=csr_array((discounted * rewards, cells), shape),
            last=np.bincount(units[weights.last], weights=last).astype(np.float64),
            to_last=csr_array((last[weights.sessions] - products, cells), shape),
            unseen_variance=per_decision(discounted, rewards, weights.is_first)[0].unseen_variance,
        )

    @property
    def value(self) -> float:
        """Over all sessions."""
        return float(self.over(np.ones((1, len(self.last))))[0][0])

    def over(self, times: Values) -> tuple[Values, Values]:
        """As `value_intervals.RatioSum.over`."""
        denominators = (times @ self.last)[:, None] - times @ self.to_last
        ratios = (times @ self.rewards) / denominators
        slopes = ratios / denominators
        influence = (
            self.rewards @ (1 / denominators).T
            + self.to_last @ slopes.T
            - self.last[:, None] * slopes.sum(1)
        )
        return ratios.sum(1), np.sqrt((times * (influence.T**2)).sum(1))
