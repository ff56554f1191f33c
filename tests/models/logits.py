"""Log-probabilities of given logits: rows of logits as states, over items of the identity."""

from __future__ import annotations

import torch
from torch import Tensor

from models.common.sampling.sampled_softmax import log_probability


def _identity(logits: Tensor) -> Tensor:
    return torch.eye(logits.shape[1], dtype=logits.dtype)


def full_of_logits(logits: Tensor, targets: Tensor) -> Tensor:
    return log_probability(logits, _identity(logits), targets)


def sampled_of_logits(logits: Tensor, targets: Tensor, log_weights: Tensor) -> Tensor:
    return log_probability(logits, _identity(logits), targets, log_weights)
