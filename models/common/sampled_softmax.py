"""Softmax over a large catalogue, from the target and shared negatives.

Bengio & Senecal, IEEE Trans. Neural Networks 2008; Jean et al., ACL 2015. Negatives are scored
once for the whole batch. Each is corrected by the log of its expected number of draws, so that the
sum over negatives estimates the partition function without bias; the target stands for itself.
"""

from __future__ import annotations

import torch
from torch import Tensor


def sampled_log_probability(
    target_logits: Tensor,
    negative_logits: Tensor,
    log_expected: Tensor,
    accidental_hits: Tensor,
) -> Tensor:
    """log pi(target), with the partition function estimated from shared negatives.

    log pi = o_t - log(exp(o_t) + sum_{j != t} exp(o_j) / (m q_j)), in float32.

    Args:
        target_logits: logit of each row's target, (R,).
        negative_logits: logits of the shared negatives, (R, m).
        log_expected: log(m q) of each negative, (m,).
        accidental_hits: where a negative is the row's own target, bool (R, m).

    Returns:
        log-probability of each target, (R,).
    """
    corrected = negative_logits.float() - log_expected
    corrected = corrected.masked_fill(accidental_hits, -torch.inf)
    target = target_logits.float()
    return -torch.nn.functional.softplus(torch.logsumexp(corrected, dim=1) - target)


def full_log_probability(logits: Tensor, targets: Tensor) -> Tensor:
    """log pi(target) over the whole catalogue, in float32.

    Args:
        logits: (R, n_items).
        targets: item code of each row's target, (R,).
    """
    return torch.log_softmax(logits.float(), dim=1).gather(1, targets.unsqueeze(1)).squeeze(1)
