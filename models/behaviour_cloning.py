"""Behaviour cloning: the log-likelihood of every logged action, whatever its reward.

The behaviour head of Chen et al., WSDM 2019, section 4.2, alone and with a state trained for it:
cross-entropy on TOCR's own encoder, so that the two differ in nothing but the objective.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor

from datasets.session_log import SessionLog
from models.common.policy_config import PolicyConfig
from models.common.policy_recommender import PolicyRecommender
from models.common.policy_training import train_policies
from models.common.softmax_policy import PolicyStep, log_probability
from models.recommender import Progress


@dataclass(frozen=True)
class BehaviourCloningConfig(PolicyConfig):
    """Options of behaviour cloning: those that all policies on a user state have."""


class BehaviourCloning(PolicyRecommender):
    """A user state and a policy head, trained on log pi of all actions."""

    Config = BehaviourCloningConfig

    def fit(self, train: SessionLog) -> Iterator[Progress]:
        """Train on -log pi; yields about twenty times an epoch."""
        self._draw(train.n_items)

        def losses(epoch: int, step: PolicyStep) -> Iterator[Tensor]:
            states = self._policy.states(step)
            policy = self._policy.head("policy", step.scored)
            yield -log_probability(states, policy, step.scored).sum()

        return train_policies([self._policy], train, self.config, losses, seed=self._seed)
