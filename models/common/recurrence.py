"""Runs a recurrent cell over a window of steps, and back through time, with gradients written out.

The gradients by the weights are one product over all steps, where automatic differentiation takes
one for each step and adds them up.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor


class Backward(NamedTuple):
    """Gradients of one step of a cell."""

    by_projected: Tensor
    by_recurrent: Tensor
    by_state: Tensor
    """Of the state's direct part in the step; its part in `recurrent` comes in addition."""


class StepFunctions(Protocol):
    """One step of a cell, whose `recurrent` = state W' + b is computed outside."""

    @staticmethod
    def forward_step(
        projected: Tensor, recurrent: Tensor, state: Tensor
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """The next state (W, width), and what `backward_step` needs."""

    @staticmethod
    def backward_step(by_next: Tensor, state: Tensor, saved: tuple[Tensor, ...]) -> Backward:
        """Gradients of the step, given the one by the next state."""


def run_window(
    cell: type[StepFunctions],
    projected: Tensor,
    state: Tensor,
    weight: Tensor,
    bias: Tensor,
    *,
    carried: Tensor,
    observed: Tensor | None,
    dropout: float,
) -> Tensor:
    """States after each step of a window, (T, W, width).

    Args:
        cell: the functions of one step.
        projected: the part of the gates that needs no state, (T, W, gates x width).
        state: before the window, (W, width); takes no gradient.
        weight: of the state, (recurrent gates x width, width).
        bias: beside it, (recurrent gates x width,).
        carried: 0 where a session begins, so that the state before is zeroed, else 1, (T, W, 1).
        observed: which events enter the state, bool (T, W, 1); None: all.
        dropout: share of each new state that is zeroed, also in what the next step is given.
    """
    kept = None
    if dropout > 0:
        kept = state.new_empty(*projected.shape[:2], state.shape[1])
        kept.bernoulli_(1 - dropout).div_(1 - dropout)
    states: Tensor = _Window.apply(  # type: ignore[no-untyped-call]
        projected, weight, bias, state, carried, observed, kept, cell
    )
    return states


class _Window(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        projected: Tensor,
        weight: Tensor,
        bias: Tensor,
        state: Tensor,
        carried: Tensor,
        observed: Tensor | None,
        kept: Tensor | None,
        cell: type[StepFunctions],
    ) -> Tensor:
        transposed = weight.t()
        n_steps = projected.shape[0]
        befores = state.new_empty(n_steps, *state.shape)
        states = torch.empty_like(befores)
        saved = []
        for t in range(n_steps):
            before = torch.mul(state, carried[t], out=befores[t])
            recurrent = torch.addmm(bias, before, transposed)
            state, of_step = cell.forward_step(projected[t], recurrent, before)
            if kept is not None:
                state = state.mul_(kept[t])
            if observed is not None:
                state = torch.where(observed[t], state, before)
            states[t] = state
            saved.append(of_step)
        ctx.save_for_backward(weight, carried, observed, kept, befores)
        ctx.cell, ctx.saved = cell, saved
        return states

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (by_states,) = gradients
        weight, carried, observed, kept, befores = ctx.saved_tensors
        by_projected, by_recurrent = [], []
        by_next: Tensor | None = None
        for t in reversed(range(len(befores))):
            by_state = by_states[t] if by_next is None else by_states[t] + by_next
            skipped = None
            if observed is not None:
                skipped = by_state.masked_fill(observed[t], 0)
                by_state = by_state.masked_fill(~observed[t], 0)
            if kept is not None:
                by_state = by_state * kept[t]
            step = ctx.cell.backward_step(by_state, befores[t], ctx.saved[t])
            by_projected.append(step.by_projected)
            by_recurrent.append(step.by_recurrent)
            if t > 0:
                by_next = torch.addmm(step.by_state, step.by_recurrent, weight)
                if skipped is not None:
                    by_next += skipped
                by_next *= carried[t]
        by_gates = torch.cat(by_recurrent[::-1])
        by_weight = by_gates.t() @ befores.flatten(0, 1)
        return (
            torch.stack(by_projected[::-1]),
            by_weight,
            by_gates.sum(dim=0),
            *(None,) * 5,
        )
