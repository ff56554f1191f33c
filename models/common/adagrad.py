"""Adagrad with momentum on whole matrices and on the touched rows of tables.

Duchi et al., JMLR 2011, as GRU4Rec's authors use it: one accumulator an element, starting at zero,
and classical momentum on the scaled step. Rows that a step does not touch stay as they are.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

EPSILON = 1e-6


@dataclass
class TouchedRows:
    """Rows of a table that one step uses, as a leaf whose gradient sums over duplicates."""

    table: Tensor
    """The whole table, (n_items, ...)."""
    index: Tensor
    """Distinct row numbers, (n_rows,)."""
    values: Tensor
    """Copies of the rows that collect the gradient, (n_rows, ...)."""


def touch(table: Tensor, index: Tensor) -> TouchedRows:
    """Take the distinct rows `index` of `table` out for one step."""
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
        self._parameters = parameters
        self._learning_rate = learning_rate
        self._momentum = momentum
        self._accumulators = {id(p): torch.zeros_like(p) for p in [*parameters, *tables]}
        self._velocities = (
            {id(p): torch.zeros_like(p) for p in [*parameters, *tables]} if momentum > 0 else {}
        )

    @torch.no_grad()
    def step(self, touched: list[TouchedRows]) -> None:
        """Update every parameter and the touched rows from their gradients, and clear those."""
        for parameter in self._parameters:
            gradient = parameter.grad
            if gradient is None:
                continue
            accumulator = self._accumulators[id(parameter)].addcmul_(gradient, gradient)
            scale = accumulator.add(EPSILON).sqrt_()
            if self._momentum > 0:
                velocity = self._velocities[id(parameter)].mul_(self._momentum)
                parameter.add_(velocity.addcdiv_(gradient, scale, value=-self._learning_rate))
            else:
                parameter.addcdiv_(gradient, scale, value=-self._learning_rate)
            parameter.grad = None
        for rows in touched:
            gradient = rows.values.grad
            if gradient is None:
                continue
            accumulator = self._accumulators[id(rows.table)]
            accumulated = accumulator.index_select(0, rows.index).addcmul_(gradient, gradient)
            accumulator.index_copy_(0, rows.index, accumulated)
            scale = accumulated.add_(EPSILON).sqrt_()
            if self._momentum > 0:
                velocities = self._velocities[id(rows.table)]
                velocity = velocities.index_select(0, rows.index).mul_(self._momentum)
                velocity.addcdiv_(gradient, scale, value=-self._learning_rate)
                velocities.index_copy_(0, rows.index, velocity)
                rows.values.add_(velocity)
            else:
                rows.values.addcdiv_(gradient, scale, value=-self._learning_rate)
            rows.table.index_copy_(0, rows.index, rows.values)
            rows.values.grad = None
