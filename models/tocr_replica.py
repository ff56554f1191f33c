"""TOCR replica: the faults of a published replication, for the record only. Use `tocr`.

What public copies and the replication that this benchmark started from do instead of Chen et al.,
WSDM 2019: the ratio and lambda_K are taken at freshly sampled actions instead of the logged one, no
gradient is blocked in them, and one loss moves all variables. A weight that does not depend on the
logged action corrects nothing: what is left is REINFORCE with noise, and a flatter policy. It does
not reproduce the replication's figures; docs/models/tocr_replica.md has what was tried.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from datasets.session_log import SessionLog
from models.common.options.option_ranges import require_positive
from models.common.policy.config import RewardedPolicyConfig
from models.common.policy.recommender import PolicyRecommender
from models.common.policy.returns import rewarded_returns
from models.common.policy.softmax_policy import PolicyStep
from models.common.policy.training import train_policies
from models.common.sampling.sampled_softmax import ScoredItems, log_probability
from models.common.training.transfer import on_device
from models.recommender import Progress


@dataclass(frozen=True)
class TocrReplicaConfig(RewardedPolicyConfig):
    """Options of the replica; no cap, as the replication has none."""

    K: int = 16
    """Size of the recommended set in lambda_K."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(self, "K")


class TocrReplica(PolicyRecommender):
    """Both heads on one state, weighted at sampled actions."""

    Config = TocrReplicaConfig
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
        config: TocrReplicaConfig = self.config
        _, returns = rewarded_returns(
            train, discount=config.discount, horizon=config.horizon, model="tocr_replica"
        )
        self._begin(train)
        catalogue = torch.arange(train.n_items, device=self.device)

        def learn(epoch: int, step: PolicyStep) -> Tensor:
            states = self._policy.states(step).requires_grad_()
            scored = _over(catalogue, step.scored)
            policy = self._policy.head("policy", scored)
            behaviour = self._policy.head("behaviour", scored)
            weight = sampled_action_weight(
                torch.log_softmax(states @ policy.values.t(), dim=1),
                torch.log_softmax(states @ behaviour.values.t(), dim=1),
                k=config.K,
            )
            value = on_device(returns[step.actions], self.device)
            log_pi = log_probability(states, policy.values, scored.targets, scored.log_weights)
            log_beta = log_probability(
                states.detach(), behaviour.values, scored.targets, scored.log_weights
            )
            step.columns["behaviour loss"] = -log_beta.detach()
            step.columns["pi(a')/beta(a'') lambda_K"] = weight.detach()
            loss = -(weight * value * log_pi).sum() - log_beta.sum()
            (loss * step.share).backward()
            assert states.grad is not None
            self._policy.back_through(states.grad)
            return loss.detach()

        return train_policies([self._policy], train, config, learn, seed=self._seed)


def sampled_action_weight(log_pi: Tensor, log_beta: Tensor, *, k: int) -> Tensor:
    """pi(a') / beta(a'') lambda_K(a') with a' ~ pi and a'' ~ beta, nothing cut, (A,).

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
    log_weights[scored.items] = scored.log_weights
    return ScoredItems(catalogue, scored.items[scored.targets], log_weights)
