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
    """Targets (R,) and draws (m,), each distinct item once.

    `probabilities` is q of every item of the catalogue, (n_items,).
    """
    items, places = torch.unique(torch.cat([targets, draws]), return_inverse=True)
    log_weights = draw_log_weights(
        places[len(targets) :], len(items), probabilities.index_select(0, items)
    )
    return ScoredItems(items, places[: len(targets)], log_weights)


def sampled_log_probability(logits: Tensor, targets: Tensor, log_weights: Tensor) -> Tensor:
    """log pi(target), with the partition function estimated from shared negatives.

    log pi = o_t - log(exp(o_t) + sum_{j != t} w_j exp(o_j)), in float32, over distinct items j.

    Args:
        logits: of the scored items, each once, (R, C).
        targets: place of each row's target among them, (R,).
        log_weights: log w of each item, (C,), from `draw_log_weights`; -inf where none was drawn.

    Returns:
        log-probability of each target, (R,).
    """
    exact = logits.to(torch.promote_types(logits.dtype, torch.float32))
    log_probability: Tensor = _SampledLogProbability.apply(  # type: ignore[no-untyped-call]
        exact, targets, log_weights
    )
    return log_probability


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


def full_log_probability(logits: Tensor, targets: Tensor) -> Tensor:
    """log pi(target) over the whole catalogue, in float32.

    Args:
        logits: (R, n_items).
        targets: item code of each row's target, (R,).
    """
    return torch.log_softmax(logits.float(), dim=1).gather(1, targets.unsqueeze(1)).squeeze(1)


class _SampledLogProbability(torch.autograd.Function):
    """The gradient is written out: one pass over the scores instead of automatic ones."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, targets: Tensor, log_weights: Tensor) -> Tensor:
        column = targets.unsqueeze(1)
        corrected = logits + log_weights
        # Uncorrected, and in place of what was drawn of it.
        corrected.scatter_(1, column, logits.gather(1, column))
        log_softmax = torch.log_softmax(corrected, dim=1)
        log_probability = log_softmax.gather(1, column).squeeze(1)
        ctx.save_for_backward(log_softmax, column)
        return log_probability

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        log_softmax, column = ctx.saved_tensors
        (by_log_probability,) = gradients
        scale = by_log_probability.unsqueeze(1)
        by_logits = log_softmax.exp().mul_(-scale)
        by_logits.scatter_add_(1, column, scale)
        return by_logits, None, None
