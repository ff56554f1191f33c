"""Losses of GRU4Rec against worked values."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from models.gru4rec import Gru4RecConfig, bpr_max, cross_entropy, exact_logq, official_logq


def test_cross_entropy_takes_the_diagonal_as_target() -> None:
    scores = torch.tensor([[0.0, math.log(3), -9.0], [math.log(3), 0.0, -9.0]])
    scores[:, 2] = -torch.inf
    torch.testing.assert_close(cross_entropy(scores), torch.full((2,), math.log(4)))


@pytest.mark.parametrize("n_columns", [2, 3, 50])
def test_bpr_max_of_equal_scores(n_columns: int) -> None:
    loss = bpr_max(torch.full((2, n_columns), 0.7), elu=0.5, bpreg=1.5)
    torch.testing.assert_close(loss, torch.full((2,), math.log(2) + 1.5 * 0.7**2))


def test_bpr_max_of_a_target_above_its_negatives() -> None:
    loss = bpr_max(torch.tensor([[2.0, 0.0, 0.0, 0.0]]), elu=0.0, bpreg=1.0)
    torch.testing.assert_close(loss, torch.tensor([0.126928]), rtol=0, atol=1e-6)


def test_bpr_max_gives_the_target_no_part_in_the_softmax() -> None:
    """Regularisation would see the target's own score otherwise."""
    scores = torch.tensor([[50.0, 0.0, 0.0]], requires_grad=True)
    loss = bpr_max(scores, elu=0.0, bpreg=1.0)
    assert float(loss.detach()) == pytest.approx(0.0, abs=1e-6)


def test_bpr_max_weighs_negatives_by_their_softmax() -> None:
    scores = torch.tensor([[1.0, 0.2, -0.4]])
    weight = math.exp(0.2) / (math.exp(0.2) + math.exp(-0.4))

    def sigmoid(x: float) -> float:
        return 1 / (1 + math.exp(-x))

    better = weight * sigmoid(0.8) + (1 - weight) * sigmoid(1.4)
    penalty = weight * 0.2**2 + (1 - weight) * 0.4**2
    expected = -math.log(better) + 2 * penalty
    assert float(bpr_max(scores, elu=0.0, bpreg=2.0)) == pytest.approx(expected, abs=1e-6)


def test_elu_bends_the_negative_scores() -> None:
    bent = 0.5 * (math.exp(-1) - 1)
    assert bent == pytest.approx(-0.316060, abs=1e-6)
    torch.testing.assert_close(
        bpr_max(torch.tensor([[1.0, -1.0]]), elu=0.5, bpreg=1.0),
        bpr_max(torch.tensor([[1.0, bent]]), elu=0.0, bpreg=1.0),
    )


def columns() -> tuple[Tensor, Tensor]:
    """Three targets and two drawn negatives; support of the catalogue."""
    return torch.tensor([2, 0, 1, 3, 0]), torch.tensor([10, 20, 30, 40])


def test_official_logq_has_the_authors_two_scales() -> None:
    codes, support = columns()
    found = official_logq(codes, 3, support, alpha=0.5)
    expected = torch.tensor([30.0, 10.0, 20.0, 40**0.5, 10**0.5]).log()
    torch.testing.assert_close(found, expected)


def test_exact_logq_is_the_log_of_the_expected_count() -> None:
    codes, support = columns()
    drawn = torch.tensor([0.4, 0.3, 0.2, 0.1])
    found = exact_logq(codes, 3, support, drawn)
    expected = [2 * support[i] / 100 + 2 * drawn[i] for i in codes.tolist()]
    torch.testing.assert_close(found, torch.tensor(expected).log())


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"learning_rate": 0}, "learning_rate must be greater than 0"),
        ({"learning_rate": math.nan}, "learning_rate must be greater than 0"),
        ({"batch_size": -1}, "batch_size must be greater than 0"),
        ({"negatives": -1}, "negatives must not be negative"),
        ({"dropout_hidden": 1.0}, "dropout_hidden must be at least 0 and below 1"),
        ({"layers": ()}, "layers must name the width"),
    ],
)
def test_options_out_of_range_are_refused_by_name(
    options: dict[str, object], sentence: str
) -> None:
    with pytest.raises(ValueError, match=f"^{sentence}"):
        Gru4RecConfig(**options)  # type: ignore[arg-type]
