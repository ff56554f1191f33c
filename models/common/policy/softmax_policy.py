"""A recurrent user state with softmax heads on it, as in figure 1 of Chen et al., WSDM 2019."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from datasets.session_log import IntArray, SessionLog
from models.common.policy.config import PolicyConfig
from models.common.recurrent.cells import CfnCell, GruCell, SessionEncoder
from models.common.recurrent.recurrence import WindowPass
from models.common.recurrent.session_states import session_states
from models.common.sampling.distinct import distinct
from models.common.sampling.sampled_softmax import ScoredItems, SoftmaxPass, run_softmax
from models.common.sessions.session_batches import BoolArray
from models.common.training.adagrad import TouchedRows, touch
from models.common.training.initialisation import uniform_matrix
from models.recommender import FloatMatrix


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
    share: float
    """Part of the update's loss that each action's own is: one place of the window."""
    columns: dict[str, Tensor] = field(default_factory=dict)
    """Of its actions, for diagnostics; filled by the model while it computes its losses."""


@dataclass(frozen=True)
class _Passed:
    """A step's way from input items to states."""

    rows: TouchedRows
    places: Tensor
    """Row of each input event, (T x W,)."""
    kept: Tensor | None
    """What dropout multiplies the inputs by."""
    passes: list[WindowPass]
    acting: Tensor


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
        self._passed: _Passed | None = None

    @property
    def tables(self) -> list[Tensor]:
        """Input table and heads, each (n_items, width)."""
        return [self.input_table, *self.heads.values()]

    def begin_epoch(self, n_slots: int) -> None:
        """Zero the state of every slot and switch dropout on."""
        self.encoder.train()
        self._state = self.encoder.initial_state(n_slots, self.device)

    @torch.no_grad()
    def states(self, step: PolicyStep) -> Tensor:
        """State before each action of the step, (A, width); the last ones are carried on.

        Cut off from torch's graph: `back_through` takes a gradient by them to the encoder.
        """
        input_items, places = distinct(step.inputs.flatten(), len(self.input_table))
        rows = touch(self.input_table, input_items)
        embedded = rows.values.index_select(0, places).view(*step.inputs.shape, -1)
        kept = None
        if self._dropout > 0:
            kept = torch.empty_like(embedded).bernoulli_(1 - self._dropout).div_(1 - self._dropout)
            embedded = embedded * kept
        passes = self.encoder.run(
            embedded,
            [layer.index_select(0, step.slots) for layer in self._state],
            step.starts,
            step.observed,
        )
        for layer, passed in zip(self._state, passes, strict=True):
            layer.index_copy_(0, step.slots, passed.states[-1])
        self._passed = _Passed(rows, places, kept, passes, step.acting)
        return passes[-1].states.flatten(0, 1).index_select(0, step.acting)

    @torch.no_grad()
    def back_through(self, by_states: Tensor) -> None:
        """Take the gradient by the step's states, (A, width), to encoder and inputs."""
        passed, self._passed = self._passed, None
        assert passed is not None
        by_places = by_states.new_zeros(passed.passes[-1].states.shape)
        by_places.view(-1, by_states.shape[1]).index_copy_(0, passed.acting, by_states)
        by_embedded = self.encoder.back_through(passed.passes, by_places)
        if passed.kept is not None:
            by_embedded = by_embedded * passed.kept
        gradient = torch.zeros_like(passed.rows.values)
        passed.rows.values.grad = gradient.index_add_(0, passed.places, by_embedded.flatten(0, 1))
        self._touched["inputs"] = passed.rows

    def head(self, name: str, scored: ScoredItems) -> TouchedRows:
        """The head's rows for the step's items, ready to collect a gradient."""
        rows = self._touched[name] = touch(self.heads[name], scored.items)
        return rows

    @torch.no_grad()
    def learn(self, passed: HeadPass, weight: Tensor, share: float) -> Tensor:
        """Take the gradient of `share` times a loss through head, encoder and inputs.

        The loss, which is returned, is -sum weight log-probability over the actions that the pass
        was asked for; weight is (A,).
        """
        part = share * weight
        passed.back_to_head(part)
        self.back_through(passed.back_to_states(part))
        return -(weight * passed.log_probability).sum()

    def learn_cut_off(self, name: str, states: Tensor, scored: ScoredItems, share: float) -> Tensor:
        """Teach a head all actions on states that it never shapes; returns their log-probability.

        The loss is -sum log-probability; `share` is as in `learn`.
        """
        passed = run_head(states, self.head(name, scored), scored)
        passed.back_to_head(torch.full_like(passed.log_probability, share))
        return passed.log_probability

    def take_touched(self) -> list[TouchedRows]:
        """All rows that the step has used; forgets them."""
        assert self._passed is None, "the way through the encoder lacks its way back"
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


def zero_reward_in_state(train: SessionLog, config: PolicyConfig) -> bool:
    """Whether events without reward enter the user state: as set, else as the log tells."""
    if config.zero_reward_in_state is None:
        return train.zero_reward_is_seen
    return config.zero_reward_in_state


def observed_events(log: SessionLog, *, zero_reward: bool) -> BoolArray | None:
    """Which events enter the user state, bool (n_events,); None: all."""
    rewarded = np.asarray(log.rewards) != 0
    return None if zero_reward or rewarded.all() else rewarded


@dataclass(frozen=True)
class HeadPass:
    """A way forward through a softmax head to logged actions, and what the way back needs of it."""

    head: TouchedRows
    softmax: SoftmaxPass
    rows: Tensor | None
    """Which of the states were asked for, (A,); None: all."""
    n_states: int
    temperature: float

    @property
    def log_probability(self) -> Tensor:
        """Of the action at each state that was asked for, under the policy of eq. 6, (A,)."""
        return self.softmax.log_probability

    @torch.no_grad()
    def back_to_head(self, weight: Tensor) -> None:
        """Leave the gradient of -sum weight log-probability at the head's rows; weight is (A,)."""
        self.head.values.grad = self.softmax.by_items(weight)

    @torch.no_grad()
    def back_to_states(self, weight: Tensor) -> Tensor:
        """Gradient of the same by the states that the pass was given, (n_states, width)."""
        by_states = self.softmax.by_states(weight)
        if self.temperature != 1:
            by_states /= self.temperature
        if self.rows is None:
            return by_states
        by_every_state = by_states.new_zeros(self.n_states, by_states.shape[1])
        return by_every_state.index_copy_(0, self.rows, by_states)


@torch.no_grad()
def run_head(
    states: Tensor,
    head: TouchedRows,
    scored: ScoredItems,
    rows: Tensor | None = None,
    temperature: float = 1.0,
) -> HeadPass:
    """Log-probability of logged actions under a softmax head on their states (eq. 6).

    Args:
        states: before each action of the step, (R, width).
        head: the head's rows for `scored.items`.
        scored: what the step scores.
        rows: which of the states are asked for, rising, (A,); None: all.
        temperature: T.
    """
    n_states, targets = len(states), scored.targets
    if rows is not None and len(rows) == n_states:
        rows = None
    if rows is not None:
        states, targets = states.index_select(0, rows), targets.index_select(0, rows)
    if temperature != 1:
        states = states / temperature
    softmax = run_softmax(states, head.values, targets, scored.log_weights)
    return HeadPass(head, softmax, rows, n_states, temperature)
