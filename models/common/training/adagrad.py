"""Adagrad with momentum on whole matrices and on the used rows of item tables.

Duchi et al., JMLR 2011, as GRU4Rec's authors use it: one accumulator an element, starting at zero,
and classical momentum on the scaled step. Rows that a step does not use stay as they are.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.common.training.adagrad_kernel import compiled_row_update
from models.common.training.item_table import ItemTable

EPSILON = 1e-6


class Adagrad:
    """acc += g^2;  v = momentum v - lr g / sqrt(acc + eps);  p += v."""

    def __init__(
        self,
        parameters: list[nn.Parameter],
        tables: list[ItemTable],
        *,
        learning_rate: float,
        momentum: float = 0.0,
    ) -> None:
        self._learning_rate = learning_rate
        self._momentum = momentum
        # A parameter is a table of which each step uses every row.
        self._parameters = [(p, torch.arange(len(p), device=p.device)) for p in parameters]
        self._tables = list(dict.fromkeys(tables))
        everything = [*parameters, *(table.weights for table in self._tables)]
        self._accumulators = {id(p): torch.zeros_like(p) for p in everything}
        self._velocities = {id(p): torch.zeros_like(p) for p in everything if momentum > 0}
        plain = momentum == 0 and all(
            p.device.type == "cpu" and p.dtype == torch.float32 for p in everything
        )
        self._compiled = compiled_row_update() if plain else None
        self._scalars = np.float32(learning_rate), np.float32(EPSILON)
        self._matrices = {
            id(p): (_as_matrix(p), _as_matrix(self._accumulators[id(p)]))
            for p in everything
            if plain
        }

    @torch.no_grad()
    def step(self) -> None:
        """Update parameters and rows in use from their gradients, and clear these."""
        for parameter, every_row in self._parameters:
            if parameter.grad is not None:
                self._update(parameter, every_row, parameter.grad)
                parameter.grad = None
        for table in self._tables:
            if (used := table.take_gradient()) is not None:
                self._update(table.weights, *used)

    def _update(self, weights: Tensor, index: Tensor, gradient: Tensor) -> None:
        if self._compiled is not None:
            matrix, accumulator = self._matrices[id(weights)]
            grads = gradient.contiguous().view(-1, matrix.shape[1])
            self._compiled(matrix, accumulator, index.numpy(), grads.numpy(), *self._scalars)
            return
        # Of an item that is listed twice only one row has a gradient, and every copy is the same.
        squares = self._accumulators[id(weights)]
        squares.index_add_(0, index, gradient.square())
        scale = squares.index_select(0, index).add_(EPSILON).sqrt_()
        step = torch.div(gradient, scale).mul_(-self._learning_rate)
        if self._momentum == 0:
            weights.index_add_(0, index, step)
            return
        velocity = self._velocities[id(weights)]
        velocity.index_copy_(0, index, velocity.index_select(0, index).mul_(self._momentum))
        velocity.index_add_(0, index, step)
        moved = weights.index_select(0, index).add_(velocity.index_select(0, index))
        weights.index_copy_(0, index, moved)


def _as_matrix(table: Tensor) -> NDArray[np.float32]:
    """The table's own numbers, one row for each of its rows."""
    matrix: NDArray[np.float32] = table.detach().view(len(table), -1).numpy()
    return matrix
