"""Weights with one row for each item, of which a training step uses few."""

from __future__ import annotations

import torch
from torch import Tensor


class ItemTable:
    """A weight matrix whose gradient is collected for the rows in use alone.

    A step says which items it uses and reads their rows, as leaves of torch's graph. After
    `loss.backward()` the optimiser takes the gradient, updates `weights` and forgets the step.
    """

    def __init__(self, weights: Tensor) -> None:
        self.weights = weights
        """(n_items, ...)."""
        self._items = torch.empty(0, dtype=torch.int64)
        self._reads: list[tuple[Tensor | None, Tensor]] = []

    def __len__(self) -> int:
        return len(self.weights)

    def use(self, items: Tensor) -> None:
        """Begin a step that uses `items`, (U,); once a step, or reads would lose their gradient.

        An item that is listed twice must be read at one of its places only.
        """
        if self._reads:
            raise RuntimeError("the table is in use; take its gradient before the next step")
        self._items = items

    def rows(self, places: Tensor | None = None) -> Tensor:
        """Rows of the items in use, (U, ...), or of those at `places` (n,) among them, (n, ...)."""
        items = self._items if places is None else self._items.index_select(0, places)
        rows = self.weights.index_select(0, items).requires_grad_()
        self._reads.append((places, rows))
        return rows

    def take_gradient(self) -> tuple[Tensor, Tensor] | None:
        """Items in use, (U,), and the gradient of their rows over all reads, (U, ...).

        None where nothing that was read has a gradient. Ends the step; called without grad mode.
        """
        items = self._items
        gradient: Tensor | None = None
        for places, rows in self._reads:
            if (of_read := rows.grad) is None:
                continue
            if places is None:
                gradient = of_read if gradient is None else gradient.add_(of_read)
                continue
            if gradient is None:
                gradient = self.weights.new_zeros(len(items), *of_read.shape[1:])
            gradient.index_add_(0, places, of_read)
        self._reads = []
        return None if gradient is None else (items, gradient)
