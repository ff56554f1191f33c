"""Shared negatives drawn in proportion to support ** alpha."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from datasets.session_log import IntArray


class NegativeSampler:
    """Draws item codes with P(i) = support_i^alpha / sum over items that training holds.

    Items without support, such as those that only the validation part holds, are never drawn.
    """

    def __init__(self, support: IntArray, *, alpha: float, seed: int, device: torch.device) -> None:
        weights = np.where(support > 0, np.power(np.maximum(support, 1), alpha, dtype=float), 0.0)
        probabilities = weights / weights.sum()
        self.probabilities = torch.as_tensor(probabilities, dtype=torch.float32, device=device)
        """Probability of each item, shape (n_items,)."""
        cumulative = np.cumsum(probabilities)
        self._last = int(np.flatnonzero(weights)[-1])
        self._cumulative = torch.as_tensor(cumulative, dtype=torch.float64, device=device)
        self._generator = torch.Generator(device=device).manual_seed(seed)

    def draw(self, n: int) -> Tensor:
        """`n` independent item codes, int64, shape (n,)."""
        uniform = torch.rand(
            n, generator=self._generator, dtype=torch.float64, device=self._cumulative.device
        )
        drawn = torch.searchsorted(self._cumulative, uniform, right=True)
        return drawn.clamp_(max=self._last)
