"""Runs a recurrent cell over a window of steps, and back through time, with gradients written out.

The products with inputs and weights are taken over all steps at once, where automatic
differentiation takes one for each step and adds them up; and a step of few numbers costs a third of
what it does with a graph around each operation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

Saved = tuple[Tensor, ...]
"""What the way back through one step of a cell needs."""


class CellWeights(NamedTuple):
    """Weights of a cell, or the gradients by them."""

    input_weight: Tensor | None
    """(gates x width, input_width); None: the inputs are the gates' part already."""
    input_bias: Tensor | None
    """(gates x width,)."""
    state_weight: Tensor
    """(recurrent gates x width, width)."""
    state_bias: Tensor
    """(recurrent gates x width,)."""


class Cell(Protocol):
    """The gates of a step are `projected` = input W' + b and `recurrent` = state U' + c."""

    def weights(self) -> CellWeights:
        """The parameters."""

    @staticmethod
    def forward_step(projected: Tensor, recurrent: Tensor, state: Tensor, after: Tensor) -> Saved:
        """Write the next state into `after`, (W, width)."""

    @staticmethod
    def backward_step(
        by_after: Tensor, state: Tensor, saved: Saved, by_projected: Tensor, by_recurrent: Tensor
    ) -> Tensor:
        """Write the gradients by both parts of the gates, given the one by the next state.

        Returns the gradient by the state, but for its part in `recurrent`.
        """


@dataclass(frozen=True)
class WindowPass:
    """A way forward through T steps of W slots, and what the way back needs of it."""

    states: Tensor
    """After each step, (T, W, width)."""
    befores: Tensor
    """Before each step, (T, W, width)."""
    inputs: Tensor
    carried: Tensor
    observed: Tensor | None
    kept: Tensor | None
    saved: list[Saved]


@torch.no_grad()
def run_window(
    cell: Cell,
    inputs: Tensor,
    state: Tensor,
    *,
    carried: Tensor,
    observed: Tensor | None,
    dropout: float,
) -> WindowPass:
    """Take the steps of a window.

    Args:
        cell: its weights and the functions of one step.
        inputs: (T, W, input_width).
        state: before the window, (W, width); takes no gradient.
        carried: 0 where a session begins, so that the state before is zeroed, else 1, (T, W, 1).
        observed: which events enter the state, bool (T, W, 1); None: all.
        dropout: share of each new state that is zeroed, also in what the next step is given.
    """
    weights = cell.weights()
    n_steps, n_slots = inputs.shape[:2]
    kept = None
    if dropout > 0:
        kept = state.new_empty(n_steps, *state.shape).bernoulli_(1 - dropout).div_(1 - dropout)
    projected = _projected(inputs.flatten(0, 1), weights).view(n_steps, n_slots, -1)
    transposed = weights.state_weight.t()
    befores = state.new_empty(n_steps, *state.shape)
    states = torch.empty_like(befores)
    saved = []
    for t in range(n_steps):
        before = torch.mul(state, carried[t], out=befores[t])
        recurrent = torch.addmm(weights.state_bias, before, transposed)
        state = states[t]
        saved.append(cell.forward_step(projected[t], recurrent, before, state))
        if kept is not None:
            state.mul_(kept[t])
        if observed is not None:
            torch.where(observed[t], state, before, out=state)
    return WindowPass(states, befores, inputs, carried, observed, kept, saved)


@torch.no_grad()
def back_through_window(
    cell: Cell, passed: WindowPass, by_states: Tensor
) -> tuple[Tensor, CellWeights]:
    """Gradients by the inputs, (T, W, input_width), and by the weights.

    Args:
        cell: the same as on the way forward.
        passed: the way forward.
        by_states: gradient by the state after each step, (T, W, width).
    """
    weights, befores, observed, kept = cell.weights(), passed.befores, passed.observed, passed.kept
    n_steps, n_slots = befores.shape[:2]
    n_gates = len(weights.state_bias) if weights.input_weight is None else len(weights.input_weight)
    by_projected = befores.new_empty(n_steps, n_slots, n_gates)
    by_recurrent = befores.new_empty(n_steps, n_slots, len(weights.state_bias))
    by_next: Tensor | None = None
    for t in reversed(range(n_steps)):
        by_state = by_states[t] if by_next is None else by_states[t] + by_next
        skipped = None
        if observed is not None:
            skipped = by_state.masked_fill(observed[t], 0)
            by_state = by_state.masked_fill(~observed[t], 0)
        if kept is not None:
            by_state = by_state * kept[t]
        direct = cell.backward_step(
            by_state, befores[t], passed.saved[t], by_projected[t], by_recurrent[t]
        )
        if t > 0:
            by_next = torch.addmm(direct, by_recurrent[t], weights.state_weight)
            if skipped is not None:
                by_next += skipped
            by_next *= passed.carried[t]
    by_gates, by_state_gates = by_projected.flatten(0, 1), by_recurrent.flatten(0, 1)
    by_inputs, by_input_weight = by_projected, None
    if weights.input_weight is not None:
        by_inputs = (by_gates @ weights.input_weight).view(n_steps, n_slots, -1)
        by_input_weight = by_gates.t() @ passed.inputs.flatten(0, 1)
    return by_inputs, CellWeights(
        by_input_weight,
        None if weights.input_bias is None else by_gates.sum(dim=0),
        by_state_gates.t() @ befores.flatten(0, 1),
        by_state_gates.sum(dim=0),
    )


def differentiable_window(
    cell: Cell,
    inputs: Tensor,
    state: Tensor,
    *,
    carried: Tensor,
    observed: Tensor | None,
    dropout: float,
) -> Tensor:
    """States of `run_window` as one operation of torch's graph, (T, W, width)."""
    states: Tensor = _Window.apply(  # type: ignore[no-untyped-call]
        inputs, *cell.weights(), state, carried, observed, dropout, cell
    )
    return states


class _Window(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        inputs: Tensor,
        input_weight: Tensor | None,
        input_bias: Tensor | None,
        state_weight: Tensor,
        state_bias: Tensor,
        state: Tensor,
        carried: Tensor,
        observed: Tensor | None,
        dropout: float,
        cell: Cell,
    ) -> Tensor:
        ctx.cell = cell
        ctx.passed = run_window(
            cell, inputs, state, carried=carried, observed=observed, dropout=dropout
        )
        states: Tensor = ctx.passed.states
        return states

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        by_inputs, by_weights = back_through_window(ctx.cell, ctx.passed, gradients[0])
        return by_inputs, *by_weights, *(None,) * 5


def _projected(inputs: Tensor, weights: CellWeights) -> Tensor:
    """The part of the gates that needs no state, (T x W, gates x width)."""
    if weights.input_weight is None:
        return inputs if weights.input_bias is None else inputs + weights.input_bias
    if weights.input_bias is None:
        return inputs @ weights.input_weight.t()
    return torch.addmm(weights.input_bias, inputs, weights.input_weight.t())
