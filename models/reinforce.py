"""REINFORCE: return-weighted log-likelihood of logged actions, without any correction.

Williams, Machine Learning 1992, on logged data as if the policy had chosen the actions itself:
eq. 2 of Chen et al., WSDM 2019, before their corrections.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from datasets.session_log import SessionLog
from models.common.policy.config import RewardedPolicyConfig
from models.common.policy.recommender import PolicyRecommender
from models.common.policy.returns import rewarded_returns
from models.common.policy.softmax_policy import PolicyStep, run_head
from models.common.policy.training import train_policies
from models.common.training.transfer import on_device
from models.recommender import Progress


@dataclass(frozen=True)
class ReinforceConfig(RewardedPolicyConfig):
    """Options of REINFORCE: those that all policies on a user state have."""


class Reinforce(PolicyRecommender):
    """A user state and a policy head, trained on R log pi of the rewarded actions.

    Its fixed point in one state is pi proportional to beta R, the policy of whoever logged bent by
    what was rewarded.
    """

    Config = ReinforceConfig

    def fit(self, train: SessionLog) -> Iterator[Progress]:
        """Train on -R log pi; yields about twenty times an epoch.

        Raises:
            ValueError: if no training event has a positive reward, one has a negative reward, or a
                horizon lacks times.
        """
        config: ReinforceConfig = self.config
        rewarded, returns = rewarded_returns(
            train, discount=config.discount, horizon=config.horizon, model="reinforce"
        )
        self._begin(train)

        def learn(epoch: int, step: PolicyStep) -> Tensor:
            rewarded_actions = np.flatnonzero(rewarded[step.actions])
            policy = run_head(
                self._policy.states(step),
                self._policy.head("policy", step.scored),
                step.scored,
                on_device(rewarded_actions, self.device),
            )
            value = on_device(returns[step.actions[rewarded_actions]], self.device)
            return self._policy.learn(policy, value, step.share)

        return train_policies([self._policy], train, config, learn, seed=self._seed)
