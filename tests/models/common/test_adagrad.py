"""Adagrad: worked steps, momentum, and rows that a step does not touch."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from models.common.training import adagrad
from models.common.training.adagrad import Adagrad
from models.common.training.adagrad_kernel import compiled_row_update
from models.common.training.item_table import ItemTable


def rows_of(table: ItemTable, items: list[int]) -> Tensor:
    """The rows of a step that uses `items`."""
    table.use(torch.tensor(items))
    return table.rows()


def steps(gradients: list[float], *, momentum: float = 0.0) -> list[float]:
    """Where one parameter and one table row stand after each step from zero; both must agree."""
    parameter = nn.Parameter(torch.zeros(1))
    table = ItemTable(torch.zeros(3, 1))
    optimiser = Adagrad([parameter], [table], learning_rate=0.1, momentum=momentum)
    places = []
    for gradient in gradients:
        rows = rows_of(table, [1])
        parameter.grad = torch.tensor([gradient])
        rows.grad = torch.tensor([[gradient]])
        optimiser.step()
        assert parameter.grad is None
        assert float(table.weights[1]) == float(parameter.detach())
        assert table.weights[[0, 2]].count_nonzero() == 0
        places.append(float(parameter.detach()))
    return places


def test_two_equal_gradients() -> None:
    first, second = steps([2.0, 2.0])
    assert first == pytest.approx(-0.1, abs=1e-6)
    assert second - first == pytest.approx(-0.1 / math.sqrt(2), abs=1e-6)


def test_momentum_carries_the_scaled_step() -> None:
    first, second = steps([2.0, 2.0], momentum=0.5)
    assert first == pytest.approx(-0.1, abs=1e-6)
    assert second - first == pytest.approx(-0.5 * 0.1 - 0.1 / math.sqrt(2), abs=1e-6)


def test_rows_not_in_use_stay_bitwise_as_they_are_even_with_momentum() -> None:
    table = torch.randn(5, 3, generator=torch.Generator().manual_seed(1))
    before = table.clone()
    items = ItemTable(table)
    optimiser = Adagrad([], [items], learning_rate=0.1, momentum=0.9)
    for index in ([1, 3], [3]):
        rows_of(items, index).sum().backward()
        optimiser.step()
    assert torch.equal(table[[0, 2, 4]], before[[0, 2, 4]])
    once, twice = before[1] - table[1], before[3] - table[3]
    torch.testing.assert_close(once, torch.full((3,), 0.1), rtol=1e-4, atol=0)
    torch.testing.assert_close(
        twice, torch.full((3,), 0.1 * (1 + 0.9 + 1 / math.sqrt(2))), rtol=1e-4, atol=0
    )


def test_a_row_used_twice_gets_the_sum_of_its_gradients() -> None:
    def row_after(uses: list[int], scale: float) -> Tensor:
        table = ItemTable(torch.zeros(2, 1))
        optimiser = Adagrad([], [table], learning_rate=1e-4)
        rows = rows_of(table, [0, 1])
        (scale * 1e-6 * rows[uses].sum()).backward()
        optimiser.step()
        return table.weights[0]

    # So small a gradient, next to epsilon, shows its size in the step.
    torch.testing.assert_close(row_after([0, 0, 1], 1.0), row_after([0, 1], 2.0))
    assert row_after([0, 0, 1], 1.0) < row_after([0, 1], 1.0)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_a_row_may_stand_again_without_a_gradient(
    momentum: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adagrad, "compiled_row_update", lambda: None)

    def table_after(index: list[int], gradients: list[list[float]]) -> Tensor:
        table = ItemTable(torch.ones(3, 2))
        optimiser = Adagrad([], [table], learning_rate=0.1, momentum=momentum)
        for _ in range(3):
            rows_of(table, index).grad = torch.tensor(gradients)
            optimiser.step()
        return table.weights

    once = table_after([2, 0], [[1.0, 2.0], [3.0, -4.0]])
    again = table_after([2, 0, 2, 0], [[0.0, 0.0], [3.0, -4.0], [1.0, 2.0], [0.0, 0.0]])
    assert torch.equal(once, again)
    assert not torch.equal(once[0], torch.ones(2))


def test_a_parameter_without_gradient_stays() -> None:
    parameter = nn.Parameter(torch.ones(2))
    Adagrad([parameter], [], learning_rate=0.1).step()
    assert torch.equal(parameter, torch.ones(2))


def test_the_compiled_update_is_that_of_torch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def after(*, compiled: bool) -> tuple[Tensor, Tensor]:
        if not compiled:
            monkeypatch.setattr(adagrad, "compiled_row_update", lambda: None)
        generator = torch.Generator().manual_seed(3)
        table = torch.randn(7, 5, generator=generator)
        parameter = nn.Parameter(torch.randn(4, generator=generator))
        items = ItemTable(table)
        optimiser = Adagrad([parameter], [items], learning_rate=0.1)
        for _ in range(5):
            index = torch.randperm(7, generator=generator)[:4].sort().values
            items.use(index)
            items.rows().grad = torch.randn(7, 5, generator=generator)[index]
            parameter.grad = torch.randn(4, generator=generator)
            optimiser.step()
        return table, parameter.detach()

    assert compiled_row_update() is not None
    for by_numba, by_torch in zip(after(compiled=True), after(compiled=False), strict=True):
        torch.testing.assert_close(by_numba, by_torch, rtol=1e-6, atol=1e-7)


def test_reads_of_a_row_add_up() -> None:
    """All rows in use are read, then some of them once more, one of these twice."""
    weights = torch.randn(5, 2, generator=torch.Generator().manual_seed(4))
    table, dense = ItemTable(weights.clone()), weights.clone().requires_grad_()
    used, places = torch.tensor([4, 1, 2]), torch.tensor([2, 0, 2])
    coefficients = torch.tensor([[1.0], [2.0], [3.0]])
    table.use(used)
    (table.rows() * coefficients + (table.rows(places) * coefficients).square()).sum().backward()
    (dense[used] * coefficients + (dense[used[places]] * coefficients).square()).sum().backward()
    taken = table.take_gradient()
    assert taken is not None and dense.grad is not None
    assert torch.equal(taken[0], used)
    torch.testing.assert_close(taken[1], dense.grad[used])
    assert table.take_gradient() is None
