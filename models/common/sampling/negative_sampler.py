"""Shared negatives drawn in proportion to support ** alpha."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from datasets.session_log import IntArray

DRAWS_AHEAD = 64
"""Updates whose negatives are drawn at once, so that the calls around a draw are paid once."""


class NegativeSampler:
    """Draws item codes with P(i) = support_i^alpha / sum over items that training holds.

    Items without support, such as those that only the validation part holds, are never drawn.
    """

    def __init__(self, support: IntArray, *, alpha: float, seed: int, device: torch.device) -> None:
        weights = np.where(support > 0, np.power(np.maximum(support, 1), alpha, dtype=float), 0.0)
        probabilities = weights / weights.sum()
        self.alpha = alpha
        self.probabilities = torch.as_tensor(probabilities, dtype=torch.float32, device=device)
        """Probability of each item, shape (n_items,)."""
        held = np.flatnonzero(weights)
        share, other = _alias_table(probabilities[held])
        self._share = torch.as_tensor(share, device=device)
        self._first = torch.as_tensor(held, device=device)
        self._second = torch.as_tensor(held[other], device=device)
        self._generator = torch.Generator(device=device).manual_seed(seed)
        self._ahead = self._first[:0]

    def draw(self, n: int) -> Tensor:
        """`n` independent item codes, int64, shape (n,)."""
        if len(self._ahead) < n:
            self._ahead = torch.cat([self._ahead, self._drawn(n * DRAWS_AHEAD)])
        drawn, self._ahead = self._ahead[:n], self._ahead[n:]
        return drawn

    def _drawn(self, n: int) -> Tensor:
        n_cells = len(self._share)
        uniform = torch.rand(
            n, generator=self._generator, dtype=torch.float64, device=self._share.device
        )
        scaled = uniform.mul_(n_cells)
        cell = scaled.long().clamp_(max=n_cells - 1)
        takes_first = (scaled - cell) < self._share.index_select(0, cell)
        return torch.where(
            takes_first, self._first.index_select(0, cell), self._second.index_select(0, cell)
        )


def _alias_table(probabilities: NDArray[np.float64]) -> tuple[NDArray[np.float64], IntArray]:
    """Vose, IEEE Trans. Software Engineering 1991: equal cells of at most two outcomes each.

    Cell i yields outcome i with probability `share[i]`, else `other[i]`, so that a draw costs two
    look-ups however many outcomes there are.
    """
    share = probabilities * len(probabilities)
    other = np.arange(len(probabilities))
    left, partner = share.tolist(), other.tolist()
    small = np.flatnonzero(share < 1).tolist()
    large = np.flatnonzero(share >= 1).tolist()
    while small and large:
        below, above = small.pop(), large[-1]
        partner[below] = above
        left[above] -= 1 - left[below]
        if left[above] < 1:
            small.append(large.pop())
    # What rounding has left over is a whole cell.
    for cell in small + large:
        left[cell] = 1.0
    return np.array(left), np.array(partner, dtype=np.int64)
