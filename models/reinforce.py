"""REINFORCE: return-weighted log-likelihood of logged actions, without any correction.

Williams, Machine Learning 1992, on logged data as if the policy had chosen the actions itself:
eq. 2 of Chen et al., WSDM 2019, before their corrections.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from torch import Tensor

from datasets.session_log import SessionLog
from models.common.options.search_ranges import Range
from models.common.policy.config import PolicyConfig
from models.common.policy.recommender import PolicyRecommender
from models.common.policy.returns import require_return_options, rewarded_returns
from models.common.policy.training import PolicyStep, train_policies
from models.common.training.training_log import Columns
from models.common.training.transfer import on_device
from models.recommender import Progress


@dataclass(frozen=True)
class ReinforceConfig(PolicyConfig):
    """Options of REINFORCE: those of all policies on a user state, and those of the return."""

    discount: Annotated[float, Range(0.0, 1.0)] = 0.9
    """gamma of the return; ours, as Chen et al. give none."""
    horizon: float = math.inf
    """Rewards later than this, in the log's unit of time, are no part of an action's return."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_return_options(self)


class Reinforce(PolicyRecommender):
    """A user state and a policy head, trained on R log pi of the rewarded actions.

    Its fixed point in one state is pi proportional to beta R, the policy of whoever logged bent by
    what was rewarded.
    """

    Config = ReinforceConfig
    config: ReinforceConfig

    def fit(self, train: SessionLog) -> Iterator[Progress]:
        """Train on -R log pi; yields about twenty times an epoch.

        Raises:
            ValueError: if no training event has a positive reward, one has a negative reward, or a
                horizon lacks times.
        """
        config = self.config
        rewarded, returns = rewarded_returns(
            train, discount=config.discount, horizon=config.horizon, model="reinforce"
        )
        self._begin(train)

        def loss(step: PolicyStep) -> tuple[Tensor, Columns]:
            """-sum R log pi over the rewarded actions."""
            rewarded_actions = np.flatnonzero(rewarded[step.actions])
            rows = on_device(rewarded_actions, self.device)
            value = on_device(returns[step.actions[rewarded_actions]], self.device)
            states = step.states[0].index_select(0, rows)
            log_pi = self._policy.log_probability("policy", states, step.scored.of_rows(rows))
            return -(value * log_pi).sum(), {}

        return train_policies([self._policy], train, config, loss, seed=self._seed)
