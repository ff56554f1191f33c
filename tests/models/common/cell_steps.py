"""One step of a cell, as training runs it."""

from __future__ import annotations

import torch
from torch import Tensor

from models.common.recurrent.cells import CfnCell, GruCell
from models.common.recurrent.recurrence import window_states


def one_step(cell: GruCell | CfnCell, inputs: Tensor, state: Tensor) -> Tensor:
    """The state after `inputs` (W, input_width) from `state` (W, width)."""
    states = window_states(
        cell,
        inputs.unsqueeze(0),
        state,
        carried=torch.ones(1, len(state), 1),
        observed=None,
        dropout=0,
    )
    return states[0].detach()
