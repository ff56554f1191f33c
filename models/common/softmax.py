"""Softmax that also tells its partition function."""

from __future__ import annotations

import torch
from torch import Tensor


def softmax_and_log_partition(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Softmax of each row, (R, C), and log sum_j exp(o_j), (R, 1).

    The partition function is read off the largest probability, which is at least 1 / C, so that one
    pass of exponentials serves both.
    """
    probabilities = torch.softmax(logits, dim=1)
    largest = probabilities.amax(dim=1, keepdim=True)
    return probabilities, logits.amax(dim=1, keepdim=True) - largest.log()
