"""Negatives are drawn as asked, and the sampled softmax goes to the full one."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from models.common.sampling.negative_sampler import NegativeSampler
from models.common.sampling.sampled_softmax import draw_log_weights, log_probability
from tests.models.logits import full_of_logits, sampled_of_logits

CPU = torch.device("cpu")
CHI_SQUARE_9_AT_1_PERCENT = 21.67


def sampler(support: list[int], alpha: float, seed: int = 1) -> NegativeSampler:
    return NegativeSampler(np.array(support), alpha=alpha, seed=seed, device=CPU)


@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0])
def test_draws_follow_support_to_the_power_alpha(alpha: float) -> None:
    support = [1, 2, 3, 5, 8, 13, 21, 34, 55, 89]
    weights = np.array(support, dtype=float) ** alpha
    expected = 20_000 * weights / weights.sum()
    drawn = np.bincount(sampler(support, alpha).draw(20_000).numpy(), minlength=10)
    assert ((drawn - expected) ** 2 / expected).sum() < CHI_SQUARE_9_AT_1_PERCENT
    np.testing.assert_allclose(
        sampler(support, alpha).probabilities, weights / weights.sum(), rtol=1e-6
    )


@pytest.mark.parametrize("alpha", [0.0, 0.5])
def test_items_without_support_are_never_drawn(alpha: float) -> None:
    drawn = sampler([0, 3, 0, 1, 0], alpha).draw(5000)
    assert set(drawn.tolist()) == {1, 3}


def test_draws_come_from_the_seed() -> None:
    support = list(range(1, 50))
    first = sampler(support, 0.5, seed=7)
    again = sampler(support, 0.5, seed=7)
    torch.rand(3)  # the global generator has no part in it
    assert torch.equal(first.draw(100), again.draw(100))
    assert not torch.equal(first.draw(100), sampler(support, 0.5, seed=8).draw(100))


def skewed() -> tuple[Tensor, Tensor]:
    """Logits of 50 items, and the probabilities of a sampler that has nothing to do with them."""
    generator = torch.Generator().manual_seed(3)
    logits = torch.randn(50, generator=generator, dtype=torch.float64)
    proposal = torch.softmax(torch.randn(50, generator=generator, dtype=torch.float64), 0)
    return logits, proposal


def mean_gradient_error(n_negatives: int, *, log_q: bool, target: int = 4) -> float:
    """L1 distance of the sampled gradient, averaged over draws, from that of the full softmax."""
    logits, proposal = skewed()
    generator = torch.Generator().manual_seed(11)
    n_draws = 1500
    leaf = logits.float().requires_grad_()
    for _ in range(n_draws):
        drawn = torch.multinomial(proposal, n_negatives, True, generator=generator)
        q = proposal.float() if log_q else torch.full((50,), 1 / n_negatives)
        log_pi = sampled_of_logits(
            leaf.unsqueeze(0), torch.tensor([target]), draw_log_weights(drawn, 50, q)
        )
        (-log_pi.sum() / n_draws).backward()
    full = torch.softmax(logits, 0)
    full[target] -= 1
    assert leaf.grad is not None
    return float((leaf.grad - full).abs().sum())


def test_with_log_q_the_gradient_goes_to_that_of_the_full_softmax() -> None:
    errors = [mean_gradient_error(m, log_q=True) for m in (20, 100, 1000)]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.02


def test_without_log_q_the_gradient_stays_wrong() -> None:
    assert mean_gradient_error(1000, log_q=False) > 0.3


def test_the_partition_function_is_estimated_without_bias() -> None:
    logits, proposal = skewed()
    target, m, draws = 4, 30, 4000
    negatives = torch.multinomial(
        proposal.expand(draws, -1), m, True, generator=torch.Generator().manual_seed(2)
    )
    log_pi = torch.cat(
        [
            sampled_of_logits(
                logits.unsqueeze(0), torch.tensor([target]), draw_log_weights(row, 50, proposal)
            )
            for row in negatives
        ]
    )
    estimates = torch.exp(logits[target] - log_pi)
    error = float(estimates.mean() - logits.exp().sum())
    assert abs(error) < 3 * float(estimates.std()) / math.sqrt(draws)


def test_the_whole_catalogue_drawn_once_is_the_full_softmax() -> None:
    logits = torch.randn(4, 9, generator=torch.Generator().manual_seed(1))
    targets = torch.tensor([0, 3, 8, 3])
    weights = draw_log_weights(torch.arange(9), 9, torch.full((9,), 1 / 9))
    sampled = sampled_of_logits(logits, targets, weights)
    torch.testing.assert_close(sampled, full_of_logits(logits, targets), rtol=1e-6, atol=1e-6)


def test_the_correction_has_the_sign_of_minus_log_q() -> None:
    """A negative drawn with Q = .05 at logit 2 counts e^2 / .05, so the target gets less."""
    q = torch.tensor([0.25, 0.05, 0.7])
    drawn = torch.tensor([1, 2])  # expected 2 q times each
    log_pi = sampled_of_logits(
        torch.tensor([[1.0, 2.0, 0.5]]), torch.tensor([0]), draw_log_weights(drawn, 3, q / 2)
    )
    partition = math.e + math.exp(2) / 0.05 + math.exp(0.5) / 0.7
    assert float(log_pi) == pytest.approx(math.log(math.e / partition), abs=1e-6)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_an_unlikely_action_stays_finite_in_half_precision(dtype: torch.dtype) -> None:
    logits = torch.tensor([[0.0, 20.0, 40.0]], dtype=dtype, requires_grad=True)
    log_pi = full_of_logits(logits, torch.tensor([0]))
    assert float(log_pi.detach()) == pytest.approx(-40.0, abs=1e-2)
    (-log_pi.sum()).backward()
    assert logits.grad is not None
    torch.testing.assert_close(
        logits.grad.float(), torch.tensor([[-1.0, 2.06e-9, 1.0]]), rtol=0, atol=1e-7
    )
    sampled = sampled_of_logits(logits.detach(), torch.tensor([0]), torch.zeros(3))
    assert float(sampled) == pytest.approx(-40.0, abs=1e-2)


def test_its_gradient_is_that_of_its_formula() -> None:
    """Targets that were drawn, others that were not, an item drawn twice, one not drawn."""
    generator = torch.Generator().manual_seed(4)
    logits = torch.randn(3, 6, generator=generator, dtype=torch.float64, requires_grad=True)
    targets = torch.tensor([0, 2, 5])
    q = torch.softmax(torch.randn(6, generator=generator, dtype=torch.float64), 0)
    draws = torch.tensor([1, 2, 2, 4])
    log_weights = draw_log_weights(draws, 6, q)

    def formula(scores: Tensor) -> Tensor:
        rows = []
        for row, target in zip(scores, targets.tolist(), strict=True):
            others = [row[j] - (4 * q[j]).log() for j in draws.tolist() if j != target]
            rows.append(row[target] - torch.logsumexp(torch.stack([row[target], *others]), 0))
        return torch.stack(rows)

    found = sampled_of_logits(logits, targets, log_weights)
    torch.testing.assert_close(found, formula(logits))
    weight = torch.tensor([0.3, -2.0, 1.1], dtype=torch.float64)
    (expected,) = torch.autograd.grad((formula(logits) * weight).sum(), logits)
    (gradient,) = torch.autograd.grad((found * weight).sum(), logits)
    torch.testing.assert_close(gradient, expected)
    torch.autograd.gradcheck(lambda scores: sampled_of_logits(scores, targets, log_weights), logits)


@pytest.mark.parametrize("n_rows", [0, 5])
@pytest.mark.parametrize("sampled", [False, True], ids=["full", "sampled"])
def test_its_backward_pass_is_that_of_finite_differences(n_rows: int, sampled: bool) -> None:
    generator = torch.Generator().manual_seed(3)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64, requires_grad=True)

    targets = torch.tensor([1, 8, 8, 0, 3])[:n_rows]
    log_weights = normal(9).detach() if sampled else None
    assert torch.autograd.gradcheck(
        lambda states, items: log_probability(states, items, targets, log_weights),
        (normal(n_rows, 4), normal(9, 4)),
    )
