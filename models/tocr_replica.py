"""TOCR replica: the faults of a published replication, for the record only. Use `tocr`.

What public copies and the replication that this benchmark started from do instead of Chen et al.,
WSDM 2019: the ratio and lambda_K are taken at freshly sampled actions instead of the logged one, no
gradient is blocked in them, and one loss moves all variables. A weight that does not depend on the
logged action corrects nothing: what is left is REINFORCE with noise, and a flatter policy. It does
not reproduce the replication's figures; docs/models/tocr_replica.md has what was tried.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor

from datasets.session_log import SessionLog
from models.common.options.checks import require_positive
from models.common.options.search_ranges import Range
from models.common.policy.config import PolicyConfig
from models.common.policy.recommender import PolicyRecommender
from models.common.policy.returns import require_return_options, rewarded_returns
from models.common.policy.training import PolicyStep, train_policies
from models.common.sampling.sampled_softmax import ScoredItems, log_probability
from models.common.training.training_log import Columns
from models.common.training.transfer import on_device
from models.recommender import Progress


@dataclass(frozen=True)
class TocrReplicaConfig(PolicyConfig):
    """Options of the replica; no cap, as the replication has none."""

    discount: Annotated[float, Range(0.0, 1.0)] = 0.9
    """gamma of the return; ours, as Chen et al. give none."""
    horizon: float = math.inf
    """Rewards later than this, in the log's unit of time, are no part of an action's return."""
    K: int = 16
    """Size of the recommended set in lambda_K."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_return_options(self)
        require_positive(self, "K")


class TocrReplica(PolicyRecommender):
    """Both heads on one state, weighted at sampled actions."""

    Config = TocrReplicaConfig
    config: TocrReplicaConfig
    note = "faulty on purpose, after published code whose figures it does not reproduce; use tocr"
    heads = ("policy", "behaviour")

    def fit(self, train: SessionLog) -> Iterator[Progress]:
        """Train all variables on the one loss of the replication; yields 20 times an epoch.

        The weight needs both policies over the whole catalogue, though the likelihood is sampled:
        a step holds batch_size x truncation x n_items numbers for each head.

        Raises:
            ValueError: if no training event has a positive reward, one has a negative reward, or a
                horizon lacks times.
        """
        config = self.config
        _, returns = rewarded_returns(
            train, discount=config.discount, horizon=config.horizon, model="tocr_replica"
        )
        self._begin(train)
        catalogue = torch.arange(train.n_items, device=self.device)

        def loss(step: PolicyStep) -> tuple[Tensor, Columns]:
            (states,) = step.states
            scored = _over(catalogue, step.scored)
            for head in self._policy.heads.values():
                head.use(catalogue)
            policy, behaviour = (head.rows() for head in self._policy.heads.values())
            weight = sampled_action_weight(
                torch.log_softmax(states @ policy.t(), dim=1),
                torch.log_softmax(states @ behaviour.t(), dim=1),
                k=config.K,
            )
            value = on_device(returns[step.actions], self.device)
            log_pi = log_probability(states, policy, scored.targets, scored.log_weights)
            log_beta = log_probability(
                states.detach(), behaviour, scored.targets, scored.log_weights
            )
            columns = {
                "behaviour loss": -log_beta.detach(),
                "pi(a')/beta(a'') lambda_K": weight.detach(),
            }
            return -(weight * value * log_pi).sum() - log_beta.sum(), columns

        return train_policies([self._policy], train, config, loss, seed=self._seed)


def sampled_action_weight(log_pi: Tensor, log_beta: Tensor, *, k: int) -> Tensor:
    """pi(a') / beta(a'') lambda_K(a') with a' ~ pi and a'' ~ beta, nothing detached, (A,).

    Args:
        log_pi: of every item, (A, n_items).
        log_beta: of every item, (A, n_items).
        k: K.
    """
    of_policy = log_pi.gather(1, _sample(log_pi)).squeeze(1)
    of_behaviour = log_beta.gather(1, _sample(log_beta)).squeeze(1)
    factor = k * (1 - of_policy.exp()) ** (k - 1)
    return torch.exp(of_policy - of_behaviour) * factor


@torch.no_grad()
def _sample(log_probabilities: Tensor) -> Tensor:
    """One item of each row's distribution, (A, 1)."""
    return torch.multinomial(log_probabilities.exp(), 1)


def _over(catalogue: Tensor, scored: ScoredItems) -> ScoredItems:
    """The step's targets and negatives as places in the whole catalogue."""
    if scored.log_weights is None:
        return scored
    log_weights = scored.log_weights.new_full((len(catalogue),), -torch.inf)
    # An item may be listed again, with a weight of none.
    log_weights.scatter_reduce_(0, scored.items, scored.log_weights, "amax")
    return ScoredItems(catalogue, scored.items[scored.targets], log_weights)
