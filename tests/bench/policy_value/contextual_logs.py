"""Simulator S3 of contextual bandits: any table of rewards, loggers and policies of known value."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bench.policy_value.off_policy_evaluation import Rounds

Values = NDArray[np.float64]

CONTEXTS = np.array([0.5, 0.3, 0.2])
REWARDS = np.array([[0.9, 0.5, 0.1, 0.3], [0.2, 0.8, 0.4, 0.0], [0.6, 0.1, 0.7, 0.5]])
LOGGER = np.array([[0.1, 0.2, 0.4, 0.3], [0.4, 0.1, 0.3, 0.2], [0.25, 0.25, 0.25, 0.25]])
POLICY = np.array([[0.6, 0.2, 0.1, 0.1], [0.1, 0.5, 0.2, 0.2], [0.3, 0.1, 0.4, 0.2]])


def contextual_log(
    n_rounds: int, seed: int, *, logger: Values = LOGGER, policy: Values = POLICY
) -> tuple[Rounds, Values, Values]:
    """Rounds with 0/1 rewards and the exact reward model; contexts and actions."""
    rng = np.random.default_rng(seed)
    contexts = rng.choice(3, n_rounds, p=CONTEXTS)
    actions = (np.cumsum(logger[contexts], 1) < rng.random((n_rounds, 1))).sum(1)
    with np.errstate(divide="ignore"):
        log_policy = np.log(policy[contexts, actions])
    rounds = Rounds(
        log_policy=log_policy,
        log_propensities=np.log(logger[contexts, actions]),
        rewards=(rng.random(n_rounds) < REWARDS[contexts, actions]).astype(np.float64),
        sessions=np.arange(n_rounds) // 2,
        positions=np.arange(n_rounds) % 2,
        logged_reward_model=REWARDS[contexts, actions],
        policy_reward_model=(policy * REWARDS).sum(1)[contexts],
    )
    return rounds, contexts, actions


def exact_value(policy: Values = POLICY) -> float:
    return float(CONTEXTS @ (policy * REWARDS).sum(1))
