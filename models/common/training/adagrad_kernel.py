"""Adagrad's update of table rows in one pass over them, where numba is installed.

In torch the same takes several passes and two scattered copies.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from models.common.training.compiled import compiled

Matrix = NDArray[np.float32]
RowUpdate = Callable[[Matrix, Matrix, NDArray[np.int64], Matrix, np.float32, np.float32], None]
"""Of table, accumulator, row numbers, their gradients, learning rate and epsilon; in place."""


def compiled_row_update() -> RowUpdate | None:
    """The compiled update; None without numba."""
    matrix, scalar = "float32[:, ::1]", "float32"
    return compiled(
        _update_rows, f"void({matrix}, {matrix}, int64[::1], {matrix}, {scalar}, {scalar})"
    )


def _update_rows(
    table: Matrix,
    accumulator: Matrix,
    index: NDArray[np.int64],
    gradient: Matrix,
    learning_rate: np.float32,
    epsilon: np.float32,
) -> None:
    for i in range(index.shape[0]):
        row = index[i]
        for j in range(table.shape[1]):
            grad = gradient[i, j]
            accumulated = accumulator[row, j] + grad * grad
            accumulator[row, j] = accumulated
            table[row, j] -= learning_rate * grad / np.sqrt(accumulated + epsilon)
