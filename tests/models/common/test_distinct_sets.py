"""The gradient of pages of distinct items against enumeration of all pages."""

from __future__ import annotations

import math
from itertools import permutations
from typing import Any

import pytest
import torch
from torch import Tensor

from experiments.published.paper_policies import TOP_K
from models.common.policy.distinct_sets import distinct_page, first_arrivals, page_direction
from models.common.policy.importance_weights import action_weight
from models.common.sampling.sampled_softmax import ScoredItems, sampled_items, softmax_of_targets
from models.tocr import Tocr, TocrConfig
from tests.models.logs import random_log, weights


def inclusion(logits: Tensor, k: int) -> Tensor:
    """P(item on the page) of K draws without replacement, over all pages, (n,)."""
    policy = torch.softmax(logits, dim=0)
    found = [torch.zeros((), dtype=logits.dtype)] * len(policy)
    for page in permutations(range(len(policy)), k):
        chance = torch.ones((), dtype=logits.dtype)
        for place, item in enumerate(page):
            left = [policy[other] for other in range(len(policy)) if other not in page[:place]]
            chance = chance * policy[item] / torch.stack(left).sum()
        for item in page:
            found[item] = found[item] + chance
    return torch.stack(found)


def expected_gradient(logits: Tensor, action: int, k: int) -> Tensor:
    """Mean of the estimate over all races of the other items, each with its probability, (n,)."""
    others = [item for item in range(len(logits)) if item != action]
    arrivals = list(permutations(others, k - 1))
    n = len(arrivals)
    targets = torch.full((n,), action)
    ones = torch.ones(n, 1, dtype=logits.dtype)
    log_pi, grad_logits = softmax_of_targets(ones, logits[:, None], targets, None)
    places = torch.tensor(arrivals, dtype=torch.int64).view(n, k - 1)
    direction, log_factor = page_direction(log_pi, grad_logits, targets, None, places)
    rates = torch.softmax(logits, dim=0)
    chance = torch.ones(n, dtype=logits.dtype)
    for row, order in enumerate(arrivals):
        for place, item in enumerate(order):
            left = [rates[other] for other in others if other not in order[:place]]
            chance[row] *= rates[item] / torch.stack(left).sum()
    coefficient = chance * (log_factor + log_pi).exp()
    return -(coefficient[:, None] * direction).sum(dim=0)


def test_enumeration_has_the_known_inclusion_probabilities() -> None:
    found = inclusion(torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64).log(), 2)
    torch.testing.assert_close(
        found, torch.tensor([0.8393, 0.6750, 0.4857], dtype=torch.float64), rtol=0, atol=5e-5
    )


@pytest.mark.parametrize(("n", "k"), [(3, 1), (3, 2), (4, 2), (4, 3), (5, 3), (5, 4), (6, 2)])
@pytest.mark.parametrize("spread", [1.0, 8.0])
def test_the_expected_gradient_is_that_of_the_inclusion(n: int, k: int, spread: float) -> None:
    generator = torch.Generator().manual_seed(n * 10 + k)
    logits = spread * torch.randn(n, generator=generator, dtype=torch.float64)
    step = 1e-6
    for action in range(n):
        found = expected_gradient(logits, action, k)
        shifted = [logits + step * unit for unit in torch.eye(n, dtype=torch.float64)]
        lower = [logits - step * unit for unit in torch.eye(n, dtype=torch.float64)]
        exact = torch.stack(
            [
                (inclusion(up, k)[action] - inclusion(down, k)[action]) / (2 * step)
                for up, down in zip(shifted, lower, strict=True)
            ]
        )
        torch.testing.assert_close(found, exact, rtol=1e-6, atol=1e-8)


