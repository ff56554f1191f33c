"""A recurrent user state with softmax heads on it, as in figure 1 of Chen et al., WSDM 2019."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from datasets.session_log import IntArray, SessionLog
from models.common.adagrad import TouchedRows, touch
from models.common.cells import CfnCell, GruCell, SessionEncoder
from models.common.distinct import distinct
from models.common.initialisation import uniform_matrix
from models.common.policy_config import PolicyConfig
from models.common.sampled_softmax import (
    ScoredItems,
    full_log_probability,
    sampled_log_probability,
)
from models.common.session_batches import BoolArray
from models.common.session_states import session_states
from models.recommender import FloatMatrix

Diagnostics = dict[str, tuple[Tensor, int]]
"""What a step says of itself: a sum over actions, and their number, by name."""


@dataclass(frozen=True)
class PolicyStep:
    """One window of the log, whose actions make one update."""

    inputs: Tensor
    """Item of each input event, (T, W)."""
    starts: Tensor
    """Where a session begins, bool (T, W)."""
    observed: Tensor | None
    """Which input events enter the user state, bool (T, W); None: all."""
    slots: Tensor
    """Slot of each column, (W,)."""
    acting: Tensor
    """Places of the flattened (T, W) that are followed by an action, (A,)."""
    actions: IntArray
    """Event of the log that each action is, (A,)."""
    scored: ScoredItems
    behaviour_scored: ScoredItems
    """What an estimate of the behaviour policy is scored on: the same, or fewer of the draws."""
    diagnostics: Diagnostics = field(default_factory=dict)
    """Filled by the model while it computes its losses."""


class SoftmaxPolicy:
    """User state and heads, with what one training step has touched of their tables.

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
        self.input_table = uniform_matrix(n_items, config.width).to(device)
        self.heads = {name: uniform_matrix(n_items, config.width).to(device) for name in heads}
        self._state: list[Tensor] = []
        self._touched: dict[str, TouchedRows] = {}

    @property
    def tables(self) -> list[Tensor]:
        """Input table and heads, each (n_items, width)."""
        return [self.input_table, *self.heads.values()]

    def begin_epoch(self, n_slots: int) -> None:
        """Zero the state of every slot and switch dropout on."""
        self.encoder.train()
        self._state = self.encoder.initial_state(n_slots, self.device)

    def states(self, step: PolicyStep) -> Tensor:
        """State before each action of the step, (A, width); the last ones are carried on."""
        input_items, places = distinct(step.inputs.flatten())
        rows = self._touched["inputs"] = touch(self.input_table, input_items)
        embedded = nn.functional.embedding(places.view_as(step.inputs), rows.values)
        states, after = self.encoder(
            nn.functional.dropout(embedded, self._dropout),
            [layer.index_select(0, step.slots) for layer in self._state],
            step.starts,
            step.observed,
        )
        for layer, last in zip(self._state, after, strict=True):
            layer.index_copy_(0, step.slots, last)
        flat: Tensor = states.flatten(0, 1)
        return flat.index_select(0, step.acting)

    def head(self, name: str, scored: ScoredItems) -> TouchedRows:
        """The head's rows for the step's items, ready to collect a gradient."""
        rows = self._touched[name] = touch(self.heads[name], scored.items)
        return rows

    def take_touched(self) -> list[TouchedRows]:
        """All rows that the step has used; forgets them."""
        touched, self._touched = list(self._touched.values()), {}
        return touched

    def scoring_states(self, sessions: SessionLog, observed: BoolArray | None) -> FloatMatrix:
        """State after every prefix, float32 (n_prefixes, width)."""
        return session_states(self.encoder, self.input_table, sessions, self.device, observed)

    def weights(self, prefix: str = "") -> dict[str, Tensor]:
        """All weights by name, the tables themselves and not copies."""
        encoder = {f"encoder.{name}": value for name, value in self.encoder.state_dict().items()}
        named = {"inputs": self.input_table, **self.heads, **encoder}
        return {prefix + name: value for name, value in named.items()}


def observed_events(log: SessionLog, config: PolicyConfig) -> BoolArray | None:
    """Which events enter the user state, bool (n_events,); None: all."""
    rewarded = np.asarray(log.rewards) > 0
    return None if config.zero_reward_in_state or rewarded.all() else rewarded


def log_probability(
    states: Tensor,
    head: TouchedRows,
    scored: ScoredItems,
    actions: Tensor | None = None,
    temperature: float = 1.0,
) -> Tensor:
    """Log-probability of logged actions under a softmax head on their states (eq. 6), (A,).

    Args:
        states: before each action of the step, (R, width).
        head: the head's rows for `scored.items`.
        scored: what the step scores.
        actions: which of the step's actions are asked for, rising, (A,); None: all.
        temperature: T.
    """
    targets = scored.targets
    if actions is not None and len(actions) < len(targets):
        states, targets = states.index_select(0, actions), targets.index_select(0, actions)
    if temperature != 1:
        states = states / temperature
    if scored.log_weights is None:
        return full_log_probability(states, head.values, targets)
    return sampled_log_probability(states, head.values, targets, scored.log_weights)
