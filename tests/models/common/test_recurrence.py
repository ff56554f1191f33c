"""Back-propagation through a window, against numerical and automatic differentiation."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from models.common.recurrent.cells import CfnCell, GruCell
from models.common.recurrent.recurrence import window_states
from tests.models.common.cell_steps import one_step

T, W, WIDTH = 4, 3, 2


@pytest.mark.parametrize("cell_class", [GruCell, CfnCell])
@pytest.mark.parametrize("dropout", [0.0, 0.4])
@pytest.mark.parametrize("some_unobserved", [False, True])
def test_gradients_are_those_of_finite_differences(
    cell_class: type[GruCell] | type[CfnCell], dropout: float, some_unobserved: bool
) -> None:
    torch.manual_seed(1)
    cell = cell_class(WIDTH, WIDTH).double()
    carried = torch.ones(T, W, 1, dtype=torch.float64)
    carried[2, 1] = carried[0, 0] = 0
    observed = torch.rand(T, W, 1) < 0.5 if some_unobserved else None
    state = torch.randn(W, WIDTH, dtype=torch.float64)

    def run(inputs: Tensor, *weights: Tensor) -> Tensor:
        torch.manual_seed(2)
        return window_states(
            cell, inputs, state, carried=carried, observed=observed, dropout=dropout
        )

    with torch.no_grad():
        cell.state_bias.add_(0.3)
    inputs = torch.randn(T, W, WIDTH, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(run, [inputs, *cell.parameters()])


@pytest.mark.parametrize("cell_class", [GruCell, CfnCell])
def test_a_window_is_its_steps(cell_class: type[GruCell] | type[CfnCell]) -> None:
    torch.manual_seed(3)
    cell = cell_class(WIDTH, WIDTH)
    inputs, state = torch.randn(T, W, WIDTH), torch.randn(W, WIDTH)
    carried = torch.ones(T, W, 1)
    carried[1, 2] = 0
    states = window_states(cell, inputs, state, carried=carried, observed=None, dropout=0).detach()
    for t in range(T):
        state = one_step(cell, inputs[t], state * carried[t])
        torch.testing.assert_close(states[t], state)
