"""Softmax that also tells its partition function."""

from __future__ import annotations

import torch
from torch import Tensor


def softmax_and_log_partition(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Softmax of each row, (R, C), in the place of `logits`, and log sum_j exp(o_j), (R, 1).

    The partition function is read off the largest probability, which is at least 1 / C, so that one
    pass of exponentials serves both.
    """
    largest_logit = logits.amax(dim=1, keepdim=True)
    probabilities = torch.softmax(logits, dim=1, out=logits)
    return probabilities, largest_logit - probabilities.amax(dim=1, keepdim=True).log()
