"""Softmax that also tells its partition function."""

from __future__ import annotations

import torch
from torch import Tensor


def softmax_and_log_partition(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Softmax of each row, (R, C), and log sum_j exp(o_j), (R, 1); `logits` may be overwritten.

    The partition function is read off the largest probability, which is at least 1 / C, so that one
    pass of exponentials serves both.
    """
    largest_logit = logits.amax(dim=1, keepdim=True)
    # Kernels of other devices do not promise to read a row before they write it.
    in_place = logits if logits.device.type == "cpu" else None
    probabilities = torch.softmax(logits, dim=1, out=in_place)
    return probabilities, largest_logit - probabilities.amax(dim=1, keepdim=True).log()
