"""One step of a cell, as training runs it."""

from __future__ import annotations

import torch
from torch import Tensor

from models.common.cells import CfnCell, GruCell
from models.common.recurrence import run_window


def one_step(cell: GruCell | CfnCell, inputs: Tensor, state: Tensor) -> Tensor:
    """The state after `inputs` (W, input_width) from `state` (W, width)."""
    states = run_window(
        type(cell),
        cell.project(inputs).unsqueeze(0),
        state,
        cell.state_weight,
        cell.state_bias,
        carried=torch.ones(1, len(state), 1),
        observed=None,
        dropout=0,
    )
    return states[0]
