"""Initial weights are those of GRU4Rec's authors: uniform, each gate by its own shape."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from models.common.recurrent.cells import CfnCell, GruCell
from models.common.training.initialisation import uniform_matrix
from models.gru4rec import Gru4Rec, Gru4RecConfig
from tests.models.logs import random_log, trained, weights


def assert_fills(matrix: Tensor, bound: float) -> None:
    """Many uniform draws come close to both ends, pass neither, and have variance bound^2 / 3."""
    matrix = matrix.detach()
    assert bound * 0.97 < float(matrix.max()) <= bound
    assert -bound <= float(matrix.min()) < -bound * 0.97
    assert float(matrix.var()) == pytest.approx(bound**2 / 3, rel=0.1)


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(1)


def test_a_matrix_is_uniform_within_glorot_s_bound() -> None:
    assert_fills(uniform_matrix(200, 30), math.sqrt(6 / 230))


@pytest.mark.parametrize("cell", [GruCell(40, 60), CfnCell(40, 60)], ids=["gru", "cfn"])
def test_each_gate_is_drawn_by_itself_and_biases_are_zero(cell: Any) -> None:
    """The bound of all gates stacked would be smaller."""
    for gate in cell.input_weight.split(60):
        assert_fills(gate, math.sqrt(6 / 100))
    for gate in cell.state_weight.split(60):
        assert_fills(gate, math.sqrt(6 / 120))
    for name, parameter in cell.named_parameters():
        if name.endswith("bias"):
            assert parameter.count_nonzero() == 0


@pytest.mark.parametrize(
    ("embedding", "bounds"),
    [
        ("constrained", {"items": math.sqrt(6 / 420)}),
        ("separate", {"items": math.sqrt(6 / 420), "inputs": math.sqrt(6 / 450)}),
        ("none", {"items": math.sqrt(6 / 420), "inputs": math.sqrt(6 / 420)}),
    ],
)
def test_item_tables_before_training(embedding: Any, bounds: dict[str, float]) -> None:
    """Without an embedding the inputs are the three gates' one-hot weights, side by side."""
    log = random_log(100, n_items=400, longest=9, seed=1)
    config = Gru4RecConfig(
        epochs=1, learning_rate=1e-12, layers=(20,), embedding=embedding, embedding_width=50
    )
    found = weights(trained(Gru4Rec, config, log)[0])
    for name, bound in bounds.items():
        assert_fills(found[name], bound)
