"""Policy gradient of pages of K distinct items, drawn from a policy without replacement.

Draws without replacement (Plackett-Luce) are a race: item i arrives at an exponential time of rate
pi_i, and the first K arrivals are the page. Of the items other than a let q_1, ..., q_{K-1} be the
first to arrive, and D_i = 1 - pi(q_1) - ... - pi(q_{i-1}). Given these, a is on the page with
probability 1 - prod_i (1 - pi_a / D_i) over i = 1, ..., K, and the gradient of
alpha_a = P(a on the page), taken through the arrival times, has the conditional expectation

    pi_a lambda (grad o_a - sum_j s_j grad o_j),   lambda = prod_i (1 - pi_a / D_i) sum_i 1 / D_i,

where o are the logits and s is the softmax over all items but a and q_1, ..., q_{K-1}. So one race
for each action gives an unbiased gradient. For K = 1 it is the exact gradient of pi_a.
"""

from __future__ import annotations

import torch
from torch import Tensor

from models.common.sampling.sampled_softmax import ScoredItems, softmax_of_targets
from models.common.sampling.score_gradients import losses_of_scores


def require_smaller_page(k: int, n_items: int) -> None:
    """Raise ValueError where a page of `k` distinct items would hold the whole catalogue."""
    if n_items <= k:
        raise ValueError(
            f"K ({k}) must be less than the {n_items} items of the catalogue, as a page of them "
            "all leaves nothing to learn; use a smaller K"
        )


def distinct_page(
    states: Tensor, items: Tensor, scored: ScoredItems, k: int
) -> tuple[Tensor, Tensor]:
    """log pi of each action, and log lambda of one race each, detached, both (R,).

    The backward pass of log pi goes along grad o_a - sum_j s_j grad o_j, in place of its own
    gradient. Races are drawn from torch's global generator.

    Args:
        states: before each action, (R, width).
        items: rows of the scored items, (C, width).
        scored: what is scored, and the place of each action in it.
        k: K; fewer items arrive where fewer are scored.
    """
    targets = scored.targets
    log_pi, grad_logits = softmax_of_targets(states, items, targets, scored.log_weights)
    arrivals = first_arrivals(grad_logits, targets, k)
    direction, log_factor = page_direction(
        log_pi, grad_logits, targets, scored.log_weights, arrivals
    )
    return -losses_of_scores(-log_pi, direction, states, items), log_factor


@torch.no_grad()
def page_direction(
    log_pi: Tensor,
    grad_logits: Tensor,
    targets: Tensor,
    log_weights: Tensor | None,
    arrivals: Tensor,
) -> tuple[Tensor, Tensor]:
    """-grad o_a + sum_j s_j grad o_j, (R, C), and log lambda, (R,).

    With `log_weights` the scored items stand for the whole catalogue, as in `sampled_softmax`; an
    item that arrives takes its own probability from what its weight stands for.

    Args:
        log_pi: of each row's action a, (R,).
        grad_logits: softmax over the scored items, less 1 at the action, (R, C).
        targets: place of each row's action among them, (R,).
        log_weights: as `softmax_of_targets` was given, (C,).
        arrivals: places of q_1, ..., q_{K-1}, in this order, (R, K - 1).
    """
    own = targets.unsqueeze(1)
    others = grad_logits.scatter(1, own, 0.0)
    smallest = torch.finfo(others.dtype).tiny
    arrived = others.gather(1, arrivals)
    removed = arrived
    if log_weights is not None:
        stands_for = log_weights.index_select(0, arrivals.flatten()).exp().view_as(arrived)
        removed = arrived / stands_for.clamp(min=1)
    others.scatter_(1, arrivals, arrived - removed)
    left = others.sum(dim=1, keepdim=True)
    others /= left.clamp(min=smallest)
    # Summed from D_K backwards: 1 minus what has arrived would lose all digits on a sure page.
    pi = log_pi.exp().unsqueeze(1)
    remaining = torch.cat([left + pi, removed.flip(1)], dim=1).cumsum(dim=1).clamp(min=smallest)
    log_missed = torch.log1p(-(pi / remaining).clamp(max=1)).sum(dim=1)
    # Places of which float32 holds nothing do not count.
    inverse = torch.where(remaining > smallest, remaining.reciprocal(), 0)
    log_factor = log_missed + inverse.sum(dim=1).log()
    return others.scatter_(1, own, -1.0), log_factor


@torch.no_grad()
def first_arrivals(grad_logits: Tensor, targets: Tensor, k: int) -> Tensor:
    """One race a row: the first K - 1 arrivals among the items other than its action, (R, K - 1).

    Fewer columns where fewer items are scored.
    """
    rates = grad_logits.scatter(1, targets.unsqueeze(1), 0.0)
    arrival_rank = rates / torch.empty_like(rates).exponential_()
    return arrival_rank.topk(min(k, rates.shape[1]) - 1, dim=1).indices
