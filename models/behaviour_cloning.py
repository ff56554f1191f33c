"""Behaviour cloning: the log-likelihood of every logged action, whatever its reward.

The behaviour head of Chen et al., WSDM 2019, section 4.2, alone and with a state trained for it:
cross-entropy on TOCR's own encoder, so that the two differ in nothing but the objective.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor

from datasets.session_log import SessionLog
from models.common.policy.config import PolicyConfig
from models.common.policy.recommender import PolicyRecommender
from models.common.policy.training import PolicyStep, train_policies
from models.common.training.training_log import Columns
from models.recommender import Progress


@dataclass(frozen=True)
class BehaviourCloningConfig(PolicyConfig):
    """Options of behaviour cloning: those that all policies on a user state have."""


class BehaviourCloning(PolicyRecommender):
    """A user state and a policy head, trained on log pi of all actions."""

    Config = BehaviourCloningConfig

    def fit(self, train: SessionLog) -> Iterator[Progress]:
        """Train on -log pi; yields about twenty times an epoch."""
        self._begin(train)

        def loss(step: PolicyStep) -> tuple[Tensor, Columns]:
            """-sum log pi over all actions."""
            return -self._policy.log_probability("policy", step.states[0], step.scored).sum(), {}

        return train_policies([self._policy], train, self.config, loss, seed=self._seed)
