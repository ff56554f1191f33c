"""Back-propagation through a window, against numerical and automatic differentiation."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from models.common.recurrent.cells import CfnCell, GruCell, SessionEncoder
from models.common.recurrent.recurrence import differentiable_window, run_window
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
        return differentiable_window(
            cell, inputs, state, carried=carried, observed=observed, dropout=dropout
        )

    with torch.no_grad():
        cell.state_bias.add_(0.3)
    inputs = torch.randn(T, W, WIDTH, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(run, [inputs, *cell.parameters()])


@pytest.mark.parametrize("layers", [[GruCell], [CfnCell], [CfnCell, GruCell]])
@pytest.mark.parametrize("dropout", [0.0, 0.4])
def test_gradients_without_a_graph_are_those_of_the_graph(
    layers: list[type[GruCell] | type[CfnCell]], dropout: float
) -> None:
    torch.manual_seed(4)
    encoder = SessionEncoder([cell(WIDTH, WIDTH) for cell in layers], dropout=dropout)
    embedded = torch.randn(T, W, WIDTH, requires_grad=True)
    state = [torch.randn(W, WIDTH) for _ in layers]
    starts, observed = torch.rand(T, W) < 0.3, torch.rand(T, W) < 0.7
    by_states = torch.randn(T, W, WIDTH)

    torch.manual_seed(5)
    states, last = encoder(embedded, state, starts, observed)
    states.backward(by_states)
    by_graph = [parameter.grad for parameter in encoder.parameters()]
    encoder.zero_grad()
    torch.manual_seed(5)
    passes = encoder.run(embedded.detach(), state, starts, observed)
    by_embedded = encoder.back_through(passes, by_states)
    assert torch.equal(passes[-1].states, states)
    assert all(torch.equal(passed.states[-1], of) for passed, of in zip(passes, last, strict=True))
    assert embedded.grad is not None and torch.equal(by_embedded, embedded.grad)
    for parameter, expected in zip(encoder.parameters(), by_graph, strict=True):
        assert parameter.grad is not None and expected is not None
        assert torch.equal(parameter.grad, expected)


@pytest.mark.parametrize("cell_class", [GruCell, CfnCell])
def test_a_window_is_its_steps(cell_class: type[GruCell] | type[CfnCell]) -> None:
    torch.manual_seed(3)
    cell = cell_class(WIDTH, WIDTH)
    inputs, state = torch.randn(T, W, WIDTH), torch.randn(W, WIDTH)
    carried = torch.ones(T, W, 1)
    carried[1, 2] = 0
    states = run_window(
        cell, inputs, state, carried=carried, observed=None, dropout=0
    ).states.detach()
    for t in range(T):
        state = one_step(cell, inputs[t], state * carried[t])
        torch.testing.assert_close(states[t], state)
