"""A recurrent cell over a window of steps, as one operation of torch's graph.

Forward and backward pass step through time with little around each step; the products with inputs
and weights, and the gradients of the weights, are taken over all steps at once.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

Saved = tuple[Tensor, ...]
"""What the backward pass through one step of a cell needs."""


class CellWeights(NamedTuple):
    """Weights of a cell, or their gradients."""

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
        grad_after: Tensor,
        state: Tensor,
        saved: Saved,
        grad_projected: Tensor,
        grad_recurrent: Tensor,
    ) -> Tensor:
        """Write the gradients of both parts of the gates, given that of the next state.

        Returns the gradient of the state, without its part through `recurrent`.
        """


def window_states(
    cell: Cell,
    inputs: Tensor,
    state: Tensor,
    *,
    carried: Tensor,
    observed: Tensor | None,
    dropout: float,
) -> Tensor:
    """State after each of T steps of W slots, (T, W, width).

    Args:
        cell: its weights and the functions of one step.
        inputs: (T, W, input_width).
        state: before the window, (W, width); detached.
        carried: 0 where a session begins, so that the state before is zeroed, else 1, (T, W, 1).
        observed: which events enter the state, bool (T, W, 1); None: all.
        dropout: share of each new state that is zeroed, also in what the next step is given.
    """
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
        weights = CellWeights(input_weight, input_bias, state_weight, state_bias)
        n_steps, n_slots = inputs.shape[:2]
        dropout_mask = None
        if dropout > 0:
            dropout_mask = state.new_empty(n_steps, *state.shape)
            dropout_mask.bernoulli_(1 - dropout).div_(1 - dropout)
        projected = _projected(inputs.flatten(0, 1), weights).view(n_steps, n_slots, -1)
        transposed = state_weight.t()
        befores = state.new_empty(n_steps, *state.shape)
        states = torch.empty_like(befores)
        saved = []
        for t in range(n_steps):
            before = torch.mul(state, carried[t], out=befores[t])
            recurrent = torch.addmm(state_bias, before, transposed)
            state = states[t]
            saved.append(cell.forward_step(projected[t], recurrent, before, state))
            if dropout_mask is not None:
                state.mul_(dropout_mask[t])
            if observed is not None:
                torch.where(observed[t], state, before, out=state)
        ctx.cell, ctx.weights, ctx.saved = cell, weights, saved
        ctx.inputs, ctx.befores = inputs, befores
        ctx.carried, ctx.observed, ctx.dropout_mask = carried, observed, dropout_mask
        return states

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (grad_states,) = gradients
        weights, befores = ctx.weights, ctx.befores
        n_steps, n_slots = befores.shape[:2]
        n_recurrent = len(weights.state_bias)
        n_gates = n_recurrent if weights.input_weight is None else len(weights.input_weight)
        grad_projected = befores.new_empty(n_steps, n_slots, n_gates)
        grad_recurrent = befores.new_empty(n_steps, n_slots, n_recurrent)
        grad_carried: Tensor | None = None
        for t in reversed(range(n_steps)):
            grad_state = grad_states[t] if grad_carried is None else grad_states[t] + grad_carried
            skipped = None
            if ctx.observed is not None:
                skipped = grad_state.masked_fill(ctx.observed[t], 0)
                grad_state = grad_state.masked_fill(~ctx.observed[t], 0)
            if ctx.dropout_mask is not None:
                grad_state = grad_state * ctx.dropout_mask[t]
            grad_before = ctx.cell.backward_step(
                grad_state, befores[t], ctx.saved[t], grad_projected[t], grad_recurrent[t]
            )
            if t > 0:
                grad_carried = torch.addmm(grad_before, grad_recurrent[t], weights.state_weight)
                if skipped is not None:
                    grad_carried += skipped
                grad_carried *= ctx.carried[t]
        grad_gates, grad_state_gates = grad_projected.flatten(0, 1), grad_recurrent.flatten(0, 1)
        grad_inputs, grad_input_weight = grad_projected, None
        if weights.input_weight is not None:
            grad_inputs = (grad_gates @ weights.input_weight).view(n_steps, n_slots, -1)
            grad_input_weight = grad_gates.t() @ ctx.inputs.flatten(0, 1)
        grad_weights = CellWeights(
            grad_input_weight,
            None if weights.input_bias is None else grad_gates.sum(dim=0),
            grad_state_gates.t() @ befores.flatten(0, 1),
            grad_state_gates.sum(dim=0),
        )
        return grad_inputs, *grad_weights, *(None,) * 5


def _projected(inputs: Tensor, weights: CellWeights) -> Tensor:
    """The part of the gates that needs no state, (T x W, gates x width)."""
    if weights.input_weight is None:
        return inputs if weights.input_bias is None else inputs + weights.input_bias
    if weights.input_bias is None:
        return inputs @ weights.input_weight.t()
    return torch.addmm(weights.input_bias, inputs, weights.input_weight.t())
