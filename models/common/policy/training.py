"""The training loop of softmax policies: windows of the log, one update each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from datasets.session_log import IntArray, SessionLog
from models.common.policy.config import PolicyConfig
from models.common.policy.softmax_policy import (
    SoftmaxPolicy,
    observed_events,
    zero_reward_in_state,
)
from models.common.sampling.negative_sampler import NegativeSampler
from models.common.sampling.sampled_softmax import ScoredItems, sampled_items
from models.common.sessions.session_batches import SessionBatches, Window
from models.common.training.adagrad import Adagrad
from models.common.training.training_log import Columns, Diagnose, TrainingLog
from models.common.training.transfer import on_device
from models.recommender import Progress


@dataclass(frozen=True)
class PolicyStep:
    """The actions of one window of the log, which make one update."""

    epoch: int
    states: Sequence[Tensor]
    """Of each network, before each action, (A, width)."""
    actions: IntArray
    """Event of the log that each action is, (A,)."""
    scored: ScoredItems
    behaviour_scored: ScoredItems
    """What an estimate of the behaviour policy is scored on: the same, or fewer of the draws."""


StepLoss = Callable[[PolicyStep], tuple[Tensor, Columns]]
"""The loss, summed over the step's actions, and columns of its actions for diagnostics."""


def train_policies(
    networks: Sequence[SoftmaxPolicy],
    train: SessionLog,
    config: PolicyConfig,
    step_loss: StepLoss,
    *,
    seed: int,
    diagnose: Diagnose = dict,
    behaviour_negatives: int = 0,
    behaviour_alpha: float = 0.0,
) -> Iterator[Progress]:
    """Minimise `step_loss` over all weights of `networks`; yields about twenty times an epoch.

    A step's `behaviour_scored` has `behaviour_negatives` draws of its own, in proportion to
    support ** `behaviour_alpha`; 0: it is `scored`. `diagnose` is given the columns of many steps.

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
    if behaviour_negatives > 0:
        behaviour_sampler = NegativeSampler(
            train.item_counts(), alpha=behaviour_alpha, seed=seed + 1, device=device
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
    loss_scale = 1 / (config.batch_size * config.truncation)

    def scored_items(targets: Tensor) -> tuple[ScoredItems, ScoredItems]:
        if n_items <= config.full_softmax_items:
            every_item = ScoredItems(torch.arange(n_items, device=device), targets, None)
            return every_item, every_item
        draws = sampler.draw(config.negatives)
        scored = sampled_items(targets, draws, sampler.probabilities)
        if behaviour_negatives == 0:
            return scored, scored
        draws = behaviour_sampler.draw(behaviour_negatives)
        return scored, sampled_items(targets, draws, behaviour_sampler.probabilities)

    def update(epoch: int, window: Window) -> tuple[Tensor, Columns]:
        scored = scored_items(tensor(items[window.targets]))
        inputs = tensor(items[window.events])
        enters = None if observed is None else observed[window.events]
        states = [network.states(window, inputs, enters) for network in networks]
        loss, columns = step_loss(PolicyStep(epoch, states, window.targets, *scored))
        (loss_scale * loss).backward()
        optimiser.step()
        return loss.detach(), columns

    for epoch in range(1, config.epochs + 1):
        for network in networks:
            network.begin_epoch(batches.n_slots)
        for window in batches:
            loss, columns = update(epoch, window)
            yield from log.step(epoch, loss, len(window.targets), columns)
        yield log.end_of_epoch(epoch)
