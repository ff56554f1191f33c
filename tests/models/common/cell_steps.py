"""One step of a cell, as training runs it."""

from __future__ import annotations

import torch
from torch import Tensor

from models.common.recurrent.cells import CfnCell, GruCell
from models.common.recurrent.recurrence import run_window


def one_step(cell: GruCell | CfnCell, inputs: Tensor, state: Tensor) -> Tensor:
    """The state after `inputs` (W, input_width) from `state` (W, width)."""
    passed = run_window(
        cell,
        inputs.unsqueeze(0),
        state,
        carried=torch.ones(1, len(state), 1),
        observed=None,
        dropout=0,
    )
    return passed.states[0].detach()
