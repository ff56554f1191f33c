"""The training loop of softmax policies: windows of the log, one update each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from datasets.session_log import SessionLog
from models.common.policy.config import PolicyConfig
from models.common.policy.softmax_policy import (
    PolicyStep,
    SoftmaxPolicy,
    observed_events,
    zero_reward_in_state,
)
from models.common.sampling.negative_sampler import NegativeSampler
from models.common.sampling.sampled_softmax import ScoredItems, sampled_items
from models.common.sessions.session_batches import SessionBatches
from models.common.training.adagrad import Adagrad
from models.common.training.training_log import Diagnose, TrainingLog
from models.common.training.transfer import on_device
from models.recommender import Progress

StepLoss = Callable[[int, PolicyStep], Tensor]
"""Of epoch and step: the loss, summed over the step's actions. It leaves the gradients of
`PolicyStep.share` times this loss at the heads' rows, and takes them back through the networks."""


@dataclass(frozen=True)
class BehaviourDraws:
    """Negatives of the behaviour policy's own, where it is not scored on those of the policy."""

    n: int
    alpha: float
    """They are drawn in proportion to support ** alpha."""


def train_policies(
    networks: Sequence[SoftmaxPolicy],
    train: SessionLog,
    config: PolicyConfig,
    step_loss: StepLoss,
    *,
    seed: int,
    diagnose: Diagnose = dict,
    behaviour_draws: BehaviourDraws | None = None,
) -> Iterator[Progress]:
    """Minimise `step_loss` over all weights of `networks`; yields about twenty times an epoch.

    Without `behaviour_draws` a step's `behaviour_scored` are its `scored`. `diagnose` is given what
    the losses leave in `PolicyStep.columns`.

    A window's loss is divided by the constant number of its places, as GRU4Rec's authors divide by
    the batch size, so that every action weighs the same in each update.
    """
    device = networks[0].device
    n_items = train.n_items

    def tensor(array: ArrayLike) -> Tensor:
        return on_device(array, device)

    sampler = NegativeSampler(
        train.item_counts(), alpha=config.negative_alpha, seed=seed, device=device
    )
    behaviour_sampler = sampler
    if behaviour_draws is not None:
        behaviour_sampler = NegativeSampler(
            train.item_counts(), alpha=behaviour_draws.alpha, seed=seed + 1, device=device
        )
    optimiser = Adagrad(
        [parameter for network in networks for parameter in network.encoder.parameters()],
        [table for network in networks for table in network.tables],
        learning_rate=config.learning_rate,
        momentum=config.momentum,
    )
    items = np.asarray(train.items, dtype=np.int64)
    observed = observed_events(train, zero_reward=zero_reward_in_state(train, config))
    batches = SessionBatches(
        train, batch_size=config.batch_size, window=config.truncation, cut_long=True
    )
    log = TrainingLog(batches.n_targets, len(batches), diagnose)
    for epoch in range(1, config.epochs + 1):
        for network in networks:
            network.begin_epoch(batches.n_slots)
        for window in batches:
            acting = window.acting
            actions = window.events.ravel()[acting] + 1
            targets = tensor(items[actions])
            if n_items <= config.full_softmax_items:
                every_item = torch.arange(n_items, device=device)
                scored = behaviour_scored = ScoredItems(every_item, targets, None)
            else:
                draws = sampler.draw(config.negatives)
                scored = behaviour_scored = sampled_items(targets, draws, sampler.probabilities)
                if behaviour_draws is not None:
                    behaviour_scored = sampled_items(
                        targets,
                        behaviour_sampler.draw(behaviour_draws.n),
                        behaviour_sampler.probabilities,
                    )
            step = PolicyStep(
                inputs=tensor(items[window.events]),
                starts=tensor(window.starts),
                observed=None if observed is None else tensor(observed[window.events]),
                slots=tensor(window.slots),
                acting=tensor(acting),
                actions=actions,
                scored=scored,
                behaviour_scored=behaviour_scored,
                share=1 / (config.batch_size * config.truncation),
            )
            loss = step_loss(epoch, step)
            optimiser.step([rows for network in networks for rows in network.take_touched()])
            yield from log.step(epoch, loss, len(actions), step.columns)
        yield log.end_of_epoch(epoch)
