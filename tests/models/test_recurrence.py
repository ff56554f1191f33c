"""Back-propagation through a window, against numerical and automatic differentiation."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from models.common.cells import CfnCell, GruCell
from models.common.recurrence import run_window
from tests.models.cell_steps import one_step

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

    def run(projected: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        torch.manual_seed(2)
        return run_window(
            cell_class, projected, state, weight, bias,
            carried=carried, observed=observed, dropout=dropout,
        )  # fmt: skip

    projected = torch.randn(T, W, 3 * WIDTH, dtype=torch.float64)
    inputs = [
        value.detach().requires_grad_()
        for value in (projected, cell.state_weight, 0.3 + cell.state_bias)
    ]
    assert torch.autograd.gradcheck(run, inputs)


@pytest.mark.parametrize("cell_class", [GruCell, CfnCell])
def test_a_window_is_its_steps(cell_class: type[GruCell] | type[CfnCell]) -> None:
    torch.manual_seed(3)
    cell = cell_class(WIDTH, WIDTH)
    inputs, state = torch.randn(T, W, WIDTH), torch.randn(W, WIDTH)
    carried = torch.ones(T, W, 1)
    carried[1, 2] = 0
    states = run_window(
        cell_class, cell.project(inputs), state, cell.state_weight, cell.state_bias,
        carried=carried, observed=None, dropout=0,
    )  # fmt: skip
    for t in range(T):
        state = one_step(cell, inputs[t], state * carried[t])
        torch.testing.assert_close(states[t], state)