def test_a_constant_baseline_changes_nothing_in_expectation() -> None:
    logits = torch.randn(5, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    total = sum(expected_gradient(logits, action, 3) for action in range(5))
    assert isinstance(total, Tensor)
    assert total.abs().max() < 1e-12, "every page has three items, whatever the policy"


def test_races_are_drawn_as_pages_are() -> None:
    torch.manual_seed(1)
    logits = torch.tensor([1.0, -0.5, 0.3, 0.0], dtype=torch.float64)
    n = 100_000
    targets = torch.zeros(n, dtype=torch.int64)
    states = torch.ones(n, 1, dtype=logits.dtype)
    log_pi, grad_logits = softmax_of_targets(states, logits[:, None], targets, None)
    arrivals = first_arrivals(grad_logits, targets, 3)
    direction, log_factor = page_direction(log_pi, grad_logits, targets, None, arrivals)
    found = -(log_factor + log_pi).exp()[:, None] * direction
    error = found.std(dim=0) / math.sqrt(n)
    assert ((found.mean(dim=0) - expected_gradient(logits, 0, 3)).abs() < 4 * error + 1e-12).all()


def test_a_sure_page_and_an_unseen_action_stay_finite() -> None:
    logits = torch.tensor([90.0, 80.0, 0.0, -20.0, -120.0])
    targets = torch.arange(5)
    log_pi, grad_logits = softmax_of_targets(torch.ones(5, 1), logits[:, None], targets, None)
    for k in range(1, 5):
        arrivals = first_arrivals(grad_logits, targets, k)
        direction, log_factor = page_direction(log_pi, grad_logits, targets, None, arrivals)
        step = (log_factor + log_pi).exp()[:, None] * direction
        assert torch.isfinite(step).all()
        assert step.abs().max() <= 1, "an item's chance to be the last on the page is at most 1"


def test_sampled_items_stand_for_the_catalogue() -> None:
    torch.manual_seed(3)
    n, k, rows = 400, 4, 3000
    logits = 1.5 * torch.randn(n, dtype=torch.float64)
    proposal = torch.softmax(0.5 * torch.randn(n, dtype=torch.float64), dim=0)
    action = torch.tensor([7])

    def gradient(scored: ScoredItems) -> Tensor:
        """Of the mean chance over races, by the logits."""
        leaf = logits.clone().requires_grad_()
        states = torch.ones(rows, 1, dtype=torch.float64)
        repeated = ScoredItems(scored.items, scored.targets.expand(rows), scored.log_weights)
        log_pi, log_factor = distinct_page(states, leaf[scored.items][:, None], repeated, k)
        chance = (log_factor + log_pi).exp().detach()
        (chance * log_pi).mean().backward()
        assert leaf.grad is not None
        return leaf.grad

    def of_draws(m: int) -> Tensor:
        draws = torch.multinomial(proposal, m, replacement=True)
        return gradient(sampled_items(action, draws, proposal))

    exact = gradient(ScoredItems(torch.arange(n), action, None))
    few, many = (
        (torch.stack([of_draws(m) for _ in range(20)]).mean(dim=0) - exact).abs().sum()
        / exact.abs().sum()
        for m in (100, 10_000)
    )
    assert many < 0.1
    assert many < few


def test_on_distinct_pages_the_two_best_actions_take_all() -> None:
    """Section 6.1.2 with a page of two: draws with replacement stop at 10/19 and 9/19."""
    logits = torch.zeros(10, dtype=torch.float64)
    for _ in range(400):
        gradients = [expected_gradient(logits, action, 2) for action in range(10)]
        logits = logits + 0.3 * (TOP_K.rewards[:, None] * torch.stack(gradients)).sum(dim=0)
    on_page = inclusion(logits, 2)
    assert float((on_page * TOP_K.rewards).sum()) > 18.9
    assert on_page[:2].min() > 0.98


OPTIONS: dict[str, Any] = {
    "width": 6, "epochs": 1, "dropout_embedding": 0.0, "dropout_hidden": 0.0, "negatives": 7,
}  # fmt: skip


@pytest.mark.parametrize("full_softmax_items", [1, 2048], ids=["sampled", "full"])
def test_a_page_of_one_item_is_the_same_however_it_is_drawn(full_softmax_items: int) -> None:
    log = random_log(30, n_items=9, longest=12, seed=3)

    def trained(set_correction: str, k: int) -> dict[str, Tensor]:
        config = TocrConfig(
            **OPTIONS, K=k, set_correction=set_correction,  # type: ignore[arg-type]
            full_softmax_items=full_softmax_items,
        )  # fmt: skip
        model = Tocr(config, seed=1, device="cpu")
        list(model.fit(log))
        return weights(model)

    none, paper = trained("none", 5), trained("with_replacement", 1)
    distinct = trained("distinct", 1)
    for name, value in paper.items():
        assert torch.equal(none[name], value), name
        torch.testing.assert_close(distinct[name], value, rtol=1e-4, atol=1e-5)
    larger = trained("distinct", 3)
    assert not torch.allclose(larger["policy"], paper["policy"], atol=1e-3)


def test_what_distinct_pages_cannot_do_is_refused() -> None:
    with pytest.raises(ValueError, match="kl"):
        TocrConfig(set_correction="distinct", kl=0.1)
    model = Tocr(TocrConfig(**OPTIONS, set_correction="distinct", K=9), seed=1, device="cpu")
    with pytest.raises(ValueError, match=r"K \(9\) must be less than the 9 items"):
        next(iter(model.fit(random_log(30, n_items=9, longest=12, seed=3))))


def test_the_weight_is_bounded_as_with_replacement() -> None:
    log_pi, log_beta = torch.tensor([-1.0, -20.0, -2.0]), torch.tensor([-30.0, -25.0, -2.0])
    log_factor = torch.tensor([2.0, 40.0, 1.0])
    weight = action_weight(log_pi, log_beta, k=5, cap=4.0, log_set_factor=log_factor)
    assert weight.tolist() == pytest.approx([20.0, 20.0, math.e])
    ratios = log_pi - log_beta
    normalised = action_weight(
        log_pi, log_beta, k=5, cap=4.0, log_set_factor=log_factor, normalised=True
    )
    mean_ratio = ratios.clamp(max=math.log(4)).exp().mean()
    torch.testing.assert_close(normalised, weight / mean_ratio)
    unbounded = action_weight(log_pi, log_beta, k=5, cap=math.inf, log_set_factor=log_factor)
    assert unbounded.log().tolist() == pytest.approx([31.0, 45.0, 1.0])
