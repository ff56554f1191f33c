"""Estimators of a policy's value from another policy's log, each a sum of ratios of two columns.

Notation: round i has a logged action with reward r and importance weight w = pi/beta (for sets of
K, alpha_K/beta: bench/policy_value/overlap.py), q the reward model's guess for that action, and
v = sum_a pi(a|s) q(s,a) (for sets: sum_a alpha_K q). All columns have shape (n_rounds,).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bench.stats.significance import Values


@dataclass(frozen=True, eq=False)
class Ratio:
    """sum of weights * outcomes / sum of denominators; all columns (n_rounds,)."""

    weights: Values
    outcomes: Values
    denominators: Values | None = None
    """None: self-normalised, by the weights themselves."""

    @property
    def numerator(self) -> Values:
        """Weighted outcomes."""
        return self.weights * self.outcomes

    @property
    def denominator(self) -> Values:
        """What is divided by."""
        return self.weights if self.denominators is None else self.denominators

    @property
    def value(self) -> float:
        """The ratio over all rounds."""
        return float(self.numerator.sum() / self.denominator.sum())

    @property
    def unseen_variance(self) -> float:
        """Variance to add where large weights happened to meet smaller outcomes, at least 0.

        The variance is of w^2 x^2, x the outcome (less the value, if self-normalised). The few
        rounds of large weight dominate it and, where rewards are rare, mostly have none, so that
        the empirical variance is too small. If outcomes do not depend on weights, sum w^2 x^2 is
        about sum w^2 * sum w x^2 / sum w, which does not depend on rare events.
        """
        missed = self.outcomes - self.value if self.denominators is None else self.outcomes
        squares, total = self.weights**2, float(self.weights.sum())
        if total == 0:
            return 0.0
        even = float(squares.sum() * (self.weights @ missed**2) / total)
        lacking = max(even - float(squares @ missed**2), 0.0)
        return lacking / float(self.denominator.sum()) ** 2


Ratios = tuple[Ratio, ...]
"""An estimator: the sum of its ratios."""


def ips(weights: Values, rewards: Values) -> Ratios:
    """1/n sum w r: inverse propensity score (Horvitz & Thompson 1952). Unbiased."""
    return (_mean(weights, rewards),)


def clipped_ips(weights: Values, rewards: Values, cap: float) -> Ratios:
    """1/n sum min(w, c) r (Ionides 2008, Bottou et al. 2013): less variance, biased downwards."""
    return (_mean(np.minimum(weights, cap), rewards),)


def snips(weights: Values, rewards: Values, expected_weights: Values) -> Ratios:
    """sum w r / sum w: self-normalised (Swaminathan & Joachims 2015). Consistent.

    For sets the weights' mean is the expected number of items, not 1, so that the ratio is
    multiplied by it: `expected_weights` is sum_a alpha_K(a|s), ones for K = 1.
    """
    scale = 1.0 if (expected_weights == 1).all() else float(expected_weights.mean())
    return (Ratio(weights, scale * rewards),)


def direct_method(policy_reward_model: Values) -> Ratios:
    """1/n sum v (Beygelzimer & Langford 2009): as biased as the reward model.

    Its interval covers only the sampling of rounds.
    """
    return (_mean(np.ones(len(policy_reward_model)), policy_reward_model),)


def doubly_robust(weights: Values, residuals: Values, policy_reward_model: Values) -> Ratios:
    """1/n sum v + w (r - q) (Dudik, Langford & Li 2011); `residuals` are r - q.

    Unbiased with the right propensities, whatever the model; a better model narrows the interval.
    """
    return (*direct_method(policy_reward_model), _mean(weights, residuals))


def self_normalised_doubly_robust(
    weights: Values, residuals: Values, policy_reward_model: Values, expected_weights: Values
) -> Ratios:
    """1/n sum v + sum w (r - q) / sum w (Thomas & Brunskill 2016); sets as in `snips`."""
    return (*direct_method(policy_reward_model), *snips(weights, residuals, expected_weights))


def switch_doubly_robust(
    weights: Values, residuals: Values, policy_reward_model: Values, threshold: float
) -> Ratios:
    """1/n sum v + w 1[w <= tau] (r - q) (Wang, Agarwal & Dudik 2017).

    Where a weight is above the threshold tau, the reward model alone counts.
    """
    below = np.where(weights <= threshold, weights, 0.0)
    return (*direct_method(policy_reward_model), _mean(below, residuals))


def per_decision(discounted_weights: Values, rewards: Values, is_first: Values) -> Ratios:
    """1/N sum_i sum_t gamma^t rho_{i,0:t} r_it, rho the product of w so far (Precup et al. 2000).

    `discounted_weights` are gamma^t rho_{0:t}, `is_first` 1 at the first round of a session, else
    0: the value is a session's summed reward, unbiased for states that the actions lead to.
    """
    return (Ratio(discounted_weights, rewards, is_first),)


def _mean(weights: Values, outcomes: Values) -> Ratio:
    return Ratio(weights, outcomes, np.ones(len(weights)))
