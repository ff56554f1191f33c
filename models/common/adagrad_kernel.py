"""Adagrad's update of table rows in one pass over them, compiled by numba where that is installed.

In torch the same takes several passes and two scattered copies.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float32]
RowUpdate = Callable[[Matrix, Matrix, NDArray[np.int64], Matrix, float, float], None]
"""Of table, accumulator, row numbers, their gradients, learning rate and epsilon; in place."""


@cache
def compiled_row_update() -> RowUpdate | None:
    """The compiled update; None without numba.

    The first call loads numba and compiles. A model makes it when it is built, so that neither a
    command that trains nothing nor the clock of a training waits for it.
    """
    try:
        import numba
    except ImportError:
        return None
    matrix = numba.float32[:, ::1]
    scalar = numba.float32
    signature = numba.void(matrix, matrix, numba.int64[::1], matrix, scalar, scalar)
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
    try:
        compiled = numba.njit(signature, cache=True, **options)(_update_rows)
    except RuntimeError:  # no folder that can be written holds its cache
        compiled = numba.njit(signature, **options)(_update_rows)

    def update(
        table: Matrix,
        accumulator: Matrix,
        index: NDArray[np.int64],
        gradient: Matrix,
        learning_rate: float,
        epsilon: float,
    ) -> None:
        compiled(
            table, accumulator, index, gradient, np.float32(learning_rate), np.float32(epsilon)
        )

    return update


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
            by_value = gradient[i, j]
            accumulated = accumulator[row, j] + by_value * by_value
            accumulator[row, j] = accumulated
            table[row, j] -= learning_rate * by_value / np.sqrt(accumulated + epsilon)
