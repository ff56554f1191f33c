"""Boltzmann exploration for serving: some items greedily, the rest drawn from the policy."""

from __future__ import annotations

import torch
from torch import Tensor


def boltzmann_sets(
    logits: Tensor,
    *,
    k: int,
    greedy: int,
    candidates: int,
    temperature: float = 1.0,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Recommended sets of `k` items: the first `greedy` by rank, the rest sampled.

    Chen et al. 2019, section 5: of the `candidates` items with the highest logits (M) the best K'
    are taken as they are, and K - K' more are drawn from the softmax over the remaining M - K',
    one after another without replacement. M is much larger than K there.

    Args:
        logits: of every item, (R, n_items).
        k: size of the set, K.
        greedy: how many are taken greedily, K'; k: all of them, 0: none.
        candidates: M; more than there are items means all.
        temperature: T of the softmax.
        generator: what to draw with; torch's global one by default.

    Returns:
        item codes, int64 (R, k): the greedy ones in the order of rank, then the drawn ones.

    Raises:
        ValueError: if the set cannot hold `greedy` items or the candidates cannot fill it.
    """
    candidates = min(candidates, logits.shape[1])
    if not 0 <= greedy <= k <= candidates:
        raise ValueError(
            f"greedy ({greedy}), k ({k}) and candidates ({candidates}) must not fall in this order"
        )
    best, items = logits.topk(candidates, dim=1)
    # The largest sums of logit and Gumbel noise are draws without replacement (Plackett-Luce).
    exponential = torch.empty_like(best).exponential_(generator=generator)
    noisy = best / temperature - exponential.log()
    drawn = noisy[:, greedy:].topk(k - greedy, dim=1).indices + greedy
    return torch.cat([items[:, :greedy], items.gather(1, drawn)], dim=1)
