"""The compiled loops of a training step, made before the clock of a fit runs."""

from __future__ import annotations

from models.common.sampling.bpr_kernel import compiled_bpr_gradient
from models.common.sampling.distinct import compiled_first_places
from models.common.training.adagrad_kernel import compiled_row_update


def compile_loops(*, bpr_max: bool = False) -> None:
    """Load or compile what a step needs; nothing without numba."""
    compiled_row_update()
    compiled_first_places()
    if bpr_max:
        compiled_bpr_gradient()
