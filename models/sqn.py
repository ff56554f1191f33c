"""SQN: a recurrent recommender trained with cross-entropy, and double Q-learning beside it.

Xin, Karatzoglou, Arapakis, Jose: Self-Supervised Reinforcement Learning for Recommender Systems,
SIGIR 2020, arXiv 2006.05779. van Hasselt: Double Q-learning, NIPS 2010.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import torch
import torch._dynamo  # torch.optim loads it at its first use, which the clock of a fit would count
from numpy.typing import ArrayLike
from torch import Tensor, nn

from datasets.session_log import SessionLog
from models.common.options.checks import (
    require_not_negative,
    require_positive,
    require_share,
)
from models.common.options.search_ranges import Choices, LogRange, Range
from models.common.recurrent.carried_states import CarriedStates
from models.common.recurrent.cells import GruCell, SessionEncoder
from models.common.recurrent.session_states import session_states
from models.common.sessions.session_batches import SessionBatches, Window
from models.common.training.initialisation import uniform_matrix
from models.common.training.torch_recommender import TorchRecommender
from models.common.training.training_log import TrainingLog
from models.common.training.transfer import on_device
from models.recommender import Factors, Progress


@dataclass(frozen=True)
class SqnConfig:
    """Options of SQN; width, discount, rewards and weight are those of the authors' code."""

    epochs: int = 30
    """Passes over the training log at most; early stopping may come first."""
    learning_rate: Annotated[float, LogRange(0.0005, 0.05)] = 0.005
    """Step size of Adam."""
    batch_size: Annotated[int, LogRange(8, 128)] = 16
    """Sessions side by side."""
    truncation: int = 16
    """Steps of back-propagation through time; with 16 sessions 256 actions make an update."""
    width: Annotated[int, Choices((32, 64, 128))] = 64
    """Width of the item embeddings and of the session state."""
    q_weight: Annotated[float, LogRange(0.1, 10.0)] = 1.0
    """Weight of the Q-learning loss; 0: plain cross-entropy."""
    discount: Annotated[float, Range(0.0, 1.0)] = 0.5
    """gamma: what the value of the next state counts in the target of an action's value."""
    reward_positive: float = 1.0
    """Reward of an action whose reward in the log is above 0, as the paper's of a purchase."""
    reward_zero: float = 0.2
    """Reward of an action without one in the log, as the paper's of a click."""
    dropout: Annotated[float, Range(0.0, 0.6)] = 0.0
    """Share of the session state dropped on its way to the heads; 0 in the authors' code."""

    def __post_init__(self) -> None:
        require_positive(self, "epochs", "learning_rate", "batch_size", "truncation", "width")
        require_not_negative(self, "q_weight")
        require_share(self, "dropout")
        if not 0 <= self.discount <= 1:
            raise ValueError(f"discount must be from 0 to 1, not {self.discount}")


