"""Losses whose gradient by the scores is known, as one operation of torch's graph."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def losses_of_scores(
    losses: Tensor, grad_scores: Tensor, states: Tensor, items: Tensor, bias: Tensor | None = None
) -> Tensor:
    """`losses` with a backward pass through the scores o = states items' + bias.

    With g the gradient of the losses and G = dL/do, that of the states is diag(g) G items, that of
    the items G' diag(g) states, and that of the bias G' g. Weights of rows therefore never touch
    the (R, C) matrix, and G is computed once, beside the losses.

    Args:
        losses: of each row, (R,); detached.
        grad_scores: G, gradient of each row's loss by its scores, (R, C); detached.
        states: (R, width).
        items: (C, width).
        bias: (C,); None: the scores have none.
    """
    attached: Tensor = _LossesOfScores.apply(  # type: ignore[no-untyped-call]
        losses, grad_scores, states, items, bias
    )
    return attached


class _LossesOfScores(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        losses: Tensor,
        grad_scores: Tensor,
        states: Tensor,
        items: Tensor,
        bias: Tensor | None,
    ) -> Tensor:
        ctx.save_for_backward(grad_scores, states, items)
        return losses.clone()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (grad_losses,) = gradients
        _, _, of_states, of_items, of_bias = ctx.needs_input_grad
        grad_scores, states, items = ctx.saved_tensors
        per_row = grad_losses.unsqueeze(1)
        return (
            None,
            None,
            (grad_scores @ items).mul_(per_row) if of_states else None,
            grad_scores.t() @ (states * per_row) if of_items else None,
            grad_losses.unsqueeze(0).mm(grad_scores).squeeze(0) if of_bias else None,
        )
