"""Losses of given scores: rows of scores as states, over items of the identity."""

from __future__ import annotations

import torch
from torch import Tensor

from models.common.sampling.sampled_softmax import log_probability


def _identity(logits: Tensor) -> Tensor:
    return torch.eye(logits.shape[1], dtype=logits.dtype)


def of_scores(scores: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """States, items and biases whose scores these are."""
    return scores, _identity(scores), scores.new_zeros(scores.shape[1])


def full_of_logits(logits: Tensor, targets: Tensor) -> Tensor:
    return log_probability(logits, _identity(logits), targets)


def sampled_of_logits(logits: Tensor, targets: Tensor, log_weights: Tensor) -> Tensor:
    return log_probability(logits, _identity(logits), targets, log_weights)
