"""Weighted likelihood: R / max(beta, floor) times the log-likelihood of logged actions.

Importance weighting without the policy in the weight: of the family that Aouali and Sakhi (2025)
find easier to optimise over large action spaces than objectives in pi / beta. With a floor of 1 it
is REINFORCE without correction, R log pi, the simplest lower bound of Liang and Vlassis (2022).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import torch
from torch import Tensor

from datasets.session_log import SessionLog
from models.common.options.search_ranges import LogRange, Range
from models.common.policy.config import PolicyConfig
from models.common.policy.recommender import PolicyRecommender
from models.common.policy.returns import require_return_options, rewarded_returns
from models.common.policy.training import PolicyStep, train_policies
from models.common.training.training_log import Columns
from models.common.training.transfer import on_device
from models.recommender import Progress


@dataclass(frozen=True)
class WeightedLikelihoodConfig(PolicyConfig):
    """Options of weighted likelihood."""

    discount: Annotated[float, Range(0.0, 1.0)] = 0.9
    """gamma of the return; ours, as Chen et al. give none."""
    horizon: float = math.inf
    """Rewards later than this, in the log's unit of time, are no part of an action's return."""
    floor: Annotated[float, LogRange(0.0001, 1.0)] = 0.01
    """Propensities below this count as this, so that no weight is above 1 / floor."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_return_options(self)
        if not 0 < self.floor <= 1:
            raise ValueError(f"floor must be above 0 and at most 1, not {self.floor}")


class WeightedLikelihood(PolicyRecommender):
    """A user state, a policy head on it, and a behaviour head on the detached state.

    Its fixed point in one state is pi proportional to R where no propensity is below the floor.
    """

    Config = WeightedLikelihoodConfig
    config: WeightedLikelihoodConfig
    heads = ("policy", "behaviour")

    def fit(self, train: SessionLog) -> Iterator[Progress]:
        """Train on -w R log pi, and the behaviour head on -log beta; yields 20 times an epoch.

        Raises:
            ValueError: if no training event has a positive reward, one has a negative reward, or a
                horizon lacks times.
        """
        config = self.config
        rewarded, returns = rewarded_returns(
            train, discount=config.discount, horizon=config.horizon, model="weighted_likelihood"
        )
        self._begin(train)

        def loss(step: PolicyStep) -> tuple[Tensor, Columns]:
            """-sum w R log pi over the rewarded actions, and -sum log beta over all."""
            (states,) = step.states
            log_beta = self._policy.log_probability(
                "behaviour", states.detach(), step.behaviour_scored
            )
            rewarded_actions = np.flatnonzero(rewarded[step.actions])
            rows = on_device(rewarded_actions, self.device)
            log_pi = self._policy.log_probability(
                "policy", states.index_select(0, rows), step.scored.of_rows(rows)
            )
            weight = propensity_weight(log_beta[rows], floor=config.floor)
            value = on_device(returns[step.actions[rewarded_actions]], self.device)
            columns = {
                "behaviour loss": -log_beta.detach(),
                "share at the floor": weight >= 1 / config.floor,
            }
            return -(weight * value * log_pi).sum() - log_beta.sum(), columns

        return train_policies([self._policy], train, config, loss, seed=self._seed)


@torch.no_grad()
def propensity_weight(log_beta: Tensor, *, floor: float) -> Tensor:
    """1 / max(beta, floor) of each logged action, detached, (A,)."""
    return 1 / log_beta.exp().clamp(min=floor)
