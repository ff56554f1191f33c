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

from models.common.sampling.distinct import distinct
from models.common.sampling.softmax import softmax_and_log_partition


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


@dataclass(frozen=True)
class SoftmaxPass:
    """A way forward through a softmax over items, and what the way back needs of it."""

    log_probability: Tensor
    """Of each row's target, (R,)."""
    states: Tensor
    """(R, width)."""
    items: Tensor
    """Rows of the scored items, (C, width)."""
    by_logits: Tensor
    """Gradient of -log_probability by the logits, (R, C)."""

    def by_states(self, weight: Tensor) -> Tensor:
        """Gradient of -sum weight log_probability by the states, (R, width); weight is (R,)."""
        return (self.by_logits @ self.items).mul_(weight.unsqueeze(1))

    def by_items(self, weight: Tensor) -> Tensor:
        """Gradient of the same by the rows of the items, (C, width)."""
        return self.by_logits.t() @ (self.states * weight.unsqueeze(1))


@torch.no_grad()
def run_softmax(
    states: Tensor, items: Tensor, targets: Tensor, log_weights: Tensor | None
) -> SoftmaxPass:
    """`log_probability` without torch's graph.

    The gradient is written out: one pass over the scores, and no product transposed.
    """
    column = targets.unsqueeze(1)
    exact = torch.promote_types(states.dtype, torch.float32)
    states, items = states.to(exact), items.to(exact)
    with torch.autocast(states.device.type, enabled=False):
        if log_weights is None:
            logits = states @ items.t()
            own = logits.gather(1, column)
        else:
            logits = torch.addmm(log_weights.to(exact), states, items.t())
            # The target stands for itself, in place of what was drawn of it.
            own = torch.linalg.vecdot(states, items.index_select(0, targets)).unsqueeze(1)
            logits.scatter_(1, column, own)
        by_logits, log_partition = softmax_and_log_partition(logits)
        by_logits.scatter_add_(1, column, torch.full_like(column, -1, dtype=exact))
    return SoftmaxPass((own - log_partition).squeeze(1), states, items, by_logits)


def log_probability(
    states: Tensor, items: Tensor, targets: Tensor, log_weights: Tensor | None = None
) -> Tensor:
    """log pi(target), in float32, as an operation of torch's graph.

    log pi = o_t - log(exp(o_t) + sum_{j != t} w_j exp(o_j)) with o = state . item over distinct
    items j: with weights the partition function is estimated from shared negatives.

    Args:
        states: (R, width).
        items: rows of the scored items, each once, (C, width).
        targets: place of each row's target among them, (R,).
        log_weights: log w of each item, (C,), from `draw_log_weights`; -inf where none was drawn.
            None: all weigh 1, and `items` is the whole catalogue.

    Returns:
        log-probability of each target, (R,).
    """
    of_targets: Tensor = _LogProbability.apply(  # type: ignore[no-untyped-call]
        states, items, targets, log_weights
    )
    return of_targets


class _LogProbability(torch.autograd.Function):
    """`run_softmax` as an operation of torch's graph."""

    @staticmethod
    def forward(
        ctx: Any, states: Tensor, items: Tensor, targets: Tensor, log_weights: Tensor | None
    ) -> Tensor:
        ctx.passed = run_softmax(states, items, targets, log_weights)
        ctx.types = states.dtype, items.dtype
        # The output itself, kept by its own node, would be a circle that is not freed at once.
        log_probability: Tensor = ctx.passed.log_probability.clone()
        return log_probability

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        weight, (of_states, of_items) = -gradients[0], ctx.types
        by_states = by_items = None
        if ctx.needs_input_grad[0]:
            by_states = ctx.passed.by_states(weight).to(of_states)
        if ctx.needs_input_grad[1]:
            by_items = ctx.passed.by_items(weight).to(of_items)
        return by_states, by_items, None, None
