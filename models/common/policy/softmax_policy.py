"""A recurrent user state with softmax heads on it, as in figure 1 of Chen et al., WSDM 2019."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from datasets.session_log import SessionLog
from models.common.policy.config import PolicyConfig
from models.common.policy.distinct_sets import distinct_page
from models.common.recurrent.carried_states import CarriedStates
from models.common.recurrent.cells import CfnCell, GruCell, SessionEncoder
from models.common.recurrent.session_states import session_states
from models.common.sampling.distinct import distinct
from models.common.sampling.sampled_softmax import ScoredItems, log_probability
from models.common.sessions.session_batches import BoolArray, Window
from models.common.training.initialisation import uniform_matrix
from models.common.training.item_table import ItemTable
from models.recommender import FloatMatrix

SCORING_ROWS = 512
"""Prefixes whose logits are held at once."""


class SoftmaxPolicy:
    """User state and heads.

    Weights are drawn from torch's global generator: encoder, input table, heads in their order.
    """

    def __init__(
        self, config: PolicyConfig, n_items: int, device: torch.device, heads: Sequence[str]
    ) -> None:
        self.device = device
        self._dropout = config.dropout_embedding
        cell = CfnCell if config.cell == "cfn" else GruCell
        self.encoder = SessionEncoder(
            [cell(config.width, config.width)], dropout=config.dropout_hidden
        ).to(device)
        self.input_table = ItemTable(uniform_matrix(n_items, config.width).to(device))
        self.heads = {
            name: ItemTable(uniform_matrix(n_items, config.width).to(device)) for name in heads
        }
        self._states: CarriedStates

    @property
    def tables(self) -> list[ItemTable]:
        """Input table and heads, each (n_items, width)."""
        return [self.input_table, *self.heads.values()]

    def begin_epoch(self, n_slots: int) -> None:
        """Zero the state of every slot and switch dropout on."""
        self.encoder.train()
        self._states = CarriedStates(self.encoder, n_slots, self.device)

    def states(self, window: Window, inputs: Tensor, observed: BoolArray | None) -> Tensor:
        """State before each action of the epoch's next window, (A, width).

        Args:
            window: where sessions begin, and which places hold an event.
            inputs: item of each event, (T, W).
            observed: which events enter the state, bool (T, W); None: all.
        """
        items, places = distinct(inputs.flatten(), len(self.input_table))
        self.input_table.use(items)
        embedded = self.input_table.rows(places).view(*inputs.shape, -1)
        embedded = nn.functional.dropout(embedded, self._dropout)
        return self._states.before_targets(window, embedded, observed)

    def log_probability(
        self, head: str, states: Tensor, scored: ScoredItems, temperature: float = 1.0
    ) -> Tensor:
        """log pi of the action after each state, pi = softmax(state . item / T) (eq. 6), (R,)."""
        items = self._head_rows(head, scored)
        return log_probability(states / temperature, items, scored.targets, scored.log_weights)

    def distinct_page(
        self, head: str, states: Tensor, scored: ScoredItems, k: int, temperature: float
    ) -> tuple[Tensor, Tensor]:
        """log pi of the action after each state, and log lambda of a page of k distinct items."""
        items = self._head_rows(head, scored)
        return distinct_page(states / temperature, items, scored, k)

    @torch.no_grad()
    def log_probabilities(
        self, head: str, sessions: SessionLog, observed: BoolArray | None
    ) -> NDArray[np.float32]:
        """log pi of the item after each prefix, over the whole catalogue, (n_prefixes,)."""
        states = torch.from_numpy(self.scoring_states(sessions, observed)).split(SCORING_ROWS)
        taken = sessions.items[sessions.position_in_session > 0].astype(np.int64)
        actions = torch.from_numpy(taken).split(SCORING_ROWS)
        items = self.heads[head].weights.cpu()
        blocks = [
            log_probability(before, items, after)
            for before, after in zip(states, actions, strict=True)
        ]
        return np.asarray(torch.cat(blocks).numpy(), dtype=np.float32)

    def scoring_states(self, sessions: SessionLog, observed: BoolArray | None) -> FloatMatrix:
        """State after every prefix, float32 (n_prefixes, width)."""
        return session_states(
            self.encoder, self.input_table.weights, sessions, self.device, observed
        )

    def _head_rows(self, head: str, scored: ScoredItems) -> Tensor:
        """Rows of the step's items, (C, width)."""
        self.heads[head].use(scored.items)
        return self.heads[head].rows()

    def weights(self, prefix: str = "") -> dict[str, Tensor]:
        """All weights by name, the tables themselves and not copies."""
        encoder = {f"encoder.{name}": value for name, value in self.encoder.state_dict().items()}
        heads = {name: table.weights for name, table in self.heads.items()}
        named = {"inputs": self.input_table.weights, **heads, **encoder}
        return {prefix + name: value for name, value in named.items()}


def zero_reward_in_state(train: SessionLog, config: PolicyConfig) -> bool:
    """Whether events without reward enter the user state: as set, else as the log tells."""
    if config.zero_reward_in_state is None:
        return train.zero_reward_is_seen
    return config.zero_reward_in_state


def observed_events(log: SessionLog, *, zero_reward: bool) -> BoolArray | None:
    """Which events enter the user state, bool (n_events,); None: all."""
    rewarded = np.asarray(log.rewards) != 0
    return None if zero_reward or rewarded.all() else rewarded
