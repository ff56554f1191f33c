"""Softmax over a large catalogue, from the target and shared negatives.

Bengio & Senecal, IEEE Trans. Neural Networks 2008; Jean et al., ACL 2015. Negatives are scored
once for the whole batch. Each is corrected by the log of its expected number of draws, so that the
sum over negatives estimates the partition function without bias; the target stands for itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from models.common.sampling.distinct import distinct
from models.common.sampling.score_gradients import losses_of_scores
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

    def of_rows(self, rows: Tensor) -> ScoredItems:
        """The same items with the targets of some rows alone."""
        return ScoredItems(self.items, self.targets.index_select(0, rows), self.log_weights)


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


def log_probability(
    states: Tensor, items: Tensor, targets: Tensor, log_weights: Tensor | None = None
) -> Tensor:
    """log pi(target), in float32 or better.

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
    exact = torch.promote_types(states.dtype, torch.float32)
    states, items = states.to(exact), items.to(exact)
    log_pi, grad_logits = softmax_of_targets(states, items, targets, log_weights)
    return -losses_of_scores(-log_pi, grad_logits, states, items)


@torch.no_grad()
def softmax_of_targets(
    states: Tensor, items: Tensor, targets: Tensor, log_weights: Tensor | None
) -> tuple[Tensor, Tensor]:
    """`log_probability`, (R,), and the gradient of its negative by the logits, (R, C)."""
    column = targets.unsqueeze(1)
    with torch.autocast(states.device.type, enabled=False):
        if log_weights is None:
            logits = states @ items.t()
            own = logits.gather(1, column)
        else:
            logits = torch.addmm(log_weights.to(states.dtype), states, items.t())
            # The target stands for itself, in place of what was drawn of it.
            own = torch.linalg.vecdot(states, items.index_select(0, targets)).unsqueeze(1)
            logits.scatter_(1, column, own)
        grad_logits, log_partition = softmax_and_log_partition(logits)
        grad_logits.scatter_add_(1, column, torch.full_like(column, -1, dtype=states.dtype))
    return (own - log_partition).squeeze(1), grad_logits
