"""Adagrad with momentum on whole matrices and on the touched rows of tables.

Duchi et al., JMLR 2011, as GRU4Rec's authors use it: one accumulator an element, starting at zero,
and classical momentum on the scaled step. Rows that a step does not touch stay as they are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.common.training.adagrad_kernel import compiled_row_update

EPSILON = 1e-6


@dataclass
class TouchedRows:
    """Rows of a table that one step uses, as a leaf whose gradient sums over duplicates."""

    table: Tensor
    """The whole table, (n_items, ...)."""
    index: Tensor
    """Row numbers, (n_rows,). One that stands again has its whole gradient at one of its places."""
    values: Tensor
    """Copies of the rows that collect the gradient, (n_rows, ...)."""


def touch(table: Tensor, index: Tensor) -> TouchedRows:
    """Take the rows `index` of `table` out for one step."""
    return TouchedRows(table, index, table.index_select(0, index).requires_grad_())


class Adagrad:
    """acc += g^2;  v = momentum v - lr g / sqrt(acc + eps);  p += v."""

    def __init__(
        self,
        parameters: list[nn.Parameter],
        tables: list[Tensor],
        *,
        learning_rate: float,
        momentum: float = 0.0,
    ) -> None:
        self._learning_rate = learning_rate
        self._momentum = momentum
        # A parameter is a table of which each step touches every row.
        self._parameters = [(p, torch.arange(len(p), device=p.device)) for p in parameters]
        everything = [*parameters, *tables]
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
    def step(self, touched: list[TouchedRows]) -> None:
        """Update every parameter and the touched rows from their gradients, and clear those."""
        for parameter, every_row in self._parameters:
            if parameter.grad is not None:
                self._update(parameter, every_row, parameter.grad)
                parameter.grad = None
        for rows in touched:
            if rows.values.grad is not None:
                self._update(rows.table, rows.index, rows.values.grad)
                rows.values.grad = None

    def _update(self, table: Tensor, index: Tensor, gradient: Tensor) -> None:
        if self._compiled is not None:
            self._compiled(
                *self._matrices[id(table)],
                index.numpy(),
                gradient.reshape(len(index), -1).contiguous().numpy(),
                *self._scalars,
            )
            return
        # Of a row that stands again every addition but one is zero, and every copy is the same.
        accumulator = self._accumulators[id(table)]
        accumulator.index_add_(0, index, gradient.square())
        scale = accumulator.index_select(0, index).add_(EPSILON).sqrt_()
        step = torch.div(gradient, scale).mul_(-self._learning_rate)
        if self._momentum == 0:
            table.index_add_(0, index, step)
            return
        velocity = self._velocities[id(table)]
        velocity.index_copy_(0, index, velocity.index_select(0, index).mul_(self._momentum))
        velocity.index_add_(0, index, step)
        moved = table.index_select(0, index).add_(velocity.index_select(0, index))
        table.index_copy_(0, index, moved)


def _as_matrix(table: Tensor) -> NDArray[np.float32]:
    """The table's own numbers, one row for each of its rows."""
    matrix: NDArray[np.float32] = table.detach().view(len(table), -1).numpy()
    return matrix
