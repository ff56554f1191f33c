"""What BPR-max makes of its softmax and sigmoids, in two passes over a row where numba is there.

In torch the same takes a dozen passes over all rows.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from models.common.training.compiled import compiled

Matrix = NDArray[np.float32]
BprGradient = Callable[..., None]
"""Of weights, above, scores, place of each row's target, bpreg, elu and epsilon to the losses;
the gradient by the scores replaces the weights. Shapes as in `bpr_max`."""


def compiled_bpr_gradient() -> BprGradient | None:
    """The compiled passes; None without numba."""
    matrix, scalar = "float32[:, ::1]", "float32"
    return compiled(
        _bpr_gradient,
        f"void({matrix}, {matrix}, {matrix}, int64[::1], {scalar}, {scalar}, {scalar}, "
        "float32[::1])",
        reorder_sums=True,
    )


def _bpr_gradient(
    weights: Matrix,
    above: Matrix,
    scores: Matrix,
    targets: NDArray[np.int64],
    bpreg: np.float32,
    elu: np.float32,
    epsilon: np.float32,
    losses: NDArray[np.float32],
) -> None:
    n_columns = weights.shape[1]
    one = np.float32(1)
    for row in range(weights.shape[0]):
        better, above_squared, penalty = np.float32(0), np.float32(0), np.float32(0)
        for j in range(n_columns):
            weighted = weights[row, j] * above[row, j]
            better += weighted
            above_squared += weighted * above[row, j]
            penalty += weights[row, j] * scores[row, j] * scores[row, j]
        grad_better = one / (better + epsilon)
        losses[row] = -np.log(better + epsilon) + bpreg * penalty
        shift = better * grad_better - bpreg * (one + penalty)
        target = targets[row]
        at_target = (above_squared - better) * grad_better
        for j in range(n_columns):
            plus_one = scores[row, j] + one
            above_one = above[row, j]
            grad_weight = bpreg * plus_one * plus_one - grad_better * above_one * above_one + shift
            weights[row, j] *= grad_weight
        weights[row, target] += at_target
        if elu > 0:
            for j in range(n_columns):
                slope = one if scores[row, j] > 0 else scores[row, j] + elu
                weights[row, j] *= slope
