"""Losses of GRU4Rec against worked values."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from models.common.sampling import ranking_losses
from models.common.sampling.ranking_losses import ScoreColumns, exact_logq, official_logq
from models.gru4rec import Gru4RecConfig
from tests.models.logits import of_scores


def distinct(scores: Tensor) -> ScoreColumns:
    """Every column another item, the first ones the rows' targets."""
    places = torch.arange(scores.shape[1])
    return ScoreColumns(places, places, len(scores), len(places))


def cross_entropy(
    scores: Tensor, columns: ScoreColumns, correction: Tensor, *, remove_hits: bool = False
) -> Tensor:
    return ranking_losses.cross_entropy(
        *of_scores(scores), columns, correction, remove_hits=remove_hits
    )


def bpr_max(
    scores: Tensor, columns: ScoreColumns | None = None, *, elu: float, bpreg: float
) -> Tensor:
    columns = distinct(scores) if columns is None else columns
    return ranking_losses.bpr_max(*of_scores(scores), columns, elu=elu, bpreg=bpreg)


def test_cross_entropy_takes_the_diagonal_as_target() -> None:
    scores = torch.tensor([[0.0, math.log(3), -9.0], [math.log(3), 0.0, -9.0]])
    scores[:, 2] = -1e9
    losses = cross_entropy(scores, distinct(scores), torch.zeros(3))
    torch.testing.assert_close(losses, torch.full((2,), math.log(4)))


@pytest.mark.parametrize("remove_hits", [False, True])
def test_an_item_of_two_columns_is_scored_once_and_counts_twice(remove_hits: bool) -> None:
    """Three columns of two items: the target, its own draw, another item's draw."""
    score = torch.tensor([[0.3, -0.2]], dtype=torch.float64)
    columns = ScoreColumns(torch.tensor([7, 7, 9]), torch.tensor([0, 0, 1]), 1, 2)
    correction = torch.tensor([0.1, 0.4, 0.7], dtype=torch.float64)
    leaf = score.clone().requires_grad_()
    losses = cross_entropy(leaf, columns, correction, remove_hits=remove_hits)
    losses.sum().backward()
    scores = score.clone().requires_grad_()
    own, drawn, other = scores[0, 0], scores[0, 0] - 0.4, scores[0, 1] - 0.7
    own = own if remove_hits else own - 0.1
    beside = [other] if remove_hits else [drawn, other]
    expected = torch.logsumexp(torch.stack([own, *beside]), dim=0) - own
    expected.backward()
    torch.testing.assert_close(losses[0].detach(), expected.detach())
    torch.testing.assert_close(leaf.grad, scores.grad)


@pytest.mark.parametrize("n_columns", [2, 3, 50])
def test_bpr_max_of_equal_scores(n_columns: int) -> None:
    loss = bpr_max(torch.full((2, n_columns), 0.7), elu=0.5, bpreg=1.5)
    torch.testing.assert_close(loss, torch.full((2,), math.log(2) + 1.5 * 0.7**2))


def test_bpr_max_of_a_target_above_its_negatives() -> None:
    loss = bpr_max(torch.tensor([[2.0, 0.0, 0.0, 0.0]]), elu=0.0, bpreg=1.0)
    torch.testing.assert_close(loss, torch.tensor([0.126928]), rtol=0, atol=1e-6)


def test_bpr_max_gives_the_target_no_part_in_the_softmax() -> None:
    """Regularisation would see the target's own score otherwise."""
    loss = bpr_max(torch.tensor([[50.0, 0.0, 0.0]]), elu=0.0, bpreg=1.0)
    assert float(loss) == pytest.approx(0.0, abs=1e-6)


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


SUPPORT = torch.tensor([10, 20, 30, 40])
CODES = torch.tensor([2, 0, 1, 3, 0])
COLUMNS = ScoreColumns(CODES, CODES, n_targets=3, n_distinct=4)
"""Three targets and two drawn negatives."""


def test_official_logq_has_the_authors_two_scales() -> None:
    found = official_logq(COLUMNS, SUPPORT, alpha=0.5)
    expected = torch.tensor([30.0, 10.0, 20.0, 40**0.5, 10**0.5]).log()
    torch.testing.assert_close(found, expected)


def test_exact_logq_is_the_log_of_the_expected_count() -> None:
    """Beside its own a row has two of the 99 other targets, and two draws."""
    drawn = torch.tensor([0.4, 0.3, 0.2, 0.1])
    found = exact_logq(COLUMNS, SUPPORT, drawn)
    expected = [2 * SUPPORT[i] / 99 + 2 * drawn[i] for i in CODES.tolist()]
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


@pytest.mark.parametrize("elu", [0.0, 0.5])
def test_without_numba_bpr_max_and_its_gradient_are_the_same(
    monkeypatch: pytest.MonkeyPatch, elu: float
) -> None:
    torch.manual_seed(2)
    scores = 3 * torch.randn(5, 40)
    # Some columns share an item, and a row's target stands among them.
    places = torch.cat([torch.arange(5), torch.randint(0, 40, (60,))])
    columns = ScoreColumns(places, places, 5, 40)

    def losses_and_gradient() -> tuple[Tensor, Tensor | None]:
        leaf = scores.clone().requires_grad_()
        losses = bpr_max(leaf, columns, elu=elu, bpreg=1.5)
        losses.sum().backward()
        return losses.detach(), leaf.grad

    found = losses_and_gradient()
    monkeypatch.setattr(ranking_losses, "compiled_bpr_gradient", lambda: None)
    torch.testing.assert_close(found, losses_and_gradient())


@pytest.mark.parametrize("loss", ["cross-entropy", "hits removed", "bpr-max", "bpr-max with elu"])
def test_the_backward_pass_is_that_of_finite_differences(loss: str) -> None:
    """Two columns share an item, a target is drawn too, and one item is no column's."""
    generator = torch.Generator().manual_seed(6)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64, requires_grad=True)

    places = torch.tensor([0, 1, 2, 1, 3, 3, 4])
    columns = ScoreColumns(places, places, 3, 6)
    correction = normal(len(places)).detach()

    def losses(states: Tensor, items: Tensor, bias: Tensor) -> Tensor:
        if loss.startswith("bpr-max"):
            elu = 0.5 if loss.endswith("elu") else 0.0
            return ranking_losses.bpr_max(states, items, bias, columns, elu=elu, bpreg=1.5)
        removed = loss == "hits removed"
        return ranking_losses.cross_entropy(
            states, items, bias, columns, correction, remove_hits=removed
        )

    assert torch.autograd.gradcheck(losses, (normal(3, 4), normal(6, 4), normal(6)))