class Head(nn.Module):
    """One number for each item of the catalogue, from a state."""

    def __init__(self, n_items: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(uniform_matrix(n_items, width))
        self.bias = nn.Parameter(torch.zeros(n_items))

    def forward(self, states: Tensor) -> Tensor:
        """(A, width) -> (A, n_items)."""
        return nn.functional.linear(states, self.weight, self.bias)

    def of(self, states: Tensor, items: Tensor) -> Tensor:
        """The number of one item for each state: (A, width), (A,) -> (A,)."""
        rows = nn.functional.embedding(items, self.weight)
        return (states * rows).sum(dim=1) + self.bias[items]


class Network(nn.Module):
    """A session encoder with one head that ranks and two of action values."""

    def __init__(self, n_items: int, width: int) -> None:
        super().__init__()
        self.encoder = SessionEncoder([GruCell(width, width)])
        self.inputs = nn.Parameter(uniform_matrix(n_items, width))
        self.ranking = Head(n_items, width)
        self.first_value = Head(n_items, width)
        self.second_value = Head(n_items, width)

    def embedded(self, codes: Tensor) -> Tensor:
        """Input embedding of items, (T, W) -> (T, W, width)."""
        return nn.functional.embedding(codes, self.inputs)


class Sqn(TorchRecommender):
    """GRU on the session; cross-entropy ranks, Q-learning shapes the state."""

    Config = SqnConfig
    config: SqnConfig
    item_weights = "inputs"
    _network: Network

    def fit(self, train: SessionLog) -> Iterator[Progress]:
        """Minimise cross-entropy + q_weight * Q-learning loss; yields about 20 times an epoch.

        A window's loss is divided by the constant number of its places, so that every action
        weighs the same.
        """
        config = self.config
        torch.manual_seed(self._seed)
        self._build(train.n_items)
        network = self._network
        optimiser = torch.optim.Adam(network.parameters(), lr=config.learning_rate, fused=True)
        items = self._tensor(np.asarray(train.items, dtype=np.int64))
        rewards = self._tensor(
            np.where(train.rewards > 0, config.reward_positive, config.reward_zero)
        ).float()
        ends_session = np.zeros(train.n_events, dtype=np.bool_)
        ends_session[train.offsets[1:] - 1] = True
        rng = np.random.default_rng(self._seed)
        batches = SessionBatches(train, batch_size=config.batch_size, window=config.truncation)
        log = TrainingLog(batches.n_targets, len(batches))
        for epoch in range(1, config.epochs + 1):
            carried = CarriedStates(network.encoder, batches.n_slots, self.device)
            for window in batches:
                states, next_states = self._window_states(window, carried, items)
                acted = window.targets
                actions = self._tensor(acted)
                continues = self._tensor(np.flatnonzero(~ends_session[acted]))
                targets = items[actions]
                value, other = network.first_value, network.second_value
                if rng.integers(2):
                    value, other = other, value
                wanted = td_targets(
                    next_states, rewards[actions], continues, value, other, config.discount
                )
                states = nn.functional.dropout(states, config.dropout)
                cross_entropy = nn.functional.cross_entropy(
                    network.ranking(states), targets, reduction="none"
                )
                q_loss = 0.5 * (wanted - value.of(states, targets)).square()
                loss = (cross_entropy + config.q_weight * q_loss).sum()
                optimiser.zero_grad()
                (loss / (config.batch_size * config.truncation)).backward()
                optimiser.step()
                columns = {
                    "cross-entropy": cross_entropy.detach(),
                    "Q loss": q_loss.detach(),
                    "Q target": wanted,
                }
                yield from log.step(epoch, loss.detach(), len(targets), columns)
            yield log.end_of_epoch(epoch)

    def _window_states(
        self, window: Window, carried: CarriedStates, items: Tensor
    ) -> tuple[Tensor, Tensor]:
        """State before and after each action of a window, both (A, width); the latter detached.

        The state after an action is that before the next one. The window's last step has none
        inside it and takes one step more, which the next window repeats with its gradient. Where a
        session ends the state after its last action is another's and must not be used.
        """
        network, events = self._network, self._tensor(window.events)
        states, last = carried.of_window(window, network.embedded(items[events]))
        with torch.no_grad():
            no_start = torch.zeros_like(events[-1:], dtype=torch.bool)
            following, _ = network.encoder(network.embedded(items[events[-1:] + 1]), last, no_start)
        next_states = torch.cat([states[1:].detach(), following])
        acting = self._tensor(window.acting)
        return states.flatten(0, 1)[acting], next_states.flatten(0, 1)[acting]

    @property
    def policy_temperature(self) -> float:
        """1, as the scores are the logits of the supervised head."""
        return 1.0

    def factors(self, sessions: SessionLog) -> Factors:
        """Session states, and matrix and bias of the head that ranks."""
        network = self._network
        states = session_states(network.encoder, network.inputs, sessions, self.device)
        items, bias = (part.detach().cpu().numpy() for part in network.ranking.parameters())
        return Factors(states, items, bias)

    def _weights(self) -> dict[str, Tensor]:
        return self._network.state_dict()

    def _tensor(self, array: ArrayLike) -> Tensor:
        return on_device(array, self.device)

    def _build(self, n_items: int) -> None:
        self._network = Network(n_items, self.config.width).to(self.device)


@torch.no_grad()
def td_targets(
    next_states: Tensor,
    rewards: Tensor,
    continues: Tensor,
    learner: Head,
    other: Head,
    discount: float,
) -> Tensor:
    """r + gamma Q_other(s', argmax_a Q_learner(s', a)), and r alone beyond a session's last event.

    Double Q-learning (van Hasselt 2010; Xin et al., algorithm 1): the head that learns names the
    best next action, the other one says what it is worth. No gradient flows through it.

    Args:
        next_states: state after each action, (A, width); of the others not looked at.
        rewards: r of each action, (A,).
        continues: the actions after which their session continues, (G,).
        learner: head that this step trains.
        other: the other head.
        discount: gamma.

    Returns:
        target value of each action, (A,).
    """
    later = next_states.index_select(0, continues)
    best = learner(later).argmax(dim=1)
    return rewards.index_add(0, continues, other.of(later, best), alpha=discount)
