"""Softmax over a large catalogue, from the target and shared negatives.

Bengio & Senecal, IEEE Trans. Neural Networks 2008; Jean et al., ACL 2015. Negatives are scored
once for the whole batch. Each is corrected by the log of its expected number of draws, so that the
sum over negatives estimates the partition function without bias; the target stands for itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from models.common.distinct import distinct
from models.common.softmax import softmax_and_log_partition


@dataclass(frozen=True)
class ScoredItems:
    """The items that one step scores: its targets and the negatives that all its heads share."""

    items: Tensor
    """Distinct items, (C,)."""
    targets: Tensor
    """Place of each target in `items`, (R,)."""
    log_weights: Tensor | None
    """What the draws of each item weigh in the partition function, (C,); None: `items` is the whole
    catalogue."""


def sampled_items(targets: Tensor, draws: Tensor, probabilities: Tensor) -> ScoredItems:
    """Targets (R,) and draws (m,), each distinct item once, targets first.

    `probabilities` is q of every item of the catalogue, (n_items,).
    """
    items, places = distinct(torch.cat([targets, draws]), len(probabilities))
    log_weights = draw_log_weights(
        places[len(targets) :], len(items), probabilities.index_select(0, items)
    )
    return ScoredItems(items, places[: len(targets)], log_weights)


def sampled_log_probability(
    states: Tensor, items: Tensor, targets: Tensor, log_weights: Tensor
) -> Tensor:
    """log pi(target), with the partition function estimated from shared negatives.

    log pi = o_t - log(exp(o_t) + sum_{j != t} w_j exp(o_j)) with o = state . item, in float32, over
    distinct items j.

    Args:
        states: (R, width).
        items: rows of the scored items, each once, (C, width).
        targets: place of each row's target among them, (R,).
        log_weights: log w of each item, (C,), from `draw_log_weights`; -inf where none was drawn.

    Returns:
        log-probability of each target, (R,).
    """
    return _log_probability(states, items, targets, log_weights)


def full_log_probability(states: Tensor, items: Tensor, targets: Tensor) -> Tensor:
    """log pi(target) over the whole catalogue, in float32, (R,).

    Args:
        states: (R, width).
        items: row of every item, (n_items, width).
        targets: item code of each row's target, (R,).
    """
    return _log_probability(states, items, targets, None)


def draw_log_weights(draws: Tensor, n_items: int, probabilities: Tensor) -> Tensor:
    """log of w = (number of draws) / (expected number of draws) of each scored item, (C,).

    Each draw of item j counts 1 / (m q_j), which makes the sum of w_j exp(o_j) unbiased.

    Args:
        draws: place of each of the m draws among the scored items, (m,).
        n_items: C.
        probabilities: q of each scored item, (C,).
    """
    counts = probabilities.new_zeros(n_items).index_add_(
        0, draws, torch.ones_like(draws, dtype=probabilities.dtype)
    )
    return (counts / (len(draws) * probabilities)).log()


def _log_probability(
    states: Tensor, items: Tensor, targets: Tensor, log_weights: Tensor | None
) -> Tensor:
    exact = torch.promote_types(states.dtype, torch.float32)
    with torch.autocast(states.device.type, enabled=False):
        log_probability: Tensor = _LogProbability.apply(  # type: ignore[no-untyped-call]
            states.to(exact), items.to(exact), targets, log_weights
        )
    return log_probability


class _LogProbability(torch.autograd.Function):
    """The gradient is written out: one pass over the scores, and no product transposed."""

    @staticmethod
    def forward(
        ctx: Any, states: Tensor, items: Tensor, targets: Tensor, log_weights: Tensor | None
    ) -> Tensor:
        column = targets.unsqueeze(1)
        if log_weights is None:
            logits = states @ items.t()
            own = logits.gather(1, column)
        else:
            logits = torch.addmm(log_weights.to(states.dtype), states, items.t())
            # The target stands for itself, in place of what was drawn of it.
            own = torch.linalg.vecdot(states, items.index_select(0, targets)).unsqueeze(1)
            logits.scatter_(1, column, own)
        by_logits, log_partition = softmax_and_log_partition(logits)
        log_probability = (own - log_partition).squeeze(1)
        by_logits.scatter_add_(1, column, torch.full_like(column, -1, dtype=by_logits.dtype))
        ctx.save_for_backward(states, items, by_logits)
        return log_probability

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        states, items, by_logits = ctx.saved_tensors
        scale = -gradients[0].unsqueeze(1)
        by_states = (by_logits @ items).mul_(scale) if ctx.needs_input_grad[0] else None
        by_items = by_logits.t() @ (states * scale) if ctx.needs_input_grad[1] else None
        return by_states, by_items, None, None
